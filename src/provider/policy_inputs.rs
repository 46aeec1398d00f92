//! The facts of a person that the rules can ask about: these have to be kept with a person.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The facts that a policy's expressions can read, beside who the person is. Deciding by these alone decides alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PolicyInputs {
    /// Names of claims at the top level, each read as a whole.
    pub claims: Names,
    /// Names of groups of which the rules only ask whether the person is in them.
    pub groups: Names,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Names {
    /// All names, because the expressions do not tell which they read.
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

/// The default: no names.
impl Default for Names {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}
