//! The policy through its front door: YAML in, decisions or diagnostics out.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's helpers may fail the test"
)]

mod access;
mod apart;
mod compile;
mod decide;
mod differences;
mod evaluated;
mod expressions;
mod fragments;
mod lookalikes;
mod functions;
mod paths;
mod places;
mod policy_tests;
mod profile_name;
mod reads;
mod rule_sets;
mod scale;
mod slips;
mod tables;

use postern::config::diagnostics::Diagnostic;
use postern::config::file::policy::{DenyRule, Destination, Lookup, PolicyFile, Test};
use postern::config::located::Named;
use postern::policy::compile::{CompileContext, compile};
use postern::policy::explain::{Explanation, explain};
use postern::policy::grant::Grant;
use postern::policy::policy_test::PolicyTest;
use postern::policy::{Issuer, Policy, Question, Refusal};
use postern::provider::principal::{Groups, Principal};
use postern::target::{Region, RoleArn, UserProfileName};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use url::Url;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Written {
    lookups: Named<Lookup>,
    deny: Vec<DenyRule>,
    destinations: Named<Destination>,
    tests: Vec<Test>,
}

/// The rest of a configuration around a policy.
struct Around<'a> {
    trusted_proxies: &'a [&'a str],
    client_ip_known: bool,
    role_arn: Option<&'a str>,
    endpoint_url: Option<&'a str>,
    /// Each with its name, its realm, and the domains of its people's addresses; without any, `user` is whatever it is.
    issuers: &'a [(&'a str, &'a str, &'a [&'a str])],
    files: &'a [(&'a str, &'a str)],
}

/// As `path: message` or `path: message; help`.
fn in_a_line(diagnostic: Diagnostic) -> String {
    let help = diagnostic.help.map(|help| format!("; {help}")).unwrap_or_default();
    format!("{}: {}{help}", diagnostic.path, diagnostic.message)
}

const AROUND: Around<'_> = Around {
    trusted_proxies: &[],
    client_ip_known: true,
    role_arn: None,
    endpoint_url: None,
    issuers: &[("corp", "staff", &[])],
    files: &[],
};

impl Around<'_> {
    fn compile(&self, yaml: &str) -> Result<(Policy, Vec<PolicyTest>, Vec<String>), Vec<Diagnostic>> {
        let written: Written = serde_saphyr::from_str(yaml).expect("the test's YAML has the written form");
        let Written { lookups, deny, destinations, tests } = written;
        let trusted: Vec<_> = self.trusted_proxies.iter().map(|network| network.parse().unwrap()).collect();
        let issuer = |(name, realm, domains): &(&str, &str, &[&str])| Issuer {
            name: (*name).into(),
            realm: (*realm).into(),
            user_domains: Some(domains.iter().map(|domain| (*domain).to_owned()).collect())
                .filter(|domains: &Vec<String>| !domains.is_empty()),
        };
        let issuers: Vec<Issuer> = self.issuers.iter().map(issuer).collect();
        let tables = self.files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let region = Region::parse("eu-west-1").unwrap();
        let role_arn = self.role_arn.map(|arn| RoleArn::parse(arn).unwrap());
        let endpoint_url = self.endpoint_url.map(|url| Url::parse(url).unwrap());
        let context = CompileContext {
            servers: &[],
            region: &region,
            role_arn: role_arn.as_ref(),
            endpoint_url: endpoint_url.as_ref(),
            trusted_proxies: &trusted,
            client_ip_known: self.client_ip_known,
            issuers: &issuers,
            default_issuer: None,
            tables: &tables,
        };
        let compiled = compile(&PolicyFile { lookups, deny, destinations, tests }, &context)?;
        let warnings = compiled.warnings.into_iter().map(in_a_line).collect();
        Ok((compiled.policy, compiled.tests, warnings))
    }

    fn policy(&self, yaml: &str) -> Policy {
        self.compile(yaml).unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}")).0
    }

    /// Every diagnostic as `path: message` or `path: message; help`.
    fn faults(&self, yaml: &str) -> Vec<String> {
        let diagnostics = self.compile(yaml).err().unwrap_or_default();
        diagnostics.into_iter().map(in_a_line).collect()
    }

    /// What is wrong with an expression, without the path; empty where it loads.
    fn expression_faults(&self, expression: &str) -> Vec<String> {
        let yaml = notebook_with(&format!("[{{name: only, allow: {}}}]", json!(expression)));
        let faults = self.faults(&yaml);
        let prefix = "destinations.nb.rules[0].allow: ";
        faults.into_iter().map(|fault| fault.strip_prefix(prefix).unwrap_or(&fault).to_owned()).collect()
    }
}

