//! The PROXY protocol: who may introduce whom, in what form, and what that says of the headers behind it.

mod balancers;
mod forms;

use super::behind_a_balancer_with;
use crate::metrics::exposed;
use crate::support::raw::{Raw, get};
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::Token;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Connections begin with a PROXY header, which two networks may send. Max, a contractor, is let in from 10.20.0.0/16.
async fn required(trusted_proxies: &str) -> Stage {
    behind_a_balancer_with(trusted_proxies, |text| {
        text.replace("listen:\n", "listen:\n  proxy_protocol: required\n")
    })
    .await
}

fn port(stage: &Stage) -> u16 {
    stage.postern.url.port().unwrap()
}

fn v1(source: &str) -> String {
    let family = if source.contains(':') { ("TCP6", "::1") } else { ("TCP4", "127.0.0.1") };
    format!("PROXY {} {source} {} 51234 443\r\n", family.0, family.1)
}

/// The answer to Max behind a PROXY header, with further headers in the request.
async fn ask(stage: &Stage, header: impl AsRef<[u8]>, more: &str) -> String {
    let mut raw = Raw::connect(port(stage)).await;
    raw.send(header).await;
    let token = stage.token("max");
    raw.send(get(port(stage), "/studio", &format!("authorization: Bearer {token}\r\n{more}"))).await;
    raw.rest_as_text().await
}

