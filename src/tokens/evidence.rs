//! The parts of a refused token that logs alone may show.

use crate::clock::UnixSeconds;
use crate::tokens::claim::{kind, shortened};
use serde_json::Value;
use std::fmt;

/// Values that are listed as allowed; further ones are left out.
const MOST_ALLOWED: usize = 10;

/// A member of a token and the values that are allowed in its place. Bounded and escaped, and only of members that are
/// no secret and do not name a person. [`TokenError::internal`](super::error::TokenError::internal) alone shows it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Evidence(Box<str>);

impl Evidence {
    /// The member's value.
    pub(crate) fn value(name: &str, came: Option<&Value>) -> Self {
        let came = came.map_or_else(|| "not there".to_owned(), |came| escaped(&came.to_string()));
        Self(format!("`{name}` is {came}").into())
    }

    /// The member's value, which is a text.
    pub(crate) fn text(name: &str, came: Option<&str>) -> Self {
        Self::value(name, came.map(Value::from).as_ref())
    }

    /// The member's type: for those that may name a person.
    pub(crate) fn kind(name: &str, came: &Value) -> Self {
        let length = came.as_str().map(|text| format!(" of {} bytes", text.len())).unwrap_or_default();
        Self(format!("`{name}` is {}{length}", kind(came)).into())
    }

    pub(crate) fn date(name: &str, came: Option<UnixSeconds>, now: UnixSeconds) -> Self {
        let came = came.map_or_else(|| "not there".to_owned(), |UnixSeconds(came)| came.to_string());
        Self(format!("`{name}` is {came}, and it is {} now", now.0).into())
    }

    /// Adds the allowed values.
    pub(crate) fn allowed<'v>(self, values: impl IntoIterator<Item = &'v str>) -> Self {
        let mut values = values.into_iter();
        let listed: Vec<String> = values.by_ref().take(MOST_ALLOWED).map(escaped).collect();
        let more = if values.next().is_some() { " and others" } else { "" };
        Self(format!("{}; allowed: {}{more}", self.0, listed.join(", ")).into())
    }

    /// Adds another member.
    pub(crate) fn and(self, other: &Self) -> Self {
        Self(format!("{}; {}", self.0, other.0).into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text, cut where it is long, and without unprinted characters, which could make one line look like two.
fn escaped(text: &str) -> String {
    let plain = |c: char| matches!(c, '"' | '\'' | '\\');
    shortened(text)
        .chars()
        .map(|c| if plain(c) { c.to_string() } else { c.escape_debug().to_string() })
        .collect()
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Evidence(..)")
    }
}
