//! The templates, as AWS's own linter and Checkov judge them.

use super::{FLUSH, filled_in, judged, pass_checkov, said, shipped, text};
use crate::support::elsewhere::peers;
use crate::support::postern::BINARY;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const TEMPLATES: [&str; 2] = ["cloudformation/postern.yaml", "cloudformation/target-role.yaml"];

/// Warnings are errors here.
fn lint(peers: &Path, files: &[PathBuf]) -> String {
    said(&judged(&peers.join("cfn-lint/bin/cfn-lint"), &[], files))
}

#[test]
fn templates_are_valid() {
    let Some(peers) = peers("CloudFormation templates") else { return };
    assert_eq!(lint(&peers, &TEMPLATES.map(shipped)), "");
    let folder = TempDir::new().expect("a folder");
    let wrong = folder.path().join("postern.yaml");
    for (right, mistake, code) in [
        ("TargetType: ip", "TargetKind: ip", "E3002"),
        ("Memory: \"2048\"", "Memory: \"512\"", "E3047"),
        ("logs:PutLogEvents", "logs:PutLogLines", "W3037"),
    ] {
        fs::write(&wrong, filled_in(&text(TEMPLATES[0]), &[(right, mistake)])).expect("a template");
        let said = lint(&peers, std::slice::from_ref(&wrong));
        assert!(said.contains(code), "{mistake} is noticed: {said}");
    }
}

#[test]
fn templates_hold_to_good_practice() {
    let Some(peers) = peers("CloudFormation templates") else { return };
    for template in TEMPLATES {
        pass_checkov(&peers, "cloudformation", &[], &[shipped(template)]);
    }
}

/// The linter knows the actions of IAM's policies and not those of endpoints, so these are held to those.
#[test]
fn the_endpoint_lets_through_what_target_roles_may_call() {
    let called = |template: &str| -> BTreeSet<String> {
        let text = text(template);
        let actions = text.lines().filter_map(|line| line.trim().strip_prefix("- sagemaker:"));
        // What AWS asks for when the opened session is used, which is not here.
        actions.filter(|action| !action.starts_with("Call")).map(str::to_owned).collect()
    };
    assert_eq!(called(TEMPLATES[0]), called(TEMPLATES[1]));
}

/// What `postern iam` prints for targets of all kinds is what the template allows, no more and no less.
const SERVICES: [&str; 5] = ["sagemaker:", "sagemaker-mlflow:", "iam:", "s3:", "kms:"];

#[test]
fn target_roles_may_do_what_is_called() {
    let full = concat!(env!("CARGO_MANIFEST_DIR"), "/config/full.yaml");
    let output = Command::new(BINARY).args(["iam", "--format", "json", "--config", full]).output();
    let output = output.expect("postern");
    let policies: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    let roles = policies["roles"].as_array().expect("roles").iter();
    let statements =
        roles.flat_map(|role| role["permission_policy"]["Statement"].as_array().expect("statements"));
    let called: BTreeSet<&str> = statements
        .flat_map(|statement| statement["Action"].as_array().expect("actions"))
        .map(|action| action.as_str().expect("a text"))
        .collect();
    let template = text(TEMPLATES[1]);
    let allowed: BTreeSet<&str> = template
        .lines()
        .filter_map(|line| {
            line.trim().trim_start_matches("- ").trim_start_matches("Action: ").split(' ').next()
        })
        .filter(|word| SERVICES.iter().any(|service| word.starts_with(service)) && !word.ends_with(':'))
        .collect();
    let allows = |pattern: &str, action: &str| match pattern.strip_suffix('*') {
        Some(start) => action.starts_with(start),
        None => action == pattern,
    };
    for action in &called {
        assert!(allowed.iter().any(|pattern| allows(pattern, action)), "{action} is missing: {allowed:?}");
    }
    for pattern in &allowed {
        assert!(called.iter().any(|action| allows(pattern, action)), "{pattern} is for nothing: {called:?}");
    }
}

#[test]
fn ecs_waits_for_the_drain_that_the_template_tells_to_configure() {
    let template = text(TEMPLATES[0]);
    assert!(template.contains("#   drain: {delay: 1s, grace: 20s}"));
    let seconds = template.lines().find_map(|line| line.trim().strip_prefix("StopTimeout: "));
    let seconds: u64 = seconds.expect("StopTimeout").parse().expect("seconds");
    assert!(seconds > 1 + 20 + FLUSH.as_secs());
}