/// A destination `nb` with these rules.
fn notebook_with(rules: &str) -> String {
    format!(
        "destinations: {{nb: {{target: {{notebook_instance: {{notebook_instance_name: shared}}}}, rules: {rules}}}}}"
    )
}

/// A destination `studio` whose profile is this template.
fn studio_with(user_profile_name: &str) -> String {
    let name = json!(user_profile_name);
    format!(
        "destinations: {{studio: {{target: {{studio_domain: {{domain_id: d-abc, user_profile_name: {name}}}}}, \
         rules: [{{name: all, allow: 'true'}}]}}}}"
    )
}

/// A person, and where the request comes from.
struct Person {
    principal: Arc<Principal>,
    client_ip: Option<IpAddr>,
}

fn person(user: &str, groups: &[&str]) -> Person {
    let groups = groups.iter().map(|group| Arc::from(*group)).collect();
    Person {
        principal: Arc::new(Principal {
            realm: "staff".into(),
            user: user.to_owned(),
            issuer: "corp".into(),
            subject: "subject".to_owned(),
            name: None,
            groups: Groups::Known(groups),
            groups_total: None,
            claims: Arc::default(),
        }),
        client_ip: None,
    }
}

impl Person {
    fn with(mut self, change: impl FnOnce(&mut Principal)) -> Self {
        change(Arc::get_mut(&mut self.principal).unwrap());
        self
    }

    fn claims(self, claims: Value) -> Self {
        self.with(|principal| principal.claims = Arc::new(claims.as_object().unwrap().clone()))
    }

    fn without_groups(self) -> Self {
        self.with(|principal| principal.groups = Groups::LeftOut)
    }

    fn at(self, client_ip: &str) -> Self {
        Self { client_ip: Some(client_ip.parse().unwrap()), ..self }
    }

    fn question<'a>(&'a self, path: Option<&'a str>) -> Question<'a> {
        Question { principal: &self.principal, client_ip: self.client_ip, path, query: None }
    }

    fn opens(&self, policy: &Policy, destination: &str) -> Result<Grant, Refusal> {
        policy.authorize(policy.destination(destination).unwrap(), &self.question(None))
    }

    fn explained(&self, policy: &Policy, destination: &str) -> Explanation {
        explain(policy, policy.destination(destination).unwrap(), &self.question(None))
    }

    /// What the expression says as the only rule: `grant`, or the reason, with the detail of a failure.
    fn asks(&self, expression: &str) -> String {
        let rules = format!("[{{name: only, allow: {}}}]", json!(expression));
        let explanation = self.explained(&AROUND.policy(&notebook_with(&rules)), "nb");
        let word = explanation.reason.unwrap_or(explanation.decision);
        match explanation.steps.last().and_then(|step| step.detail.clone()) {
            Some(detail) => format!("{word}: {detail}"),
            None => word.to_owned(),
        }
    }

    /// The profile name that the template yields, or why there is none.
    fn profile(&self, around: &Around<'_>, template: &str) -> Result<String, String> {
        let explanation = self.explained(&around.policy(&studio_with(template)), "studio");
        match explanation.target.get("user_profile_name").and_then(Value::as_str) {
            Some(name) => Ok(UserProfileName::parse(name).unwrap().to_string()),
            None => Err(explanation.steps.last().and_then(|step| step.detail.clone()).unwrap_or_default()),
        }
    }
}
