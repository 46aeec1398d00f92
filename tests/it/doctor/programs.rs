//! Programs that would not get through to MLflow, and why.

use super::Clinic;
use crate::support::postern::free_port;
use postern::sandbox::{Fault, SandboxOptions, Times};
use serde_json::json;

const SUBJECT: &str = "destinations.experiments";

#[tokio::test(flavor = "multi_thread")]
async fn each_target_with_an_api_is_asked_for_one_experiment() {
    let clinic = Clinic::new().await;
    let examined = clinic.examine_as("grace");
    for subject in [SUBJECT, "destinations.tracking"] {
        let told = examined.check(subject, "api");
        assert_eq!(told["outcome"], "ok", "{told}");
        assert_eq!(told["found"], "MLflow answers `experiments/search`");
    }
    let calls = clinic.sandbox.calls();
    let searches: Vec<_> =
        calls.iter().filter(|call| call.operation.ends_with("/experiments/search")).collect();
    assert_eq!(searches.len(), 2, "{:?}", searches.len());
    for call in searches {
        assert_eq!(call.input, json!({"max_results": 1}));
        assert_eq!(call.caller.role_session_name.as_deref(), Some("postern"), "in nobody's name");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_aws_denies() {
    let clinic = Clinic::new().await;
    clinic.sandbox.faults().inject(Some("mlflow"), Fault::AccessDenied, Times::UntilCleared);
    let examined = clinic.examine_as("grace");
    let told = examined.check(SUBJECT, "api");
    assert_eq!((&told["outcome"], examined.status), (&json!("failed"), 1), "{told}");
    let found = told["found"].as_str().unwrap();
    assert!(found.contains("HTTP 403: AccessDeniedException: User: arn:aws:sts::"), "{found}");
    assert!(told["remedy"].as_str().unwrap().contains("sagemaker-mlflow:SearchExperiments"), "{told}");
    let of_app = examined.check("destinations.tracking", "api");
    assert!(of_app["remedy"].as_str().unwrap().contains("sagemaker:CallMlflowAppApi"), "{of_app}");
    assert_eq!(examined.check(SUBJECT, "presign")["outcome"], "ok", "the browser is not concerned");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_the_data_plane_does_not_take() {
    let clinic = Clinic::new().await;
    clinic.sandbox.faults().inject(Some("mlflow"), Fault::ExpiredToken, Times::UntilCleared);
    let told = clinic.examine_as("grace").check(SUBJECT, "api").clone();
    assert_eq!(told["outcome"], "failed", "{told}");
    assert!(told["found"].as_str().unwrap().contains("ExpiredTokenException"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_plane_that_cannot_be_reached() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let clinic = Clinic::with(SandboxOptions::default(), |text| {
        text.lines()
            .map(|line| match line.split_once("endpoint_url: \"") {
                Some((before, after)) if line.contains("api: &mlflow") => {
                    let (_, after) = after.split_once('"').unwrap();
                    format!("{before}endpoint_url: \"{nobody}\"{after}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect()
    })
    .await;
    let told = clinic.examine_as("grace").check(SUBJECT, "api").clone();
    assert_eq!(told["outcome"], "failed", "{told}");
    assert!(told["found"].as_str().unwrap().starts_with("MLflow cannot be reached: "), "{told}");
    assert!(told["remedy"].as_str().unwrap().contains("`api: {endpoint_url}`"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_plane_that_does_not_answer_is_not_waited_for_for_long() {
    let clinic =
        Clinic::with(SandboxOptions::default(), |text| text.replace("aws:\n", "aws:\n  timeout: 2s\n")).await;
    let hour = std::time::Duration::from_secs(3600);
    clinic.sandbox.faults().inject(Some("mlflow"), Fault::Slow(hour), Times::UntilCleared);
    let told = clinic.examine_as("grace").check(SUBJECT, "api").clone();
    assert_eq!(told["outcome"], "failed", "{told}");
    assert!(told["found"].as_str().unwrap().starts_with("MLflow does not answer in time"), "{told}");
}
