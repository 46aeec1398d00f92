//! Stores that refuse, fail, or cannot be used: each says so in its own words.

use super::{asked, at};
use crate::support::stage::Stage;
use postern::sandbox::{Fault, Times};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_used_says_why() {
    for (uri, status, reason) in [
        ("https://corp-ml/mlflow", 502, "artifact-store-unusable"),
        ("s3://Corp_ML/mlflow", 502, "artifact-store-unusable"),
        ("s3://corp-ml/a/../b", 502, "artifact-store-unusable"),
        ("s3://corp-ml/*", 502, "artifact-store-unusable"),
        ("s3://missing-bucket/mlflow", 502, "no-such-store"),
        ("s3://elsewhere-bucket/mlflow", 502, "store-elsewhere"),
        ("s3://locked-bucket/mlflow", 403, "store-key-denied"),
        ("s3://foreign-bucket/mlflow", 403, "store-denied"),
        ("s3://corp.ml.eu/mlflow/", 200, "ok"),
        ("s3://corp-ml", 200, "ok"),
    ] {
        let stage = Stage::new().await;
        assert!(stage.sandbox.drift("eu-west-1", "experiments", "ArtifactStoreUri", json!(uri)));
        let answer = stage.program("grace").put(&at(&stage, "/1/a.txt"), "hello").await.checked();
        let said = if answer.status == 200 { "ok".to_owned() } else { answer.reason() };
        assert_eq!((answer.status.as_u16(), said.as_str()), (status, reason), "{uri}: {}", answer.body);
        if reason == "artifact-store-unusable" {
            assert!(asked(&stage).is_empty());
            let url = stage.postern.at("/experiments/api/2.0/mlflow/experiments/get?experiment_id=0");
            let refused = stage.program("grace").get(&url).await.checked();
            assert_eq!(refused.reason(), reason, "{uri}: what would name the store is refused, too");
            let url =
                stage.postern.at("/experiments/api/2.0/mlflow/metrics/get-history?run_id=1&metric_key=x");
            let other = stage.program("grace").get(&url).await;
            assert_eq!(other.status, 404, "{uri}: what names no store goes on: {}", other.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_s3_says_reaches_the_client_in_its_own_form() {
    let stage = Stage::new().await;
    let file = at(&stage, "/1/a.txt");
    for (fault, status, reason, code) in [
        (Fault::Throttle, 429, "throttled", "REQUEST_LIMIT_EXCEEDED"),
        (Fault::InternalFailure, 503, "aws-unavailable", "TEMPORARILY_UNAVAILABLE"),
        (Fault::AccessDenied, 403, "store-denied", "PERMISSION_DENIED"),
    ] {
        for method in ["PUT", "GET", "DELETE"] {
            stage.sandbox.faults().inject(Some("s3"), fault.clone(), Times::Next(1));
            let mut ada = stage.program("ada");
            let answer = match method {
                "PUT" => ada.put(&file, "hello").await.checked(),
                method => ada.call(method, &file, &Value::Null).await.checked(),
            };
            assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (status, reason), "{method}");
            assert_eq!(answer.json()["error_code"], code);
            assert_eq!(answer.header("retry-after").is_empty(), status == 403);
        }
    }
    assert!(stage.postern.log().contains("SlowDown (HTTP 503)"), "{}", stage.postern.log());
    stage.sandbox.faults().clear();
    stage.sandbox.faults().inject(Some("AssumeRole"), Fault::Throttle, Times::UntilCleared);
    let throttled = stage.program("grace").put(&file, "hello").await.checked();
    assert_eq!((throttled.status.as_u16(), throttled.reason().as_str()), (429, "throttled"));
}
