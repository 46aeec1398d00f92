//! The difference between two policies' decisions on one person and one destination.

use super::line::Decision;
use crate::policy::explain;
use crate::policy::judge::{Fact, Judgment, MayStart};
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
    /// `start` is `None` where it is not compared.
    Granted {
        rule: String,
        target: Fields,
        start: Option<MayStart>,
    },
    Refused {
        reason: String,
        rule: Option<String>,
    },
    Unknown {
        rule: Option<String>,
        missing: Vec<String>,
    },
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
    /// The same target, which they may no longer start.
    StartLoss,
    /// The same target, which they may start from now on.
    StartGain,
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
            let rule = rule.unwrap_or_default();
            // A record does not say whether the person might have started it.
            Self::Granted { rule, target: fields(&decision.target), start: None }
        } else {
            Self::Refused { reason: decision.reason.clone().unwrap_or_default(), rule }
        }
    }

    pub(super) fn unknown(missing: &str) -> Self {
        Self::Unknown { rule: None, missing: vec![missing.to_owned()] }
    }

    /// The same, of a policy whose `start` is that of the other one.
    pub(super) fn without_start(mut self) -> Self {
        if let Self::Granted { start, .. } = &mut self {
            *start = None;
        }
        self
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
            Judgment::Granted { rule, mint, start } => {
                let target = fields(&explain::fields(&mint));
                Self::Granted { rule: rule.to_string(), target, start: Some(start) }
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
            (Outcome::Granted { start, .. }, Outcome::Refused { .. }) => {
                fields.extend(started(start.as_ref()).map(|may| (START.to_owned(), Some(may), None)));
                Kind::Loss
            }
            (Outcome::Refused { .. }, Outcome::Granted { start, .. }) => {
                fields.extend(started(start.as_ref()).map(|may| (START.to_owned(), None, Some(may))));
                Kind::Gain
            }
            (Outcome::Refused { .. }, Outcome::Refused { .. }) => return None,
            (
                Outcome::Granted { target: old, start: before, .. },
                Outcome::Granted { target: new, start: after, .. },
            ) => {
                fields = differing(old, new, is_linked);
                let of_start = match (before, after) {
                    (Some(before), Some(after)) => start_change(before, after, &mut missing),
                    _ => None,
                };
                match of_start {
                    None if fields.is_empty() => return None,
                    Some(kind) if fields.is_empty() => kind,
                    None | Some(Kind::Unknown) => Kind::Change,
                    Some(kind) => {
                        let [no, yes] = ["no", "yes"].map(|may| Some(may.to_owned()));
                        let (from, to) = if kind == Kind::StartGain { (no, yes) } else { (yes, no) };
                        fields.push((START.to_owned(), from, to));
                        Kind::Change
                    }
                }
            }
        };
        let (destination, facts) = (destination.into(), BTreeSet::new());
        Some(Self { destination, kind, old: old.said(), new: new.said(), fields, missing, facts })
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.kind == Kind::Unknown
    }
}

/// The field for the right to start, in the place of a target's.
const START: &str = "start";

/// The field's value for a person who may start the target.
fn started(start: Option<&MayStart>) -> Option<String> {
    (start == Some(&MayStart::Yes)).then(|| "yes".to_owned())
}

fn start_change(before: &MayStart, after: &MayStart, missing: &mut Vec<String>) -> Option<Kind> {
    match (before, after) {
        (MayStart::Unknown(absent), _) | (_, MayStart::Unknown(absent)) => {
            missing.clone_from(absent);
            Some(Kind::Unknown)
        }
        (MayStart::No, MayStart::Yes) => Some(Kind::StartGain),
        (MayStart::Yes, MayStart::No) => Some(Kind::StartLoss),
        (MayStart::Yes, MayStart::Yes) | (MayStart::No, MayStart::No) => None,
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
