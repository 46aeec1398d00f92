//! Files of runs and models, from and to the artifact store, as the person who asks.

mod hostile;
mod stores;
mod streams;

use super::policies;
use crate::support::raw::Raw;
use crate::support::stage::Stage;
use postern::sandbox::Call;
use serde_json::{Value, json};
use url::Url;

pub(super) const BUCKET: &str = "sandbox-artifacts";

/// The URL of a file at `experiments`, by its encoded path.
pub(super) fn at(stage: &Stage, path: &str) -> Url {
    stage.postern.at(&format!("/experiments/api/2.0/mlflow-artifacts/artifacts{path}"))
}

/// The calls that S3 was asked for, in order.
pub(super) fn asked(stage: &Stage) -> Vec<Call> {
    stage.sandbox.calls().into_iter().filter(|call| call.service == "s3").collect()
}

pub(super) async fn list(stage: &Stage, person: &str, folder: &str) -> Value {
    let mut url = at(stage, "");
    url.query_pairs_mut().append_pair("path", folder);
    let listed = stage.program(person).get(&url).await.checked();
    assert_eq!(listed.status, 200, "{}\n{}", listed.body, stage.postern.log());
    listed.json()["files"].clone()
}

/// A raw request to store a file, complete but for its body.
pub(super) async fn begin_upload(stage: &Stage, person: &str, path: &str, framing: &str) -> Raw {
    let port = stage.postern.url.port().unwrap();
    let mut raw = Raw::connect(port).await;
    let (token, path) = (stage.token(person), at(stage, path).path().to_owned());
    raw.send(format!(
        "PUT {path} HTTP/1.1\r\nhost: localhost:{port}\r\nauthorization: Bearer {token}\r\n{framing}\r\nconnection: close\r\n\r\n"
    ))
    .await;
    raw
}

/// A download whose head is read, and nothing after it.
pub(super) async fn begin_download(stage: &Stage, person: &str, path: &str) -> Raw {
    let port = stage.postern.url.port().unwrap();
    let mut raw = Raw::connect(port).await;
    let (token, path) = (stage.token(person), at(stage, path).path().to_owned());
    raw.send(format!(
        "GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\nauthorization: Bearer {token}\r\n\r\n"
    ))
    .await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 200 "));
    raw
}

/// The demo's configuration with other settings of `api`.
pub(super) fn with_api(text: &str, keys: &str) -> String {
    text.replace("api: &mlflow {", &format!("api: &mlflow {{{keys}, "))
}

