//! The groups that an issuer asserts, read as the configuration says and never guessed.

use crate::config::{Absent, ClaimPath, GroupsClaim, GroupsFormat};
use crate::tokens::claim::{self, Found, kind};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

const MOST_GROUPS: usize = 1000;
const LONGEST_GROUP: usize = 256;

/// The groups an issuer asserts. "None" and "not known" differ: a rule that asks for groups which are not known must fail,
/// not see an empty list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groups {
    /// The groups in the token; empty where the list is, or where the configuration says what an absent claim means.
    Known(Arc<[Arc<str>]>),
    /// The provider left them out because there are too many (Entra ID's `_claim_names`, `hasgroups`).
    LeftOut,
    /// The claim is not there, or not of the configured form.
    Unbound(Unbound),
}

/// Why a configured claim has no value: its path and what came in its place, never the value. For the log, the audit trail,
/// the admin and the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbound(Arc<str>);

type Names = Vec<Arc<str>>;

pub(super) fn groups(claims: &Map<String, Value>, written: &GroupsClaim) -> Groups {
    let GroupsClaim { path, absent, format } = written;
    if claim::first_names(path).any(|name| left_out(claims, name)) {
        return Groups::LeftOut;
    }
    match (claim::find(claims, path), absent) {
        (Found::Absent, Absent::None) => Groups::Known(Arc::default()),
        (Found::Absent, Absent::Unknown) => Groups::Unbound(Unbound::claim(path, "is not there")),
        (Found::Blocked { step, kind }, _) => {
            let found = format!("cannot be reached: `{}` is {kind}, not an object", claim::shortened(&step));
            Groups::Unbound(Unbound::claim(path, found))
        }
        (Found::Value { value, .. }, _) => match read(value, *format) {
            Ok(names) => Groups::Known(names.into()),
            Err(found) => Groups::Unbound(Unbound::claim(path, found)),
        },
    }
}

/// # Errors
///
/// Says what the claim is instead, in words that follow its name.
fn read(value: &Value, format: GroupsFormat) -> Result<Names, String> {
    match (format, value) {
        (GroupsFormat::List | GroupsFormat::ListOrOne, Value::Array(members)) => list(members),
        (GroupsFormat::ListOrOne, Value::String(name)) => names([name.as_str()]),
        (GroupsFormat::Text, Value::String(text)) => text_without_blanks(text),
        (GroupsFormat::Words, Value::String(text)) => words(text),
        (GroupsFormat::Commas, Value::String(text)) => {
            let (inside, _) = bracketed(text)?;
            names_in_text(inside.split(','))
        }
        (GroupsFormat::Json, Value::String(text)) => match serde_json::from_str(text) {
            Ok(Value::Array(members)) => list(&members),
            Ok(other) => Err(format!("is a text that holds {} in JSON, not a list", kind(&other))),
            Err(_) => Err("is a text that holds no JSON".to_owned()),
        },
        (GroupsFormat::Keys, Value::Object(members)) => {
            let odd = members.values().find_map(denied);
            match odd {
                Some(odd) => Err(format!("has a member that is {odd}")),
                None => names(members.keys().map(String::as_str)),
            }
        }
        (format, value) => Err(format!("is {}, not {}", kind(value), format.words())),
    }
}

/// A value by which the provider may mean that the person is not in this group.
fn denied(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => Some("null"),
        Value::Bool(false) => Some("the boolean false"),
        Value::Number(number) if number.as_f64() == Some(0.0) => Some("the number 0"),
        Value::String(text) if text.is_empty() => Some("an empty text"),
        Value::Array(members) if members.is_empty() => Some("an empty list"),
        Value::Object(members) if members.is_empty() => Some("an empty object"),
        _ => None,
    }
}

fn list(members: &[Value]) -> Result<Names, String> {
    match members.iter().find(|member| !member.is_string()) {
        Some(odd) => Err(format!("is a list with a member that is {}, not a text", kind(odd))),
        None => names(members.iter().filter_map(Value::as_str)),
    }
}

