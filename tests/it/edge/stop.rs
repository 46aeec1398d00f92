//! A stop that loses nothing.

use crate::support::frames::{END_HEADERS, END_STREAM, HEADERS, PREFACE, frame, request};
use crate::support::raw::{Raw, get};
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use postern::sandbox::{Fault, SandboxOptions, Times};
use serde_json::json;
use std::time::{Duration, Instant};

fn port(stage: &Stage) -> u16 {
    stage.postern.url.port().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_lets_running_requests_finish() {
    let mut stage = Stage::new().await;
    let slow = Fault::Slow(Duration::from_millis(800));
    stage.sandbox.faults().inject(Some("CreatePresignedDomainUrl"), slow, Times::Next(1));
    let (mut visitor, studio) = (stage.program("grace"), stage.postern.at("/studio"));
    let running = tokio::spawn(async move { visitor.get(&studio).await });
    while stage.sandbox.call_count() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stage.postern.signal("TERM");
    let answer = running.await.expect("an answer").checked();
    assert_eq!(answer.status, 302, "not cut off");
    assert!(stage.postern.wait().success());
    let records = stage.postern.audit(2);
    assert_eq!(records[1]["event"], json!("grant"), "the last record was written before the end");
}

/// Before the listener closes, clients are told not to come back over the same connection.
#[tokio::test(flavor = "multi_thread")]
async fn connections_are_given_up_one_answer_at_a_time() {
    let stage = Stage::with(SandboxOptions::default(), |text| text.replace("delay: 0s", "delay: 2s")).await;
    let request = get(port(&stage), "/-/live", "").replace("connection: close\r\n", "");
    let mut kept = Raw::connect(port(&stage)).await;
    kept.send(&request).await;
    let answer = kept.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("connection: close"), "{answer}");
    stage.postern.signal("TERM");
    stage.postern.wait_for_log("\"stopping\"", 1).await;
    kept.send(&request).await;
    let answer = kept.rest_as_text().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
}

/// What was left behind a request is not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_line_after_a_request_holds_up_no_stop() {
    let mut stage =
        Stage::with(SandboxOptions::default(), |text| text.replace("delay: 0s", "delay: 0s, grace: 10s"))
            .await;
    let mut kept = Raw::connect(port(&stage)).await;
    let request = get(port(&stage), "/-/live", "").replace("connection: close\r\n", "");
    kept.send(request + "\r\n").await;
    kept.answer().await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    stage.postern.signal("TERM");
    assert_eq!(kept.rest_as_text().await, "");
    drop(kept);
    assert!(stage.postern.wait().success());
    assert!(!stage.postern.log().contains("drain.incomplete"), "{}", stage.postern.log());
}

/// Clients whose connection the kernel has taken, and whom nobody has looked at yet, are served; so are those who have said
/// nothing when the listener closes and ask a moment later.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_connected_when_the_listener_closes_is_served() {
    let mut stage =
        Stage::with(SandboxOptions::default(), |text| text + "\nlimits: {connections: 4}\n").await;
    let mut waiting = Vec::new();
    for _ in 0..40 {
        waiting.push(Raw::connect(port(&stage)).await);
    }
    stage.postern.signal("TERM");
    stage.postern.wait_for_log("\"stopping\"", 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let request = get(port(&stage), "/-/live", "").replace("connection: close\r\n", "");
    for raw in &mut waiting {
        raw.send(&request).await;
    }
    for mut raw in waiting {
        let answer = raw.rest_as_text().await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer:?}");
    }
    assert!(stage.postern.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_ended_by_goaway_and_what_runs_is_answered() {
    let mut stage = Stage::new().await;
    let slow = Fault::Slow(Duration::from_millis(800));
    stage.sandbox.faults().inject(Some("CreatePresignedDomainUrl"), slow, Times::Next(1));
    let stream = TokioIo::new(Raw::connect(port(&stage)).await.0);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake::<_, _, String>(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get(stage.postern.at("/studio").as_str())
        .header("authorization", format!("Bearer {}", stage.token("grace")))
        .body(String::new())
        .unwrap();
    let running = tokio::spawn(sender.send_request(request));
    while stage.sandbox.call_count() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stage.postern.signal("TERM");
    assert_eq!(running.await.unwrap().expect("an answer").status(), 302);
    connection.await.unwrap().expect("an end by GOAWAY, without an error");
    assert!(stage.postern.wait().success());
}

/// A graceful end of HTTP/2 waits for the answer to a PING. Clients that never give it are waited for as long as others.
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_http2_that_ignore_pings_hold_up_no_stop() {
    let mut stage =
        Stage::with(SandboxOptions::default(), |text| text.replace("delay: 0s", "delay: 0s, grace: 30s"))
            .await;
    // One has been answered, one has asked nothing, one is still within the handshake.
    let mut asked = Raw::http2(port(&stage), &[]).await;
    let head = request("GET", "/-/live", port(&stage), &[]);
    asked.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)).await;
    while !asked.frame().await.expect("an answer").is_ok() {}
    let silent = Raw::http2(port(&stage), &[]).await;
    let mut begun = Raw::connect(port(&stage)).await;
    begun.send(PREFACE).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.postern.signal("TERM");
    let began = Instant::now();
    assert!(stage.postern.wait().success());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(!stage.postern.log().contains("drain.incomplete"), "{}", stage.postern.log());
    drop((asked, silent, begun));
}

/// Their default is to kill the process.
#[tokio::test(flavor = "multi_thread")]
async fn signals_without_a_meaning_do_nothing() {
    let stage = Stage::new().await;
    for signal in ["USR1", "USR2", "QUIT"] {
        stage.postern.signal(signal);
        let live = Visitor::program().get(&stage.postern.at("/-/live")).await.checked();
        assert_eq!(live.status, 200, "{signal}");
    }
    assert!(!stage.postern.log().contains("reload."), "{}", stage.postern.log());
}

/// A request whose first bytes came before the stop is answered, also on a connection that has had answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_on_its_way_in_is_answered() {
    let mut stage = Stage::new().await;
    let request = get(port(&stage), "/-/live", "").replace("connection: close\r\n", "");
    let (begin, end) = request.split_at(20);
    let mut fresh = Raw::connect(port(&stage)).await;
    let mut kept = Raw::connect(port(&stage)).await;
    kept.send(&request).await;
    assert!(kept.answer().await.starts_with("HTTP/1.1 200 "));
    for raw in [&mut fresh, &mut kept] {
        raw.send(begin).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.postern.signal("TERM");
    stage.postern.wait_for_log("\"stopping\"", 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for raw in [&mut fresh, &mut kept] {
        raw.send(end).await;
        let answer = raw.rest_as_text().await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer:?}");
    }
    assert!(stage.postern.wait().success());
}

/// What a client goes on sending when it has been answered does not cost it the answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_arrives_though_the_client_has_not_finished() {
    let stage = Stage::new().await;
    for _ in 0..20 {
        let mut raw = Raw::connect(port(&stage)).await;
        let large = format!("GET /studio HTTP/1.1\r\nhost: localhost\r\nx: {}", "a".repeat(200_000));
        raw.send(large).await;
        let answer = raw.rest_as_text().await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    }
}
