//! A configuration file as every command reads it.

use crate::config::diagnostics::Diagnostics;
use crate::config::located::At;
use crate::config::{self, Loaded};
use crate::files::Files;
use crate::policy::compile::{CompileContext, Compiled, compile};
use crate::policy::policy_test::PolicyTest;
use crate::policy::{Issuer, Policy};
use std::path::Path;

/// A configuration with its rules compiled.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) loaded: Loaded,
    pub(super) policy: Policy,
    pub(super) tests: Vec<PolicyTest>,
}

impl Configuration {
    /// The same, if its policy tests pass: another one loads, but must not run.
    ///
    /// # Errors
    ///
    /// The first policy test that fails, with its failures.
    pub(super) fn passing(self) -> Result<Self, String> {
        match self.failing_test() {
            Some(failing) => Err(failing),
            None => Ok(self),
        }
    }

    /// The first policy test that fails, with its failures.
    pub(super) fn failing_test(&self) -> Option<String> {
        let outcomes = self.run_tests();
        let failed = outcomes.iter().find(|outcome| !outcome.passed())?;
        let At { value: name, location } = &failed.name;
        let (file, failures) = (&self.loaded.source.name, failed.failures.join("; "));
        Some(format!("{file}:{}: the policy test `{name}` fails: {failures}", location.line))
    }
}

/// Blocks while files are read.
pub(super) fn load(path: &Path, files: &Files) -> Result<Configuration, Box<Diagnostics>> {
    compiled(config::load_by(path, files)?)
}

/// Compiles the rules, or says every error at once.
pub(super) fn compiled(mut loaded: Loaded) -> Result<Configuration, Box<Diagnostics>> {
    let gateway = &loaded.gateway;
    let issuers: Vec<Issuer> = gateway.issuers.iter().flat_map(Issuer::all_of).collect();
    let context = CompileContext {
        servers: &loaded.servers,
        region: &gateway.aws.region,
        role_arn: gateway.aws.role_arn.as_ref(),
        endpoint_url: gateway.aws.endpoint_url.as_ref(),
        trusted_proxies: &gateway.trusted_proxies,
        client_ip_known: gateway.knows_clients(),
        issuers: &issuers,
        default_issuer: gateway.sign_in.as_ref().map(|sign_in| &sign_in.issuer),
        tables: &loaded.tables,
    };
    match compile(&loaded.policy, &context) {
        Ok(Compiled { policy, tests, warnings }) => {
            loaded.warnings.extend(warnings);
            Ok(Configuration { policy, tests, loaded })
        }
        Err(found) => Err(Box::new(Diagnostics::new(loaded.source, found))),
    }
}
