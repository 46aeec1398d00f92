//! The configuration: what is accepted, and what is said of the rest, word for word.

use postern::config::diagnostics::{Diagnostic, Severity};
use postern::config::{Algorithm, KeySource, Loaded, SecretSource, load, load_text, schema};
use std::path::Path;
use std::time::{Duration, Instant};

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

#[test]
fn probe() {
    let cases: &[(&str, &str)] = &[
        // keys and types
        ("limits:", "limts:"),
        ("    audience:", "    audiences:"),
        ("    title: Studio", "    titel: Studio"),
        ("    title: Studio", "    xyzzy: Studio"),
        ("public_url: https://ml.corp.example\n", ""),
        ("    issuer: https://sso.corp.example/staff\n    audience", "    audience"),
        ("lifetime: 8h", "lifetime:"),
        ("lifetime: 8h", "lifetime: ~"),
        ("lifetime: 8h", "lifetime: \"\""),
        ("claims: {sub: u1}", "claims: {sub: }"),
        ("lifetime: 8h", "lifetime: [8h]"),
        ("aliases: [ml.eu.corp.example]", "aliases: ml.eu.corp.example"),
        ("limits: {mints_per_minute: 30}", "limits: many"),
        ("mints_per_minute: 30", "mints_per_minute: \"30\""),
        ("mints_per_minute: 30", "mints_per_minute: 0"),
        ("mints_per_minute: 30", "mints_per_minute: 3e1"),
        ("mints_per_minute: 30", "mints_per_minute: 99999999999999999999"),
        ("expires_in_seconds: 20", "expires_in_seconds: 301"),
        ("credentials: [bearer, ", "credentials: [baerer, "),
        ("credentials: [bearer, session, signed_header]", "credentials: []"),
        ("  - name: one\n", "  - name: one\n    name: two\n"),
        ("title: Studio", "title: !!str Studio"),
        ("studio_domain:", "studio:"),
        ("    target:\n", "    target:\n      mlflow_app: {arn: x}\n"),
        ("allow: \"'ml-users' in groups\"", "remedy: x"),
        ("allow: \"'ml-users' in groups\"", "allow: x, deny: y"),
        ("client_secret: {file: oidc-client}", "client_secret: hunter2hunter2"),
        ("client_secret: {file: oidc-client}", "client_secret: {value: x}"),
        ("client_secret: {file: oidc-client}", "client_secret: {env: hunter-2}"),
        ("  client_secret: {file: oidc-client}\n", ""),
        ("client_secret: {file: oidc-client}", "client_secret: {file: oidc-client, env: A}"),
        ("expect: {rule: everyone}", "expect: {}"),
        (
            "listen: {address: \"127.0.0.1:8443\"}",
            "listen: {address: \"127.0.0.1:8443\", proxy_protocol: off}",
        ),
        ("preset: aws_alb", "preset: aws_nlb"),
        ("timeout: 5s", "source_identity: yes"),
        // edge
        ("https://ml.corp.example\n", "http://ml.corp.example\n"),
        ("https://ml.corp.example\n", "https://ml.corp.example/portal\n"),
        ("https://ml.corp.example\n", "https://ml.corp.example?a=b\n"),
        ("https://ml.corp.example\n", "https://me:pass@ml.corp.example\n"),
        ("https://ml.corp.example\n", "ml.corp.example\n"),
        ("ml.eu.corp.example", "https://ml.eu.corp.example"),
        ("127.0.0.1:8443", "localhost:8443"),
        ("127.0.0.1:9902", "127.0.0.1:8443"),
        ("10.0.100.0/24", "10.0.100.7/24"),
        ("10.0.100.0/24", "0.0.0.0/0"),
        ("10.0.100.0/24", "0.0.0.0/1, 128.0.0.0/1"),
        ("10.0.100.0/24", "\"::/0\""),
        ("10.0.100.0/24", "\"::ffff:10.0.0.0/104\""),
        ("10.0.100.0/24", "lb.corp.example"),
        // issuers
        ("  corp:\n", "  corp example:\n"),
        ("https://sso.corp.example/staff\n    audience", "http://sso.corp.example/staff\n    audience"),
        ("https://sso.corp.example/staff\n    audience", "https://sso.corp.example/staff#x\n    audience"),
        (
            "    audience: [postern-api]",
            "    audience: [postern-api]\n    jwks_uri: https://a.example\n    jwks_file: a.json",
        ),
        ("    audience: [postern-api]", "    audience: [postern-api]\n    jwks_file: /nowhere/a.json"),
        ("algorithms: [RS256]", "algorithms: [HS256]"),
        ("algorithms: [RS256]", "algorithms: [none]"),
        ("algorithms: [RS256]", "algorithms: [ES512]"),
        ("algorithms: [RS256]", "algorithms: [XY]"),
        ("    algorithms: [RS256]\n", ""),
        ("    algorithms: [RS256]\n    user_domains: [corp.example]\n", "    algorithms: [RS256]\n"),
        ("algorithms: [RS256]", "algorithms: [RS256]\n    claims: {user: a..b}"),
        (
            "algorithms: [RS256]\n    user_domains: [corp.example]",
            "algorithms: [RS256]\n    user_domains: [ada@corp.example]",
        ),
        ("algorithms: [RS256]", "algorithms: [RS256]\n    realm: a b"),
        ("algorithms: [RS256]", "algorithms: [RS256]\n    region: eu-west-1"),
        ("    audience: [postern-api]\n", "    header: x-token\n"),
        ("    audience: [postern-api]\n", "    audience: [postern-api]\n    header: Authorization\n"),
        ("    audience: [postern-api]\n", "    audience: [postern-api]\n    header: \"a b\"\n"),
        ("    region: eu-west-1\n    signer", "    signer"),
        ("    region: eu-west-1\n    signer", "    region: us-east-1\n    signer"),
        ("    client_id: ml-balancer\n", ""),
        (
            "    client_id: ml-balancer\n",
            "    client_id: ml-balancer\n    audience: [x]\n    algorithms: [ES256]\n    jwks_uri: https://a.example\n",
        ),
        ("loadbalancer/app/ml/50dc6c495c0c9188", "loadbalancer/net/ml/50dc6c495c0c9188"),
        (
            "    preset: aws_alb\n    region: eu-west-1\n    signer: arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/ml/50dc6c495c0c9188\n    issuer: https://sso.corp.example/staff\n    client_id: ml-balancer\n",
            "    issuer: https://sso.corp.example/staff\n    audience: [b]\n    algorithms: [RS256]\n",
        ),
        // credentials, sign-in, session
        ("trusted_proxies: [10.0.100.0/24]\n", ""),
        ("    audience: [postern-api]\n", ""),
        ("  issuer: corp\n", "  issuer: crop\n"),
        ("  issuer: corp\n", "  issuer: balancer\n"),
        ("scopes: [openid, email]", "scopes: [email]"),
        ("scopes: [openid, email]", "scopes: [\"openid email\"]"),
        ("  keys: [{env: SESSION_KEY}]\n", ""),
        ("  keys: [{env: SESSION_KEY}]\n", "  keys: [c2VjcmV0]\n"),
        (
            "  keys: [{env: SESSION_KEY}]\n",
            "  keys: [{env: SESSION_KEY}]\n  insecure_ephemeral_session_key: true\n",
        ),
        ("lifetime: 8h", "lifetime: 8"),
        ("lifetime: 8h", "lifetime: 8d"),
        ("lifetime: 8h", "lifetime: 30m"),
        ("idle: 1h", "idle: 30s"),
        ("idle: 1h", "idle: 1h\n  revalidate: 15m"),
        // aws
        ("aws:\n  region: eu-west-1", "aws:\n  region: Ireland"),
        ("arn:aws:iam::111122223333:role/postern", "arn:aws:iam::111122223333:user/postern"),
        ("external_id: postern-7c1f", "external_id: \"a b\""),
        ("session_tags: {team: ml}", "session_tags: {team: ml, Team: x}"),
        ("session_tags: {team: ml}", "session_tags: {\"aws:team\": ml}"),
        ("session_tags: {team: ml}", "session_tags: {team: \"a*b\"}"),
        ("timeout: 5s", "timeout: 31s"),
        ("https://vpce.example", "http://vpce.example"),
        ("[.corp.example]", "[.com]"),
        ("[.corp.example]", "[com]"),
        ("[.corp.example]", "[\"https://corp.example\"]"),
        ("[.corp.example]", "[\"corp.example:443\"]"),
        ("[.corp.example]", "[\"*.corp.example\"]"),
    ];
    let _ = accepted(LEGAL);
    for (from, to) in cases {
        println!("        ({from:?}, {to:?}, &[");
        match load_text("postern.yaml", &changed(from, to), Path::new("/etc/postern")) {
            Ok(_) => println!("  ACCEPTED !!!!!!!!!!!!!!!!!!"),
            Err(refusal) => {
                for finding in &refusal.findings {
                    println!("            {:?},", in_a_line(finding));
                }
            }
        }
        println!("        ]),");
    }
    for entry in std::fs::read_dir("config").unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            match load(&path) {
                Ok(l) => {
                    println!("{path:?} {}", l.digest);
                    for w in &l.warnings {
                        println!("{}", l.source.render(Severity::Warning, w));
                    }
                }
                Err(e) => println!("{e}"),
            }
        }
    }
    println!(
        "{}",
        load_text(
            "postern.yaml",
            &changed("client_secret: {file: oidc-client}", "client_secret: hunter2hunter2")
                .replace("limits:", "limts:")
                .replace("lifetime: 8h", "lifetime: 8"),
            Path::new("")
        )
        .unwrap_err()
    );
}
