//! The facts that the rules read to reach a decision, as its record shows them: bounded, and exact about gaps, so that
//! other rules can judge the decision again.

use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// Bytes of one record's facts.
pub const LARGEST: usize = 4096;
/// More bytes than the keys and the longest address take.
const FRAME: usize = 200;
/// More bytes than the longest number takes.
const NUMBER: usize = 26;

/// Bytes of the longest form of one byte in JSON.
const ESCAPED: usize = 6;

/// The facts of one record. A fact that is missing was not asked for, or there was no room for it: then
/// [`is_cut`](Self::is_cut). It is never left out because the person does not have it.
#[derive(Debug, Serialize)]
pub struct Facts<'a> {
    realm: &'a str,
    /// `null` where a trusted proxy did not say.
    client_ip: Option<IpAddr>,
    /// The deep link, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Groups<'a>>,
    /// The groups of which the rules asked whether the person is in them. Absent where `groups` holds all of the person's.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups_asked: Option<&'a BTreeSet<String>>,
    /// The claim that should hold the groups, and what came in its place. Absent where the provider left them out.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups_unbound: Option<&'a str>,
    #[serde(skip_serializing_if = "Claims::is_empty")]
    claims: Claims<'a>,
    /// `claims` holds all claims there are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    claims_all: bool,
    #[serde(skip)]
    room: usize,
    #[serde(skip)]
    is_cut: bool,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Groups<'a> {
    /// `null`.
    Unknown,
    All(&'a [Arc<str>]),
    Asked(Vec<&'a str>),
}

/// By name; `null` where a claim is not there.
#[derive(Debug, Default)]
struct Claims<'a>(Vec<(&'a str, &'a Value)>);

impl<'a> Facts<'a> {
    pub fn new(realm: &'a str, client_ip: Option<IpAddr>) -> Self {
        let mut facts = Self {
            realm,
            client_ip,
            path: None,
            groups: None,
            groups_asked: None,
            groups_unbound: None,
            claims: Claims::default(),
            claims_all: false,
            room: LARGEST,
            is_cut: false,
        };
        facts.takes(FRAME + text_size(realm));
        facts
    }

    /// Whether there was no room for something that the rules read.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub fn path(&mut self, path: &'a str) {
        if self.takes(text_size(path)) {
            self.path = Some(path);
        }
    }

    /// `null` stands for a claim that is not there.
    pub fn claim(&mut self, name: &'a str, value: &'a Value) {
        if self.takes(text_size(name) + 2 + size(value)) {
            self.claims.0.push((name, value));
        }
    }

    /// Notes that every claim of the person has been added.
    pub fn claims_are_all(&mut self) {
        self.claims_all = !self.is_cut;
    }

    /// `unbound` is the reason; `None` where the provider left the groups out.
    pub fn groups_unknown(&mut self, unbound: Option<&'a str>) {
        if self.takes(unbound.map_or(0, text_size)) {
            self.groups = Some(Groups::Unknown);
            self.groups_unbound = unbound;
        }
    }

    /// Adds all of the person's groups; call it last. Where there is no room for all, it adds those that were `asked` for.
    pub fn all_groups(&mut self, groups: &'a [Arc<str>], asked: Option<&'a BTreeSet<String>>) {
        // The groups of most people fit however they are escaped, and need not be looked through.
        let longest = groups.iter().map(|group| ESCAPED * group.len() + 3).sum();
        let exactly = || groups.iter().map(|group| text_size(group) + 1).sum();
        let long = if longest <= self.room { longest } else { exactly() };
        match asked {
            Some(asked) if long > self.room => self.groups_asked(groups, asked),
            _ => {
                if self.takes(long) {
                    self.groups = Some(Groups::All(groups));
                }
            }
        }
    }

    /// Adds the person's groups among those that were asked for.
    pub fn groups_asked(&mut self, groups: &'a [Arc<str>], asked: &'a BTreeSet<String>) {
        let is_asked = |group: &&str| asked.contains(*group);
        let member: Vec<&str> = groups.iter().map(|group| &**group).filter(is_asked).collect();
        let names = asked.iter().map(String::as_str).chain(member.iter().copied());
        if self.takes(names.map(|name| text_size(name) + 1).sum()) {
            self.groups = Some(Groups::Asked(member));
            self.groups_asked = Some(asked);
        }
    }

    /// Notes that a fact which the rules read is not at hand.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    fn takes(&mut self, size: usize) -> bool {
        let left = self.room.checked_sub(size);
        self.is_cut |= left.is_none();
        self.room = left.unwrap_or(self.room);
        left.is_some()
    }
}

impl Claims<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Claims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// At least as many bytes as the value takes in JSON.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => NUMBER,
        Value::String(text) => text_size(text),
        Value::Array(items) => 2 + items.iter().map(|item| size(item) + 1).sum::<usize>(),
        Value::Object(members) => {
            2 + members.iter().map(|(name, value)| text_size(name) + 2 + size(value)).sum::<usize>()
        }
    }
}

/// At least as many bytes as the text takes in JSON.
fn text_size(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        ..0x20 => ESCAPED,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_size_is_no_less_than_its_json() {
        for value in [
            json!(null),
            json!(false),
            json!(-1.797_693_134_862_315_7e308),
            json!(u64::MAX),
            json!("a\"b\\c\u{0}d\u{7f}é\n"),
            json!([[], {}, [1, "two"], {"three\u{1}": null}]),
        ] {
            assert!(size(&value) >= value.to_string().len(), "{value}");
        }
    }
}
