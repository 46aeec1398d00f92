//! The look-up of a configured claim: the value at its path, or the obstacle on the way.

use crate::config::ClaimPath;
use serde_json::{Map, Value};

/// The result of a look-up. A claim that is `null` is absent: OpenID Connect Core 1.0, section 5.3.2, has it left out.
#[derive(Clone, Debug)]
pub(crate) enum Found<'c> {
    Value {
        /// The object that the last step stands in.
        holder: &'c Map<String, Value>,
        value: &'c Value,
    },
    Absent,
    /// A step before the last is no object: that step, and the type of its value.
    Blocked {
        step: String,
        kind: &'static str,
    },
}

/// The names on the way to a value.
type Steps<'p> = Vec<&'p str>;

pub(crate) fn find<'c>(claims: &'c Map<String, Value>, path: &ClaimPath) -> Found<'c> {
    walk(claims, path).1
}

/// The value at the end of a path.
pub(crate) fn value<'c>(claims: &'c Map<String, Value>, path: &ClaimPath) -> Option<&'c Value> {
    match find(claims, path) {
        Found::Value { value, .. } => Some(value),
        Found::Absent | Found::Blocked { .. } => None,
    }
}

/// The names on the way to a value; `None` where there is no value.
pub(crate) fn steps<'p>(claims: &Map<String, Value>, path: &'p ClaimPath) -> Option<Steps<'p>> {
    match walk(claims, path) {
        (steps, Found::Value { .. }) => Some(steps),
        _ => None,
    }
}

/// The names that a path may begin with.
pub(crate) fn first_names(path: &ClaimPath) -> impl Iterator<Item = &str> {
    let (text, step) = match path {
        ClaimPath::Text(text) => (Some(text.as_str()), None),
        ClaimPath::Steps(steps) => (None, steps.first().map(String::as_str)),
    };
    text.into_iter().flat_map(splits).map(|(name, _)| name).chain(step)
}

/// The type of a value, in words. Never the value.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn walk<'c, 'p>(claims: &'c Map<String, Value>, path: &'p ClaimPath) -> (Steps<'p>, Found<'c>) {
    let mut steps = Vec::new();
    let mut holder = claims;
    let mut rest = Rest::of(path);
    while let Some((name, value, after)) = rest.next(holder) {
        steps.push(name);
        let Some(after) = after else { return (steps, Found::Value { holder, value }) };
        let Some(object) = value.as_object() else {
            let (step, kind) = (steps.join("."), kind(value));
            return (steps, Found::Blocked { step, kind });
        };
        (holder, rest) = (object, after);
    }
    (steps, Found::Absent)
}

/// The rest of a path.
#[derive(Clone, Copy)]
enum Rest<'p> {
    Text(&'p str),
    Steps(&'p [String]),
}

impl<'p> Rest<'p> {
    fn of(path: &'p ClaimPath) -> Self {
        match path {
            ClaimPath::Text(text) => Self::Text(text),
            ClaimPath::Steps(steps) => Self::Steps(steps),
        }
    }

    /// The next name that is there, its value, and the rest of the path.
    fn next<'c>(self, holder: &'c Map<String, Value>) -> Option<(&'p str, &'c Value, Option<Self>)> {
        match self {
            Self::Text(text) => splits(text).find_map(|(name, after)| {
                stated(holder, name).map(|value| (name, value, after.map(Self::Text)))
            }),
            Self::Steps(steps) => {
                let (name, after) = steps.split_first()?;
                let value = stated(holder, name)?;
                Some((name, value, (!after.is_empty()).then_some(Self::Steps(after))))
            }
        }
    }
}

/// A member that is not `null`.
pub(crate) fn stated<'c>(object: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// The text as one name, then each of its beginnings up to a dot, the longest first, with what follows the dot.
fn splits(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let beginnings = text.rmatch_indices('.').filter_map(|(at, _)| {
        let (name, after) = text.split_at_checked(at)?;
        Some((name, after.strip_prefix('.')))
    });
    std::iter::once((text, None)).chain(beginnings)
}

/// A text for a message, cut where it is long.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 120;
    let start: String = text.chars().take(LONGEST).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}
