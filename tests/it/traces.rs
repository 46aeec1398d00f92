//! What joins the lines of one request: its own names, and the trace that its sender began.

use crate::support::frames::{END_HEADERS, END_STREAM, HEADERS, RST_STREAM, frame, request};
use crate::support::postern::{BINARY, Postern};
use crate::support::raw::Raw;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use postern::sandbox::{Fault, Times};
use postern::telemetry::request_ids::RequestIds;
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Duration;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn ids(values: &[&str]) -> RequestIds {
    let mut headers = HeaderMap::new();
    for value in values {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(HeaderName::from_static("traceparent"), value);
    }
    RequestIds::of(&headers)
}

/// <https://www.w3.org/TR/trace-context/#traceparent-header>
#[test]
fn a_trace_goes_on_where_the_recommendation_lets_it() {
    for value in [
        format!("00-{TRACE}-{PARENT}-01"),
        format!("00-{TRACE}-{PARENT}-00"),
        format!("00-{TRACE}-{PARENT}-ff"),
        // A later version may have more behind a dash.
        format!("cc-{TRACE}-{PARENT}-01"),
        format!("cc-{TRACE}-{PARENT}-01-what-the-future-brings"),
        format!("01-{TRACE}-{PARENT}-01-"),
    ] {
        let ids = ids(&[&value]);
        assert_eq!(&*ids.trace_id, TRACE, "{value}");
        assert_eq!(ids.parent_span_id.as_deref(), Some(PARENT), "{value}");
        assert_ne!(&*ids.request_id, TRACE);
        assert_ne!(&*ids.span_id, PARENT);
    }
}

