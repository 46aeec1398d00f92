//! States that leave open whether AWS opens a target, and Apps that another account shares.

use crate::support::postern::BINARY;
use crate::support::stage::Stage;
use crate::support::visitor::{Answer, Visitor};
use postern::sandbox::{Fault, SandboxOptions, Times};
use serde_json::{Value, json};
use std::process::Command;

async fn stage(change: impl Fn(String) -> String) -> Stage {
    Stage::with(SandboxOptions::default(), change).await
}

fn describe(stage: &Stage, operation: &str, members: Value) {
    let Value::Object(members) = members else { panic!("members") };
    stage.sandbox.faults().inject(Some(operation), Fault::Described(members), Times::UntilCleared);
}

fn refuse(stage: &Stage, operation: &str, fault: Fault) {
    stage.sandbox.faults().inject(Some(operation), fault, Times::UntilCleared);
}

async fn opened(visitor: &mut Visitor, stage: &Stage, path: &str) -> Answer {
    visitor.get(&stage.postern.at(path)).await.checked()
}

async fn state(stage: &Stage, person: &str, name: &str) -> Value {
    let listed = stage.program(person).get(&stage.postern.at("/-/api/destinations")).await.checked();
    let listed: Value = serde_json::from_str(&listed.body).unwrap();
    let all = listed["destinations"].as_array().unwrap();
    all.iter().find(|destination| destination["name"] == name).unwrap()["state"].clone()
}

