//! What `postern diff` says of random rules and people is what two decisions say.

use super::reads::{policy, principal};
use postern::config::IssuerConfig;
use postern::diff::{Comparison, Side};
use postern::policy::explain::{Explanation, explain};
use postern::policy::{Policy, Question};
use postern::provider::principal::{Groups, Principal};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

fn explained(policy: &Policy, principal: &Arc<Principal>) -> Explanation {
    let question = Question { principal, client_ip: None, path: None, query: None };
    explain(policy, policy.destination("nb").unwrap(), &question)
}

/// What the gateway writes down of a decision by this policy, and whether there was room for all of it.
fn record(policy: &Policy, principal: &Arc<Principal>) -> (String, bool) {
    let decided = explained(policy, principal);
    let question = Question { principal, client_ip: None, path: None, query: None };
    let facts = policy.destination("nb").unwrap().facts(&question);
    let is_cut = facts.is_cut();
    let record = json!({
        "time": "2026-11-25T18:06:42.117Z",
        "event": decided.decision,
        "issuer": &*principal.issuer,
        "subject": principal.subject,
        "user": principal.user,
        "destination": "nb",
        "rule": decided.rule.as_deref(),
        "reason": decided.reason,
        "target": (decided.decision == "grant").then_some(decided.target),
        "facts": facts,
        "facts_cut": is_cut,
    });
    (record.to_string(), is_cut)
}

/// The kinds of what is found.
fn compared(new: &Policy, old: Option<&Policy>, record: &str) -> Vec<String> {
    let issuer = crate::support::sign_in::issuer("https://sso.corp.example");
    let issuers = [IssuerConfig { name: "corp".into(), realm: "staff".into(), ..issuer }];
    let tables = BTreeMap::new();
    let side = |policy| Side::new(policy, &issuers, &tables);
    let mut comparison = Comparison::new(side(new), old.map(side), None);
    comparison.take(record.as_bytes(), || "the record".to_owned()).unwrap();
    let report: Value = serde_json::from_str(&comparison.report().json(false)).unwrap();
    assert_eq!(report["read"]["decisions"], 1, "{report}");
    let destinations = report["destinations"].as_array().unwrap().iter();
    let changes = destinations.flat_map(|found| found["changes"].as_array().unwrap());
    changes.map(|change| change["kind"].as_str().unwrap().to_owned()).collect()
}

fn expected(old: &Explanation, new: &Explanation) -> Vec<String> {
    match (old.decision, new.decision) {
        ("grant", "deny") => vec!["loss".to_owned()],
        ("deny", "grant") => vec!["gain".to_owned()],
        _ => Vec::new(),
    }
}

#[test]
fn a_gain_or_a_loss_is_what_two_decisions_say() {
    let config = ProptestConfig { failure_persistence: None, cases: 1500, ..ProptestConfig::default() };
    let (told, unknown) = (Cell::new(0), Cell::new(0));
    // Of how many groups a session tells only whether the person is in those that were asked for.
    let people = (principal(), any::<bool>(), 0..8);
    TestRunner::new(config)
        .run(&(people, policy(), policy()), |((mut person, is_selection, groups), old, new)| {
            person.groups_total = is_selection.then_some(60);
            if groups == 0 {
                person.groups = Groups::LeftOut;
            }
            let person = Arc::new(person);
            let (before, after) = (explained(&old, &person), explained(&new, &person));
            let (record, is_cut) = record(&old, &person);
            prop_assert_eq!(compared(&old, Some(&old), &record), Vec::<String>::new());
            let own = compared(&old, None, &record);
            prop_assert!(own.is_empty() || (is_cut && own == ["unknown"]), "{own:?}: {record}");
            for against in [None, Some(&old)] {
                let found = compared(&new, against, &record);
                if found == ["unknown"] {
                    unknown.set(unknown.get() + 1);
                } else {
                    prop_assert_eq!(&found, &expected(&before, &after), "{}", record);
                    told.set(told.get() + usize::from(!found.is_empty()));
                }
            }
            Ok(())
        })
        .unwrap();
    let (told, unknown) = (told.get(), unknown.get());
    println!("{told} gains and losses, {unknown} unknown");
    assert!(told > 200 && unknown > 50, "{told} told, {unknown} unknown");
}
