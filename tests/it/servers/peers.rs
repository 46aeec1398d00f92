//! boto3 and the AWS command line, by AWS's own model, beside `postern servers`.

use super::{RISK, ROLE, Workshop};
use crate::support::elsewhere::peers;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Runs `aws sagemaker …` against the sandbox.
fn aws(workshop: &Workshop, peers: &Path, arguments: &[&str]) -> Value {
    let key = workshop.sandbox.credentials();
    let output = Command::new(peers.join("aws/bin/aws"))
        .args([
            "--endpoint-url",
            workshop.sandbox.sagemaker_url().as_str(),
            "--region",
            super::REGION,
            "sagemaker",
        ])
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", &key.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &key.secret_access_key)
        .output()
        .expect("POSTERN_PEERS holds what tests/peers/install made");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_command_line_and_postern_see_what_the_other_made() {
    let Some(peers) = peers("the AWS command line") else { return };
    let workshop = Workshop::with_servers(RISK).await;
    aws(
        &workshop,
        &peers,
        &[
            "create-mlflow-tracking-server",
            "--tracking-server-name",
            "analysis",
            "--artifact-store-uri",
            "s3://corp-ml-risk/analysis",
            "--role-arn",
            ROLE,
            "--tracking-server-size",
            "Medium",
            "--s3-bucket-owner-account-id",
            "111122223333",
            "--no-s3-bucket-owner-verification",
        ],
    );
    tokio::time::sleep(super::PACE * 2).await;
    let plan = workshop.run(&["plan", "--check"]);
    assert_eq!(plan.status, 0, "what is not declared is not managed: {}{}", plan.out, plan.err);
    let status = workshop.json(&["status"])["servers"][0].clone();
    assert_eq!(status["tracking_server_size"], "Medium");
    assert_eq!(status["s3_bucket_owner_verification"], false);

    workshop.declare(&format!("{}\n    s3_bucket_owner_verification: true\n", RISK.trim_end()), "");
    let run = workshop.apply(&[]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let described =
        aws(&workshop, &peers, &["describe-mlflow-tracking-server", "--tracking-server-name", "analysis"]);
    assert_eq!(described["S3BucketOwnerVerification"], json!(true));
    assert_eq!(described["TrackingServerSize"], "Medium", "what is not declared stayed");
    assert_eq!(described["TrackingServerStatus"], "Updated");

    aws(
        &workshop,
        &peers,
        &[
            "update-mlflow-tracking-server",
            "--tracking-server-name",
            "analysis",
            "--no-s3-bucket-owner-verification",
        ],
    );
    tokio::time::sleep(super::PACE * 2).await;
    let line = workshop.plan()["lines"][2].clone();
    assert_eq!((&line["is"], &line["cause"]), (&json!("false"), &json!("drift")), "{line}");
}

/// One call by boto3, which checks the members by AWS's model.
fn boto3(workshop: &Workshop, peers: &Path, method: &str, members: &Value) -> Value {
    let key = workshop.sandbox.credentials();
    let output = Command::new(peers.join("aws/bin/python"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/aws/call.py"))
        .args([workshop.sandbox.sagemaker_url().as_str(), super::REGION, method, &members.to_string()])
        .env("AWS_ACCESS_KEY_ID", &key.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &key.secret_access_key)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("POSTERN_PEERS holds what tests/peers/install made");
    assert!(output.status.success(), "{method}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("an answer in JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_and_postern_see_what_the_other_made() {
    let Some(peers) = peers("boto3") else { return };
    let workshop = Workshop::with_servers(RISK).await;
    let call = |method: &str, members: Value| boto3(&workshop, &peers, method, &members);
    let named = json!({"TrackingServerName": "analysis"});
    let run = workshop.apply(&[]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let described = call("describe_mlflow_tracking_server", named.clone());
    assert_eq!(described["ArtifactStoreUri"], "s3://corp-ml-risk/analysis");
    assert_eq!(described["IsActive"], "Active");

    call(
        "update_mlflow_tracking_server",
        json!({"TrackingServerName": "analysis", "TrackingServerSize": "Large"}),
    );
    tokio::time::sleep(super::PACE * 2).await;
    assert_eq!(workshop.json(&["status"])["servers"][0]["tracking_server_size"], "Large");

    workshop.declare(
        "",
        &"\n  runs:\n    artifact_store_uri: s3://corp-ml-risk/runs\n    role_arn: ROLE\n"
            .replace("ROLE", ROLE),
    );
    let members = json!({"Name": "runs", "ArtifactStoreUri": "s3://corp-ml-risk/runs", "RoleArn": ROLE});
    let arn = call("create_mlflow_app", members)["Arn"].clone();
    tokio::time::sleep(super::PACE * 2).await;
    assert_eq!(workshop.plan()["arn"], arn, "the App is found by its name");
    let plan = workshop.run(&["plan", "--check"]);
    assert_eq!(plan.status, 0, "{}{}", plan.out, plan.err);
    assert_eq!(call("describe_mlflow_app", json!({"Arn": arn}))["Name"], "runs");
}
