//! The groups and claims that the rules read when a session was sealed, and the person's membership in those groups.
//!
//! Each name that the rules read takes six bytes, however long it is: 47 bits of its digest, and one bit that says
//! whether the person is in the group. The rules have the names when the session is opened. If they read a name whose
//! digest is not there, the answer is not known.

use crate::provider::policy_inputs::{Names, PolicyInputs};
use aws_lc_rs::digest::{SHA256, digest};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

const PACKED: usize = 6;

/// The names that a policy reads, ready to be compared.
#[derive(Debug)]
pub(super) struct Questions {
    /// `None` for rules that may read any group.
    groups: Option<Vec<(Mark, Arc<str>)>>,
    claims: Option<Vec<(Mark, String)>>,
}

/// The marks of the names that the rules read, each with the person's membership.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection(BTreeMap<Mark, bool>);

/// Something was not asked for when the selection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unanswered;

/// Names a group or a claim: the first 47 bits of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mark(u64);

impl Questions {
    pub(super) fn new(reads: &PolicyInputs) -> Self {
        Self {
            groups: each(&reads.groups, |name| (Mark::new("group", name), name.into())),
            claims: each(&reads.claims, |name| (Mark::new("claim", name), name.to_owned())),
        }
    }

    pub(super) fn ask_for_claim(&self, name: &str) -> bool {
        self.claims.as_ref().is_none_or(|claims| claims.iter().any(|(_, asked)| asked == name))
    }
}

impl Selection {
    /// Whether the rules name the groups that they read; then the selection has them.
    pub(super) fn take_groups(&mut self, questions: &Questions, groups: &[Arc<str>]) -> bool {
        let Some(asked) = &questions.groups else { return false };
        let groups: HashSet<&str> = groups.iter().map(AsRef::as_ref).collect();
        self.0.extend(asked.iter().map(|(mark, name)| (*mark, groups.contains(&**name))));
        true
    }

    /// The same for claims.
    pub(super) fn take_claims(&mut self, questions: &Questions) -> bool {
        let Some(asked) = &questions.claims else { return false };
        self.0.extend(asked.iter().map(|(mark, _)| (*mark, true)));
        true
    }

    /// The groups that are asked for now and that the person has.
    pub(super) fn groups(&self, questions: &Questions) -> Result<Arc<[Arc<str>]>, Unanswered> {
        let mut groups = Vec::new();
        for (mark, name) in questions.groups.as_ref().ok_or(Unanswered)? {
            if *self.0.get(mark).ok_or(Unanswered)? {
                groups.push(Arc::clone(name));
            }
        }
        Ok(groups.into())
    }

    pub(super) fn answers_claims(&self, questions: &Questions) -> Result<(), Unanswered> {
        let asked = questions.claims.as_ref().ok_or(Unanswered)?;
        if asked.iter().all(|(mark, _)| self.0.contains_key(mark)) { Ok(()) } else { Err(Unanswered) }
    }

    pub(super) fn pack(&self, into: &mut Vec<u8>) {
        for (mark, has) in &self.0 {
            let [_, _, packed @ ..] = (mark.0 | u64::from(*has)).to_be_bytes();
            into.extend_from_slice(&packed);
        }
    }

    pub(super) fn unpack(packed: &[u8]) -> Option<Self> {
        let (marks, []) = packed.as_chunks::<PACKED>() else { return None };
        let entries = marks.iter().map(|[a, b, c, d, e, f]| {
            let packed = u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f]);
            (Mark(packed & !1), packed & 1 == 1)
        });
        Some(Self(entries.collect()))
    }
}

impl Mark {
    fn new(kind: &str, name: &str) -> Self {
        let digest = digest(&SHA256, format!("{kind} {name}").as_bytes());
        let first = digest.as_ref().iter().take(PACKED);
        Self(first.fold(0, |mark, byte| mark << 8 | u64::from(*byte)) & !1)
    }
}

fn each<T>(names: &Names, question: impl Fn(&str) -> T) -> Option<Vec<T>> {
    match names {
        Names::All => None,
        Names::Only(names) => Some(names.iter().map(|name| question(name)).collect()),
    }
}
