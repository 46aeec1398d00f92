//! Policies as the targets need them: in the written form, without the YAML around it.

use postern::config::diagnostics::Diagnostic;
use postern::config::file::fields::{Fields, Target, Written};
use postern::config::file::policy::{Destination, PolicyFile, Rule};
use postern::config::located::{At, Named};
use postern::policy::compile::{CompileContext, compile};
use postern::policy::{Issuer, Policy};
use postern::target::{Kind, NOTEBOOK_INSTANCE_NAME, Region};
use std::collections::BTreeMap;

/// A destination that one rule opens, of this kind and without deep links.
pub(super) fn destination(target: Target, name: &str, rules: Vec<At<Rule>>) -> (At<String>, Destination) {
    let destination = Destination {
        title: None,
        description: None,
        target: target.into(),
        region: None,
        role_arn: None,
        endpoint_url: None,
        api: None,
        paths: Vec::new(),
        prewarm: false,
        start: None,
        sso_domain: None,
        rules,
    };
    (name.to_owned().into(), destination)
}

pub(super) fn notebook() -> Target {
    written_target(Kind::NotebookInstance, &[(NOTEBOOK_INSTANCE_NAME, "shared")])
}

pub(super) fn written_target(kind: Kind, texts: &[(&'static str, &str)]) -> Target {
    let field = |(key, text): &(&'static str, &str)| (*key, Written::Text((*text).to_owned()).into());
    Target { kind, fields: Fields(texts.iter().map(field).collect()), create_profile: None }
}

pub(super) fn allow(name: &str, expression: &str) -> At<Rule> {
    Rule { allow: Some(expression.to_owned().into()), ..empty(name) }.into()
}

pub(super) fn deny(name: &str, expression: &str) -> At<Rule> {
    Rule { deny: Some(expression.to_owned().into()), ..empty(name) }.into()
}

fn empty(name: &str) -> Rule {
    Rule { name: name.to_owned().into(), allow: None, deny: None, set: None, remedy: None, access: None }
}

pub(super) fn compiled(destinations: Vec<(At<String>, Destination)>) -> Result<Policy, Vec<Diagnostic>> {
    let region = Region::parse("eu-west-1").unwrap();
    let issuers = [Issuer { name: "corp".into(), realm: "corp".into(), user_domains: None }];
    let context = CompileContext {
        servers: &[],
        region: &region,
        role_arn: None,
        endpoint_url: None,
        trusted_proxies: &[],
        client_ip_known: true,
        issuers: &issuers,
        default_issuer: None,
        tables: &BTreeMap::new(),
    };
    let file = PolicyFile { destinations: Named(destinations), ..PolicyFile::default() };
    compile(&file, &context).map(|compiled| compiled.policy)
}
