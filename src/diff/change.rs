//! The difference between two policies' decisions on one person and one destination.

use super::line::Decision;
use crate::policy::explain;
use crate::policy::judge::{Fact, Judgment};
use crate::target::LANDING_URI;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) const NO_SUCH_DESTINATION: &str = "no-such-destination";
pub(super) const NO_SUCH_ISSUER: &str = "no-such-issuer";
pub(super) const NOBODY: &str = "names-nobody";

/// The decision of one policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    Granted { rule: String, target: Fields },
    Refused { reason: String, rule: Option<String> },
    Unknown { rule: Option<String>, missing: Vec<String> },
}

/// A target's fields, each as its JSON.
type Fields = Vec<(String, String)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Loss,
    Gain,
    /// Another target, region or role.
    Change,
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Change {
    pub(super) destination: Arc<str>,
    pub(super) kind: Kind,
    pub(super) old: Said,
    pub(super) new: Said,
    /// The fields of the target that differ: from which value to which.
    pub(super) fields: Vec<(String, Option<String>, Option<String>)>,
    /// The facts that are not on record.
    pub(super) missing: Vec<String>,
    /// The facts that the deciding rules ask about, as they are for this person.
    pub(super) facts: BTreeSet<Fact>,
}

/// How a policy decided: the rule, and the reason of a denial.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct Said {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

impl Outcome {
    pub(super) fn recorded(decision: &Decision) -> Self {
        let rule = decision.rule.clone();
        if decision.is_grant {
            Self::Granted { rule: rule.unwrap_or_default(), target: fields(&decision.target) }
        } else {
            Self::Refused { reason: decision.reason.clone().unwrap_or_default(), rule }
        }
    }

    pub(super) fn unknown(missing: &str) -> Self {
        Self::Unknown { rule: None, missing: vec![missing.to_owned()] }
    }

    /// The rule that decides.
    pub(super) fn rule(&self) -> Option<&str> {
        match self {
            Self::Granted { rule, .. } => Some(rule),
            Self::Refused { rule, .. } | Self::Unknown { rule, .. } => rule.as_deref(),
        }
    }

    fn said(&self) -> Said {
        let reason = match self {
            Self::Refused { reason, .. } => Some(reason.clone()),
            Self::Granted { .. } | Self::Unknown { .. } => None,
        };
        Said { rule: self.rule().map(str::to_owned), reason }
    }
}

impl From<Judgment> for Outcome {
    fn from(judgment: Judgment) -> Self {
        match judgment {
            Judgment::Granted { rule, mint } => {
                Self::Granted { rule: rule.to_string(), target: fields(&explain::fields(&mint)) }
            }
            Judgment::Refused { reason, rule } => {
                Self::Refused { reason: reason.to_owned(), rule: rule.map(|rule| rule.to_string()) }
            }
            Judgment::Unknown { rule, missing } => Self::Unknown { rule: Some(rule.to_string()), missing },
        }
    }
}

impl Change {
    /// `None` where both say the same. A deep link's addition to a target counts as no change.
    pub(super) fn between(destination: &str, old: &Outcome, new: &Outcome, is_linked: bool) -> Option<Self> {
        let (mut fields, mut missing) = (Vec::new(), Vec::new());
        let kind = match (old, new) {
            (Outcome::Unknown { missing: absent, .. }, _) | (_, Outcome::Unknown { missing: absent, .. }) => {
                missing.clone_from(absent);
                Kind::Unknown
            }
            (Outcome::Granted { .. }, Outcome::Refused { .. }) => Kind::Loss,
            (Outcome::Refused { .. }, Outcome::Granted { .. }) => Kind::Gain,
            (Outcome::Refused { .. }, Outcome::Refused { .. }) => return None,
            (Outcome::Granted { target: old, .. }, Outcome::Granted { target: new, .. }) => {
                fields = differing(old, new, is_linked);
                if fields.is_empty() {
                    return None;
                }
                Kind::Change
            }
        };
        let (destination, facts) = (destination.into(), BTreeSet::new());
        Some(Self { destination, kind, old: old.said(), new: new.said(), fields, missing, facts })
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.kind == Kind::Unknown
    }
}

fn differing(old: &Fields, new: &Fields, is_linked: bool) -> Vec<(String, Option<String>, Option<String>)> {
    let keys: BTreeSet<&str> = old.iter().chain(new).map(|(key, _)| key.as_str()).collect();
    let value = |fields: &Fields, key: &str| {
        fields.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    };
    let is_of_link = |key: &&str| is_linked && [LANDING_URI, "fragment"].contains(key);
    let pairs = keys.into_iter().filter(|key| !is_of_link(key));
    let pairs = pairs.map(|key| (key.to_owned(), value(old, key), value(new, key)));
    pairs.filter(|(_, old, new)| old != new).collect()
}

fn fields(target: &Map<String, Value>) -> Fields {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    target.iter().map(|(key, value)| (key.clone(), plain(value))).collect()
}
