//! Many rules and many groups: the decision stays far below a millisecond, and is the same on every thread.

use super::{AROUND, person};
use postern::policy::Policy;
use std::sync::Arc;
use std::time::{Duration, Instant};

const MANY: usize = 1000;

/// Rules for the groups `ml-0` … `ml-999`, of which the last one alone fits.
fn policy() -> Policy {
    let rules: Vec<String> =
        (0..MANY).map(|rule| format!("{{name: r{rule}, allow: \"'ml-{rule}' in groups\"}}")).collect();
    AROUND.policy(&super::notebook_with(&format!("[{}]", rules.join(", "))))
}

#[test]
fn a_thousand_rules_on_a_thousand_groups() {
    let policy = policy();
    let mut groups: Vec<String> = (1..MANY).map(|group| format!("other-{group}")).collect();
    groups.push(format!("ml-{}", MANY - 1));
    let ada = person("ada", &groups.iter().map(String::as_str).collect::<Vec<_>>());
    let fastest = (0..20)
        .map(|_| {
            let start = Instant::now();
            let grant = ada.opens(&policy, "nb").unwrap();
            let took = start.elapsed();
            assert_eq!(grant.trace().steps.len(), MANY);
            took
        })
        .min();
    println!("1000 rules, 1000 groups: {:?}", fastest.unwrap_or(Duration::MAX));
}

#[test]
fn a_policy_is_shared_between_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<Policy>();
    let policy = Arc::new(policy());
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let policy = Arc::clone(&policy);
            std::thread::spawn(move || {
                let group = format!("ml-{thread}");
                person("ada", &[&group]).opens(&policy, "nb").unwrap().trace().steps.len()
            })
        })
        .collect();
    let steps: Vec<usize> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(steps, [1, 2, 3, 4]);
}
