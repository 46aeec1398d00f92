//! Servers that are stopped, slow or away, and what the client is told: 429 where nothing was sent.

use super::upstream::{Sends, Upstream};
use super::{RUNS, calls, run};
use crate::support::stage::Stage;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use postern::sandbox::{Fault, SandboxOptions, Times};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_ready_says_so() {
    let stage = Stage::new().await;
    let at = stage.postern.at("/archive/api/2.0/mlflow/runs/create");
    let stopped = stage.program("grace").call("POST", &at, &json!({})).await.checked();
    assert_eq!((stopped.status.as_u16(), stopped.reason().as_str()), (409, "not-ready"));
    assert_eq!(stopped.json()["error_code"], "RESOURCE_CONFLICT");
    assert!(stopped.json()["message"].as_str().unwrap().contains("It is stopped"), "{}", stopped.body);
    assert!(stage.sandbox.drift("eu-west-1", "experiments", "TrackingServerStatus", json!("Starting")));
    let at = stage.postern.at(&format!("{RUNS}/create"));
    let starting = stage.program("grace").call("POST", &at, &json!({})).await.checked();
    assert_eq!((starting.status.as_u16(), starting.reason().as_str()), (429, "not-ready"));
    assert_eq!(starting.header("retry-after"), "20");
    assert_eq!(starting.json()["error_code"], "REQUEST_LIMIT_EXCEEDED");
    assert_eq!(calls(&stage).len(), 0, "nothing was sent on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_stopped_meanwhile_is_looked_at_again() {
    let stage = Stage::new().await;
    let id = run(&stage, "grace").await;
    assert!(stage.sandbox.drift("eu-west-1", "experiments", "TrackingServerStatus", json!("Stopped")));
    let mut answers = Vec::new();
    for _ in 0..40 {
        let at = stage.postern.at(&format!("{RUNS}/get?run_id={id}"));
        let answer = stage.program("grace").get(&at).await.checked();
        answers.push(answer.status.as_u16());
        if answer.status == 409 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("never 409: {answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_and_was_not_sent_is_429() {
    let stage = Stage::new().await;
    let at = stage.postern.at(&format!("{RUNS}/create"));
    stage.sandbox.faults().inject(Some("AssumeRole"), Fault::Throttle, Times::UntilCleared);
    let throttled = stage.program("grace").call("POST", &at, &json!({})).await.checked();
    assert_eq!((throttled.status.as_u16(), throttled.reason().as_str()), (429, "throttled"));
    assert!(!throttled.header("retry-after").is_empty());
    stage.sandbox.faults().clear();
    // For so long it is not asked again where the server keeps its artifacts.
    tokio::time::sleep(Duration::from_secs(4)).await;
    stage.sandbox.faults().inject(Some("AssumeRole"), Fault::AccessDenied, Times::UntilCleared);
    let refused = stage.program("ada").call("POST", &at, &json!({})).await.checked();
    assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (502, "refused-by-aws"));
    assert_eq!(calls(&stage).len(), 0);
    let away = Stage::with(SandboxOptions::default(), |text| {
        let lines = text.lines().map(|line| match line.contains("api: &mlflow") {
            true => "    api: &mlflow {endpoint_url: \"http://127.0.0.1:1\"}",
            false => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    })
    .await;
    let at = away.postern.at(&format!("{RUNS}/create"));
    let unreachable = away.program("grace").call("POST", &at, &json!({})).await.checked();
    assert_eq!((unreachable.status.as_u16(), unreachable.reason().as_str()), (429, "mlflow-unreachable"));
    assert_eq!(unreachable.header("retry-after"), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mlflow_answers_is_passed_on() {
    let stage = Stage::new().await;
    let missing =
        stage.program("grace").get(&stage.postern.at(&format!("{RUNS}/get?run_id=0"))).await.checked();
    assert_eq!(missing.status, 404);
    assert_eq!(
        missing.json(),
        json!({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Run with id=0 not found"})
    );
    for (fault, status) in [(Fault::Throttle, 429), (Fault::InternalFailure, 500), (Fault::Unavailable, 503)]
    {
        stage.sandbox.faults().inject(Some("mlflow"), fault, Times::Next(1));
        let answer =
            stage.program("grace").get(&stage.postern.at(&format!("{RUNS}/get?run_id=0"))).await.checked();
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_is_504_in_time() {
    let upstream = Upstream::start(Sends::Nothing).await;
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let text = upstream.configure(&text);
        text.replace("drain: {delay: 0s}", "limits: {deadlines: {request: 3s}}\ndrain: {delay: 0s}")
    })
    .await;
    let began = Instant::now();
    let at = stage.postern.at(&format!("{RUNS}/create"));
    let late = stage.program("grace").call("POST", &at, &json!({})).await.checked();
    assert_eq!((late.status.as_u16(), late.reason().as_str()), (504, "out-of-time"));
    assert_eq!(late.json()["error_code"], "DEADLINE_EXCEEDED");
    assert!(late.json()["message"].as_str().unwrap().contains("not known"), "{}", late.body);
    assert!(began.elapsed() < Duration::from_secs(6));
    upstream.given_up.notified().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_questions_are_answered_within_three_seconds_or_not_at_all() {
    let stage = Stage::new().await;
    stage.sandbox.faults().inject(Some("mlflow"), Fault::Slow(Duration::from_secs(4)), Times::Next(1));
    let at = stage.postern.at("/experiments/version");
    let began = Instant::now();
    let late = stage.program("grace").get(&at).await.checked();
    assert_eq!(late.status, 504);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let known = stage.program("grace").get(&at).await.checked();
    assert_eq!((known.status.as_u16(), known.body.as_str()), (200, "3.17.2"), "the late answer was kept");
    assert_eq!(calls(&stage).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_programs_of_one_person_leave_room_for_others() {
    let upstream = Upstream::start(Sends::Nothing).await;
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let text = upstream.configure(&text);
        text.replace("drain: {delay: 0s}", "limits: {deadlines: {request: 8s}}\ndrain: {delay: 0s}")
    })
    .await;
    let at = stage.postern.at(&format!("{RUNS}/get"));
    let mut hanging = Vec::new();
    for _ in 0..128 {
        let (mut grace, at) = (stage.program("grace"), at.clone());
        hanging.push(tokio::spawn(async move { grace.call("GET", &at, &Value::Null).await.status.as_u16() }));
    }
    for _ in 0..200 {
        if upstream.heads().len() >= 128 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(upstream.heads().len(), 128);
    let refused = stage.program("grace").get(&at).await.checked();
    assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (429, "too-many-calls"));
    let ada = stage.program("ada").get(&at).await.checked();
    assert_eq!(ada.status, 504, "she was sent on");
    assert_eq!(upstream.heads().len(), 129);
    for one in hanging {
        assert_eq!(one.await.unwrap(), 504);
    }
}

/// Longer than `request` and `write` together, over HTTP/1.1 and HTTP/2: an answer may go on for as long as it is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_arrives_whole() {
    let upstream = Upstream::start(Sends::Slowly(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n[\r\n",
        "2\r\n1,\r\n",
        6,
        "2\r\n2]\r\n0\r\n\r\n",
    ))
    .await;
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let text = upstream.configure(&text);
        let limits = "limits: {deadlines: {request: 2s, write: 2s, idle: 2s}}";
        text.replace("drain: {delay: 0s}", &format!("{limits}\ndrain: {{delay: 0s}}"))
    })
    .await;
    let at = stage.postern.at(&format!("{RUNS}/get"));
    for is_http2 in [false, true] {
        let client: Client<_, Empty<Bytes>> =
            Client::builder(TokioExecutor::new()).http2_only(is_http2).build_http();
        let authorization = format!("Bearer {}", stage.token("grace"));
        let request = Request::get(at.as_str()).header("authorization", authorization);
        let answer = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        assert_eq!(body, "[1,1,1,1,1,1,2]", "HTTP/2: {is_http2}");
    }
}
