//! What HTTP says exactly and libraries leave open: codings, tunnels, targets, hosts, half-closed connections, preconditions.

use crate::support::raw::{Raw, get};
use crate::support::stage::Stage;
use crate::support::tls::{Authority, secured};
use postern::sandbox::{Fault, SandboxOptions, Times};
use rustls::version::TLS13;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn port(stage: &Stage) -> u16 {
    stage.postern.url.port().unwrap()
}

/// Sends bytes with a request for `/-/live` behind them, and returns all that comes back until the connection ends.
async fn told(stage: &Stage, bytes: &str) -> String {
    let mut raw = Raw::connect(port(stage)).await;
    raw.send(format!("{bytes}{}", get(port(stage), "/-/live", ""))).await;
    raw.rest_as_text().await
}

fn statuses(told: &str) -> Vec<&str> {
    told.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

/// The access-log events with this outcome.
async fn events(stage: &Stage, outcome: &str, times: usize) -> Vec<Value> {
    let outcome = format!("\"outcome\":\"{outcome}\"");
    stage.postern.wait_for_log(&outcome, times).await;
    let log = stage.postern.log();
    let events = log.lines().filter(|line| line.contains("\"postern::access\"") && line.contains(&outcome));
    events.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// RFC 9112, sections 6.1 and 6.3.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_coding_other_than_one_chunked_ends_the_connection() {
    let stage = Stage::new().await;
    let head = format!("POST /-/logout HTTP/1.1\r\nhost: localhost:{}\r\n", port(&stage));
    let unknown = [
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: identity, chunked\r\n",
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: \r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: ,chunked\r\n",
    ];
    for coding in unknown {
        let told = told(&stage, &format!("{head}{coding}\r\n0\r\n\r\n")).await;
        assert_eq!(statuses(&told), ["501"], "{coding:?}: {told}");
        assert!(told.contains("connection: close"), "{coding:?}: {told}");
    }
    for event in events(&stage, "unknown-transfer-coding", unknown.len()).await {
        assert_eq!(event["http.status"], 501);
    }
    // Nobody knows where such a body ends.
    for coding in ["gzip", "identity", "chunked, gzip", "chunked;q=1"] {
        let told = told(&stage, &format!("{head}transfer-encoding: {coding}\r\n\r\n0\r\n\r\n")).await;
        assert_eq!(statuses(&told), ["400"], "{coding:?}: {told}");
    }
    for coding in ["chunked", "Chunked", "chunked \t"] {
        let told = told(&stage, &format!("{head}transfer-encoding: {coding}\r\n\r\n0\r\n\r\n")).await;
        assert_eq!(statuses(&told).last(), Some(&"200"), "{coding:?}: {told}");
    }
    assert_eq!(events(&stage, "unknown-transfer-coding", unknown.len()).await.len(), unknown.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_behind_a_refused_connect_is_a_request() {
    let stage = Stage::new().await;
    let host = format!("localhost:{}", port(&stage));
    for request in [
        format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 2\r\n\r\nab"),
        format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\nconnection: keep-alive\r\n\r\n"),
        "CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n\r\n".to_owned(),
    ] {
        let told = told(&stage, &request).await;
        let statuses = statuses(&told);
        assert!(statuses.len() == 1 && statuses[0].starts_with('4'), "{request:?}: {told}");
        assert!(told.contains("connection: close"), "{request:?}: {told}");
    }
}

/// RFC 9112, section 3.2.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_a_fragment_is_malformed() {
    let stage = Stage::new().await;
    let host = format!("host: localhost:{}\r\n", port(&stage));
    let targets = ["/studio#top", "/#", "/?a=b#c", &format!("http://localhost:{}/-/live#x", port(&stage))];
    for target in targets {
        let told = told(&stage, &format!("GET {target} HTTP/1.1\r\n{host}\r\n")).await;
        assert_eq!(statuses(&told), ["400"], "{target}: {told}");
    }
    assert_eq!(events(&stage, "malformed-request", targets.len()).await.len(), targets.len());
    // On a connection that is kept, and however its bytes are cut.
    let mut raw = Raw::connect(port(&stage)).await;
    raw.send(format!("GET /-/live HTTP/1.1\r\n{host}\r\n")).await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 200 "));
    for byte in format!("GET /-/live#x HTTP/1.1\r\n{host}\r\n").into_bytes() {
        raw.send([byte]).await;
    }
    assert!(raw.rest_as_text().await.contains("HTTP/1.1 400 "));
    // A fragment anywhere else is none.
    let referer = format!("GET /-/live HTTP/1.1\r\n{host}referer: http://localhost/#x\r\n\r\n");
    for harmless in [&referer, &format!("GET /-/live?a=%23 HTTP/1.1\r\n{host}\r\n")] {
        assert_eq!(statuses(&told(&stage, harmless).await), ["200", "200"], "{harmless}");
    }
    // Nor is what comes in pieces behind a whole request taken for the beginning of one.
    let mut raw = Raw::connect(port(&stage)).await;
    let (first, second) = referer.split_at(referer.find(" http://").unwrap());
    raw.send(format!("{referer}{first}")).await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 200 "));
    raw.send(second).await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_a_name_and_perhaps_digits() {
    let stage = Stage::new().await;
    let port = port(&stage);
    for (host, status) in [
        (format!("localhost:{port}"), "401"),
        ("LOCALHOST".to_owned(), "401"),
        ("localhost:".to_owned(), "401"),
        (format!("localhost:+{port}"), "400"),
        (format!("localhost: {port}"), "400"),
        (format!("localhost:{port}x"), "400"),
        ("localhost:99999999".to_owned(), "400"),
        (format!("ada@localhost:{port}"), "400"),
        (format!("localhost:{port}/"), "400"),
        (format!("localhost:{port}, localhost:{port}"), "400"),
        (String::new(), "400"),
        ("localhost:1".to_owned(), "421"),
        ("localhost.".to_owned(), "421"),
    ] {
        let mut raw = Raw::connect(port).await;
        raw.send(format!("GET /studio HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
        let told = raw.rest_as_text().await;
        assert_eq!(statuses(&told), [status], "{host:?}: {told}");
    }
}

/// An alias is as good as the public URL's host, and no other name is. Where the target names a host, `Host` says the same
/// (RFC 9112, section 3.2).
#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_a_host_of_ours() {
    let stage =
        Stage::with(SandboxOptions::default(), |text| format!("{text}\naliases: [ml.example]\n")).await;
    let port = port(&stage);
    for (target, host, status) in [
        ("", "ml.example".to_owned(), "401"),
        ("", format!("ML.example:{port}"), "401"),
        ("", "ml.example:1".to_owned(), "421"),
        ("", "ml.example.evil.example".to_owned(), "421"),
        ("", "x.ml.example".to_owned(), "421"),
        ("http://ml.example", "ml.example".to_owned(), "401"),
        ("http://ml.example", format!("localhost:{port}"), "400"),
        ("http://evil.example", "ml.example".to_owned(), "400"),
    ] {
        let mut raw = Raw::connect(port).await;
        raw.send(format!("GET {target}/studio HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
        let told = raw.rest_as_text().await;
        assert_eq!(statuses(&told), [status], "{target} {host}: {told}");
    }
}

/// The client sends a whole request and nothing more, ever. AWS takes its time.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_shuts_its_side_down_gets_its_answer() {
    let stage = Stage::new().await;
    let slow = Fault::Slow(Duration::from_millis(500));
    stage.sandbox.faults().inject(Some("CreatePresignedDomainUrl"), slow, Times::UntilCleared);
    let authorization = format!("authorization: Bearer {}\r\n", stage.token("grace"));
    for connection in ["connection: close\r\n", ""] {
        let mut raw = Raw::connect(port(&stage)).await;
        let request = get(port(&stage), "/studio", &authorization);
        raw.send(request.replace("connection: close\r\n", connection)).await;
        raw.0.shutdown().await.unwrap();
        let told = raw.rest_as_text().await;
        assert_eq!(statuses(&told), ["302"], "{connection:?}: {told}");
    }
    let events = events(&stage, "ok", 2).await;
    assert!(events.iter().all(|event| event["http.status"] == 302 && event["destination"] == "studio"));
    assert_eq!(events.len(), 2);
    // A part of a request is none.
    let mut raw = Raw::connect(port(&stage)).await;
    raw.send("GET /studio HTTP/1.1\r\nhost:").await;
    raw.0.shutdown().await.unwrap();
    assert_eq!(raw.rest_as_text().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_ends_its_side_of_tls_gets_its_answer() {
    let authority = Authority::new();
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text.replace("listen:\n", &format!("listen:\n{}", authority.listen()))
    })
    .await;
    let mut stream =
        secured(&authority.client(&[&TLS13], &[]), Raw::connect(port(&stage)).await.0).await.unwrap();
    let request =
        get(port(&stage), "/studio", &format!("authorization: Bearer {}\r\n", stage.token("grace")));
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).await.expect("an end that TLS announced");
    assert_eq!(statuses(&told), ["302"], "{told}");
}

/// A redirect is no representation: preconditions and ranges do not apply (RFC 9110, sections 13.2.1 and 14.2).
#[tokio::test(flavor = "multi_thread")]
async fn conditions_and_ranges_change_nothing() {
    let stage = Stage::new().await;
    let authorization = format!("authorization: Bearer {}\r\n", stage.token("grace"));
    for (count, condition) in [
        "",
        "if-none-match: *\r\n",
        "if-match: \"x\"\r\n",
        "if-modified-since: Sat, 29 Oct 1994 19:43:31 GMT\r\n",
        "if-unmodified-since: Sat, 29 Oct 1994 19:43:31 GMT\r\n",
        "range: bytes=0-0\r\n",
        "range: bytes=5-\r\nif-range: \"x\"\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let mut raw = Raw::connect(port(&stage)).await;
        raw.send(get(port(&stage), "/studio", &format!("{authorization}{condition}"))).await;
        let told = raw.rest_as_text().await;
        assert_eq!(statuses(&told), ["302"], "{condition:?}: {told}");
        assert_eq!(stage.mints().len(), count + 1, "{condition:?}");
        for path in ["/-/live", "/-/api/openapi.json"] {
            let mut raw = Raw::connect(port(&stage)).await;
            raw.send(get(port(&stage), path, condition)).await;
            assert_eq!(statuses(&raw.rest_as_text().await), ["200"], "{path} {condition:?}");
        }
    }
}
