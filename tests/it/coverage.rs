//! `postern check --coverage`: what no policy test reaches, and tests that reach it.

use crate::support::postern::BINARY;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn check(config: &Path, arguments: &[&str]) -> Output {
    let output =
        Command::new(BINARY).arg("check").arg("--config").arg(config).args(arguments).output().unwrap();
    assert_ne!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn covered(config: &Path) -> Value {
    let output = check(config, &["--coverage", "--format", "json"]);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The configuration with further entries of `tests:`.
fn pasted(text: &str, entries: &str) -> String {
    match text.split_once("\ntests:\n") {
        Some((before, tests)) => format!("{before}\ntests:\n{entries}{tests}"),
        None => format!("{text}\ntests:\n{entries}"),
    }
}

fn entries(report: &Value) -> String {
    report["coverage"]["tests"].as_array().unwrap().iter().map(|entry| entry.as_str().unwrap()).collect()
}

/// A copy beside the original's files, so that relative paths lead to the same ones.
fn copied(text: &str, folder: &Path) -> PathBuf {
    for entry in fs::read_dir(root().join("config")).unwrap() {
        let path = entry.unwrap().path();
        for file in if path.is_dir() {
            fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect()
        } else {
            vec![path]
        } {
            let copy = folder.join(file.strip_prefix(root().join("config")).unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(file, copy).unwrap();
        }
    }
    let config = folder.join("pasted.yaml");
    fs::write(&config, text).unwrap();
    config
}

#[test]
fn what_no_test_reaches_is_named_by_its_line() {
    let sandbox = root().join("config/sandbox.yaml");
    let text = fs::read_to_string(&sandbox).unwrap();
    let line = |part: &str| 1 + text.lines().position(|line| line.contains(part)).unwrap();
    let output = check(&sandbox, &["--coverage"]);
    assert!(output.status.success());
    let report = String::from_utf8(output.stdout).unwrap();
    let file = sandbox.display();
    let everyone = format!(
        "  no test reaches, of studio:\n    {file}:{}: the `${{…}}` of `user_profile_name`\n    {file}:{}: the rule `everyone`\n",
        line("user_profile_name: ${profile_name(local_part"),
        line("- name: everyone")
    );
    assert!(report.contains(&everyone), "{everyone}{report}");
    assert!(
        report.contains("\ncoverage: 30 %: the tests reach 4 of 13 rules, `set` fields and `${…}`\n"),
        "{report}"
    );
    assert!(!report.contains("the rule `vpn`") && !report.contains("`set."), "{report}");
    assert!(
        report.contains(
            "  - name: \"the rule everyone decides about studio\"
    claims: {\"email\": \"person@corp.example\", \"email_verified\": true, \"groups\": [\"ml-users\"], \"sub\": \"u1\"}
    destination: \"studio\"
    expect: {\"domain_id\": \"d-sandbox00001\", \"rule\": \"everyone\", \"user_profile_name\": \"person\"}
"
        ),
        "{report}"
    );
    assert!(report.trim_end().ends_with("tests: 3 of 3 passed; warnings: 3"), "{report}");
    for (percent, code) in [("30", 0), ("31", 1), ("100", 1)] {
        assert_eq!(check(&sandbox, &["--coverage", percent]).status.code(), Some(code), "{percent}");
    }
    let wrong =
        Command::new(BINARY).args(["check", "--coverage", "101", "--config"]).arg(&sandbox).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

/// Of every example: the entries pass as they are, and reach all that they were offered for.
#[test]
fn offered_tests_pass_once_they_are_pasted() {
    let mut offered = 0;
    for entry in fs::read_dir(root().join("config")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let before = covered(&path);
        let folder = tempfile::tempdir().unwrap();
        let config = copied(&pasted(&fs::read_to_string(&path).unwrap(), &entries(&before)), folder.path());
        let after = covered(&config);
        let tests = after["tests"].as_array().unwrap();
        assert!(tests.iter().all(|test| test["passed"] == true), "{}: {after:#}", path.display());
        let rules = |report: &Value| {
            let missed = report["coverage"]["missed"].as_array().unwrap().iter();
            missed.filter(|part| part["what"].as_str().unwrap().starts_with("the rule")).count()
        };
        let count = before["coverage"]["tests"].as_array().unwrap().len();
        assert_eq!(rules(&after) + count, rules(&before), "{}: {after:#}", path.display());
        offered += count;
    }
    assert!(offered > 8, "{offered}");
    let folder = tempfile::tempdir().unwrap();
    let sandbox = fs::read_to_string(root().join("config/sandbox.yaml")).unwrap();
    let report = covered(&root().join("config/sandbox.yaml"));
    let config = copied(&pasted(&sandbox, &entries(&report)), folder.path());
    let output = check(&config, &["--coverage", "100"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn claims_are_found_where_the_expression_tells() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = fs::read_to_string(root().join("config/sandbox.yaml")).unwrap();
    let (before, _) = sandbox.split_once("\n  experiments:\n").unwrap();
    let (head, _) = before.split_once("    rules:\n      - name: vpn").unwrap();
    let rules = [
        ("gone", "deny: \"'leavers' in groups && claims.level > 3\""),
        ("office", "allow: \"in_cidr(client_ip, '10.20.0.0/16') && claims.department in ['risk', 'labs']\""),
        ("one", "allow: \"user == 'grace@corp.example' && !('guests' in groups)\""),
        ("started", "allow: \"claims.name.startsWith('Ada ')\""),
        ("never", "allow: \"claims.one == 'a' && claims.one == 'b'\""),
    ];
    let rules: String =
        rules.iter().map(|(name, rule)| format!("      - {{name: {name}, {rule}}}\n")).collect();
    let config = copied(&format!("{head}    rules:\n{rules}"), folder.path());
    let report = covered(&config);
    let found = entries(&report);
    for rule in ["gone", "office", "one"] {
        assert!(found.contains(&format!("\"the rule {rule} decides about studio\"")), "{rule}: {found}");
    }
    assert!(!found.contains("the rule never"), "{found}");
    assert!(found.contains("client_ip: \"10.20.0.1\"") && found.contains("grace@corp.example"), "{found}");
    let pasted = copied(&pasted(&fs::read_to_string(&config).unwrap(), &found), folder.path());
    let after = covered(&pasted);
    assert!(after["tests"].as_array().unwrap().iter().all(|test| test["passed"] == true), "{after:#}");
}
