//! A configuration file as every command reads it.

use crate::config::diagnostics::{Diagnostic, Diagnostics};
use crate::config::located::Location;
use crate::config::servers::{DeclaredServer, ServerKind};
use crate::config::{self, Loaded};
use crate::files::Files;
use crate::policy::compile::{CompileContext, compile};
use crate::policy::policy_test::PolicyTest;
use crate::policy::possible::Opening;
use crate::policy::{Issuer, Policy};
use crate::target::TRACKING_SERVER_NAME;
use std::path::Path;

/// A configuration with its rules compiled.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) loaded: Loaded,
    pub(super) policy: Policy,
    pub(super) tests: Vec<PolicyTest>,
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
        Ok((policy, tests)) => {
            loaded.warnings.extend(opened_elsewhere(&policy, &loaded.servers));
            Ok(Configuration { policy, tests, loaded })
        }
        Err(found) => Err(Box::new(Diagnostics::new(loaded.source, found))),
    }
}

/// Tracking servers that are opened in another region than the one that declares their name: AWS lets each region have one.
fn opened_elsewhere(policy: &Policy, servers: &[DeclaredServer]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for Opening { destination, rule, mint } in policy.openings() {
        let Some(mint) = mint else { continue };
        let name = mint.target.text(TRACKING_SERVER_NAME);
        let declared = servers
            .iter()
            .find(|server| server.kind == ServerKind::TrackingServer && Some(server.name.as_str()) == name);
        if let Some(server) = declared.filter(|server| server.region != mint.region) {
            let message = format!(
                "the rule `{rule}` opens the tracking server `{}` in `{}`, and `{}` declares it in `{}`",
                server.name,
                mint.region,
                server.kind.key(),
                server.region
            );
            let path = format!("destinations.{destination}");
            found.push(Diagnostic::new(path, Location::default(), message));
        }
    }
    found
}
