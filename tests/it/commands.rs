//! The command line: exit status, standard output and standard error.

use crate::support::postern::BINARY;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn postern(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().expect("the binary runs")
}

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name).to_string_lossy().into_owned()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn written(folder: &tempfile::TempDir, name: &str, content: &str) -> String {
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, content).expect("a file");
    path.to_string_lossy().into_owned()
}

#[test]
fn every_example_passes_its_own_check() {
    let mut examples = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("config")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let checked = postern(&["check", "--config", path.to_str().unwrap()]);
            assert!(checked.status.success(), "{}: {}", path.display(), text(&checked.stderr));
            examples += 1;
        }
    }
    assert!(examples >= 6);
}

#[test]
fn errors_of_the_schema_and_of_the_policy_say_where_and_exit_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let minimal = std::fs::read_to_string(example("minimal.yaml")).unwrap();
    let misspelt = written(&folder, "misspelt.yaml", &minimal.replace("public_url:", "publik_url:"));
    let refused = postern(&["check", "--config", &misspelt]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(text(&refused.stdout), "");
    let errors = text(&refused.stderr);
    assert!(
        errors.contains("publik_url") && errors.contains("`public_url`") && errors.contains(".yaml:"),
        "{errors}"
    );

    let unknown = written(&folder, "unknown.yaml", &minimal.replace("in groups", "in group"));
    let refused = postern(&["check", "--config", &unknown]);
    assert_eq!(refused.status.code(), Some(2));
    let errors = text(&refused.stderr);
    assert!(errors.contains("`group`") && errors.contains("`groups`") && errors.contains("^"), "{errors}");
    assert_eq!(
        postern(&["serve", "--config", &unknown]).status.code(),
        Some(2),
        "serve refuses what check refuses"
    );

    let for_machines = postern(&["check", "--format", "json", "--config", &unknown]);
    assert_eq!(for_machines.status.code(), Some(2));
    let found: serde_json::Value = serde_json::from_slice(&for_machines.stdout).unwrap();
    assert!(found["errors"][0]["line"].as_u64().is_some_and(|line| line > 1), "{found}");
    assert!(found["errors"][0]["path"].as_str().unwrap().ends_with(".allow"), "{found}");

    assert_eq!(postern(&["check", "--config", "/no/such/file.yaml"]).status.code(), Some(2));
    assert_eq!(postern(&["check"]).status.code(), Some(2));
    assert_eq!(postern(&["no-such-command"]).status.code(), Some(2));
    // Not built yet: an error, whatever it is given.
    assert_eq!(postern(&["servers", "--config", &example("minimal.yaml")]).status.code(), Some(2));
}

#[test]
fn a_failing_policy_test_exits_with_1_and_keeps_the_gateway_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = std::fs::read_to_string(example("sandbox.yaml")).unwrap();
    let wrong = sandbox.replace("user_profile_name: risk--ada", "user_profile_name: risk--max");
    let config = written(&folder, "postern.yaml", &wrong);
    let checked = postern(&["check", "--config", &config]);
    assert_eq!(checked.status.code(), Some(1));
    let report = text(&checked.stdout);
    let line = 1 + wrong.lines().position(|line| line.contains("name: risk analysts land in")).unwrap();
    let failed = format!("test failed: risk analysts land in the risk domain\n --> {config}:{line}:");
    assert!(report.contains(&failed), "{failed}: {report}");
    assert!(report.contains("risk--max") && report.contains("risk--ada"), "expected and found: {report}");
    let served = postern(&["serve", "--config", &config]);
    assert_eq!(served.status.code(), Some(2));
    let refused = format!("{config}:{line}: the policy test `risk analysts land in the risk domain` fails: ");
    assert!(text(&served.stderr).starts_with(&refused), "{}", text(&served.stderr));
}

#[test]
fn secrets_are_read_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let config = written(&folder, "postern.yaml", &std::fs::read_to_string(example("sandbox.yaml")).unwrap());
    assert!(postern(&["check", "--config", &config]).status.success());
    let checked = postern(&["check", "--with-secrets", "--config", &config]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(text(&checked.stdout).contains("sandbox-client-secret"), "{}", text(&checked.stdout));
    assert!(
        text(&checked.stdout).ends_with("; secrets and files that cannot be used: 1\n"),
        "{}",
        text(&checked.stdout)
    );
    written(&folder, "sandbox-client-secret", "a-secret-nobody-sees\n");
    let checked = postern(&["check", "--with-secrets", "--format", "json", "--config", &config]);
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    assert!(!text(&checked.stdout).contains("a-secret-nobody-sees"));
}