#[test]
fn what_is_not_a_traceparent_is_replaced() {
    let zero = "0".repeat(32);
    for value in [
        String::new(),
        TRACE.to_owned(),
        format!("00-{TRACE}-{PARENT}"),
        format!("00-{TRACE}-{PARENT}-1"),
        format!("00-{TRACE}-{PARENT}-01-"),
        format!("00-{TRACE}-{PARENT}-01-more"),
        format!("00-{TRACE}-{PARENT}-01 "),
        format!(" 00-{TRACE}-{PARENT}-01"),
        format!("ff-{TRACE}-{PARENT}-01"),
        format!("0-{TRACE}-{PARENT}-01"),
        format!("cc-{TRACE}-{PARENT}-01.more"),
        format!("00-{zero}-{PARENT}-01"),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", PARENT.to_uppercase()),
        format!("0A-{TRACE}-{PARENT}-01"),
        format!("00-{TRACE}-{PARENT}-0g"),
        format!("00-{}é-{PARENT}-01", &TRACE[2..]),
        format!("00_{TRACE}_{PARENT}_01"),
        format!("00-{PARENT}-{TRACE}-01"),
        format!("00-{TRACE}-{PARENT}-01").repeat(1000),
    ] {
        let ids = ids(&[&value]);
        assert_eq!(*ids.trace_id, *ids.request_id, "a trace of our own: {value}");
        assert_eq!(ids.parent_span_id, None, "{value}");
        assert!(ids.trace_id.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
    let twice = format!("00-{TRACE}-{PARENT}-01");
    assert_eq!(ids(&[&twice, &twice]).parent_span_id, None, "nobody knows which of two counts");
}

#[test]
fn no_two_requests_have_the_same_names() {
    let (one, other) = (ids(&[]), ids(&[]));
    assert_ne!(one.request_id, other.request_id);
    assert_ne!(one.span_id, other.span_id);
    assert_ne!(&*one.request_id, "0".repeat(32));
}

/// The log's events with this request id, once there are as many.
fn events(postern: &Postern, request_id: &str, at_least: usize) -> Vec<Value> {
    for _ in 0..500 {
        let log = postern.log();
        let events: Vec<Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
        let found: Vec<_> = events.into_iter().filter(|event| event["request_id"] == request_id).collect();
        if found.len() >= at_least {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("fewer than {at_least} events of {request_id}: {}", postern.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn log_and_audit_trail_tell_the_trace() {
    let stage = Stage::new().await;
    stage.sandbox.faults().inject(Some("CreatePresignedDomainUrl"), Fault::AccessDenied, Times::Next(1));
    let mut grace = stage.program("grace").with("traceparent", &format!("00-{TRACE}-{PARENT}-01"));
    let refused = grace.get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(refused.status, 502);
    let request_id = refused.header("x-request-id").to_owned();
    let found = events(&stage.postern, &request_id, 2);
    let told = |message: &str| {
        let told: Vec<_> = found.iter().filter(|event| event["message"] == message).collect();
        let [event] = told[..] else { panic!("{message} in {found:#?}") };
        event.clone()
    };
    let (failed, access) = (told("request.failed"), told("request"));
    assert!(failed["cause"].as_str().unwrap().contains("AccessDenied"), "{failed:#}");
    for event in &found {
        assert_eq!(event["trace_id"], TRACE, "{event:#}");
        assert_eq!(event["parent_span_id"], PARENT, "{event:#}");
        assert_eq!(event["span_id"].as_str().unwrap().len(), 16, "{event:#}");
    }
    assert_eq!(access["http.method"], "GET");
    assert_eq!(access["http.version"], "1.1");
    assert_eq!(access["http.status"], 502);
    assert_eq!(access["http.response_bytes"], refused.body.len());
    assert_eq!(access["peer.address"], "127.0.0.1");
    assert_eq!(access["client.address"], "127.0.0.1");
    assert_eq!(access["destination"], "studio");
    assert_eq!(access["outcome"], "refused-by-aws");
    assert!(access["duration_us"].as_u64().is_some_and(|micros| micros > 0));
    let record = &stage.postern.audit(2)[1];
    assert_eq!((&record["request_id"], &record["trace_id"]), (&request_id.into(), &TRACE.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_decides_nothing_and_cannot_forge_a_line() {
    let stage = Stage::new().await;
    let forged = "00-\"},{\"message\":\"forged\"}-x-01";
    let mut max = stage.program("max").with("traceparent", forged).with("tracestate", "a=b,c=\"d\"");
    let refused = max.get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(refused.status, 403);
    let request_id = refused.header("x-request-id").to_owned();
    let access = &events(&stage.postern, &request_id, 1)[0];
    assert_eq!(access["trace_id"], *request_id);
    assert!(!stage.postern.log().contains("forged"), "what was sent is not repeated");
    assert!(!stage.postern.audit_text().contains("forged"));
}

/// A stream that its client resets ends its request, which is logged and audited under its names.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_reset_is_told_of_with_its_names() {
    let stage = slow_to_mint().await;
    let port = stage.postern.url.port().unwrap();
    let authorization = format!("Bearer {}", stage.token("grace"));
    let head = request("GET", "/studio", port, &[("authorization", &authorization)]);
    let mut raw = Raw::http2(port, &[]).await;
    raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)).await;
    while stage.sandbox.call_count() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    raw.send(frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())).await;
    let record = stage.postern.audit(2)[1].clone();
    assert_eq!(record["reason"], "client-gone", "{record:#}");
    let access = access_event(&stage.postern, record["request_id"].as_str().unwrap());
    assert_eq!(access["outcome"], "client-gone", "{access:#}");
    assert_eq!(access["http.status"], Value::Null);
}

/// Over HTTP/1.1 a client that hangs up looks like one that only shuts its side down: the request runs to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_leaves_one_event_and_one_record() {
    let stage = slow_to_mint().await;
    let (mut visitor, studio) = (stage.program("grace"), stage.postern.at("/studio"));
    let running = tokio::spawn(async move { visitor.get(&studio).await });
    while stage.sandbox.call_count() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.abort();
    let record = stage.postern.audit(2)[1].clone();
    assert_eq!((&record["event"], &record["reason"]), (&"grant".into(), &"ok".into()), "{record:#}");
    let access = access_event(&stage.postern, record["request_id"].as_str().unwrap());
    assert_eq!((&access["outcome"], &access["http.status"]), (&"ok".into(), &302.into()), "{access:#}");
}

/// The request's access event, among the others of the request.
fn access_event(postern: &Postern, request_id: &str) -> Value {
    for at_least in 1..20 {
        let found = events(postern, request_id, at_least);
        if let Some(access) = found.into_iter().find(|event| !event["outcome"].is_null()) {
            return access;
        }
    }
    panic!("no access event of {request_id}: {}", postern.log());
}

/// AWS takes three seconds for the next URL.
async fn slow_to_mint() -> Stage {
    let stage = Stage::new().await;
    let slow = Fault::Slow(Duration::from_secs(3));
    stage.sandbox.faults().inject(Some("CreatePresignedDomainUrl"), slow, Times::Next(1));
    stage
}

/// For people, a line is a time, a level, a place, and then words; none of them can begin another line.
#[test]
fn lines_for_people_are_one_line_each() {
    let folder = tempfile::TempDir::new().unwrap();
    let config = folder.path().join("postern.yaml");
    let example =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/sandbox.yaml")).unwrap();
    let port = crate::support::postern::free_port();
    std::fs::write(folder.path().join("sandbox-client-secret"), "a secret of this test").unwrap();
    std::fs::write(&config, example.replace("8080", &port.to_string())).unwrap();
    let child = Command::new(BINARY)
        .args(["serve", "--log-format", "human", "--config"])
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..600 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = url::Url::parse(&format!("http://localhost:{port}/studio")).unwrap();
    let answer = runtime.block_on(Visitor::program().get(&url)).checked();
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let access = log.lines().find(|line| line.contains(" INFO postern::access: request ")).expect(&log);
    for word in [
        " http.status=401",
        " outcome=no-credential",
        &format!(" request_id={}", answer.header("x-request-id")),
    ] {
        assert!(access.contains(word), "{word} in {access}");
    }
    for line in log.lines() {
        let time = line.split(' ').next().unwrap();
        assert!(time.len() == 27 && time.ends_with('Z'), "{line}");
    }
    let warned = log.lines().find(|line| line.contains(" WARN ")).expect(&log);
    assert!(warned.contains(" config.insecure warning=\""), "quoted where there are spaces: {warned}");
}
