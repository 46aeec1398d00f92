//! Texts of a target: constant, or with `${…}` in them.

use super::expression::facts::Facts;
use super::expression::{Gathered, PREFIX_HELP, Problem, TextExpression, Vocabulary};
use super::reach::Outline;
use crate::target::InvalidName;
use std::fmt;
use std::sync::Arc;

/// How much of a name that is not legal is told.
const LONGEST_SHOWN: usize = 80;

/// A value of a target: checked at load where it is constant, at each decision where it is computed.
#[derive(Clone, Debug)]
pub(super) enum Field<T> {
    Constant(T),
    Computed { key: &'static str, template: Arc<Template>, parse: fn(&str) -> Result<T, InvalidName> },
}

impl<T: Clone> Field<T> {
    /// Without facts, only a constant has a value.
    ///
    /// # Errors
    ///
    /// Which field has no legal value, and why.
    pub(super) fn resolve(&self, facts: Option<&Facts<'_>>) -> Result<T, String> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Computed { key, template, parse } => {
                let facts = facts.ok_or_else(|| format!("`{key}` depends on the person"))?;
                let text = template.resolve(facts).map_err(|reason| format!("`{key}`: {reason}"))?;
                parse(&text).map_err(|invalid| {
                    let found = invalid.found.chars().take(LONGEST_SHOWN).collect();
                    format!("`{key}`: {}", InvalidName { found, ..invalid })
                })
            }
        }
    }
}

impl<T: fmt::Display> Field<T> {
    /// The values that it can have, with gaps where a person's facts decide.
    pub(super) fn outlines(&self) -> Vec<Outline> {
        match self {
            Self::Constant(value) => vec![Outline::text(value.to_string())],
            Self::Computed { template, .. } => template.outlines(),
        }
    }
}

/// A text with expressions in it.
#[derive(Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Constant(String),
    Computed(TextExpression),
}

impl Template {
    /// # Errors
    ///
    /// What is wrong with its expressions, or that constant text stands around a `profile_name(…)`.
    pub(super) fn parse(
        written: &str,
        vocabulary: &Vocabulary<'_>,
        gathered: &mut Gathered,
    ) -> Result<Self, Vec<Problem>> {
        let mut parts = Vec::new();
        let mut rest = written;
        while let Some((before, after)) = rest.split_once("${") {
            let end = closing_brace(after)
                .ok_or_else(|| vec![Problem::whole(format!("`{written}` lacks the `}}` of a `${{`"))])?;
            let (source, behind) = after.split_at(end);
            if !before.is_empty() {
                parts.push(Part::Constant(before.to_owned()));
            }
            parts.push(Part::Computed(TextExpression::parse(source, vocabulary, gathered)?));
            rest = behind.strip_prefix('}').unwrap_or(behind);
        }
        if !rest.is_empty() {
            parts.push(Part::Constant(rest.to_owned()));
        }
        let template = Self(parts);
        if template.0.len() > 1 && template.computed().any(|part| part.is_profile_name) {
            let message = "text around a `profile_name(…)` is not allowed: two people's names could meet";
            let help = Some(PREFIX_HELP.to_owned());
            return Err(vec![Problem { character: None, message: message.to_owned(), help }]);
        }
        Ok(template)
    }

    /// The text, if nothing in it is computed.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Constant(text)] => Some(text),
            _ => None,
        }
    }

    pub(super) fn computed(&self) -> impl Iterator<Item = &TextExpression> {
        self.0.iter().filter_map(|part| match part {
            Part::Computed(expression) => Some(expression),
            Part::Constant(_) => None,
        })
    }

    /// As it is written, without the domains of each `local_part(…)`.
    pub(super) fn form(&self) -> String {
        let part = |part: &Part| match part {
            Part::Constant(text) => text.clone(),
            Part::Computed(expression) => format!("${{{}}}", expression.form),
        };
        self.0.iter().map(part).collect()
    }

    fn outlines(&self) -> Vec<Outline> {
        self.0.iter().fold(vec![Outline::default()], |before, part| {
            let part = match part {
                Part::Constant(text) => vec![Outline::text(text.clone())],
                Part::Computed(expression) => expression.outlines.clone(),
            };
            Outline::joined(&before, &part)
        })
    }

    fn resolve(&self, facts: &Facts<'_>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Constant(constant) => text.push_str(constant),
                Part::Computed(expression) => text.push_str(&expression.text(facts)?),
            }
        }
        Ok(text)
    }
}

/// Where the expression ends: at the first `}` outside of quotes. Expressions hold no other braces.
fn closing_brace(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), character) if open == character => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '}') => return Some(at),
            _ => {}
        }
    }
    None
}
