//! The state that the parts of the compiler share.

use crate::config::diagnostics::{Diagnostic, Refused};
use crate::config::file::policy::Lookup;
use crate::config::located::{Location, Named};
use crate::config::servers::{DeclaredServer, ServerKind};
use crate::policy::apart::Places;
use crate::policy::expression::{Gathered, Problem, Vocabulary};
use crate::policy::forms::Issuer;
use crate::target::{Region, RoleArn};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

/// The rest of the configuration, as far as the rules depend on it.
#[derive(Clone, Copy, Debug)]
pub struct CompileContext<'a> {
    pub region: &'a Region,
    pub role_arn: Option<&'a RoleArn>,
    pub endpoint_url: Option<&'a Url>,
    pub trusted_proxies: &'a [IpNet],
    /// Whether a client's address can be known at all: `trusted_proxies` or `direct_clients` say so.
    pub client_ip_known: bool,
    /// The issuers whose people may ask.
    pub issuers: &'a [Issuer],
    /// The issuer of a test's claims where the test names none and there are several: the one that people sign in at.
    pub default_issuer: Option<&'a Arc<str>>,
    /// The declared tracking servers and Apps.
    pub servers: &'a [DeclaredServer],
    /// The text of every file of `lookups`, by the name that is written. The policy itself performs no I/O.
    pub tables: &'a BTreeMap<String, String>,
}

/// The state of one compilation.
pub(super) struct Compiler<'a> {
    pub(super) context: &'a CompileContext<'a>,
    pub(super) vocabulary: Vocabulary<'a>,
    /// The tables as they are named in the configuration.
    pub(super) lookups: &'a Named<Lookup>,
    pub(super) gathered: Gathered,
    /// The places that the rules so far lead to.
    pub(super) places: Places<'a>,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl CompileContext<'_> {
    pub(super) fn declared(&self, kind: ServerKind) -> impl Iterator<Item = &DeclaredServer> {
        self.servers.iter().filter(move |server| server.kind == kind)
    }
}

impl Compiler<'_> {
    pub(super) fn problem(&mut self, path: &str, location: Location, message: impl Into<String>) -> Refused {
        Refused::by(Diagnostic::new(path, location, message), &mut self.diagnostics)
    }

    pub(super) fn problems(&mut self, path: &str, location: Location, problems: Vec<Problem>) {
        self.diagnostics.extend(problems.into_iter().map(|problem| {
            let Problem { character, message, help } = problem;
            let message = match character {
                Some(character) => format!("{message} (at character {character})"),
                None => message,
            };
            Diagnostic { help, ..Diagnostic::new(path, location, message) }
        }));
    }
}
