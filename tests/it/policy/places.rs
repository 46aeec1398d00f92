//! Several rules, each of which is right by itself: the places of all of them are compared.

use super::{AROUND, Around};

/// A destination with this target.
fn destination(name: &str, target: &str) -> String {
    format!("  {name}: {{target: {{{target}}}, rules: [{{name: all, allow: 'true'}}]}}\n")
}

fn studio(name: &str, domain: &str, profile: &str) -> String {
    let profile = profile.replace('\'', "''");
    destination(name, &format!("studio_domain: {{domain_id: {domain}, user_profile_name: '{profile}'}}"))
}

fn faults(around: &Around<'_>, destinations: &[String]) -> Vec<String> {
    around.faults(&format!("destinations:\n{}", destinations.concat()))
}

const CORP: &str = "${local_part(user, 'corp.example')}";
const PARTNER: &str = "${local_part(user, 'partner.example')}";

/// A team may have a person's name.
#[test]
fn a_shared_place_is_nobody_s_own() {
    let (shared, own) = ("${shared_by(claims.team)}", "${user}");
    for (one, other) in [(shared, own), (own, shared)] {
        let faults = faults(&AROUND, &[studio("one", "d-abc", one), studio("two", "d-abc", other)]);
        let [fault] = faults.as_slice() else { panic!("{one} {other}: {faults:?}") };
        assert!(fault.starts_with("destinations.two.rules[0]: "), "{fault}");
    }
    let shared_twice = [studio("one", "d-abc", shared), studio("two", "d-abc", "${shared_by(claims.site)}")];
    assert!(faults(&AROUND, &shared_twice).is_empty());
}

/// The third rule meets the second, which differs from the first in one thing.
#[test]
fn every_earlier_rule_counts() {
    let notebook = |name: &str, text: &str| {
        destination(name, &format!("notebook_instance: {{notebook_instance_name: \"{text}\"}}"))
    };
    let server = |name: &str, text: &str| {
        destination(name, &format!("mlflow_tracking_server: {{tracking_server_name: \"{text}\"}}"))
    };
    let cases = [
        (
            "its form",
            studio("one", "d-abc", &format!("x-{CORP}")),
            studio("two", "d-abc", &format!("y-{CORP}")),
            studio("three", "d-abc", &format!("y-{PARTNER}")),
        ),
        (
            "its domain",
            studio("one", "d-one", CORP),
            studio("two", "d-two", CORP),
            studio("three", "d-two", PARTNER),
        ),
        ("its kind", notebook("one", CORP), server("two", CORP), server("three", PARTNER)),
    ];
    for (what, one, two, three) in cases {
        assert!(faults(&AROUND, &[one.clone(), two.clone()]).is_empty(), "{what}");
        assert!(faults(&AROUND, &[one.clone(), three.clone()]).is_empty(), "{what}");
        let faults = faults(&AROUND, &[one, two, three]);
        let [fault] = faults.as_slice() else { panic!("{what}: {faults:?}") };
        assert!(fault.starts_with("destinations.three.rules[0]: "), "{what}: {fault}");
    }
}

/// A user of one realm may have the name that stands as a constant in the other realm's rule.
#[test]
fn a_constant_may_be_somebody_s_name() {
    let around = Around { issuers: &[("one", "a", &[]), ("two", "b", &[])], ..AROUND };
    let by_realm = |one: &str, other: &str| {
        faults(&around, &[studio("x", "d-abc", &format!("${{realm == 'a' ? {one} : {other}}}"))])
    };
    assert_eq!(by_realm("join('x', user)", "join('y', user)"), [""; 0]);
    assert_eq!(by_realm("join('x', user)", "join(user, user)").len(), 1);
    assert_eq!(by_realm("join(user, user)", "join('x', user)").len(), 1);
}

/// What stands before a person's own text in a table must not be the start of another such text: `a` with `bob` gives the
/// same as `ab` with `ob`.
#[test]
fn values_of_a_table_beside_a_name_are_told_apart_by_their_ends() {
    let loads = |values: [&str; 2], template: &str| {
        let table = format!("x: {}\ny: {}\n", values[0], values[1]);
        let files = [("teams.yaml", table.as_str())];
        let around = Around { files: &files, ..AROUND };
        let destinations = studio("one", "d-abc", template);
        around
            .faults(&format!("lookups: {{teams: {{file: teams.yaml}}}}\ndestinations:\n{destinations}"))
            .is_empty()
    };
    let (before, behind) =
        ("${lookup('teams', claims.team) + user}", "${user + lookup('teams', claims.team)}");
    for values in [["a", "ab"], ["ab", "a"]] {
        assert!(!loads(values, before) && loads(values, behind), "{values:?}");
    }
    for values in [["a", "ba"], ["ba", "a"]] {
        assert!(loads(values, before) && !loads(values, behind), "{values:?}");
    }
}

/// An address is no name of another issuer's, and not what stands before an `@`.
#[test]
fn people_who_have_addresses_are_told_apart_by_them() {
    const CORP: &[&str] = &["corp.example"];
    const BOTH: &[&str] = &["partner.example", "corp.example"];
    const PARTNER: &[&str] = &["partner.example"];
    let by_realm = |domains: [&'static [&'static str]; 2], one: &str, other: &str| {
        let issuers = [("one", "a", domains[0]), ("two", "b", domains[1])];
        let around = Around { issuers: &issuers, ..AROUND };
        let profile = format!("${{realm == 'a' ? join('x', {one}) : join('x', {other})}}");
        faults(&around, &[studio("studio", "d-abc", &profile)]).is_empty()
    };
    let name = "local_part(user, 'corp.example')";
    for (domains, addresses_apart, name_apart) in [
        ([CORP, PARTNER], true, true),
        ([CORP, BOTH], false, true),
        ([CORP, &[]], false, false),
        ([&[], PARTNER], false, true),
    ] {
        assert_eq!(by_realm(domains, "user", "user"), addresses_apart, "{domains:?}");
        assert_eq!(by_realm(domains, name, "user"), name_apart, "{domains:?}");
        let [one, other] = domains;
        assert_eq!(by_realm([other, one], "user", name), name_apart, "{domains:?}");
    }
}

/// The values of one table are as different as its keys; another table may have the same ones.
#[test]
fn one_table_tells_people_apart_and_two_do_not() {
    let people = "ada@corp.example: a\nmax@partner.example: b\n";
    let files = [("one.yaml", people), ("two.yaml", people)];
    let around = Around { files: &files, ..AROUND };
    let loads = |table: &str| {
        let profile = |table: &str, domain: &str| {
            format!("${{join(lookup('{table}', user), local_part(user, '{domain}'))}}")
        };
        let one = studio("one", "d-abc", &profile("one", "corp.example"));
        let two = studio("two", "d-abc", &profile(table, "partner.example"));
        let lookups = "lookups: {one: {file: one.yaml}, two: {file: two.yaml}}";
        around.faults(&format!("{lookups}\ndestinations:\n{one}{two}")).is_empty()
    };
    assert!(loads("one") && !loads("two"));
}
