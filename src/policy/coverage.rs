//! The parts of the rules that the policy tests reach: each rule that decides, and each `set` field and each `${…}` by
//! which a test opens something.

mod reach;

use super::Policy;
use super::grant::Outcome;
use super::policy_test::{PolicyTest, TestOutcome};
use crate::config::IssuerConfig;
use crate::config::file::fields::Written;
use crate::config::file::policy::{Destination, PolicyFile};
use reach::Search;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;

#[derive(Debug)]
pub struct Coverage {
    /// In the order of the configuration.
    pub parts: Vec<Part>,
}

/// Something that a test can reach.
#[derive(Clone, Debug)]
pub struct Part {
    /// `None` for the rules before every destination's own.
    pub destination: Option<String>,
    pub line: u32,
    pub what: What,
    pub is_reached: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Rule(String),
    /// A field that a rule sets.
    Set {
        rule: String,
        field: String,
    },
    /// A field of the destination with `${…}`.
    Template(String),
}

/// A policy test that would reach a rule.
#[derive(Clone, Debug)]
pub struct Suggestion {
    pub issuer: String,
    pub claims: Map<String, Value>,
    pub client_ip: Option<IpAddr>,
    pub destination: String,
    pub rule: String,
    /// The test's expectations beside the rule.
    pub expect: Map<String, Value>,
}

impl Coverage {
    /// `outcomes` are those of `tests`, in their order.
    pub fn of(file: &PolicyFile, tests: &[PolicyTest], outcomes: &[TestOutcome]) -> Self {
        let mut decided: BTreeSet<(&str, &str)> = BTreeSet::new();
        for (test, outcome) in tests.iter().zip(outcomes) {
            let step = outcome.trace.deciding().filter(|step| step.outcome == Outcome::Matched);
            decided.extend(step.map(|step| (&*test.destination, &*step.rule)));
        }
        let global = file.deny.iter().map(|rule| Part {
            destination: None,
            line: rule.name.location.line,
            what: What::Rule(rule.name.value.clone()),
            is_reached: decided.iter().any(|(_, name)| *name == rule.name.value),
        });
        let own = file.destinations.iter().flat_map(|(name, destination)| {
            let is_decided = |rule: &str| decided.contains(&(name.value.as_str(), rule));
            parts(&name.value, destination, &is_decided)
        });
        Self { parts: global.chain(own).collect() }
    }

    pub fn reached(&self) -> usize {
        self.parts.iter().filter(|part| part.is_reached).count()
    }

    pub fn missed(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| !part.is_reached)
    }

    /// The percentage of parts that are reached, rounded down: 100 means that nothing is left.
    pub fn percent(&self) -> u8 {
        let percent = (100 * self.reached()).checked_div(self.parts.len()).unwrap_or(100);
        u8::try_from(percent).unwrap_or(100)
    }

    /// Tests for the rules that no test reaches, where the expressions tell which claims reach a rule.
    pub fn suggestions(&self, policy: &Policy, issuers: &[IssuerConfig]) -> Vec<Suggestion> {
        let search = Search::new(policy, issuers);
        let missed = self.missed().filter_map(|part| match &part.what {
            What::Rule(rule) => Some((part.destination.as_deref(), rule)),
            // They are reached with their rule, or with any rule that opens the destination.
            What::Set { .. } | What::Template(_) => None,
        });
        missed.filter_map(|(destination, rule)| search.test(destination, rule)).collect()
    }
}

fn parts(name: &str, destination: &Destination, is_decided: &dyn Fn(&str) -> bool) -> Vec<Part> {
    let part = |line, what, is_reached| Part { destination: Some(name.to_owned()), line, what, is_reached };
    let mut parts = Vec::new();
    let base = destination.target.fields.0.iter().map(|(key, value)| {
        let text = match &value.value {
            Written::Text(text) => text.as_str(),
            Written::Number(_) => "",
        };
        (*key, text, value.location.line)
    });
    let place = [("region", &destination.region), ("role_arn", &destination.role_arn)];
    let place = place.into_iter().filter_map(|(key, value)| {
        let value = value.as_ref()?;
        Some((key, value.value.as_str(), value.location.line))
    });
    for (key, text, line) in base.chain(place) {
        if text.contains("${") {
            let uses_it = destination.rules.iter().filter(|rule| {
                rule.allow.is_some() && rule.set.as_ref().is_none_or(|set| set.0.find(key).is_none())
            });
            let uses_it: Vec<_> = uses_it.collect();
            if !uses_it.is_empty() {
                let is_reached = uses_it.iter().any(|rule| is_decided(&rule.name));
                parts.push(part(line, What::Template(key.to_owned()), is_reached));
            }
        }
    }
    for rule in &destination.rules {
        let name = rule.name.value.clone();
        parts.push(part(rule.name.location.line, What::Rule(name.clone()), is_decided(&name)));
        for (key, value) in rule.set.iter().flat_map(|set| &set.0.0) {
            let what = What::Set { rule: name.clone(), field: (*key).to_owned() };
            parts.push(part(value.location.line, what, is_decided(&name)));
        }
    }
    parts
}

impl Suggestion {
    /// One entry of `tests:`, to paste; with the issuer where there are several.
    pub fn entry(&self, with_issuer: bool) -> String {
        let issuer =
            if with_issuer { format!("    issuer: {}\n", json!(self.issuer)) } else { String::new() };
        let client_ip =
            self.client_ip.map(|address| format!("    client_ip: {}\n", json!(address))).unwrap_or_default();
        let mut expect = Map::from_iter([("rule".to_owned(), Value::from(self.rule.as_str()))]);
        expect.extend(self.expect.clone());
        let name = format!("the rule {} decides about {}", self.rule, self.destination);
        format!(
            "  - name: {}\n{issuer}    claims: {}\n{client_ip}    destination: {}\n    expect: {}\n",
            json!(name),
            flow(&Value::Object(self.claims.clone())),
            json!(self.destination),
            flow(&Value::Object(expect)),
        )
    }
}

/// JSON with blanks, which is YAML.
fn flow(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Array(items) => format!("[{}]", joined(items.iter().map(flow).collect())),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| format!("{}: {}", json!(name), flow(value));
            format!("{{{}}}", joined(members.iter().map(member).collect()))
        }
        other => other.to_string(),
    }
}
