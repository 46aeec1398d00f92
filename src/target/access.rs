//! The classes of access that a person has to an MLflow server through its API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Each class may do what the classes before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Nothing changes.
    Read,
    /// Experiments, runs, metrics, traces and models may be created and added to; nothing is deleted, renamed, transitioned
    /// or aliased.
    Log,
    /// Everything except administration.
    Write,
}

impl Access {
    pub const ALL: [Self; 3] = [Self::Read, Self::Log, Self::Write];

    /// The configuration's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Log => "log",
            Self::Write => "write",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
