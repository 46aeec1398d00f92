//! The configuration: what is accepted, and what is said of the rest, word for word.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking"
)]

mod branding;
mod concealed;
mod examples;
mod hostile;
mod issuers;
mod keys;
mod meanings;
mod provider;
mod ready;
mod rendering;
mod schema;
mod slips;
mod warned;

use postern::config::diagnostics::Diagnostic;
use postern::config::{Loaded, load_text};
use std::path::Path;

/// A legal configuration; each case changes one thing in it.
const LEGAL: &str = r#"public_url: https://ml.corp.example
aliases: [ml.eu.corp.example]
listen: {address: "127.0.0.1:8443"}
admin: {address: "127.0.0.1:9902"}
trusted_proxies: [10.0.100.0/24]
issuers:
  corp:
    issuer: https://sso.corp.example/staff
    audience: [postern-api]
    algorithms: [RS256]
    user_domains: [corp.example]
  balancer:
    preset: aws_alb
    region: eu-west-1
    signer: arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/ml/50dc6c495c0c9188
    issuer: https://sso.corp.example/staff
    client_id: ml-balancer
    user_domains: [corp.example]
credentials: [bearer, session, signed_header]
sign_in:
  issuer: corp
  client_id: postern
  client_secret: {file: oidc-client}
  scopes: [openid, email]
session:
  keys: [{env: SESSION_KEY}]
  lifetime: 8h
  idle: 1h
aws:
  region: eu-west-1
  role_arn: arn:aws:iam::111122223333:role/postern
  external_id: postern-7c1f
  session_tags: {team: ml}
  timeout: 5s
  endpoint_url: https://vpce.example
  authorized_url_hosts: [.corp.example]
limits: {mints_per_minute: 30}
destinations:
  studio:
    title: Studio
    target:
      studio_domain:
        domain_id: d-abcdefghijkl
        user_profile_name: ${profile_name(claims.sub)}
        expires_in_seconds: 20
    rules: [{name: everyone, allow: "'ml-users' in groups"}]
state: {valkey: {url: {env: VALKEY_URL}, timeout: 250ms}}
tests:
  - name: one
    claims: {sub: u1}
    destination: studio
    expect: {rule: everyone}
"#;

fn changed(from: &str, to: &str) -> String {
    assert_eq!(LEGAL.matches(from).count(), 1, "`{from}` stands once in the legal configuration");
    LEGAL.replace(from, to)
}

fn accepted(yaml: &str) -> Loaded {
    load_text("postern.yaml", yaml, Path::new("/etc/postern")).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// Every finding as `LINE:COLUMN PATH: MESSAGE | HELP`.
fn refused(yaml: &str) -> Vec<String> {
    let refusal =
        load_text("postern.yaml", yaml, Path::new("/etc/postern")).expect_err("this must be refused");
    refusal.findings.iter().map(in_a_line).collect()
}

fn in_a_line(finding: &Diagnostic) -> String {
    let Diagnostic { path, location, message, help } = finding;
    let help = help.as_ref().map(|help| format!(" | {help}")).unwrap_or_default();
    format!("{}:{} {path}: {message}{help}", location.line, location.column)
}

type Case = (&'static str, &'static str, &'static [&'static str]);

fn each_is_refused(cases: &[Case]) {
    for (from, to, findings) in cases {
        assert_eq!(refused(&changed(from, to)), *findings, "`{from}` changed into `{to}`");
    }
}