/// The audit trail, which is written a moment later, has this client.
async fn is_recorded(stage: &Stage, client: &str) {
    let record = format!("\"client_ip\":\"{client}\"");
    for _ in 0..1000 {
        if stage.postern.audit_text().contains(&record) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no record of {client}: {}", stage.postern.audit_text());
}

fn status(answer: &str) -> &str {
    answer.strip_prefix("HTTP/1.1 ").map_or("none", |rest| &rest[..3])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_whom_the_balancer_names() {
    let stage = required("[127.0.0.1, 10.0.100.0/24]").await;
    for (source, forwarded, expected) in [
        ("10.20.3.4", "", "302"),
        ("203.0.113.9", "", "403"),
        ("::ffff:10.20.3.4", "", "302"),
        // Who is not listed does not speak for others, though the balancer is.
        ("203.0.113.9", "10.20.3.4", "403"),
        ("10.20.3.4", "203.0.113.9", "302"),
        // A listed hop behind the balancer does.
        ("10.0.100.7", "10.20.3.4", "302"),
        ("10.0.100.7", "10.20.3.4, 203.0.113.9", "403"),
        ("10.0.100.7", "", "403"),
    ] {
        let more =
            if forwarded.is_empty() { String::new() } else { format!("x-forwarded-for: {forwarded}\r\n") };
        let answer = ask(&stage, v1(source), &more).await;
        assert_eq!(status(&answer), expected, "{source} for {forwarded:?}: {answer}");
        if forwarded.is_empty() && !source.contains(':') && source != "10.0.100.7" {
            is_recorded(&stage, source).await;
            stage.postern.wait_for_log(&format!("\"peer.address\":\"{source}\""), 1).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_that_speaks_for_nobody_makes_nobody_known() {
    let stage = required("[127.0.0.1, 10.0.100.0/24]").await;
    let local = [b"\r\n\r\n\0\r\nQUIT\n\x20\x00".as_slice(), &[0, 0]].concat();
    let unspecified = [b"\r\n\r\n\0\r\nQUIT\n\x21\x00".as_slice(), &[0, 0]].concat();
    for header in
        [b"PROXY UNKNOWN\r\n".to_vec(), b"PROXY UNKNOWN ffff::1 x y\r\n".to_vec(), local, unspecified]
    {
        let answer = ask(&stage, &header, "x-forwarded-for: 10.20.3.4\r\n").await;
        assert!(status(&answer) == "403" && answer.contains("rule-error"), "{header:?}: {answer}");
        let mut raw = Raw::connect(port(&stage)).await;
        raw.send(&header).await;
        raw.send(get(port(&stage), "/-/ready", "")).await;
        assert_eq!(status(&raw.rest_as_text().await), "200", "a balancer's own health check");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_header_counts_where_the_hop_behind_the_balancer_is_listed() {
    let stage = required("[127.0.0.1, 10.0.100.0/24]").await;
    let token =
        Token::new(stage.sandbox.access_claims("grace")).claim("aud", "ml-balancer").header("typ", "JWT");
    let token = stage.sandbox.token(&token).unwrap();
    for (source, expected) in
        [(v1("10.0.100.7"), "302"), (v1("203.0.113.9"), "401"), ("PROXY UNKNOWN\r\n".into(), "401")]
    {
        let mut raw = Raw::connect(port(&stage)).await;
        raw.send(&source).await;
        raw.send(get(port(&stage), "/studio", &format!("x-balancer-assertion: {token}\r\n"))).await;
        let answer = raw.rest_as_text().await;
        assert_eq!(status(&answer), expected, "{source}: {answer}");
        assert_eq!(answer.contains("untrusted-header"), expected == "401", "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_from_a_peer_that_is_not_listed_ends_the_connection() {
    let stage = required("[127.0.0.2]").await;
    for header in [v1("10.20.3.4"), String::new()] {
        assert_eq!(ask(&stage, &header, "").await, "", "{header:?}");
    }
    let mut listed = Raw::connect_from(Ipv4Addr::new(127, 0, 0, 2), port(&stage)).await;
    listed.send(v1("10.20.3.4")).await;
    listed.send(get(port(&stage), "/-/live", "")).await;
    assert_eq!(status(&listed.rest_as_text().await), "200");
    assert_eq!(stage.mints(), [""; 0]);
    let complaint = "\"error\":\"a PROXY header is taken from `trusted_proxies` only\"";
    stage.postern.wait_for_log(complaint, 2).await;
    let log = stage.postern.log();
    let refused = log.lines().filter(|line| line.contains("connection.refused") && line.contains(complaint));
    let warned = refused.filter(|line| line.contains("\"WARN\"")).count();
    assert_eq!(warned, 1, "the admin is told, and not by each connection: {log}");
    let counted = exposed(&stage).await;
    assert!(
        counted.contains("postern_connections_refused_total{reason=\"peer-not-listed\"} 2\n"),
        "{counted}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_not_asked_for_is_no_request() {
    let stage = super::behind_a_balancer("[127.0.0.1]").await;
    assert_eq!(status(&ask(&stage, v1("10.20.3.4"), "").await), "400");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_who_may_introduce() {
    let stage = required("[127.0.0.1]").await;
    assert_eq!(status(&ask(&stage, v1("10.20.3.4"), "").await), "302");
    let token = stage.token("max");
    let request = || {
        let get = get(port(&stage), "/studio", &format!("authorization: Bearer {token}\r\n"));
        get.replace("connection: close\r\n", "")
    };
    let mut open = Raw::connect(port(&stage)).await;
    open.send(v1("10.20.3.4")).await;
    open.send(request()).await;
    assert_eq!(status(&open.answer().await), "302");
    let file = stage.folder.path().join("postern.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("trusted_proxies: [127.0.0.1]", "trusted_proxies: [127.0.0.2]"))
        .unwrap();
    stage.hang_up("applied").await;
    open.send(request()).await;
    let outdated = open.rest_as_text().await;
    assert_eq!(status(&outdated), "403", "what was said of it when it was opened counts no longer");
    assert!(outdated.to_ascii_lowercase().contains("connection: close"), "{outdated}");
    assert_eq!(ask(&stage, v1("10.20.3.4"), "").await, "");
    std::fs::write(&file, text.replace("proxy_protocol: required", "proxy_protocol: off")).unwrap();
    stage.hang_up("applied").await;
    let mut direct = Visitor::program();
    assert_eq!(direct.get(&stage.postern.at("/-/live")).await.checked().status, 200);
}

/// The address of the client is what the checksum covers.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_with_a_wrong_checksum_introduces_nobody() {
    let stage = required("[127.0.0.1]").await;
    let addresses = [10, 20, 3, 4, 127, 0, 0, 1, 0xc8, 0x22, 1, 0xbb];
    let header =
        |sum: [u8; 4]| [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13"[..], &addresses, &[3, 0, 4], &sum].concat();
    let right = 0x8e84_b2ec_u32.to_be_bytes();
    let answer = ask(&stage, header(right), "").await;
    assert_eq!(status(&answer), "302", "{answer}");
    let mut wrong = right;
    wrong[3] ^= 1;
    assert_eq!(ask(&stage, header(wrong), "").await, "", "no byte is answered");
    stage.postern.wait_for_log("its checksum is wrong", 1).await;
}