#[test]
fn the_audit_file_is_tried_with_the_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = std::fs::read_to_string(example("sandbox.yaml")).unwrap();
    written(&folder, "sandbox-client-secret", "a-secret\n");
    let check = |file: &str| {
        let config = written(&folder, "postern.yaml", &format!("{sandbox}\naudit: {{file: {file}}}\n"));
        assert!(postern(&["check", "--config", &config]).status.success(), "only when asked");
        let checked = postern(&["check", "--with-secrets", "--config", &config]);
        (checked.status.code(), text(&checked.stdout).to_owned())
    };
    let (code, said) = check("nowhere/trail.jsonl");
    assert!(code == Some(1) && said.contains("error: audit.file: cannot write `"), "{code:?} {said}");
    let trail = written(&folder, "trail.jsonl", "");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o622);
    std::fs::set_permissions(trail, open).unwrap();
    let (code, said) = check("trail.jsonl");
    assert!(code == Some(0) && said.contains("warning: audit.file: `") && said.contains("0622"), "{said}");
}

#[test]
fn a_demo_whose_port_is_taken_says_which_and_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = postern(&["demo", "--port", &port.to_string()]);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.starts_with(&format!("port {port} of 127.0.0.1: ")) && said.contains("`--port 0`"),
        "{said}"
    );
}

#[test]
fn a_demo_without_room_for_its_folder_says_where() {
    let nowhere =
        Command::new(BINARY).args(["demo", "--port", "0"]).env("TMPDIR", "/nowhere").output().unwrap();
    let said = text(&nowhere.stderr);
    assert!(nowhere.status.code() == Some(1) && said.starts_with("/nowhere/postern-demo-"), "{said}");
}

