//! What a person reads, compared as text.

use super::{REGION, RISK, ROLE, Workshop};
use serde_json::json;

#[track_caller]
fn same(found: &str, expected: &str) {
    assert_eq!(found.trim_end(), expected.trim().trim_end(), "\n{found}");
    for line in found.lines() {
        assert!(
            line.chars().count() <= 80 || line.contains("arn:") || line.contains("https:"),
            "fits a terminal: {line}"
        );
    }
    assert!(!found.contains('\u{1b}'), "no colour where nobody looks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_shows_its_fields_and_awss_defaults() {
    let workshop = Workshop::with_servers(RISK).await;
    let run = workshop.run(&["plan"]);
    assert_eq!(run.status, 0);
    same(
        &run.out,
        "
tracking server analysis (eu-west-1): does not exist
  + artifact_store_uri              s3://corp-ml-risk/analysis
  + role_arn                        arn:aws:iam::111122223333:role/mlflow
  + tracking_server_size            (Small)
  + mlflow_version                  (AWS's newest)
  + automatic_model_registration    (false)
  + weekly_maintenance_window_start (AWS chooses one)
  + s3_bucket_owner_account_id      (the caller's account)
  + s3_bucket_owner_verification    (true)
  note: a tracking server is billed from its creation until it is stopped, also
        while nobody uses it (aws sagemaker stop-mlflow-tracking-server)

Plan: 1 to create.
",
    );
    assert_eq!(workshop.run(&["plan", "--check"]).status, 1, "there is something to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_as_declared_and_what_is_not_managed() {
    let yaml = format!(
        "\n  experiments:\n    artifact_store_uri: s3://sandbox-artifacts/mlflow\n    role_arn: {ROLE}\n    \
         mlflow_version: \"3.0\"\n"
    );
    let workshop = Workshop::with_servers(&yaml).await;
    let run = workshop.run(&["plan", "--check"]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    same(
        &run.out,
        "
tracking server experiments (eu-west-1): Created
  = artifact_store_uri              s3://sandbox-artifacts/mlflow
  = role_arn                        arn:aws:iam::111122223333:role/mlflow
  = mlflow_version                  3.0

Plan: 1 as declared.
",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_told_from_news() {
    let yaml = format!("{}\n    tracking_server_size: Small\n", RISK.trim_end());
    let workshop = Workshop::with_servers(&yaml).await;
    assert_eq!(workshop.apply(&[]).status, 0);
    workshop.sandbox.drift(REGION, "analysis", "TrackingServerSize", json!("Large"));
    same(
        &workshop.run(&["plan"]).out,
        "
tracking server analysis (eu-west-1): Created
  = artifact_store_uri              s3://corp-ml-risk/analysis
  = role_arn                        arn:aws:iam::111122223333:role/mlflow
  ~ tracking_server_size            Large -> Small
      changed at AWS since the last apply

Plan: 1 to update.
",
    );
    workshop.declare(&yaml.replace("Small", "Medium"), "");
    let line = workshop.plan()["lines"][2].clone();
    assert_eq!((&line["change"], &line["cause"]), (&json!("update"), &json!("declared")), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed_says_why_and_what_to_do() {
    let workshop = Workshop::with_servers(RISK).await;
    assert_eq!(workshop.apply(&[]).status, 0);
    workshop.declare(&RISK.replace("role/mlflow", "role/other"), "");
    same(
        &workshop.run(&["plan"]).out,
        "
tracking server analysis (eu-west-1): Created
  = artifact_store_uri              s3://corp-ml-risk/analysis
  ! role_arn
      is        arn:aws:iam::111122223333:role/mlflow
      would be  arn:aws:iam::111122223333:role/other
      AWS changes no role. Give the existing role the permissions that the new
      one has, or declare another server and move the runs with
      mlflow-export-import

Plan: 1 that a person has to look at.
",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_is_at_work_on_and_an_app_by_its_name() {
    let workshop = Workshop::new().await;
    let apps = format!(
        "\n  experiments:\n    artifact_store_uri: s3://sandbox-artifacts/mlflow-app\n    role_arn: {ROLE}"
    );
    workshop.declare(RISK, &apps);
    assert_eq!(workshop.apply(&["analysis"]).status, 0);
    workshop.sandbox.drift(REGION, "analysis", "TrackingServerStatus", json!("Stopping"));
    same(
        &workshop.run(&["plan"]).out,
        "
tracking server analysis (eu-west-1): Stopping
  = artifact_store_uri              s3://corp-ml-risk/analysis
  = role_arn                        arn:aws:iam::111122223333:role/mlflow

MLflow App experiments (eu-west-1): Created
  = artifact_store_uri              s3://sandbox-artifacts/mlflow-app
  = role_arn                        arn:aws:iam::111122223333:role/mlflow

Plan: 1 that AWS is at work on, 1 as declared.
",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_for_people_and_for_programs() {
    let workshop = Workshop::new().await;
    let servers = format!(
        "{RISK}  archive:\n    artifact_store_uri: s3://sandbox-artifacts/archive\n    role_arn: {ROLE}\n"
    );
    workshop.declare(&servers, "");
    let run = workshop.run(&["status"]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    same(
        &run.out,
        "
tracking server analysis (eu-west-1): does not exist

tracking server archive (eu-west-1): Stopped
  is_active                     Inactive
  mlflow_version                3.0.0
  tracking_server_size          Small
  artifact_store_uri            s3://sandbox-artifacts/mlflow
  s3_bucket_owner_account_id    111122223333
  s3_bucket_owner_verification  true
  created                       2026-01-05T09:00:00Z by arn:aws:iam::111122223333:user/sandbox
  last modified                 2026-01-05T09:00:00Z
  url                           https://t-sandbox.eu-west-1.experiments.sagemaker.aws
",
    );
    let status = workshop.json(&["status", "archive"]);
    assert_eq!(status["servers"][0]["status"], "Stopped");
    assert_eq!(status["servers"].as_array().unwrap().len(), 1, "only the one that was named");
}
