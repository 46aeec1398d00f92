//! What a policy reads of a person, and that a session with no more than that decides alike.

use super::{AROUND, notebook_with, studio_with};
use hyper::header::{COOKIE, HeaderMap, HeaderValue};
use postern::clock::{Clock, UnixSeconds};
use postern::config::SessionConfig;
use postern::policy::{Policy, Question};
use postern::provider::policy_inputs::{Names, PolicyInputs};
use postern::provider::principal::{Groups, Principal};
use postern::sessions::seal::{Sealer, SealingKey};
use postern::sessions::{NewSession, Opened, ProviderTokens, Seen, Sessions, Unusable};
use postern::state::State;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use url::Url;

/// `groups: a b; claims: c`, with `*` for all.
fn shown(reads: &PolicyInputs) -> String {
    let names = |names: &Names| match names {
        Names::All => "*".to_owned(),
        Names::Only(names) => names.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
    };
    format!("groups: {}; claims: {}", names(&reads.groups), names(&reads.claims))
}

#[test]
fn an_expression_reads_what_it_names() {
    for (expression, expected) in [
        ("user == 'ada'", "groups: ; claims: "),
        ("'a' in groups && !('b' in groups)", "groups: a b; claims: "),
        ("groups.exists(g, g == 'a')", "groups: a; claims: "),
        ("groups.exists(g, g == 'a' || 'b' == g || g in ['c', 'd'])", "groups: a b c d; claims: "),
        ("['a', 'b'].exists(wanted, wanted in groups)", "groups: a b; claims: "),
        ("['a', 'b'].all(wanted, wanted in groups)", "groups: a b; claims: "),
        ("groups.exists(g, g == 'a' && user == 'ada')", "groups: *; claims: "),
        ("groups.exists(g, g == user)", "groups: *; claims: "),
        ("groups.exists(g, 'ada' == user)", "groups: *; claims: "),
        ("groups.exists(g, g == 'a' || 'risk' == claims.department)", "groups: *; claims: department"),
        ("groups.exists(g, user in ['a'])", "groups: *; claims: "),
        ("['a', 'b'].exists(wanted, user in groups)", "groups: *; claims: "),
        ("groups.exists(g, g != 'a')", "groups: *; claims: "),
        ("groups.exists(g, g.startsWith('a'))", "groups: *; claims: "),
        ("groups.all(g, g == 'a')", "groups: *; claims: "),
        ("groups.exists_one(g, g == 'a')", "groups: *; claims: "),
        ("size(groups) > 3", "groups: *; claims: "),
        ("user in groups", "groups: *; claims: "),
        ("['a', user].exists(wanted, wanted in groups)", "groups: *; claims: "),
        ("'a' in groups.filter(g, g != 'b')", "groups: *; claims: "),
        ("claims.department == 'risk' || has(claims.level)", "groups: ; claims: department level"),
        ("claims['department'] == claims.address.country", "groups: ; claims: address department"),
        ("'level' in claims", "groups: ; claims: level"),
        ("'a' in claims.groups", "groups: ; claims: groups"),
        ("claims.department in groups", "groups: *; claims: department"),
        ("claims.roles.exists(r, r in groups)", "groups: *; claims: roles"),
        ("claims[user] == 'x'", "groups: ; claims: *"),
        ("size(claims) > 3", "groups: ; claims: *"),
        ("claims.exists(name, name == 'x')", "groups: ; claims: *"),
    ] {
        let rules = format!("[{{name: only, allow: {}}}]", json!(expression));
        assert_eq!(shown(AROUND.policy(&notebook_with(&rules)).reads()), expected, "{expression}");
    }
}

#[test]
fn everything_with_expressions_counts_and_tests_do_not() {
    let policy = AROUND.policy(&studio_with("${profile_name(shared_by(claims.handle))}"));
    assert_eq!(shown(policy.reads()), "groups: ; claims: handle");
    let policy = AROUND.policy(
        "deny: [{name: leavers, when: \"'leavers' in groups\"}]
destinations:
  nb:
    target: {notebook_instance: {notebook_instance_name: shared}}
    rules:
      - {name: no, deny: \"'out' in groups\"}
      - {name: yes, allow: \"'in' in groups\", set: {notebook_instance_name: '${shared_by(claims.box)}'}}
tests:
  - {name: t, claims: {sub: u1, email: ada, groups: [unread]}, destination: nb, expect: {deny: no-rule}}
",
    );
    assert_eq!(shown(policy.reads()), "groups: in leavers out; claims: box");
}

static SEALER: LazyLock<Arc<Sealer>> = LazyLock::new(|| {
    let url = Url::parse("https://ml.corp.example").unwrap();
    Arc::new(Sealer::new(&SealingKey::random(), &[], &url, "https://sso.corp.example"))
});

fn sessions(reads: &PolicyInputs, now: UnixSeconds) -> Arc<Sessions> {
    let hour = Duration::from_secs(3600);
    let config = SessionConfig { keys: Vec::new(), lifetime: 8 * hour, idle: hour, revalidate: None };
    let (url, clock) = (Url::parse("https://ml.corp.example").unwrap(), Clock::manual(now));
    let issuer = crate::support::sign_in::issuer("https://sso.corp.example");
    let state = State::in_memory(clock.clone());
    Arc::new(Sessions::new(SEALER.clone(), &config, &url, &issuer, reads, state, clock))
}

/// Through the cookie, from a replica with one policy to another some minutes later.
fn carried(person: &Principal, from: &Policy, to: &Policy) -> Result<Arc<Principal>, Unusable> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let arrival = NewSession {
        principal: person,
        provider_session: None,
        seen: Seen::default(),
        tokens: ProviderTokens::default(),
    };
    let set = runtime.block_on(sessions(from.reads(), UnixSeconds(1_000)).establish(arrival)).unwrap().cookie;
    let pair = set.to_str().unwrap().split(';').next().unwrap();
    let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(pair).unwrap())]);
    match runtime.block_on(sessions(to.reads(), UnixSeconds(1_300)).open(&headers)) {
        Opened::Valid(session) => Ok(session.principal),
        Opened::Invalid { reason, .. } => Err(reason),
        other => panic!("{other:?}"),
    }
}

