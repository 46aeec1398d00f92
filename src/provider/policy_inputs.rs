//! What the rules can ask about a person, so that whoever keeps a person knows what to keep.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What the expressions of a policy can read, beside who the person is. Deciding by these alone decides alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PolicyInputs {
    /// Names of claims at the top level, each read as a whole.
    pub claims: Names,
    /// Groups of which only is asked whether the person is in them.
    pub groups: Names,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Names {
    /// There is no telling which: everything may matter.
    All,
    Only(BTreeSet<String>),
}

impl Names {
    pub(crate) fn add(&mut self, name: &str) {
        if let Self::Only(names) = self {
            names.insert(name.to_owned());
        }
    }

    pub fn are_all_in(&self, claims: &Map<String, Value>) -> bool {
        match self {
            Self::All => false,
            Self::Only(names) => {
                names.iter().all(|name| claims.get(name).is_some_and(|value| !value.is_null()))
            }
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// Nothing.
impl Default for Names {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}
