//! Random rule sets and the people who could meet in them: a rule set that loads brings no two together.

use super::{AROUND, Around, Person, person};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestError, TestRunner};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::HashMap;

/// Who says that people share a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    /// Constants and tables alone.
    Written,
    SharedBy,
    Nobody,
}

type Text = (String, Said);

const FILES: &[(&str, &str)] = &[
    ("people.yaml", "{a: x, x: a-a, 'a@a.example': aa, 'x-a@a.example': a}"),
    ("teams.yaml", "{a: x, aa: x-a, x: a}"),
];

fn leaf() -> impl Strategy<Value = Text> {
    let written = ["'a'", "'A'", "'-'", "'x-'", "'-a'", "'aa'", "'--'", "''", "realm", "issuer"];
    let written = written.into_iter().chain(["lookup('people', user)", "lookup('teams', claims.team)"]);
    let own = [
        "user",
        "claims.sub",
        "claims.team",
        "local_part(user, 'a.example')",
        "local_part(user, 'b.example')",
    ];
    let said = |said: Said| move |text: &str| (text.to_owned(), said);
    prop_oneof![
        2 => select(written.collect::<Vec<_>>()).prop_map(said(Said::Written)),
        4 => select(own.to_vec()).prop_map(said(Said::Nobody)),
        1 => select(vec!["'a' : 'aa'", "'' : 'x-'", "'x' : 'x-a'", "'A-' : 'b-'"])
            .prop_map(|constants| (format!("('g' in groups ? {constants})"), Said::Written)),
        1 => Just(("shared_by(claims.team)".to_owned(), Said::SharedBy)),
    ]
}

fn condition() -> impl Strategy<Value = &'static str> {
    select(vec![
        "true",
        "'g' in groups",
        "realm == 'a'",
        "!(realm == 'a')",
        "issuer in ['one', 'two'] && 'g' in groups",
        "issuer != 'one' || realm == 'x'",
        "user.endsWith('@a.example')",
        "realm.startsWith('a')",
    ])
}

fn expression() -> impl Strategy<Value = Text> {
    let own = select(vec!["user", "profile_name(user)", "local_part(user, 'a.example')"]);
    prop_oneof![3 => any_expression(), 1 => own.prop_map(|text| (text.to_owned(), Said::Nobody))]
}

fn any_expression() -> impl Strategy<Value = Text> {
    leaf().prop_recursive(3, 8, 2, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            two.clone().prop_map(|((a, one), (b, other))| (format!("({a} + {b})"), one.max(other))),
            two.clone().prop_map(|((a, one), (b, other))| (format!("join({a}, {b})"), one.max(other))),
            inner.clone().prop_map(|(a, said)| (format!("profile_name({a})"), said)),
            (select(vec!["a", "x"]), inner.clone())
                .prop_map(|(prefix, (a, said))| (format!("profile_name('{prefix}', {a})"), said)),
            inner.clone().prop_map(|(a, said)| (format!("{a}.lowerAscii()"), said)),
            // One branch that somebody vouches for says nothing of the other.
            (condition(), two).prop_map(|(asked, ((a, one), (b, other)))| {
                let choice = if one == other { format!("({asked} ? {a} : {b})") } else { a };
                (choice, one)
            }),
            inner.prop_map(|(a, _)| (format!("shared_by({a})"), Said::SharedBy)),
        ]
    })
}

fn template() -> impl Strategy<Value = Text> {
    let around = select(vec!["", "", "", "a", "x-"]);
    let another = proptest::option::weighted(0.2, expression());
    (around.clone(), expression(), another, around).prop_map(|(before, (text, said), another, behind)| {
        let (other, others) =
            another.map_or((String::new(), said), |(text, said)| (format!("${{{text}}}"), said));
        (format!("{before}${{{text}}}{other}{behind}"), said.max(others))
    })
}

/// A rule, and where it leads.
#[derive(Clone, Debug)]
struct Rule {
    allow: &'static str,
    name: Text,
    /// The domain or the region, with the key of the name.
    place: (&'static str, &'static str),
}

fn rule() -> impl Strategy<Value = Rule> {
    let place = select(vec![
        ("domain_id: d-a", "user_profile_name"),
        ("domain_id: d-b", "user_profile_name"),
        ("domain_id: \"${'g' in groups ? 'd-a' : 'd-b'}\"", "user_profile_name"),
        ("domain_id: \"d-${realm}\"", "user_profile_name"),
        ("region: eu-west-1", "notebook_instance_name"),
        ("region: us-east-1", "notebook_instance_name"),
    ]);
    (condition(), template(), place).prop_map(|(allow, name, place)| Rule { allow, name, place })
}

