//! What an admin sees.

use super::{LEGAL, changed};
use postern::config::diagnostics::Severity;
use postern::config::load_text;
use std::path::Path;

fn rendered(yaml: &str) -> String {
    load_text("postern.yaml", yaml, Path::new("")).expect_err("this must be refused").to_string()
}

#[test]
fn a_finding_shows_its_line() {
    assert_eq!(
        rendered(&changed("lifetime: 8h", "lifetime: 8")),
        "error: session.lifetime: found `8`; allowed: a time with its unit, such as `90s`, `15m` or `8h`, from 1s to 7d
  --> postern.yaml:27:13
   |
27 |   lifetime: 8
   |             ^

1 error in postern.yaml"
    );
}

#[test]
fn all_findings_are_shown_in_the_order_of_the_file() {
    let yaml = changed("limits:", "limts:").replace("bearer, session", "bearer, sesion").replace("8h", "");
    assert_eq!(
        rendered(&yaml),
        "error: credentials[1]: found `sesion`; allowed: `bearer`, `session`, `signed_header`
  --> postern.yaml:19:23
   |
19 | credentials: [bearer, sesion, signed_header]
   |                       ^^^^^^
   |
   = help: did you mean `session`?

error: session.lifetime: no value is given
  --> postern.yaml:27:3
   |
27 |   lifetime: 
   |   ^^^^^^^^
   |
   = help: give a value, in quotes if it is the word `null` or begins with `#`, or remove the key

error: limts: unknown key `limts`; allowed: `admin`, `aliases`, `audit`, `aws`, `branding`, `credentials`, `deny`, `destinations`, `drain`, `insecure_trust_everyone`, `issuers`, `limits`, `listen`, `lookups`, `mlflow_apps`, `mlflow_tracking_servers`, `portal`, `public_url`, `session`, `sign_in`, `state`, `tests`, `tokens`, `trusted_proxies`
  --> postern.yaml:37:1
   |
37 | limts: {mints_per_minute: 30}
   | ^^^^^
   |
   = help: did you mean `limits`?

3 errors in postern.yaml"
    );
}

#[test]
fn findings_in_different_sections_come_together() {
    let yaml = changed("10.0.100.0/24", "10.0.100.7/24").replace("[RS256]", "[HS256]").replace("5s", "5m");
    let findings = load_text("postern.yaml", &yaml, Path::new("")).unwrap_err().findings;
    let paths: Vec<&str> = findings.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["trusted_proxies[0]", "issuers.corp.algorithms[0]", "aws.timeout"]);
}

#[test]
fn an_inline_secret_is_not_shown() {
    assert_eq!(
        rendered(&changed("client_secret: {file: oidc-client}", "client_secret: hunter2hunter2")),
        "error: sign_in.client_secret: a secret is never written in the configuration
--> postern.yaml:23:18
 = help: name an environment variable, `{env: NAME}`, or a file, `{file: PATH}`

1 error in postern.yaml"
    );
}

#[test]
fn no_finding_shows_a_secret_that_stands_on_its_line() {
    let secrets = [
        ("client_secret: {file: oidc-client}", "client_secrt: hunter2"),
        ("client_secret: {file: oidc-client}", "client_secret: \"hunter2"),
        ("client_secret: {file: oidc-client}", "client_secret: {env: hunter2-}"),
        ("client_secret: {file: oidc-client}", "client_secret: [hunter2]"),
        ("client_secret: {file: oidc-client}", "client_secret: {env: A}\n  client_secret: hunter2"),
        ("client_secret: {file: oidc-client}", "client_secret: !!str hunter2"),
        ("keys: [{env: SESSION_KEY}]", "keys: [hunter2]"),
        ("keys: [{env: SESSION_KEY}]", "keys: hunter2"),
        ("https://vpce.example", "https://ada:hunter2@vpce.example"),
    ];
    for (from, to) in secrets {
        let refusal = rendered(&changed(from, to));
        assert!(!refusal.contains("hunter2"), "{to}:\n{refusal}");
    }
}

#[test]
fn warnings_are_rendered_alike() {
    let yaml = changed("https://ml.corp.example\n", "http://localhost:8080\n");
    let loaded = load_text("postern.yaml", &yaml, Path::new("")).unwrap();
    let [warning] = loaded.warnings.as_slice() else { panic!("one warning") };
    assert_eq!(
        loaded.source.render(Severity::Warning, warning),
        "warning: public_url: cookies and one-time URLs travel unencrypted; fit for one machine only
 --> postern.yaml:1:13
  |
1 | public_url: http://localhost:8080
  |             ^^^^^^^^^^^^^^^^^^^^^"
    );
}

#[test]
fn an_alias_is_reported_where_its_text_stands() {
    let yaml = format!("x-long: &long 31s\n{LEGAL}").replace("timeout: 5s", "timeout: *long");
    assert!(
        rendered(&yaml).contains("1 | x-long: &long 31s\n  |               ^^^\n"),
        "{}",
        rendered(&yaml)
    );
}
