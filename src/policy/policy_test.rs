//! The tests that a configuration brings for its own policy: run by `check`, and before every reload.

use super::grant::{StartGrant, Trace};
use super::start::NoStart;
use super::{Policy, Question, explain};
use crate::config::located::At;
use crate::provider::principal::Principal;
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::sync::Arc;

/// A person, the destination that they open, and the result that they must get.
#[derive(Clone, Debug)]
pub struct PolicyTest {
    pub name: At<String>,
    /// The name of the issuer whose claims these are.
    pub issuer: Arc<str>,
    pub claims: Map<String, Value>,
    pub client_ip: Option<IpAddr>,
    pub destination: String,
    /// A deep link below the destination.
    pub path: Option<String>,
    pub query: Option<String>,
    pub expect: Expectation,
}

/// Every part that is there must hold.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The rule that decides.
    pub rule: Option<String>,
    /// The reason of the denial; without it the destination must open.
    pub deny: Option<String>,
    /// Whether the person may start the target.
    pub start: Option<bool>,
    /// Fields of the target, `region` and `role_arn`, by the API's names in snake_case.
    pub fields: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub struct TestOutcome {
    pub name: At<String>,
    /// The expectations that did not hold, each with the value found; empty where the test passes.
    pub failures: Vec<String>,
    /// The rules that were tried; empty where the claims identify nobody.
    pub trace: Trace,
}

impl TestOutcome {
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Runs tests. `principal` maps an issuer's verified claims to a person, as sign-in does.
pub fn run_tests(
    policy: &Policy,
    tests: &[PolicyTest],
    principal: impl Fn(&str, &Map<String, Value>) -> Result<Principal, String>,
) -> Vec<TestOutcome> {
    tests.iter().map(|test| run(policy, test, &principal)).collect()
}

fn run(
    policy: &Policy,
    test: &PolicyTest,
    principal: impl Fn(&str, &Map<String, Value>) -> Result<Principal, String>,
) -> TestOutcome {
    let outcome = |failures, trace| TestOutcome { name: test.name.clone(), failures, trace };
    let principal = match principal(&test.issuer, &test.claims) {
        Ok(principal) => Arc::new(principal),
        Err(reason) => {
            return outcome(vec![format!("the claims identify nobody: {reason}")], Trace::default());
        }
    };
    let Some(destination) = policy.destination(&test.destination) else {
        return outcome(vec![format!("there is no destination `{}`", test.destination)], Trace::default());
    };
    let (path, query) = (test.path.as_deref(), test.query.as_deref());
    let question = Question { principal: &principal, client_ip: test.client_ip, path, query };
    let mut failures = Vec::new();
    let (reason, fields, trace) = match policy.authorize(destination, &question) {
        Ok(grant) => {
            let (fields, trace) = (explain::fields(grant.mint()), grant.trace().clone());
            let start = test.expect.start.map(|expected| (expected, policy.may_start(grant, test.client_ip)));
            failures.extend(start.and_then(|(expected, found)| other_start(expected, found)));
            (None, fields, trace)
        }
        Err(refusal) => (Some(refusal.reason()), Map::new(), refusal.trace().clone()),
    };
    if reason != test.expect.deny.as_deref() {
        failures.push(match (&test.expect.deny, reason) {
            (Some(expected), Some(found)) => format!("expected the denial `{expected}`, found `{found}`"),
            (Some(expected), None) => format!("expected the denial `{expected}`, but it opens"),
            (None, found) => format!("expected it to open, found the denial `{}`", found.unwrap_or_default()),
        });
    }
    let rule = trace.deciding().map(|step| &*step.rule);
    if let Some(expected) = test.expect.rule.as_deref().filter(|expected| Some(*expected) != rule) {
        failures.push(format!("expected the rule `{expected}`, found {}", quoted(rule)));
    }
    if reason.is_none() {
        let differing =
            test.expect.fields.iter().filter(|(key, expected)| fields.get(*key) != Some(expected));
        failures.extend(differing.map(|(key, expected)| match fields.get(key) {
            Some(found) => format!("expected `{key}` {expected}, found {found}"),
            None => format!("expected `{key}` {expected}, found none"),
        }));
    }
    outcome(failures, trace)
}

/// The failure, if `start` is not as it was expected.
fn other_start(expected: bool, found: Result<StartGrant, NoStart>) -> Option<String> {
    let found = match found {
        Ok(_) if expected => return None,
        Ok(_) => "the person may start it".to_owned(),
        Err(NoStart::Failed { why, .. }) => format!("`start` cannot be evaluated: {why}"),
        Err(_) if !expected => return None,
        Err(NoStart::Nobody) => "the destination has no `start`, so nobody may".to_owned(),
        Err(NoStart::NotYou) => "`start` does not hold for the person".to_owned(),
    };
    Some(format!("expected `start` {expected}, but {found}"))
}

fn quoted(rule: Option<&str>) -> String {
    rule.map_or_else(|| "none".to_owned(), |rule| format!("`{rule}`"))
}
