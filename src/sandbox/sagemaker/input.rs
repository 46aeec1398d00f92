//! Inputs, checked against SageMaker's service model. Members that the model does not know are ignored.

use super::error::Error;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The model's patterns, compiled once and anchored at both ends.
#[derive(Debug)]
pub(in crate::sandbox) struct Patterns(HashMap<&'static str, Regex>);

impl Patterns {
    pub(super) fn compile(patterns: &[&'static str]) -> Result<Self, regex::Error> {
        let compile = |pattern: &&'static str| Ok((*pattern, Regex::new(&format!("^(?:{pattern})$"))?));
        patterns.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// A pattern that was not compiled matches nothing.
    fn matches(&self, pattern: &str, text: &str) -> bool {
        self.0.get(pattern).is_some_and(|whole| whole.is_match(text))
    }
}

/// Reads the members of one input and collects the violations of the model.
pub(super) struct Input<'a> {
    members: &'a Map<String, Value>,
    patterns: &'a Patterns,
    violations: Vec<String>,
}

/// A text's bounds in the model.
#[derive(Clone, Copy)]
pub(super) struct Text {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) pattern: Option<&'static str>,
}

impl<'a> Input<'a> {
    pub(super) fn new(members: &'a Map<String, Value>, patterns: &'a Patterns) -> Self {
        Self { members, patterns, violations: Vec::new() }
    }

    /// A required text. A missing one is empty, and [`Input::finish`] then refuses the input.
    pub(super) fn required(&mut self, name: &str, bounds: Text) -> Result<String, Error> {
        let value = self.text(name, bounds)?;
        if value.is_none() {
            self.violate("null", name, "Member must not be null");
        }
        Ok(value.unwrap_or_default())
    }

    pub(super) fn text(&mut self, name: &str, bounds: Text) -> Result<Option<String>, Error> {
        let Some(value) = self.members.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let Value::String(text) = value else { return Err(wrong_kind(value, "a String")) };
        let length = text.chars().count();
        let found = format!("'{text}'");
        if length > bounds.max {
            let constraint = format!("Member must have length less than or equal to {}", bounds.max);
            self.violate(&found, name, &constraint);
        }
        if length < bounds.min {
            let constraint = format!("Member must have length greater than or equal to {}", bounds.min);
            self.violate(&found, name, &constraint);
        }
        if let Some(pattern) = bounds.pattern
            && !self.patterns.matches(pattern, text)
        {
            let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
            self.violate(&found, name, &constraint);
        }
        Ok(Some(text.clone()))
    }

    pub(super) fn seconds(&mut self, name: &str, min: i64, max: i64) -> Result<Option<u64>, Error> {
        let Some(value) = self.members.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let Some(number) = value.as_i64() else { return Err(wrong_kind(value, "an Integer")) };
        let found = format!("'{number}'");
        if number > max {
            self.violate(&found, name, &format!("Member must have value less than or equal to {max}"));
        }
        if number < min {
            self.violate(&found, name, &format!("Member must have value greater than or equal to {min}"));
        }
        Ok(u64::try_from(number).ok())
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<(), Error> {
        match self.members.get(name) {
            None | Some(Value::Null | Value::Bool(_)) => Ok(()),
            Some(value) => Err(wrong_kind(value, "a Boolean")),
        }
    }

    pub(super) fn one_of(&mut self, name: &str, words: &[&str]) -> Result<(), Error> {
        let Some(value) = self.members.get(name).filter(|value| !value.is_null()) else { return Ok(()) };
        let Value::String(text) = value else { return Err(wrong_kind(value, "a String")) };
        if !words.contains(&text.as_str()) {
            let constraint = format!("Member must satisfy enum value set: [{}]", words.join(", "));
            self.violate(&format!("'{text}'"), name, &constraint);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        let count = self.violations.len();
        if count == 0 {
            return Ok(());
        }
        let errors = if count == 1 { "error" } else { "errors" };
        Err(Error::validation(format!(
            "{count} validation {errors} detected: {}",
            self.violations.join("; ")
        )))
    }

    fn violate(&mut self, found: &str, name: &str, constraint: &str) {
        let mut characters = name.chars();
        let member: String =
            characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect();
        self.violations
            .push(format!("Value {found} at '{member}' failed to satisfy constraint: {constraint}"));
    }
}

fn wrong_kind(found: &Value, wanted: &str) -> Error {
    let found = match found {
        Value::Null => "NULL_VALUE",
        Value::Bool(_) => "BOOLEAN_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    };
    Error::new("SerializationException", format!("{found} can not be converted to {wanted}"))
}
