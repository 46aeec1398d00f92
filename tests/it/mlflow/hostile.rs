//! Clients and servers that want more than they may.

use super::upstream::{Sends, Upstream};
use super::{calls, run};
use crate::support::raw::Raw;
use crate::support::stage::Stage;
use postern::sandbox::SandboxOptions;
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

/// One request with a token, its path as it stands.
async fn ask(stage: &Stage, person: &str, request_line: &str, headers: &str) -> String {
    let port = stage.postern.url.port().unwrap();
    let mut raw = Raw::connect(port).await;
    let token = stage.token(person);
    let request = format!(
        "{request_line} HTTP/1.1\r\nhost: localhost:{port}\r\nauthorization: Bearer {token}\r\n{headers}connection: close\r\n\r\n"
    );
    raw.send(request).await;
    raw.rest_as_text().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_with_two_readings_is_refused() {
    let stage = Stage::new().await;
    for path in [
        "/experiments/api/2.0/mlflow/runs%2fdelete",
        "/experiments/api/2.0/mlflow/runs%5Cdelete",
        "/experiments/api/2.0/mlflow/../mlflow/runs/delete",
        "/experiments/api/2.0/mlflow/logged-models/%2e%2e",
        "/experiments/api/2.0/mlflow//runs/delete",
        "/experiments//api/2.0/mlflow/runs/delete",
        "/experiments/./api/2.0/mlflow/runs/delete",
        "/experiments/x/../api/2.0/mlflow/runs/delete",
        "/experiments/api/2.0/mlflow/runs/delete;x=y",
        "/experiments/api;x/2.0/mlflow/runs/delete",
        "/experiments/%61pi/2.0/mlflow/runs/delete",
        "/experiments/api%2f2.0/mlflow/runs/delete",
        "/experiments/api/2.0/mlflow/runs/%64elete",
        "/experiments/api/3.0/mlflow/%67ateway/secrets/get",
        "/experiments/api/2.0/mlflow/logged-models/a%0d%0aset-cookie:x",
        "/experiments/api/2.0/mlflow/logged-models/a%00",
        "/experiments/api/2.0/mlflow/runs/delete/",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = ask(&stage, "ada", &format!("{method} {path}"), "content-length: 0\r\n").await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{method} {path}: {answer}");
            assert!(answer.contains("\"ambiguous-path\"") && answer.contains("INVALID_PARAMETER_VALUE"));
        }
    }
    assert_eq!(calls(&stage).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_ui_are_never_forwarded() {
    let stage = Stage::new().await;
    for path in ["ajax-api/2.0/mlflow/runs/search", "graphql", "static-files/x.js", "get-artifact?path=x"] {
        for method in ["GET", "POST"] {
            let line = format!("{method} /experiments/{path}");
            let answer = ask(&stage, "ada", &line, "content-length: 0\r\n").await;
            assert!(answer.starts_with("HTTP/1.1 404 ") || answer.starts_with("HTTP/1.1 405 "), "{answer}");
        }
    }
    for method in ["HEAD", "OPTIONS", "TRACE", "BREW"] {
        let answer = ask(&stage, "ada", &format!("{method} /experiments/version"), "").await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
    }
    assert_eq!(calls(&stage).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_writes_nothing_that_routes_signs_or_speaks_for_others() {
    let upstream = Upstream::start(Sends::Once(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nset-cookie: a=b\r\nlocation: /x\r\n\
         x-frame-options: ALLOWALL\r\nserver: x\r\nx-amzn-requestid: 1\r\nconnection: close\r\n\r\n{}",
    ))
    .await;
    let stage = Stage::with(SandboxOptions::default(), |text| upstream.configure(&text)).await;
    let smuggled = "x-mlflow-sm-tracking-server-arn: arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/risk\r\n\
        x-sm-mlflow-app-arn: arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/app-EXPERIMENTS1\r\n\
        x-amz-security-token: smuggled\r\nx-amz-date: 20200101T000000Z\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n\
        cookie: a=smuggled\r\nforwarded: for=smuggled\r\nx-forwarded-host: smuggled\r\nx-http-method-override: DELETE\r\n\
        x-real-ip: 203.0.113.9\r\nte: trailers\r\nproxy-authorization: smuggled\r\nx-mlflow-client-version: 3.17.2\r\n\
        x-mlflow-run-id: one\r\nx-mlflow-run-id: two\r\n";
    let line = "GET /experiments/api/2.0/mlflow/metrics/get-history?run_id=1";
    let answer = ask(&stage, "max", line, smuggled).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n{}"), "{answer}");
    let answer = answer.to_ascii_lowercase();
    for header in ["set-cookie", "location", "x-frame-options", "server:", "x-amzn"] {
        assert!(!answer.contains(header), "{header} in {answer}");
    }
    let heads = upstream.heads();
    assert_eq!(heads.len(), 1);
    let head = &heads[0];
    assert!(head.starts_with("get /api/2.0/mlflow/metrics/get-history?run_id=1 http/1.1\r\n"), "{head}");
    for word in
        ["smuggled", "app-experiments1", "tracking-server/risk", "override", "2020", "unsigned", "203.0"]
    {
        assert!(!head.contains(word), "{word} in {head}");
    }
    assert!(!head.contains("x-mlflow-run-id"), "a header that stands twice stays behind: {head}");
    assert!(head.contains("x-mlflow-client-version: 3.17.2"), "{head}");
    let names: Vec<&str> = head.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len(), "no header twice: {head}");
    assert_eq!(
        sorted,
        [
            "accept-encoding",
            "authorization",
            "host",
            "user-agent",
            "x-amz-content-sha256",
            "x-amz-date",
            "x-amz-security-token",
            "x-mlflow-client-version",
            "x-mlflow-sm-tracking-server-arn",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_from_mlflow_reaches_nobody() {
    let upstream = Upstream::start(Sends::Once(
        "HTTP/1.1 302 Found\r\nlocation: https://evil.example/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ))
    .await;
    let stage = Stage::with(SandboxOptions::default(), |text| upstream.configure(&text)).await;
    let answer = ask(&stage, "grace", "GET /experiments/api/2.0/mlflow/runs/get", "").await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("\"bad-answer\""), "{answer}");
    assert!(!answer.contains("evil"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_an_answer_is_never_a_whole_one() {
    for head in ["content-length: 100", "transfer-encoding: chunked"] {
        let text = match head {
            "content-length: 100" => {
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"runs\": ["
            }
            _ => {
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\na\r\n{\"runs\": [\r\n"
            }
        };
        let upstream = Upstream::start(Sends::Once(text)).await;
        let stage = Stage::with(SandboxOptions::default(), |text| upstream.configure(&text)).await;
        let answer = ask(&stage, "grace", "GET /experiments/api/2.0/mlflow/runs/get", "").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "the last chunk is not sent: {answer}");
        let metrics = stage.program("grace").get(&stage.postern.admin("/metrics")).await.body;
        assert!(metrics.contains("access=\"read\",outcome=\"client-gone\"} 1"), "{head}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_end_ends_with_its_client() {
    let upstream = Upstream::start(Sends::ForEver(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        "8\r\n{\"a\": 1}\r\n",
    ))
    .await;
    let stage = Stage::with(SandboxOptions::default(), |text| upstream.configure(&text)).await;
    let before = stage.postern.memory();
    let mut raw = Raw::connect(stage.postern.url.port().unwrap()).await;
    let token = stage.token("grace");
    raw.send(format!(
        "GET /experiments/api/2.0/mlflow/runs/get HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n",
        format_args!("localhost:{}", stage.postern.url.port().unwrap())
    ))
    .await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 200 "));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let grown = stage.postern.memory().saturating_sub(before);
    assert!(grown < 8 * 1024, "a client that does not read costs {grown} KiB");
    drop(raw);
    timeout(Duration::from_secs(10), upstream.given_up.notified()).await.expect("the call ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_have_a_bound_and_a_deadline() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text.replace("drain: {delay: 0s}", "limits: {deadlines: {request: 4s}}\ndrain: {delay: 0s}")
    })
    .await;
    let id = run(&stage, "grace").await;
    let line = "POST /experiments/api/2.0/mlflow/runs/log-batch";
    let large = ask(&stage, "grace", line, "content-length: 17825793\r\n").await;
    assert!(large.starts_with("HTTP/1.1 413 ") && large.contains("body-too-large"), "{large}");
    let slow = ask(&stage, "grace", line, "content-length: 100\r\n").await;
    assert!(slow.starts_with("HTTP/1.1 408 ") && slow.contains("body-overdue"), "{slow}");
    let params: Vec<_> =
        (0..100).map(|n| json!({"key": format!("p{n}"), "value": "x".repeat(6000)})).collect();
    let at = stage.postern.at("/experiments/api/2.0/mlflow/runs/log-batch");
    let logged =
        stage.program("grace").call("POST", &at, &json!({"run_id": id, "params": params})).await.checked();
    assert_eq!(logged.status, 200, "{}", logged.body);
    assert_eq!(calls(&stage).len(), 2, "what was refused was not sent on");
}