/// Person, path, Describe, its members, the presign call.
const IN_MAINTENANCE: [(&str, &str, &str, &str, &str, &str); 3] = [
    (
        "grace",
        "notebook",
        "DescribeNotebookInstance",
        "NotebookInstanceStatus",
        "PendingMaintenance",
        "CreatePresignedNotebookInstanceUrl",
    ),
    (
        "grace",
        "experiments",
        "DescribeMlflowTrackingServer",
        "TrackingServerMaintenanceStatus",
        "MaintenanceInProgress",
        "CreatePresignedMlflowTrackingServerUrl",
    ),
    (
        "grace",
        "tracking",
        "DescribeMlflowApp",
        "MaintenanceStatus",
        "MaintenanceInProgress",
        "CreatePresignedMlflowAppUrl",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_opens_what_aws_opens() {
    for (person, name, operation, member, word, presign) in IN_MAINTENANCE {
        let stage = stage(|text| text).await;
        describe(&stage, operation, json!({member: word}));
        let mut visitor = stage.person(person).await;
        let path = format!("/{name}");
        assert_eq!(opened(&mut visitor, &stage, &path).await.status, 302, "{name}");
        assert_eq!(state(&stage, person, name).await, "maintenance", "{name}");

        refuse(&stage, presign, Fault::Invalid);
        let refused = opened(&mut visitor, &stage, &path).await;
        assert_eq!(refused.status, 409, "{name}: {}", refused.body);
        assert!(refused.body.contains("AWS has maintenance to do on it"), "{}", refused.body);
        assert!(refused.header("refresh").starts_with("60;"), "{}", refused.header("refresh"));
        let told = stage.program(person).get(&stage.postern.at(&path)).await.checked();
        assert_eq!((told.status.as_u16(), told.reason().as_str()), (409, "not-ready"), "{name}");
    }
}

/// A permission that is missing is no maintenance.
#[tokio::test(flavor = "multi_thread")]
async fn maintenance_hides_no_denial() {
    let (person, name, operation, member, word, presign) = IN_MAINTENANCE[0];
    let stage = stage(|text| text).await;
    describe(&stage, operation, json!({member: word}));
    refuse(&stage, presign, Fault::AccessDenied);
    let told = stage.program(person).get(&stage.postern.at(&format!("/{name}"))).await.checked();
    assert_eq!((told.status.as_u16(), told.reason().as_str()), (502, "refused-by-aws"));
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_under_way_is_waited_for() {
    for (person, name, operation, member, word) in [
        ("grace", "notebook", "DescribeNotebookInstance", "NotebookInstanceStatus", "InMaintenance"),
        (
            "grace",
            "experiments",
            "DescribeMlflowTrackingServer",
            "TrackingServerStatus",
            "MaintenanceInProgress",
        ),
    ] {
        let stage = stage(|text| text).await;
        describe(&stage, operation, json!({member: word}));
        let mut visitor = stage.person(person).await;
        assert_eq!(state(&stage, person, name).await, "pending", "{name}");
        let waiting = opened(&mut visitor, &stage, &format!("/{name}")).await;
        assert_eq!(waiting.status, 409, "{name}: {}", waiting.body);
        assert!(waiting.body.contains("AWS is doing maintenance on it"), "{name}: {}", waiting.body);
        let portal = opened(&mut visitor, &stage, "/").await;
        assert!(
            portal.body.contains("It can be opened when AWS is done with it."),
            "{name}: {}",
            portal.body
        );
        assert!(stage.mints().is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_app_of_identity_center_opens_or_says_where() {
    let stage = stage(|text| text).await;
    describe(&stage, "DescribePartnerApp", json!({"AuthType": "IDC"}));
    let mut visitor = stage.person("grace").await;
    assert_eq!(opened(&mut visitor, &stage, "/comet").await.status, 302, "AWS decides");
    assert_eq!(state(&stage, "grace", "comet").await, "ready");
    refuse(&stage, "CreatePartnerAppPresignedUrl", Fault::Invalid);
    let refused = opened(&mut visitor, &stage, "/comet").await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert!(
        refused.body.contains("People sign in to this app by AWS IAM Identity Center"),
        "{}",
        refused.body
    );
    let told = stage.program("grace").get(&stage.postern.at("/comet")).await.checked();
    assert_eq!((told.status.as_u16(), told.reason().as_str()), (409, "sso-app"));
    let records = stage.postern.audit_at_rest();
    let of_app: Vec<_> = records.iter().filter(|record| record["reason"] == "sso-app").collect();
    assert_eq!(of_app.len(), 2, "one record for each visit");

    let other = Stage::with(SandboxOptions::default(), |text| text).await;
    refuse(&other, "CreatePartnerAppPresignedUrl", Fault::Invalid);
    let told = other.program("grace").get(&other.postern.at("/comet")).await.checked();
    assert_eq!((told.status.as_u16(), told.reason().as_str()), (502, "refused-by-aws"), "of AuthType IAM");
}

const OWN: &str = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/app-EXPERIMENTS1";
const SHARED: &str = "arn:aws:sagemaker:eu-west-1:999900001111:mlflow-app/app-EXPERIMENTS1";

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_another_account_shares_is_opened_and_called_by_its_own_arn() {
    let stage = stage(|text| text.replace(OWN, SHARED)).await;
    let mut visitor = stage.person("grace").await;
    let arrived = opened(&mut visitor, &stage, "/tracking").await;
    assert_eq!(arrived.status, 302, "{}", arrived.body);
    assert_eq!(state(&stage, "grace", "tracking").await, "ready");
    let call = "/tracking/api/2.0/mlflow/experiments/get?experiment_id=0";
    let answer = stage.program("grace").get(&stage.postern.at(call)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);

    let calls = stage.sandbox.calls();
    let of_app: Vec<_> = calls.iter().filter(|call| call.input["Arn"] == SHARED).collect();
    assert!(of_app.iter().any(|call| call.operation == "DescribeMlflowApp"), "{of_app:#?}");
    assert!(of_app.iter().any(|call| call.operation == "CreatePresignedMlflowAppUrl"), "{of_app:#?}");
    assert!(of_app.iter().all(|call| call.error.is_none() && call.caller.account == "111122223333"));
    let policies = calls.iter().filter(|call| call.operation == "AssumeRole");
    let policies: Vec<&str> = policies.filter_map(|call| call.input["Policy"].as_str()).collect();
    let of_person = policies.iter().filter(|policy| policy.contains("mlflow-app/"));
    assert!(of_person.clone().count() >= 2, "to open and to call: {policies:#?}");
    assert!(
        of_person.clone().all(|policy| policy.contains(SHARED) && !policy.contains(OWN)),
        "{policies:#?}"
    );

    let config = stage.folder.path().join("postern.yaml");
    let printed = Command::new(BINARY).args(["iam", "--config"]).arg(config).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains(SHARED) && !printed.contains(OWN), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_not_shared_is_missing() {
    let foreign = SHARED.replace("999900001111", "999900002222");
    let stage = stage(|text| text.replace(OWN, &foreign)).await;
    let told = stage.program("grace").get(&stage.postern.at("/tracking")).await.checked();
    assert_eq!((told.status.as_u16(), told.reason().as_str()), (409, "not-ready"), "{}", told.body);
    assert_eq!(state(&stage, "grace", "tracking").await, "missing");
}