fn written(rules: &[Rule]) -> String {
    let destination = |(index, rule): (usize, &Rule)| {
        let ((place, key), name) = (rule.place, json!(rule.name.0));
        let (kind, first) = if key == "user_profile_name" {
            ("studio_domain", "domain_id: d-x, user_profile_name: x")
        } else {
            ("notebook_instance", "notebook_instance_name: x")
        };
        format!(
            "  r{index}: {{target: {{{kind}: {{{first}}}}}, rules: [{{name: r{index}, allow: {}, set: {{{place}, {key}: {name}}}}}]}}\n",
            json!(rule.allow)
        )
    };
    let destinations: String = rules.iter().enumerate().map(destination).collect();
    format!(
        "lookups: {{people: {{file: people.yaml}}, teams: {{file: teams.yaml}}}}\ndestinations:\n{destinations}"
    )
}

type Issuers = &'static [(&'static str, &'static str, &'static [&'static str])];

const A: &[&str] = &["a.example"];
const BOTH: &[&str] = &["a.example", "b.example"];

/// Issuers with their realms and domains.
const ISSUERS: &[Issuers] = &[
    &[("one", "a", &[])],
    &[("one", "a", BOTH)],
    &[("one", "a", &[]), ("two", "a", A), ("three", "aa", &[])],
    &[("one", "a", A), ("two", "x", BOTH), ("three", "x", &[])],
    &[("one", "a", A), ("two", "x", &["b.example"])],
    &[("one", "a", &[]), ("two", "x", &[]), ("three", "aa", &[])],
];

/// Everybody whom these issuers could name, of texts that are close to one another.
fn people(issuers: Issuers) -> Vec<Person> {
    let names = ["a", "A", "x", "aa", "a-a", "x-a", "a--a", "a--x", "user---x"];
    let mut people = Vec::new();
    for (number, (issuer, realm, domains)) in issuers.iter().enumerate() {
        let addresses =
            ["a@a.example", "a@b.example", "A@a.example", "aa@a.example", "x-a@a.example", "x--a@b.example"];
        let is_asserted = |user: &&str| match user.split_once('@') {
            Some((_, domain)) if !domains.is_empty() => {
                domains.contains(&domain) && user.to_ascii_lowercase() == **user
            }
            _ => domains.is_empty(),
        };
        for user in names.into_iter().chain(addresses).filter(is_asserted) {
            // An issuer gives a subject to one person; two issuers may give the same one to two people.
            let subject = if number == 0 { user.to_owned() } else { user.chars().rev().collect() };
            for (team, groups) in [("a", &["g"][..]), ("a", &[]), ("aa", &[]), ("A", &["g"]), ("-a", &[])] {
                people.push(person(user, groups).claims(json!({"team": team, "sub": subject})).with(
                    |person| {
                        person.issuer = (*issuer).into();
                        person.realm = (*realm).into();
                        person.subject.clone_from(&subject);
                    },
                ));
            }
        }
    }
    people
}

/// Which two people meet, if any do.
fn meeting(rules: &[Rule], issuers: Issuers) -> Result<Option<String>, ()> {
    let policy = Around { issuers, files: FILES, ..AROUND }.compile(&written(rules)).map_err(|_| ())?.0;
    let mut homes: HashMap<String, Vec<(String, Said)>> = HashMap::new();
    for person in people(issuers) {
        let who = format!("{} of {}", person.principal.user, person.principal.realm);
        for (index, rule) in rules.iter().enumerate() {
            let opened = person.explained(&policy, &format!("r{index}")).target;
            let part =
                |key: &str| opened.get(key).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
            let name = part(rule.place.1);
            let place = format!("{} {} {} {name}", rule.place.1, part("region"), part("domain_id"));
            if name.is_empty() || rule.name.1 == Said::Written {
                continue;
            }
            let known = homes.entry(place.clone()).or_default();
            let is_another = |(other, said): &&(String, Said)| {
                *other != who && (*said == Said::Nobody || rule.name.1 == Said::Nobody)
            };
            if let Some((other, _)) = known.iter().find(is_another) {
                return Ok(Some(format!("{who} and {other} meet in {place}")));
            }
            known.push((who.clone(), rule.name.1));
        }
    }
    Ok(None)
}

#[test]
fn no_two_people_meet_in_a_rule_set_that_loads() {
    let config = ProptestConfig { failure_persistence: None, cases: 1500, ..ProptestConfig::default() };
    let rules = proptest::collection::vec(rule(), 1..=3);
    let (loaded, refused) = (Cell::new(0), Cell::new(0));
    let tried = TestRunner::new(config).run(&(rules, select(ISSUERS.to_vec())), |(rules, issuers)| {
        match meeting(&rules, issuers) {
            Ok(Some(meeting)) => return Err(TestCaseError::fail(meeting)),
            // A rule set in which nobody could meet anybody proves nothing.
            Ok(None) => {
                loaded.set(loaded.get() + usize::from(rules.iter().any(|rule| rule.name.1 == Said::Nobody)));
            }
            Err(()) => refused.set(refused.get() + 1),
        }
        Ok(())
    });
    if let Err(TestError::Fail(reason, (rules, issuers))) = tried {
        panic!("{reason}\n{issuers:?}\n{}", written(&rules));
    }
    let (loaded, refused) = (loaded.get(), refused.get());
    println!("{loaded} loaded with a computed place, {refused} were refused");
    assert!(loaded > 80 && refused > 200, "{loaded} loaded, {refused} refused");
}
