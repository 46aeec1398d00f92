//! The parts that the expressions of a policy have in common.

use super::functions::Patterns;
use crate::policy::lookup::Table;
use crate::provider::policy_inputs::PolicyInputs;
use cel::IdedExpr;
use ipnet::IpNet;
use std::collections::BTreeMap;

/// The names that expressions may refer to, as far as they depend on the configuration.
pub(in crate::policy) struct Vocabulary<'a> {
    pub(in crate::policy) client_ip_known: bool,
    pub(in crate::policy) trusted_proxies: &'a [IpNet],
    pub(in crate::policy) tables: &'a BTreeMap<String, Table>,
}

/// The inputs, patterns and lookups of a policy's expressions, gathered as they are parsed.
#[derive(Default)]
pub(in crate::policy) struct Gathered {
    pub(in crate::policy) patterns: Patterns,
    pub(in crate::policy) reads: PolicyInputs,
    /// Each `lookup('table', key)`: the table and the key.
    pub(in crate::policy) looked_up: Vec<(String, IdedExpr)>,
}
