//! A rule's expression: it says yes, no or that it cannot tell, always the same, and what cannot tell lets nobody in.

use super::policy::{allow, compiled, deny, destination, notebook};
use postern::policy::grant::DenialReason;
use postern::policy::{Policy, Question, Refusal};
use postern::provider::policy_inputs::Names;
use postern::provider::principal::{Groups, Principal};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    CannotTell(DenialReason),
}

/// People who differ in what is known of them.
static PEOPLE: LazyLock<Vec<(Arc<Principal>, Option<IpAddr>)>> = LazyLock::new(|| {
    let groups = |names: &[&str]| Groups::Known(names.iter().map(|name| Arc::from(*name)).collect());
    let address: IpAddr = "10.1.2.3".parse().unwrap();
    let claims = json!({
        "department": "risk", "level": 3, "ratio": 0.5, "admin": true, "nothing": null,
        "roles": ["a", "ml-users"], "address": {"country": "AT", "codes": [1, 2]}, "email": "ada@corp.example",
    });
    vec![
        (person("ada@corp.example", groups(&["ml-users", "a", "b"]), claims), Some(address)),
        (person("eve", Groups::LeftOut, json!({"department": ["risk"], "level": "3"})), None),
        (person("", groups(&[]), json!({})), Some("::ffff:10.1.2.3".parse().unwrap())),
    ]
});

/// The input is the expression.
pub(super) fn check(input: &[u8]) {
    let Ok(expression) = std::str::from_utf8(input) else { return };
    let rules = |rules| compiled(vec![destination(notebook(), "nb", rules)]);
    let policy = match rules(vec![allow("only", expression)]) {
        Ok(policy) => policy,
        Err(faults) => {
            assert!(!faults.is_empty());
            faults.iter().for_each(|fault| {
                assert_eq!(fault.path, "destinations.nb.rules[0].allow");
                says_where(&fault.message, expression);
            });
            return;
        }
    };
    // An expression near the bounds may be beyond them with a `!` before it.
    let negation = rules(vec![allow("only", &format!("!({expression}\n)"))]).ok();
    let denying = rules(vec![deny("not", expression), allow("else", "true")]).unwrap();
    for (principal, client_ip) in &*PEOPLE {
        let ask = |policy| answer(policy, principal, *client_ip);
        let asked = ask(&policy);
        assert_eq!(asked, ask(&policy), "always the same");
        let opposite = match asked {
            Answer::Yes => Answer::No,
            Answer::No => Answer::Yes,
            cannot_tell @ Answer::CannotTell(_) => cannot_tell,
        };
        if let Some(negation) = &negation {
            assert_eq!(ask(negation), opposite, "`!` turns yes and no, and nothing else");
        }
        let expected =
            if asked == Answer::Yes { Answer::CannotTell(DenialReason::RuleDenied) } else { opposite };
        assert_eq!(ask(&denying), expected, "the same of a rule that denies");
        let reduced = Arc::new(reduced(principal, &policy));
        assert_eq!(answer(&policy, &reduced, *client_ip), asked, "what it reads is all that it asks for");
    }
}

fn answer(policy: &Policy, principal: &Arc<Principal>, client_ip: Option<IpAddr>) -> Answer {
    let question = Question { principal, client_ip, path: None, query: None };
    match policy.authorize(policy.destination("nb").unwrap(), &question) {
        Ok(grant) => {
            assert!(Arc::ptr_eq(grant.principal(), principal));
            Answer::Yes
        }
        Err(Refusal::Denied(denial)) if denial.reason == DenialReason::NoRule => Answer::No,
        Err(Refusal::Denied(denial)) => Answer::CannotTell(denial.reason),
        Err(Refusal::NoSuchPath(_)) => panic!("no path was asked for"),
    }
}

/// The person with no more than the policy reads.
fn reduced(principal: &Principal, policy: &Policy) -> Principal {
    let reads = policy.reads();
    let mut reduced = principal.clone();
    if let (Groups::Known(groups), Names::Only(_)) = (&principal.groups, &reads.groups) {
        let kept = groups.iter().filter(|group| reads.groups.contains(group)).cloned();
        reduced.groups = Groups::Known(kept.collect());
    }
    let claims = principal.claims.iter().filter(|(name, _)| reads.claims.contains(name));
    reduced.claims = Arc::new(claims.map(|(name, value)| (name.clone(), value.clone())).collect());
    reduced
}

/// A message that names a character names one of the expression, or the place behind the last.
fn says_where(message: &str, expression: &str) {
    assert!(!message.is_empty() && message.len() < 16 * 1024, "{} bytes of message", message.len());
    let character = message.rsplit_once(" (at character ").and_then(|(_, after)| after.strip_suffix(')'));
    if let Some(character) = character.and_then(|digits| digits.parse::<usize>().ok()) {
        assert!((1..=expression.chars().count() + 1).contains(&character), "{message:?}");
    }
}

fn person(user: &str, groups: Groups, claims: Value) -> Arc<Principal> {
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    Arc::new(Principal {
        realm: "staff".into(),
        user: user.to_owned(),
        issuer: "corp".into(),
        subject: "u1".to_owned(),
        name: None,
        groups,
        groups_total: None,
        claims: Arc::new(claims),
    })
}