#[test]
fn explain_tells_one_destination_or_all() {
    let folder = tempfile::tempdir().unwrap();
    let ada =
        r#"{"sub":"u1","email":"Ada@corp.example","email_verified":true,"groups":["ml-users","ml-risk"]}"#;
    let claims = written(&folder, "ada.json", ada);
    let config = example("sandbox.yaml");
    let one = postern(&["explain", "--config", &config, "--claims", &claims, "studio"]);
    assert!(one.status.success(), "{}", text(&one.stderr));
    let told = text(&one.stdout);
    for part in ["studio: grant by rule `risk`", "user_profile_name: risk--ada", "CreatePresignedDomainUrl"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let tried = "experiments/experiments/12?o=1&-try=3";
    let linked = postern(&["explain", "--config", &config, "--claims", &claims, tried]);
    assert!(text(&linked.stdout).contains("fragment: /experiments/12?o=1\n"), "{}", text(&linked.stdout));
    let all = postern(&["explain", "--config", &config, "--claims", &claims]);
    let table = text(&all.stdout);
    assert!(table.starts_with("DESTINATION"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("notebook") && line.contains("no-rule")), "{table}");

    let unverified = written(
        &folder,
        "unverified.json",
        r#"{"sub":"u1","email":"ada@corp.example","email_verified":false}"#,
    );
    let nobody = postern(&["explain", "--config", &config, "--claims", &unverified, "studio"]);
    assert_eq!(nobody.status.code(), Some(1));
    let examined = postern(&["doctor", "--config", &config, "--as", &unverified]);
    assert_eq!((examined.status.code(), &examined.stderr), (Some(1), &nobody.stderr));
    assert_eq!(
        text(&nobody.stderr),
        "these claims name nobody: the issuer does not say `email_verified: true` of the address: the claim `email_verified` is false\n"
    );
    let guest =
        written(&folder, "guest.json", r#"{"sub":"u1","email":"ada@guest.example","email_verified":true}"#);
    let nobody = postern(&["explain", "--config", &config, "--claims", &guest, "studio"]);
    let expected = "the claim `email` is \"ada@guest.example\" (`issuers.sandbox.user_domains`)\n";
    assert!(text(&nobody.stderr).ends_with(expected), "{}", text(&nobody.stderr));
    let unknown = postern(&["explain", "--config", &config, "--claims", &claims, "studoi"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("studio"), "{}", text(&unknown.stderr));
}

#[test]
fn explain_shows_what_a_rule_that_refused_was_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = std::fs::read_to_string(example("sandbox.yaml")).unwrap();
    let by_team = "destinations:\n  by-team:\n    target: {mlflow_tracking_server: {tracking_server_name: \"${shared_by(claims.server)}\"}}\n    \
                   rules:\n      - {name: team, allow: \"claims.team in ['a', 'b']\"}\n";
    let config = written(&folder, "postern.yaml", &sandbox.replace("destinations:\n", by_team));
    let told = |claims: &str| {
        let claims = format!(
            r#"{{"sub":"u1","email":"ada@corp.example","email_verified":true,"groups":["ml-users"]{claims}}}"#
        );
        let claims = written(&folder, "claims.json", &claims);
        let one = postern(&["explain", "--config", &config, "--claims", &claims, "by-team"]);
        text(&one.stdout).to_owned()
    };
    let refused = told(r#","team":"c","shoe":7"#);
    assert!(refused.contains("  asked about\n    claims.team: \"c\"\n"), "{refused}");
    assert!(!refused.contains("shoe") && !refused.contains("groups:"), "{refused}");
    let failed = told(r#","team":"a""#);
    assert!(
        failed.contains("by-team: deny (rule-error)") && failed.contains("claims.server: null"),
        "{failed}"
    );
    let granted = told(r#","team":"a","server":"s""#);
    assert!(granted.contains("grant") && !granted.contains("asked about"), "{granted}");
    // A group's name holds the name of something else that could be asked about.
    let claims = r#"{"sub":"u1","email":"ada@corp.example","email_verified":true,"groups":["others"]}"#;
    let claims = written(&folder, "claims.json", claims);
    let refused = postern(&["explain", "--config", &config, "--claims", &claims, "studio"]);
    let refused = text(&refused.stdout);
    assert!(refused.contains("    groups: [\"others\"]\n") && !refused.contains("    user: "), "{refused}");
}

#[test]
fn keys_are_fresh_and_the_schema_is_json() {
    let (one, other) = (postern(&["keygen"]), postern(&["keygen"]));
    assert_ne!(one.stdout, other.stdout);
    assert_eq!(text(&one.stdout).lines().count(), 1);
    let schema: serde_json::Value = serde_json::from_slice(&postern(&["schema"]).stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["destinations"].is_object());
}

/// A person is (realm, user): the same user of two realms must not meet in one profile.
#[test]
fn a_computed_profile_tells_realms_apart() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = std::fs::read_to_string(example("sandbox.yaml")).unwrap();
    let partner = "  partner:\n    issuer: https://partner.example\n    audience: [postern-api]\n    algorithms: [ES256]\n    user_domains: [corp.example]\n\nsign_in:";
    let config = written(&folder, "two.yaml", &sandbox.replace("sign_in:", partner));
    let refused = postern(&["check", "--config", &config]);
    assert_eq!(refused.status.code(), Some(2));
    let errors = text(&refused.stderr);
    assert!(errors.contains("people of several realms could get the same `user_profile_name`"), "{errors}");
    assert!(errors.contains("2 errors"), "one for each rule that opens Studio: {errors}");
    let notebook = "destinations:\n  own-notebook:\n    target:\n      notebook_instance: {notebook_instance_name: \"nb-${local_part(user, 'corp.example')}\"}\n    rules: [{name: all, allow: 'true'}]\n";
    let two = sandbox.replace("sign_in:", partner).replacen("destinations:\n", notebook, 1);
    let errors = postern(&["check", "--config", &written(&folder, "notebook.yaml", &two)]).stderr;
    let errors = text(&errors);
    assert!(
        errors.contains("people of several realms could get the same `notebook_instance_name`"),
        "{errors}"
    );
    let rules = "    rules: [{name: all, allow: 'true'}]\n";
    let role = "    role_arn: \"arn:aws:iam::111122223333:role/postern-${realm}\"\n";
    let by_role = two.replacen(rules, &format!("{role}{rules}"), 1);
    assert_ne!(by_role, two);
    let errors = postern(&["check", "--config", &written(&folder, "by-role.yaml", &by_role)]).stderr;
    assert!(
        text(&errors).contains("could get the same `notebook_instance_name`"),
        "a role is no other place"
    );
    let apart = sandbox
        .replace("sign_in:", partner)
        .replace("\"'ml-risk' in groups\"", "\"realm == 'sandbox' && 'ml-risk' in groups\"")
        .replace(
            "${profile_name(local_part(user, 'corp.example'))}",
            "${profile_name(join(realm, local_part(user, 'corp.example')))}",
        );
    let config = written(&folder, "apart.yaml", &apart);
    let checked = postern(&["check", "--config", &config]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
}

/// A table's values are those of the field that takes them; a key that nobody has is only warned of.
#[test]
fn a_table_is_judged_by_where_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let minimal = std::fs::read_to_string(example("minimal.yaml")).unwrap();
    let looked_up = minimal
        .replace("${profile_name(local_part(user, 'corp.example'))}", "${lookup('profiles', user)}")
        + "lookups: {profiles: {file: profiles.yaml}}\n";
    let config = written(&folder, "postern.yaml", &looked_up);
    written(&folder, "profiles.yaml", "ada@corp.example: ada-lovelace\nmax@corp.example: max.mustermann\n");
    let refused = postern(&["check", "--config", &config]);
    assert_eq!(refused.status.code(), Some(2));
    let told = text(&refused.stderr);
    assert!(
        told.contains("profiles.yaml:2:19") && told.contains("`max.mustermann` is not allowed"),
        "{told}"
    );
    written(&folder, "profiles.yaml", "Ada@corp.example: ada-lovelace\n");
    let warned = postern(&["check", "--config", &config]);
    assert!(warned.status.success());
    let told = text(&warned.stdout);
    assert!(told.contains("people arrive as `ada@corp.example`") && told.contains("warnings: 1"), "{told}");
}
