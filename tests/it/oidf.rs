//! What the OpenID Foundation's conformance suite checks of a relying party, replayed by the tests' own provider: a
//! module per test plan, a test per module of the plan, named as it is.

mod back_channel_logout;
mod basic;
mod config;
mod refresh;
mod rp_initiated_logout;

use crate::support::elsewhere::vectors;
use postern::sign_in::Finished;
use postern::sign_in::SignInError;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// The plans that are replayed, each with the module here that holds its tests.
const PLANS: [(&str, &str); 5] = [
    ("oidcc-client-basic-certification-test-plan", "basic"),
    ("oidcc-client-config-certification-test-plan", "config"),
    ("oidcc-client-refreshtoken-test-plan", "refresh"),
    ("oidcc-client-back-channel-logout-rp-basic", "back_channel_logout"),
    ("oidcc-client-rp-initiated-logout-rp-basic", "rp_initiated_logout"),
];

/// The plans as the suite publishes them, against the tests as the harness lists them.
#[test]
fn every_module_of_every_plan_has_its_test() {
    let Some(path) = vectors("cases/oidf-rp-test-plans.json") else { return };
    let published: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let output = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let modules: BTreeSet<&str> =
        listed.lines().filter_map(|line| Some(line.strip_prefix("oidf::")?.split_once("::")?.0)).collect();
    assert_eq!(modules, PLANS.iter().map(|(_, module)| *module).collect());
    for (name, module) in PLANS {
        let prefix = format!("oidf::{module}::");
        let written: BTreeSet<&str> = listed
            .lines()
            .filter_map(|line| line.strip_prefix(prefix.as_str())?.strip_suffix(": test"))
            .collect();
        let plans = published["plans"].as_array().unwrap();
        let plan = plans.iter().find(|plan| plan["plan"] == name).expect(name);
        let modules = plan["modules"].as_array().unwrap().iter().map(|module| module.as_str().unwrap());
        let expected: BTreeSet<String> = modules.map(|module| module.replace('-', "_")).collect();
        assert!(!expected.is_empty(), "{name}");
        assert_eq!(written, expected.iter().map(String::as_str).collect(), "{name}");
    }
}

#[track_caller]
fn accepts(finished: &Result<Finished, SignInError>) {
    assert!(matches!(finished, Ok(Finished::SignedIn { .. })), "{finished:?}");
}

/// No session is made, for this reason.
#[track_caller]
fn rejects(finished: Result<Finished, SignInError>, reason: &str) {
    assert_eq!(finished.expect_err("a refusal").reason(), reason);
}
