//! The tests that a configuration brings for its own policy.

use super::{AROUND, Around, person};
use postern::policy::policy_test::{TestOutcome, run_tests};
use postern::provider::principal::Principal;
use serde_json::{Map, Value};
use std::sync::Arc;

const POLICY: &str = r#"
deny: [{name: vpn, when: "'contractors' in groups"}]
destinations:
  studio:
    target: {studio_domain: {domain_id: d-abc, user_profile_name: "${profile_name(user)}", landing_uri: "studio::", expires_in_seconds: 20}}
    paths: [jobs/*]
    rules: [{name: staff, allow: "'staff' in groups"}, {name: guests, allow: "'guests' in groups"}]
"#;

/// As sign-in would: `user` and `groups` of the claims.
fn principal(issuer: &str, claims: &Map<String, Value>) -> Result<Principal, String> {
    let user = claims.get("user").and_then(Value::as_str).ok_or("`user` is missing")?;
    let groups = claims.get("groups").and_then(Value::as_array).cloned().unwrap_or_default();
    let groups: Vec<&str> = groups.iter().filter_map(Value::as_str).collect();
    let principal = person(user, &groups).with(|principal| principal.issuer = issuer.into()).principal;
    Ok(Arc::into_inner(principal).unwrap())
}

fn outcome(test: &str) -> TestOutcome {
    let yaml = format!("{POLICY}tests: [{test}]");
    let (policy, tests, _) = AROUND.compile(&yaml).unwrap_or_else(|faults| panic!("{faults:#?}"));
    run_tests(&policy, &tests, principal).remove(0)
}

fn failures(test: &str) -> Vec<String> {
    outcome(&format!("{{name: it, destination: studio, {test}}}")).failures
}

const STAFF: &str = "claims: {user: ada, groups: [staff]}";

#[test]
fn a_test_passes_when_all_it_expects_holds() {
    let none: [&str; 0] = [];
    assert_eq!(
        failures(&format!(
            "{STAFF}, expect: {{rule: staff, user_profile_name: ada, expires_in_seconds: 20, region: eu-west-1}}"
        )),
        none
    );
    assert_eq!(failures("claims: {user: ada}, expect: {deny: no-rule}"), none);
    let deep = outcome(&format!(
        "{{name: it, destination: studio/jobs/1, {STAFF}, expect: {{landing_uri: 'studio::jobs/1'}}}}"
    ));
    assert!(deep.passed(), "{:?}", deep.failures);
    for (link, landing_uri) in [
        ("/studio/jobs/My%20job", "studio::jobs/My%20job"),
        ("studio/", "studio::"),
        ("studio?a=b", "studio::"),
    ] {
        let linked = outcome(&format!(
            "{{name: it, destination: '{link}', {STAFF}, expect: {{landing_uri: '{landing_uri}'}}}}"
        ));
        assert!(linked.passed(), "{link}: {:?}", linked.failures);
    }
    let nowhere = outcome(&format!(
        "{{name: it, destination: studio/x, {STAFF}, expect: {{deny: no-such-path, rule: staff}}}}"
    ));
    assert!(nowhere.passed(), "{:?}", nowhere.failures);
}

#[test]
fn a_test_fails_with_what_was_found() {
    assert_eq!(
        failures(&format!("{STAFF}, expect: {{deny: no-rule}}")),
        ["expected the denial `no-rule`, but it opens"]
    );
    assert_eq!(
        failures("claims: {user: ada}, expect: {user_profile_name: ada}"),
        ["expected it to open, found the denial `no-rule`"]
    );
    assert_eq!(
        failures("claims: {user: ada}, expect: {deny: rule-denied}"),
        ["expected the denial `rule-denied`, found `no-rule`"]
    );
    assert_eq!(
        failures(&format!("{STAFF}, expect: {{rule: guests}}")),
        ["expected the rule `guests`, found `staff`"]
    );
    assert_eq!(
        failures("claims: {user: ada}, expect: {deny: no-rule, rule: staff}"),
        ["expected the rule `staff`, found none"]
    );
    assert_eq!(
        failures(&format!("{STAFF}, expect: {{user_profile_name: max, role_arn: x}}")),
        [r#"expected `role_arn` "x", found none"#, r#"expected `user_profile_name` "max", found "ada""#]
    );
    assert_eq!(
        failures("claims: {}, expect: {deny: no-rule}"),
        ["the claims identify nobody: `user` is missing"]
    );
}

const SERVER: &str = r#"
destinations:
  archive:
    target: {mlflow_tracking_server: {tracking_server_name: archive}}
    start: "'staff' in groups"
    rules: [{name: all, allow: "true"}]
  asks:
    target: {mlflow_tracking_server: {tracking_server_name: asks}}
    start: "claims.team == 'ml'"
    rules: [{name: all, allow: "true"}]
  open:
    target: {mlflow_tracking_server: {tracking_server_name: open}}
    rules: [{name: all, allow: "true"}]
"#;

#[test]
fn a_test_tells_who_may_start() {
    let failures = |destination: &str, claims: &str, start: bool| {
        let yaml = format!(
            "{SERVER}tests: [{{name: it, destination: {destination}, claims: {claims}, expect: {{start: {start}}}}}]"
        );
        let (policy, tests, _) = AROUND.compile(&yaml).unwrap_or_else(|faults| panic!("{faults:#?}"));
        run_tests(&policy, &tests, principal).remove(0).failures.join(" | ")
    };
    let (staff, guest) = ("{user: ada, groups: [staff]}", "{user: ada, groups: [guests]}");
    assert_eq!(failures("archive", staff, true), "");
    assert_eq!(failures("archive", guest, false), "");
    assert_eq!(failures("open", staff, false), "");
    assert_eq!(failures("archive", staff, false), "expected `start` false, but the person may start it");
    assert_eq!(
        failures("archive", guest, true),
        "expected `start` true, but `start` does not hold for the person"
    );
    assert_eq!(
        failures("open", staff, true),
        "expected `start` true, but the destination has no `start`, so nobody may"
    );
    for expected in [true, false] {
        let failed = failures("asks", staff, expected);
        let prefix = format!("expected `start` {expected}, but `start` cannot be evaluated: ");
        assert!(failed.starts_with(&prefix), "{failed}");
    }
}

#[test]
fn a_test_that_could_not_fail_or_names_nothing_does_not_load() {
    let fault = |test: &str| AROUND.faults(&format!("{POLICY}tests: [{{name: it, {test}}}]")).join(" | ");
    let at = "tests[0]";
    assert_eq!(
        fault("destination: studio, claims: {}, expect: {}"),
        format!("{at}.expect: `expect` is empty: the test could not fail")
    );
    assert_eq!(
        fault("destination: studi, claims: {}, expect: {deny: no-rule}"),
        format!("{at}.destination: there is no destination `studi`; did you mean `studio`?")
    );
    assert!(
        fault("destination: studio, claims: {}, expect: {deny: never}")
            .starts_with("tests[0].expect.deny: `never` is not a reason: `rule-denied`, `no-rule`")
    );
    assert_eq!(
        fault("destination: studio, claims: {}, expect: {deny: no-rule, region: x}"),
        format!("{at}.expect: a denial has no target: expect `deny`, or `start` and fields of the target")
    );
    assert_eq!(
        fault("destination: studio, claims: {}, expect: {deny: no-rule, start: false}"),
        format!("{at}.expect: a denial has no target: expect `deny`, or `start` and fields of the target")
    );
    let no_rule = format!("{at}.expect.rule: there is no rule `guest` for this destination");
    assert_eq!(
        fault("destination: studio, claims: {}, expect: {rule: guest}"),
        format!("{no_rule}; did you mean `guests`?")
    );
    assert_eq!(
        fault("destination: studio, claims: {}, expect: {rule: everybody}"),
        no_rule.replace("guest", "everybody") + "; there are `vpn`, `staff`, `guests`"
    );
    assert!(
        fault("destination: studio, claims: {}, expect: {arn: x}")
            .starts_with("tests[0].expect.arn: `arn` is not a field of `studio_domain`")
    );
    assert_eq!(
        fault("destination: studio, claims: {}, client_ip: home, expect: {deny: no-rule}"),
        format!("{at}.client_ip: `home` is not an IP address")
    );
    assert_eq!(
        fault("destination: studio, claims: {}, issuer: other, expect: {deny: no-rule}"),
        format!("{at}.issuer: `issuer` is one of `corp`")
    );
}

#[test]
fn of_several_issuers_a_test_names_one() {
    let two = Around { issuers: &[("corp", "staff", &[]), ("partner", "staff", &[])], ..AROUND };
    let yaml = |issuer: &str| {
        format!(
            "{POLICY}tests: [{{name: it, {issuer} destination: studio, {STAFF}, expect: {{rule: staff}}}}]"
        )
    };
    assert_eq!(two.faults(&yaml("")), ["tests[0].issuer: `issuer` is one of `corp`, `partner`"]);
    let (_, tests, _) = two.compile(&yaml("issuer: partner,")).unwrap();
    assert_eq!(&*tests[0].issuer, "partner");
}