/// Names between commas. A blank within a name might also be meant to divide two names, so it leaves the groups
/// unknown: a rule that denies one of them would miss it.
fn text_without_blanks(text: &str) -> Result<Names, String> {
    let (inside, _) = bracketed(text)?;
    let names = names_in_text(inside.split(','))?;
    if names.iter().any(|name| name.contains(char::is_whitespace)) {
        return Err("is a text with blanks in it, which could be a part of a name (`format: commas`) or stand between \
                    names (`format: words`)"
            .to_owned());
    }
    Ok(names)
}

/// Names between blanks.
fn words(text: &str) -> Result<Names, String> {
    if text.contains(',') {
        return Err("is a text with commas in it, not words between blanks (`format: words`)".to_owned());
    }
    names_in_text(text.split_whitespace())
}

/// The text without the square brackets around it, and whether there were some.
fn bracketed(text: &str) -> Result<(&str, bool), String> {
    let text = text.trim();
    match (text.strip_prefix('['), text.strip_suffix(']')) {
        (None, None) => Ok((text, false)),
        (Some(_), Some(_)) => {
            let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
            inside.map(|inside| (inside, true)).ok_or_else(|| "is one bracket".to_owned())
        }
        _ => Err("is a text with a bracket at one end only".to_owned()),
    }
}

fn names_in_text<'t>(parts: impl Iterator<Item = &'t str> + Clone) -> Result<Names, String> {
    let parts = parts.map(str::trim);
    if parts.clone().all(str::is_empty) && parts.clone().count() <= 1 {
        return Ok(Names::new());
    }
    if parts.clone().any(|name| name.contains(['"', '[', ']', '{', '}'])) {
        return Err("is a text with quotes or brackets in it, like JSON".to_owned());
    }
    names(parts)
}

fn names<'t>(names: impl IntoIterator<Item = &'t str>) -> Result<Names, String> {
    let names: Names = names.into_iter().take(MOST_GROUPS + 1).map(Arc::from).collect();
    if names.len() > MOST_GROUPS {
        return Err(format!("has more than {MOST_GROUPS} members"));
    }
    if names.iter().any(|name| name.is_empty()) {
        return Err("has a member that is an empty text".to_owned());
    }
    if names.iter().any(|name| name.len() > LONGEST_GROUP) {
        return Err(format!("has a member of more than {LONGEST_GROUP} bytes"));
    }
    Ok(names)
}

/// Whether the provider says that there are too many groups to send: by distributed claims (OpenID Connect Core 1.0,
/// section 5.6.2), or by Entra ID's `hasgroups` and `groups:src1`. A sign of an unknown form counts, too.
fn left_out(claims: &Map<String, Value>, claim: &str) -> bool {
    let distributed = match claim::stated(claims, "_claim_names") {
        Some(Value::Object(names)) => names.contains_key(claim),
        Some(_) => true,
        None => false,
    };
    let flagged = claim::stated(claims, "hasgroups").is_some_and(|flag| *flag != false);
    let sources = |name: &String| name.strip_prefix(claim).is_some_and(|rest| rest.starts_with(":src"));
    distributed || flagged || claims.keys().any(sources)
}

impl Unbound {
    fn claim(path: &ClaimPath, found: impl fmt::Display) -> Self {
        Self(format!("the claim `{}` {found}", claim::shortened(&path.to_string())).into())
    }

    /// From the text of a session that was sealed by us.
    pub(crate) fn kept(text: Arc<str>) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn text(&self) -> &Arc<str> {
        &self.0
    }
}

impl fmt::Display for Unbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Groups {
    /// Why the groups are unbound, if they are.
    pub fn unbound(&self) -> Option<&Unbound> {
        match self {
            Self::Unbound(unbound) => Some(unbound),
            Self::Known(_) | Self::LeftOut => None,
        }
    }
}

impl GroupsFormat {
    fn words(self) -> &'static str {
        match self {
            Self::List => "a list of texts (`format: list`)",
            Self::ListOrOne => "a list of texts or one text (`format: list_or_one`)",
            Self::Text => "a text (`format: text`)",
            Self::Commas => "a text (`format: commas`)",
            Self::Words => "a text (`format: words`)",
            Self::Json => "a text that holds JSON (`format: json`)",
            Self::Keys => "an object (`format: keys`)",
        }
    }
}
