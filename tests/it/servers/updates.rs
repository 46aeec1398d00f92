//! An Update carries what differs and nothing else.

use super::{REGION, RISK, Workshop};
use postern::sandbox::Call;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A field that can be updated: its key, AWS's member, the value that is described at first, and another one.
const FIELDS: [(&str, &str, &str, &str); 5] = [
    ("tracking_server_size", "TrackingServerSize", "Small", "Medium"),
    ("automatic_model_registration", "AutomaticModelRegistration", "true", "false"),
    ("weekly_maintenance_window_start", "WeeklyMaintenanceWindowStart", "\"Tue:03:30\"", "\"Sun:22:15\""),
    ("s3_bucket_owner_account_id", "S3BucketOwnerAccountId", "\"111122223333\"", "\"444455556666\""),
    ("s3_bucket_owner_verification", "S3BucketOwnerVerification", "true", "false"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declared {
    Absent,
    Equal,
    Different,
}

fn value(text: &str) -> Value {
    match text {
        "true" => json!(true),
        "false" => json!(false),
        text => json!(text.trim_matches('"')),
    }
}

/// Every combination, three to the power of five, each as a server of its own: one plan, and one Update where one is due.
#[tokio::test(flavor = "multi_thread")]
async fn every_combination_of_fields_gives_the_update_that_it_must() {
    let workshop = Workshop::new().await;
    let choices = [Declared::Absent, Declared::Equal, Declared::Different];
    let (mut at_first, mut then) = (String::new(), String::new());
    let mut expected = BTreeMap::new();
    for number in 0..3_usize.pow(5) {
        let name = format!("server-{number}");
        let base = format!(
            "\n  {name}:\n    artifact_store_uri: s3://corp-ml/{name}\n    role_arn: {}",
            super::ROLE
        );
        at_first += &base;
        then += &base;
        let mut left = number;
        let mut update = Map::from_iter([("TrackingServerName".to_owned(), json!(name))]);
        for (key, member, described, other) in FIELDS {
            at_first += &format!("\n    {key}: {described}");
            match choices[left % 3] {
                Declared::Absent => {}
                Declared::Equal => then += &format!("\n    {key}: {described}"),
                Declared::Different => {
                    then += &format!("\n    {key}: {other}");
                    update.insert(member.to_owned(), value(other));
                }
            }
            left /= 3;
        }
        if update.len() > 1 {
            expected.insert(name, Value::Object(update));
        }
    }
    workshop.declare(&at_first, "");
    let run = workshop.apply(&["--no-wait", "--max-creates", "243"]);
    assert_eq!(run.status, 0, "{}", run.err);
    tokio::time::sleep(super::PACE * 2).await;
    workshop.declare(&then, "");
    let run = workshop.apply(&["--no-wait"]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let sent = workshop.calls("UpdateMlflowTrackingServer");
    let by_name = |call: Call| (call.input["TrackingServerName"].as_str().unwrap().to_owned(), call.input);
    assert_eq!(sent.len(), expected.len(), "one for each that differs");
    assert_eq!(sent.into_iter().map(by_name).collect::<BTreeMap<_, _>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_are_updated_by_what_differs_too() {
    let workshop = Workshop::new().await;
    let app = |mode: &str, window: &str| {
        format!(
            "\n  research:\n    artifact_store_uri: s3://corp-ml/research\n    role_arn: {}\n    \
             model_registration_mode: {mode}\n    weekly_maintenance_window_start: \"{window}\"\n    \
             default_domain_id_list: [d-b, d-a]",
            super::ROLE
        )
    };
    workshop.declare("", &app("AutoModelRegistrationDisabled", "mon:01:00"));
    let run = workshop.apply(&[]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let created = workshop.calls("CreateMlflowApp");
    assert_eq!(created[0].input["WeeklyMaintenanceWindowStart"], "Mon:01:00", "AWS's form is sent");
    workshop.declare("", &app("AutoModelRegistrationEnabled", "MON:01:00"));
    let run = workshop.apply(&[]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let sent = workshop.calls("UpdateMlflowApp");
    assert_eq!(sent.len(), 1);
    let mut input = sent[0].input.as_object().unwrap().clone();
    assert!(input.remove("Arn").unwrap().as_str().unwrap().contains(":mlflow-app/app-"));
    assert_eq!(Value::Object(input), json!({"ModelRegistrationMode": "AutoModelRegistrationEnabled"}));
}

/// What is described before an apply: status words and members that somebody set at AWS.
fn states() -> impl Strategy<Value = (usize, usize, bool, bool, Option<usize>)> {
    (0..STATUSES.len(), 0..3_usize, any::<bool>(), any::<bool>(), proptest::option::of(0..3_usize))
}

/// The states that a way leads on from.
const STATUSES: [&str; 9] = [
    "Created",
    "Updated",
    "UpdateFailed",
    "Started",
    "Stopped",
    "StartFailed",
    "StopFailed",
    "MaintenanceComplete",
    "MaintenanceFailed",
];
const SIZES: [&str; 3] = ["Small", "Medium", "Large"];

/// Applied, then planned: nothing is left to do, from any state that a way leads on from.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_apply_there_is_nothing_to_do() {
    let workshop = Workshop::with_servers(RISK).await;
    assert_eq!(workshop.apply(&[]).status, 0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&states(), |(status, size, registers, checks, declared)| {
        for (member, value) in [
            ("TrackingServerSize", json!(SIZES[size])),
            ("AutomaticModelRegistration", json!(registers)),
            ("S3BucketOwnerVerification", json!(checks)),
            ("TrackingServerStatus", json!(STATUSES[status])),
        ] {
            assert!(workshop.sandbox.drift(REGION, "analysis", member, value));
        }
        let declared =
            declared.map(|size| format!("    tracking_server_size: {}\n", SIZES[size])).unwrap_or_default();
        workshop.declare(
            &format!("{}\n    automatic_model_registration: false\n{declared}", RISK.trim_end()),
            "",
        );
        let run = workshop.apply(&[]);
        prop_assert_eq!(run.status, 0, "{}{}", run.out, run.err);
        let plan = workshop.run(&["plan", "--check"]);
        prop_assert_eq!(plan.status, 0, "{}{}", plan.out, plan.err);
        Ok(())
    });
    outcome.unwrap();
}