/// The demo's configuration with another S3.
pub(super) fn with_s3(text: &str, url: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once(", s3_endpoint_url:") {
        Some((before, _)) => format!("{before}, s3_endpoint_url: \"{url}\"}}\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_stored_read_listed_and_deleted_as_its_person() {
    let stage = Stage::new().await;
    let folder = "/1/abc/artifacts/plots";
    let file = at(&stage, &format!("{folder}/%C3%A9%20a+b%25.txt"));
    let stored = stage.program("grace").put(&file, "one two").await.checked();
    assert_eq!((stored.status.as_u16(), stored.body.as_str()), (200, "{}"), "{}", stage.postern.log());
    assert_eq!(stage.sandbox.objects(BUCKET), ["mlflow/1/abc/artifacts/plots/é a+b%.txt"]);
    let read = stage.program("max").get(&file).await.checked();
    assert_eq!((read.status.as_u16(), read.body.as_str()), (200, "one two"));
    assert_eq!(read.header("content-length"), "7");
    assert_eq!(read.header("content-type"), "application/octet-stream");
    assert_eq!(read.header("content-disposition"), "attachment");
    assert_eq!(read.headers.get("x-amz-meta-note"), None, "whoever stored it writes no headers");
    assert_eq!(
        list(&stage, "max", "1/abc/artifacts/plots").await,
        json!([{"path": "é a+b%.txt", "is_dir": false, "file_size": 7}])
    );
    assert_eq!(list(&stage, "max", "1/abc/artifacts").await, json!([{"path": "plots", "is_dir": true}]));
    assert_eq!(list(&stage, "max", "").await, json!([{"path": "1", "is_dir": true}]));
    assert_eq!(list(&stage, "max", "1/ab").await, json!([]));
    let missing = stage.program("max").get(&at(&stage, &format!("{folder}/other"))).await.checked();
    assert_eq!((missing.status.as_u16(), missing.reason().as_str()), (404, "no-such-artifact"));
    assert_eq!(missing.json()["error_code"], "RESOURCE_DOES_NOT_EXIST");
    let deleted = stage.program("ada").call("DELETE", &file, &Value::Null).await.checked();
    assert_eq!((deleted.status.as_u16(), deleted.body.as_str()), (200, "{}"));
    assert!(stage.sandbox.objects(BUCKET).is_empty());
    let asked = asked(&stage);
    let people: Vec<&str> =
        asked.iter().map(|call| call.caller.source_identity.as_deref().unwrap_or("nobody")).collect();
    let [grace, max, ada] = ["grace", "max", "ada"].map(|person| format!("{person}@corp.example"));
    assert_eq!(people, [&*grace, &*max, &*max, &*max, &*max, &*max, &*max, &*ada, &*ada]);
    let of_stores: Vec<Value> = policies(&stage)
        .iter()
        .filter(|policy| policy.contains("s3:"))
        .map(|policy| serde_json::from_str::<Value>(policy).unwrap()["Statement"].clone())
        .collect();
    assert_eq!(of_stores.len(), 3, "one session for each person");
    for (statements, has, has_not) in [
        (0, "s3:PutObject", "s3:DeleteObject"),
        (1, "s3:GetObject", "s3:PutObject"),
        (2, "s3:DeleteObject", "sagemaker"),
    ]
    .map(|(place, has, has_not)| (&of_stores[place], has, has_not))
    {
        let text = statements.to_string();
        assert!(text.contains(has) && !text.contains(has_not), "{text}");
        assert_eq!(statements[0]["Resource"], "arn:aws:s3:::sandbox-artifacts/mlflow/*");
        assert_eq!(statements[1]["Condition"]["StringLike"]["s3:prefix"], "mlflow/*");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_deleted_with_all_that_is_in_it_and_nothing_beside_it() {
    let stage = Stage::new().await;
    for number in 0..1100 {
        assert!(stage.sandbox.put_object(BUCKET, &format!("mlflow/1/run/model/{number:04}"), vec![1]));
    }
    for beside in ["mlflow/1/run/model.txt", "mlflow/1/run/modelling/x", "other/1/run/model/x"] {
        assert!(stage.sandbox.put_object(BUCKET, beside, vec![1]));
    }
    let deleted =
        stage.program("ada").call("DELETE", &at(&stage, "/1/run/model"), &Value::Null).await.checked();
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    assert_eq!(
        stage.sandbox.objects(BUCKET),
        ["mlflow/1/run/model.txt", "mlflow/1/run/modelling/x", "other/1/run/model/x"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_all_pages_or_is_none() {
    let stage = Stage::new().await;
    for number in 0..2500 {
        assert!(stage.sandbox.put_object(BUCKET, &format!("mlflow/1/many/{number:05}.txt"), Vec::new()));
    }
    assert!(stage.sandbox.put_object(BUCKET, "mlflow/1/many/folder/a", Vec::new()));
    assert!(stage.sandbox.put_object(BUCKET, "mlflow/1/many/folder/b", Vec::new()));
    // Keys that no path can name.
    assert!(stage.sandbox.put_object(BUCKET, "mlflow/1/many/", Vec::new()));
    assert!(stage.sandbox.put_object(BUCKET, "mlflow/1/many/../x", Vec::new()));
    let files = list(&stage, "max", "1/many").await;
    let files = files.as_array().unwrap();
    assert_eq!(files.len(), 2501);
    assert_eq!(files.iter().filter(|file| file["is_dir"] == true).count(), 1);
    assert_eq!(asked(&stage).len(), 3);
    for number in 0..20_001 {
        assert!(stage.sandbox.put_object(BUCKET, &format!("mlflow/1/huge/{number:05}"), Vec::new()));
    }
    // Fewer with long names take as much memory.
    let long = "x".repeat(200);
    for number in 0..6000 {
        let key = format!("mlflow/1/long/{long}/{long}/{long}/{long}/{number:05}");
        assert!(stage.sandbox.put_object(BUCKET, &key, Vec::new()));
    }
    for path in ["1/huge".to_owned(), format!("1/long/{long}/{long}/{long}/{long}")] {
        let too_many = stage.program("max").get(&at(&stage, &format!("?path={path}"))).await.checked();
        assert_eq!((too_many.status.as_u16(), too_many.reason().as_str()), (502, "too-many-files"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn artifact_uris_lead_to_the_gateway_and_nothing_else_changes() {
    let stage = Stage::new().await;
    let mut grace = stage.program("grace");
    let api = |path: &str| stage.postern.at(&format!("/experiments/api/2.0/mlflow/{path}"));
    let create = json!({"name": "own place", "artifact_location": "mlflow-artifacts:/teams/risk"});
    let created = grace.call("POST", &api("experiments/create"), &create).await.checked();
    assert_eq!(created.status, 200, "{}", created.body);
    let run = json!({"experiment_id": created.json()["experiment_id"], "start_time": 1});
    let run = grace.call("POST", &api("runs/create"), &run).await.checked().json();
    let id = run["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    assert_eq!(run["run"]["info"]["artifact_uri"], format!("mlflow-artifacts:/teams/risk/{id}/artifacts"));
    let text = "s3://sandbox-artifacts/mlflow/1";
    let param = json!({"run_id": id, "key": "artifact_uri", "value": text});
    assert_eq!(grace.call("POST", &api("runs/log-parameter"), &param).await.checked().status, 200);
    let got = grace.get(&api(&format!("runs/get?run_id={id}"))).await.checked().json();
    assert_eq!(got["run"]["data"]["params"][0]["value"], text, "a parameter stays as it was logged");
    let file = at(&stage, &format!("/teams/risk/{id}/artifacts/model.txt"));
    assert_eq!(grace.put(&file, "12345").await.checked().status, 200);
    let listed = grace.get(&api(&format!("artifacts/list?run_id={id}"))).await.checked().json();
    assert_eq!(listed["root_uri"], format!("mlflow-artifacts:/teams/risk/{id}/artifacts"));
    assert_eq!(listed["files"][0]["path"], "model.txt", "MLflow itself sees the file");
    let found =
        grace.call("POST", &api("experiments/search"), &json!({"max_results": 9})).await.checked().json();
    let locations: Vec<&str> = found["experiments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["artifact_location"].as_str().unwrap())
        .collect();
    assert_eq!(locations, ["mlflow-artifacts:/0", "mlflow-artifacts:/teams/risk"]);
    let climbing = json!({"name": "out", "artifact_location": "mlflow-artifacts:/../../other"});
    let refused = grace.call("POST", &api("experiments/create"), &climbing).await.checked();
    assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (400, "ambiguous-path"));
    let app = stage.postern.at("/tracking/api/2.0/mlflow/experiments/get?experiment_id=0");
    let of_app = grace.get(&app).await.checked().json();
    assert_eq!(of_app["experiment"]["artifact_location"], "mlflow-artifacts:/0", "an App has its own store");
    let info = grace.get(&stage.postern.at("/experiments/api/3.0/mlflow/server-info")).await.checked().json();
    assert_eq!(info["multipart_uploads_enabled"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_artifacts_nothing_is_carried_or_rewritten() {
    let stage = Stage::with(Default::default(), |text| {
        let (before, after) = text.split_once(", s3_endpoint_url:").unwrap();
        let (_, after) = after.split_once('}').unwrap();
        format!("{before}, artifacts: off}}{after}")
    })
    .await;
    let refused = stage.program("grace").put(&at(&stage, "/1/a.txt"), "x").await.checked();
    assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (501, "artifacts-off"));
    let url = stage.postern.at("/experiments/api/2.0/mlflow/experiments/get?experiment_id=0");
    let experiment = stage.program("grace").get(&url).await.checked().json();
    assert_eq!(experiment["experiment"]["artifact_location"], "s3://sandbox-artifacts/mlflow/0");
    assert!(asked(&stage).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_and_the_metrics_tell_of_files_without_their_names() {
    let stage = Stage::new().await;
    let file = at(&stage, "/1/secret-name/a.txt");
    assert_eq!(stage.program("grace").put(&file, "0123456789").await.checked().status, 200);
    assert_eq!(stage.program("grace").get(&file).await.checked().status, 200);
    assert_eq!(stage.program("grace").call("DELETE", &file, &Value::Null).await.checked().status, 403);
    assert_eq!(stage.program("ada").call("DELETE", &file, &Value::Null).await.checked().status, 200);
    let records = stage.postern.audit(5);
    let calls: Vec<&Value> = records.iter().filter(|record| record["event"] == "call").collect();
    let told =
        |record: &&Value| ["user", "method", "endpoint", "outcome", "reason"].map(|key| record[key].clone());
    let template = "api/2.0/mlflow-artifacts/artifacts/{*}";
    assert_eq!(
        json!(calls.iter().map(told).collect::<Vec<_>>()),
        json!([
            ["grace@corp.example", "PUT", template, "forwarded", "ok"],
            ["grace@corp.example", "GET", template, "forwarded", "ok"],
            ["grace@corp.example", "DELETE", template, "refused", "access-too-low"],
            ["ada@corp.example", "DELETE", template, "forwarded", "ok"],
        ])
    );
    assert_eq!(calls[0]["aws_request_id"].as_str().map(str::len), Some(36));
    assert!(!stage.postern.audit_text().contains("secret-name"));
    assert!(!stage.postern.log().contains("secret-name"), "{}", stage.postern.log());
    let metrics = stage.program("grace").get(&stage.postern.admin("/metrics")).await.body;
    for series in [
        "postern_calls_total{destination=\"experiments\",access=\"log\",outcome=\"ok\"} 1",
        "postern_calls_total{destination=\"experiments\",access=\"read\",outcome=\"ok\"} 1",
        "postern_calls_total{destination=\"experiments\",access=\"read\",outcome=\"no-such-artifact\"} 0",
        "postern_call_bytes_total{direction=\"request\"} 10",
    ] {
        assert!(metrics.contains(series), "{series} in\n{metrics}");
    }
}
