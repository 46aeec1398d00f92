//! What programs may do at an MLflow destination, by rule.

use super::{AROUND, Around};
use postern::policy::policy_test::run_tests;
use postern::provider::principal::{Groups, Principal};
use postern::target::Access;
use std::sync::Arc;

const ROLE: &str = "arn:aws:iam::111122223333:role/postern";
const WITH_ROLE: Around<'_> = Around { role_arn: Some(ROLE), ..AROUND };

fn mlflow(api: &str, access: &str) -> String {
    format!(
        "destinations: {{risk: {{target: {{mlflow_tracking_server: {{tracking_server_name: risk}}}}, {api} \
         rules: [{{name: all, allow: 'true'{access}}}]}}}}"
    )
}

/// The class that the one rule gives.
fn granted(yaml: &str) -> Option<Access> {
    let policy = WITH_ROLE.policy(yaml);
    policy.openings().remove(0).mint.expect("the same for everyone").access
}

#[test]
fn a_rule_gives_log_unless_it_says_otherwise() {
    for (api, access, expected) in [
        ("api: {},", "", Some(Access::Log)),
        ("api: {},", ", access: read", Some(Access::Read)),
        ("api: {},", ", access: write", Some(Access::Write)),
        // Without an API, only what is written counts: it narrows what the UI may do.
        ("", "", None),
        ("", ", access: read", Some(Access::Read)),
    ] {
        assert_eq!(granted(&mlflow(api, access)), expected, "{api} {access}");
    }
    let of = |yaml: &str| WITH_ROLE.policy(yaml).destination("risk").unwrap().has_api();
    assert!(of(&mlflow("api: {},", "")) && !of(&mlflow("", "")));
}

#[test]
fn what_has_no_api_takes_neither_key() {
    let yaml = "destinations: {nb: {target: {notebook_instance: {notebook_instance_name: shared}}, api: {}, \
                rules: [{name: one, deny: 'false', access: read}, {name: all, allow: 'true', access: write}]}}";
    let kinds = "`mlflow_tracking_server`, `mlflow_app`";
    assert_eq!(
        WITH_ROLE.faults(yaml),
        [
            &format!("destinations.nb.api: a notebook_instance has no API: `api` is for {kinds}"),
            "destinations.nb.rules[0].access: a rule that denies gives no access",
            &format!(
                "destinations.nb.rules[1].access: a notebook_instance has no API: `access` is for {kinds}"
            ),
        ]
    );
}

#[test]
fn where_a_call_would_go_must_be_known() {
    let role =
        "destinations.risk.rules[0]: the API needs a `role_arn`: its account is part of the server's ARN";
    assert_eq!(AROUND.faults(&mlflow("api: {},", "")), [role]);
    let china = Around { role_arn: Some("arn:aws-cn:iam::111122223333:role/postern"), ..AROUND };
    let unknown = "destinations.risk.rules[0]: where AWS serves this API in `cn-north-1` is not known: set \
                   `api.endpoint_url`";
    assert_eq!(china.faults(&mlflow("region: cn-north-1, api: {},", "")), [unknown]);
    let named = "region: cn-north-1, api: {endpoint_url: 'https://mlflow.corp.example'},";
    assert_eq!(china.faults(&mlflow(named, "")), [""; 0]);
    let plain = WITH_ROLE.faults(&mlflow("api: {endpoint_url: 'http://mlflow.corp.example'},", ""));
    assert_eq!(plain.len(), 1, "{plain:?}");
    assert!(plain[0].starts_with("destinations.risk.api.endpoint_url: "), "{plain:?}");
}

#[test]
fn files_are_carried_within_what_s3_takes() {
    let faults = |keys: &str| WITH_ROLE.faults(&mlflow(&format!("api: {{{keys}}},"), ""));
    for keys in
        ["", "artifacts: s3", "artifacts: off", "body_size: 5GiB", "body_size: 512MiB", "body_size: 2048KiB"]
    {
        assert_eq!(faults(keys), [""; 0], "{keys}");
    }
    for size in ["6GiB", "1KiB", "1GB", "1024", "many"] {
        let found = faults(&format!("body_size: {size}"));
        let expected = "a size with its unit, such as `512MiB` or `1GiB`, from 1MiB to 5GiB";
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
        assert!(found[0].starts_with("destinations.risk.api.body_size: "), "{found:?}");
    }
    let plain = faults("s3_endpoint_url: 'http://s3.corp.example'");
    assert!(plain.len() == 1 && plain[0].starts_with("destinations.risk.api.s3_endpoint_url: "), "{plain:?}");
    assert_eq!(
        faults("artifacts: off, body_size: 1GiB, s3_endpoint_url: 'https://s3.corp.example'"),
        [
            "destinations.risk.api.s3_endpoint_url: has no meaning with `artifacts: off`",
            "destinations.risk.api.body_size: has no meaning with `artifacts: off`",
        ]
    );
}

#[test]
fn a_test_of_the_policy_expects_a_class() {
    let yaml = |access: &str| {
        format!(
            "{}\ntests: [{{name: it, claims: {{sub: ada}}, destination: risk, expect: {{access: {access}}}}}]",
            mlflow("api: {},", ", access: read")
        )
    };
    let principal = |_: &str, _: &_| -> Result<Principal, String> {
        let person = super::person("ada", &[]).with(|principal| principal.groups = Groups::LeftOut).principal;
        Ok(Arc::into_inner(person).unwrap())
    };
    let failures = |access: &str| {
        let (policy, tests, _) = WITH_ROLE.compile(&yaml(access)).unwrap();
        run_tests(&policy, &tests, principal).remove(0).failures
    };
    assert_eq!(failures("read"), [""; 0]);
    assert_eq!(failures("write"), ["expected `access` \"write\", found \"read\""]);
    let unknown = "tests[0].expect.access: `all` is not a class of access: `read`, `log`, `write`";
    assert_eq!(WITH_ROLE.faults(&yaml("all")), [unknown]);
}
