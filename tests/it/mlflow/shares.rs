//! Nobody gets more than a share of the calls and of the memory, and an answer is kept for its own server alone.

use super::upstream::{Sends, Upstream};
use super::{RUNS, run};
use crate::support::raw::Raw;
use crate::support::stage::Stage;
use postern::sandbox::SandboxOptions;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_come_take_no_room_from_others() {
    let stage = Stage::new().await;
    let id = run(&stage, "grace").await;
    let port = stage.postern.url.port().unwrap();
    let mut held = Vec::new();
    // A body without a length may become 17 MiB. A person has room for three.
    for _ in 0..16 {
        let mut raw = Raw::connect(port).await;
        let token = stage.token("ada");
        raw.send(format!(
            "POST {RUNS}/search HTTP/1.1\r\nhost: localhost:{port}\r\nauthorization: Bearer {token}\r\n\
             transfer-encoding: chunked\r\nconnection: close\r\n\r\n1\r\n{{\r\n"
        ))
        .await;
        held.push(raw);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let at = stage.postern.at(&format!("{RUNS}/search"));
    let refused =
        stage.program("ada").call("POST", &at, &json!({"filter": "x".repeat(14 * 1024 * 1024)})).await;
    assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (429, "too-many-calls"));
    let at = stage.postern.at(&format!("{RUNS}/log-batch"));
    let params: Vec<_> =
        (0..100).map(|n| json!({"key": format!("p{n}"), "value": "x".repeat(6000)})).collect();
    for _ in 0..8 {
        let logged = stage.program("grace").call("POST", &at, &json!({"run_id": id, "params": params})).await;
        assert_eq!(logged.status, 200, "{}", logged.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_one_share_of_calls_at_all_destinations_together() {
    let upstream = Upstream::start(Sends::Nothing).await;
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let text = upstream.configure(&text);
        text.replace("drain: {delay: 0s}", "limits: {deadlines: {request: 8s}}\ndrain: {delay: 0s}")
    })
    .await;
    let mut hanging = Vec::new();
    for number in 0..128 {
        let name = if number % 2 == 0 { "experiments" } else { "tracking" };
        let at = stage.postern.at(&format!("/{name}/api/2.0/mlflow/runs/get"));
        let mut grace = stage.program("grace");
        hanging.push(tokio::spawn(async move { grace.call("GET", &at, &Value::Null).await.status.as_u16() }));
    }
    for _ in 0..200 {
        if upstream.heads().len() >= 128 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let at = stage.postern.at("/tracking/api/2.0/mlflow/runs/get");
    let refused = stage.program("grace").get(&at).await.checked();
    assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (429, "too-many-calls"));
    for one in hanging {
        assert_eq!(one.await.unwrap(), 504);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_one_name_in_two_accounts_are_two_servers() {
    let answer =
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\nconnection: close\r\n\r\n3.0";
    let upstream = Upstream::start(Sends::Once(answer)).await;
    let other = "  production:
    role_arn: arn:aws:iam::444455556666:role/postern
    target: {mlflow_tracking_server: {tracking_server_name: experiments}}
    api: {endpoint_url: \"UPSTREAM\"}
    rules: [{name: everyone, allow: 'true'}]
";
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let other = other.replace("UPSTREAM", &upstream.url);
        upstream.configure(&text).replace("\ndestinations:\n", &format!("\ndestinations:\n{other}")) + "\n"
    })
    .await;
    for (destination, account) in [("experiments", "111122223333"), ("production", "444455556666")] {
        let answer = stage.program("grace").get(&stage.postern.at(&format!("/{destination}/version"))).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "3.0"));
        let heads = upstream.heads();
        assert!(heads.last().unwrap().contains(&format!(":{account}:mlflow-tracking-server")), "{heads:#?}");
    }
    assert_eq!(upstream.heads().len(), 2);
}

/// 429 tells the client that nothing was sent and makes it repeat the call.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_mlflow_may_have_carried_out_is_never_429() {
    let answer = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let upstream = Upstream::start(Sends::Once(answer)).await;
    let stage = Stage::with(SandboxOptions::default(), |text| upstream.configure(&text)).await;
    let at = stage.postern.at(&format!("{RUNS}/create"));
    let create = || async { stage.program("grace").call("POST", &at, &json!({})).await.status.as_u16() };
    assert_eq!(create().await, 502);
    assert!(stage.sandbox.drift("eu-west-1", "experiments", "TrackingServerStatus", json!("Starting")));
    let mut carried_out = 1;
    for _ in 0..60 {
        match create().await {
            502 => carried_out += 1,
            429 => {
                assert_eq!(upstream.heads().len(), carried_out);
                return;
            }
            other => panic!("{other}"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the state is never seen");
}
