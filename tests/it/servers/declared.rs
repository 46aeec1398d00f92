//! Declarations: what `check` says of them.

use super::{ROLE, Workshop};
use crate::support::postern::BINARY;
use std::process::Command;

pub(super) fn check(workshop: &Workshop) -> (i32, String) {
    let output =
        Command::new(BINARY).args(["check", "--config"]).arg(workshop.config()).output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().expect("a status"), String::from_utf8(said).expect("UTF-8"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_declaration_is_told_with_its_place() {
    for (yaml, said) in [
        ("artifact_store_uri: https://corp-ml/a", "`s3://BUCKET` or `s3://BUCKET/PREFIX`"),
        ("artifact_store_uri: s3://Corp/a", "`s3://BUCKET` or `s3://BUCKET/PREFIX`"),
        ("artifact_store_uri: s3://corp-ml/../b", "`s3://BUCKET` or `s3://BUCKET/PREFIX`"),
        ("role_arn: mlflow", "`arn:aws:iam::ACCOUNT:role/NAME`"),
        ("role_arn: arn:aws-cn:iam::111122223333:role/mlflow", "the role is of the partition `aws-cn`"),
        ("region: Ireland", "a region such as `eu-west-1`"),
        ("tracking_server_size: Tiny", "`Small`, `Medium`"),
        ("mlflow_version: \"3\"", "a version such as `\"3.0\"`"),
        ("mlflow_version: v3.0", "a version such as `\"3.0\"`"),
        ("weekly_maintenance_window_start: \"Tue:3:30\"", "a day and a time in UTC"),
        ("weekly_maintenance_window_start: \"Tue:24:00\"", "a day and a time in UTC"),
        ("weekly_maintenance_window_start: \"Someday:03:30\"", "a day and a time in UTC"),
        ("s3_bucket_owner_account_id: \"1234\"", "the 12 digits of an AWS account"),
        ("s3_bucket_owner_verification: maybe", "s3_bucket_owner_verification"),
        ("tags: {\"aws:x\": y}", "reserved by AWS"),
        ("tags: {a: b}\n    removed_tags: [a]", "stands under `tags`, too"),
        ("tracking_server_sise: Small", "tracking_server_size"),
    ] {
        let key = yaml.split(':').next().unwrap();
        let mut fields = format!("\n  analysis:\n    {yaml}");
        for (required, value) in [("artifact_store_uri", "s3://corp-ml/a"), ("role_arn", ROLE)] {
            if key != required {
                fields += &format!("\n    {required}: {value}");
            }
        }
        let workshop = Workshop::with_servers(&fields).await;
        let (status, text) = check(&workshop);
        assert_eq!(status, 2, "{yaml}: {text}");
        assert!(text.contains(said), "{yaml}: {text}");
        assert!(text.contains("mlflow_tracking_servers.analysis"), "{yaml}: the path is named: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_in_one_store_are_refused() {
    for (one, other, how) in [
        ("s3://corp-ml/a", "s3://corp-ml/a/", "is that of"),
        ("s3://corp-ml/a", "s3://corp-ml/a/b", "overlaps that of"),
        ("s3://corp-ml/a/b", "s3://corp-ml/a", "overlaps that of"),
        ("s3://corp-ml", "s3://corp-ml/a", "overlaps that of"),
    ] {
        let servers = format!("\n  one:\n    artifact_store_uri: {one}\n    role_arn: {ROLE}\n");
        let apps = format!("\n  other:\n    artifact_store_uri: {other}\n    role_arn: {ROLE}\n");
        let workshop = Workshop::new().await;
        workshop.declare(&servers, &apps);
        let (status, text) = check(&workshop);
        assert_eq!(status, 2, "{one} {other}: {text}");
        assert!(text.contains(how), "{text}");
        workshop.declare(&servers, &apps.replace(other, "s3://corp-ml-a/x"));
        assert_eq!(check(&workshop).0, 0, "{}", check(&workshop).1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_legal_and_dangerous_is_warned_of() {
    let yaml = format!(
        "\n  analysis:\n    artifact_store_uri: s3://corp-ml/a\n    role_arn: {ROLE}\n    \
         s3_bucket_owner_account_id: \"444455556666\"\n    s3_bucket_owner_verification: false\n"
    );
    let workshop = Workshop::with_servers(&yaml).await;
    let (status, text) = check(&workshop);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("AWS does not check who owns the bucket"), "{text}");
    assert!(text.contains("444455556666 is not the account 111122223333 of `role_arn`"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_declared_is_refused() {
    let workshop = Workshop::with_servers(super::RISK).await;
    let run = workshop.run(&["plan", "analisys"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("`analisys` is not declared; declared are: analysis"), "{}", run.err);
    workshop.declare("", "");
    let run = workshop.run(&["status"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("declares no `mlflow_tracking_servers`"), "{}", run.err);
}

/// What the operator gets, and that the gateway gets none of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_operators_policy_is_apart_from_the_gateways() {
    let workshop = Workshop::new().await;
    let apps = format!("\n  research:\n    artifact_store_uri: s3://corp-ml/research\n    role_arn: {ROLE}");
    workshop.declare(super::RISK, &apps);
    let iam = |arguments: &[&str]| {
        let mut command = Command::new(BINARY);
        let output = command.args(["iam", "--config"]).arg(workshop.config()).args(arguments).output();
        let output = output.expect("it runs");
        (
            output.status.code().expect("a status"),
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        )
    };
    let (status, text) = iam(&["--for", "operator", "--format", "json"]);
    assert_eq!(status, 0, "{text}");
    let policy: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let statements = policy["Statement"].as_array().expect("statements");
    let by_sid = |sid: &str| statements.iter().find(|statement| statement["Sid"] == sid).expect(sid);
    let servers = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/analysis";
    assert_eq!(by_sid("KeepTrackingServers")["Resource"], serde_json::json!([servers]));
    assert_eq!(by_sid("PassRoles")["Resource"], serde_json::json!([ROLE]));
    assert_eq!(
        by_sid("PassRoles")["Condition"]["StringEquals"]["iam:PassedToService"],
        "sagemaker.amazonaws.com"
    );
    for never in ["Delete", "Presigned", "\"sagemaker:*\""] {
        assert!(!text.replace("sagemaker:DeleteTags", "").contains(never), "{never}: {text}");
    }
    let (_, gateway) = iam(&["--format", "json"]);
    for never in ["sagemaker:CreateMlflow", "sagemaker:UpdateMlflow", "iam:PassRole"] {
        assert!(!gateway.contains(never), "the gateway has no {never}: {gateway}");
    }
    // The profiles of first visits are tagged, and nothing else is.
    let gateway: serde_json::Value = serde_json::from_str(&gateway).expect("JSON");
    let roles = gateway["roles"].as_array().expect("roles").iter();
    let statements =
        roles.flat_map(|role| role["permission_policy"]["Statement"].as_array().expect("statements"));
    let tagging = statements.filter(|statement| statement["Action"].to_string().contains("AddTags"));
    for statement in tagging {
        assert!(statement["Resource"][0].as_str().unwrap().contains(":user-profile/"), "{statement}");
    }
    let (status, text) = iam(&["--for", "operator", "--format", "cloudformation"]);
    assert_eq!(status, 2, "{text}");
}