const GROUPS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const CLAIMS: [&str; 3] = ["department", "level", "groups"];

fn condition() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        3 => select(&GROUPS[..]).prop_map(|group| format!("'{group}' in groups")),
        1 => (select(&GROUPS[..]), select(&GROUPS[..]))
            .prop_map(|(one, two)| format!("groups.exists(g, g == '{one}' || g in ['{two}'])")),
        1 => subsequence(GROUPS.to_vec(), 1..3)
            .prop_map(|groups| format!("{groups:?}.all(wanted, wanted in groups)")),
        1 => select(&CLAIMS[..2]).prop_map(|claim| format!("claims.{claim} == 'x'")),
        1 => select(&CLAIMS[..]).prop_map(|claim| format!("has(claims.{claim})")),
        1 => select(&GROUPS[..]).prop_map(|group| format!("groups.exists(g, g.startsWith('{group}'))")),
        1 => Just("size(claims) == 4".to_owned()),
    ];
    prop::collection::vec((atom, any::<bool>(), any::<bool>()), 1..4).prop_map(|atoms| {
        let mut text = String::new();
        for (atom, negated, joined_by_and) in atoms {
            if !text.is_empty() {
                text.push_str(if joined_by_and { " && " } else { " || " });
            }
            text.push_str(&if negated { format!("!({atom})") } else { format!("({atom})") });
        }
        text
    })
}

pub(super) fn policy() -> impl Strategy<Value = Policy> {
    prop::collection::vec((condition(), any::<bool>()), 1..4).prop_map(|rules| {
        let rules = rules.iter().enumerate().map(|(index, (condition, allows))| {
            let effect = if *allows { "allow" } else { "deny" };
            format!("{{name: r{index}, {effect}: {}}}", json!(condition))
        });
        AROUND.policy(&notebook_with(&format!("[{}]", rules.collect::<Vec<_>>().join(", "))))
    })
}

pub(super) fn principal() -> impl Strategy<Value = Principal> {
    let groups = (subsequence(GROUPS.to_vec(), 0..6), prop_oneof![Just(0_usize), Just(45), Just(60)]);
    let claims = (any::<bool>(), select(&["x", "y"][..]), any::<bool>());
    (groups, claims).prop_map(|((named, others), (level, department, in_claims))| {
        let others = (0..others).map(|n| format!("{n:08x}-0000-4000-8000-{n:012x}"));
        let groups: Vec<String> = named.into_iter().map(str::to_owned).chain(others).collect();
        let mut claims = Map::from_iter([("department".to_owned(), Value::from(department))]);
        if level {
            claims.insert("level".to_owned(), "x".into());
        }
        if in_claims {
            claims.insert("groups".to_owned(), json!(groups));
        }
        Principal {
            realm: "staff".into(),
            user: "ada@corp.example".to_owned(),
            issuer: "corp".into(),
            subject: "u1".to_owned(),
            name: None,
            groups: Groups::Known(groups.iter().map(|group| Arc::from(group.as_str())).collect()),
            groups_total: None,
            claims: Arc::new(claims),
        }
    })
}

fn decision(policy: &Policy, principal: &Arc<Principal>) -> String {
    let question = Question { principal, client_ip: None, path: None, query: None };
    match policy.authorize(policy.destination("nb").unwrap(), &question) {
        Ok(grant) => format!("{:?}", grant.trace()),
        Err(refusal) => format!("{refusal:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_session_decides_as_the_person_does_or_does_not_count(
        person in principal(), from in policy(), to in policy()
    ) {
        let full = Arc::new(person);
        let same = carried(&full, &from, &from).expect("the policy that it was kept for asks for no more");
        prop_assert_eq!(decision(&from, &same), decision(&from, &full));
        match carried(&full, &from, &to) {
            Ok(kept) => prop_assert_eq!(decision(&to, &kept), decision(&to, &full)),
            Err(reason) => prop_assert_eq!(reason, Unusable::AsksForMore),
        }
    }
}
