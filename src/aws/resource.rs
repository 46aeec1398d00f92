//! The resource that permissions and states are about.

use super::permissions::Place;
use crate::target::{Kind, Region, RoleArn, Target};
use std::fmt;

/// The resource that a target opens, without the options of opening it: the unit of permissions and of state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Resource {
    kind: Kind,
    /// In the order of its ARN.
    names: Vec<String>,
}

impl Resource {
    pub(super) fn of(target: &Target) -> Self {
        Self { kind: target.kind(), names: target.names().into_iter().map(str::to_owned).collect() }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// One of the names, by the key of its field.
    pub(super) fn name(&self, key: &str) -> Option<String> {
        let mut named = self.kind.description().names.iter().zip(&self.names);
        named.find(|(known, _)| **known == key).map(|(_, name)| name.clone())
    }

    /// The operation that describes the resource's state.
    pub(super) fn describe_operation(&self) -> &'static str {
        self.kind.describe_operation()
    }

    /// Its ARNs in the role's partition and account. The fields of targets hold none of IAM's wildcards `*`, `?` and `$`.
    pub(super) fn arns(&self, role: &RoleArn, region: &Region) -> Vec<String> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        Place::of(role, region.as_str()).arns(self.kind, &names)
    }
}

impl fmt::Display for Resource {
    /// For keys: the kind and the names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.names.join("/"))
    }
}
