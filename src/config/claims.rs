//! The claims that hold the fields of a person, and the ways to read them.

use super::file::{Absent, GroupsFormat};
use std::fmt;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPaths {
    /// Never empty. The first claim that is there names the user.
    pub user: Vec<ClaimPath>,
    pub groups: GroupsClaim,
    pub name: ClaimPath,
}

/// The way to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimPath {
    /// One name, or a dotted path into objects: each step takes the longest name that is there, the whole text first.
    Text(String),
    /// One name for each step; never empty.
    Steps(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupsClaim {
    pub path: ClaimPath,
    pub absent: Absent,
    pub format: GroupsFormat,
}

/// Programs that share an issuer with people and are of another realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// The claim that a program's token has.
    pub claim: ClaimPath,
    /// The text of that claim in a program's token; `None` if the claim's presence is enough.
    pub value: Option<String>,
    pub user: ClaimPath,
    pub groups: GroupsClaim,
    pub realm: Arc<str>,
}

impl ClaimPath {
    /// Whether the last step is this name.
    pub fn ends_in(&self, name: &str) -> bool {
        match self {
            Self::Text(text) => text.rsplit(['.', '/']).next() == Some(name),
            Self::Steps(steps) => steps.last().is_some_and(|last| last == name),
        }
    }
}

impl From<&str> for ClaimPath {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<ClaimPath> for GroupsClaim {
    fn from(path: ClaimPath) -> Self {
        Self { path, absent: Absent::Unknown, format: GroupsFormat::List }
    }
}

impl From<&str> for GroupsClaim {
    fn from(text: &str) -> Self {
        ClaimPath::from(text).into()
    }
}

/// The path as it may be written in the configuration.
impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Steps(steps) => write!(f, "{steps:?}"),
        }
    }
}
