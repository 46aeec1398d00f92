//! HTTP/1.1 as it should not be.

use crate::metrics::exposed;
use crate::support::elsewhere::vectors;
use crate::support::raw::Raw;
use crate::support::stage::Stage;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_http_is_not_answered_as_such() {
    let stage = Stage::new().await;
    let port = stage.postern.url.port().unwrap();
    let exchange = |request: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = [0; 4096];
        let length = stream.read(&mut head).unwrap_or_default();
        String::from_utf8_lossy(&head[..length]).into_owned()
    };
    let host = format!("localhost:{port}");
    for (request, status) in [
        (format!("GET /studio HTTP/1.1\r\nhost: {host}\r\nhost: evil.example\r\n\r\n"), "400"),
        ("GET /studio HTTP/1.1\r\n\r\n".to_owned(), "400"),
        (format!("GET http://evil.example/studio HTTP/1.1\r\nhost: {host}\r\n\r\n"), "400"),
        (format!("GET /studio HTTP/1.1\r\nhost: {host}\r\nx: {}\r\n\r\n", "a".repeat(70_000)), "431"),
        (format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n"), "4"),
        (format!("get /studio HTTP/1.1\r\nhost: {host}\r\n\r\n"), "405"),
        (format!("GET studio HTTP/1.1\r\nhost: {host}\r\n\r\n"), "4"),
        (
            format!(
                "GET /studio HTTP/1.1\r\nhost: {host}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
            ),
            "401",
        ),
    ] {
        let answer = exchange(&request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}\n{answer}");
    }
    assert_eq!(stage.mints(), [""; 0]);
}

/// What hyper answers by itself is a request like any other in the access log and the metrics, but for its duration, which
/// nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_logged_once() {
    let stage = Stage::new().await;
    let port = stage.postern.url.port().unwrap();
    let large = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(70_000));
    for (request, status, outcome) in [
        ("GET / HTTP/1.1\r\nho st: x\r\n\r\n", 400, "malformed-request"),
        (large.as_str(), 431, "head-too-large"),
    ] {
        let mut raw = Raw::connect(port).await;
        raw.send(request).await;
        assert!(raw.rest_as_text().await.starts_with(&format!("HTTP/1.1 {status} ")));
        stage.postern.wait_for_log(&format!("\"outcome\":\"{outcome}\""), 1).await;
        let log = stage.postern.log();
        let events: Vec<_> = log
            .lines()
            .filter(|line| line.contains("\"postern::access\"") && line.contains(outcome))
            .collect();
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(
            events[0].contains(&format!("\"http.status\":{status}")) && events[0].contains("request_id"),
            "{events:?}"
        );
    }
    let metrics = exposed(&stage).await;
    for line in [
        r#"postern_requests_total{destination="-",outcome="malformed-request"} 1"#,
        r#"postern_requests_total{destination="-",outcome="head-too-large"} 1"#,
        "postern_request_duration_seconds_count 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in {metrics}");
    }
}

/// An answer to it shows that what came before was taken for a whole request.
const CANARY: &str = "GET /-/live HTTP/1.1\r\nhost: localhost:PORT\r\n\r\n";

/// Sends each request with the canary behind it, and returns all that comes back, to the end of the connection.
async fn told(stage: &Stage, requests: Vec<Vec<u8>>) -> Vec<String> {
    let port = stage.postern.url.port().unwrap();
    let exchanges = requests.into_iter().map(|request| {
        tokio::spawn(async move {
            let mut raw = Raw::connect(port).await;
            raw.send([&request, CANARY.replace("PORT", &port.to_string()).as_bytes()].concat()).await;
            raw.rest_as_text().await
        })
    });
    let mut told = Vec::new();
    for exchange in exchanges.collect::<Vec<_>>() {
        told.push(exchange.await.unwrap());
    }
    told
}

/// What does not end by itself ends soon.
async fn impatient() -> Stage {
    Stage::with(postern::sandbox::SandboxOptions::default(), |text| {
        text + "\nlimits: {deadlines: {request_head: 1s, idle: 1s, request_body: 1s}}\n"
    })
    .await
}

/// Requests as the suites write them: line ends and other strange bytes are spelt out.
fn spelt_out(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (byte, used) = match (first, after) {
            (b'\\', [b'r', ..]) => (b'\r', 1),
            (b'\\', [b'n', ..]) => (b'\n', 1),
            (b'\\', [b't', ..]) => (b'\t', 1),
            (b'\\', [b'f', ..]) => (0x0c, 1),
            (b'\\', [b'0', ..]) => (0, 1),
            (b'\\', [b'x', high, low, ..]) => {
                let digits = [*high, *low];
                (u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap(), 3)
            }
            _ => (*first, 0),
        };
        bytes.push(byte);
        rest = &after[used..];
    }
    bytes
}

/// The requests that gunicorn's own tests hold.
fn gunicorn(kind: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let folder = vectors(&format!("gunicorn/tests/requests/{kind}"))?;
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let requests = files.filter(|file| file.extension().is_some_and(|extension| extension == "http"));
    let name = |file: &std::path::Path| file.file_stem().unwrap().to_string_lossy().into_owned();
    let text =
        |file: &std::path::Path| String::from_utf8_lossy(&std::fs::read(file).unwrap()).replace('\n', "");
    let mut requests: Vec<_> = requests.map(|file| (name(&file), spelt_out(&text(&file)))).collect();
    requests.sort();
    Some(requests)
}

/// The strict requests that llhttp's own tests hold, by file and heading, with whether llhttp takes them.
fn llhttp() -> Option<Vec<(String, Vec<u8>, bool)>> {
    let folder = vectors("llhttp/test/request")?;
    let mut requests = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        for case in text.split("<!-- meta=").skip(1) {
            let (meta, rest) = case.split_once("-->").unwrap();
            if !meta.contains("\"type\": \"request\"") {
                continue;
            }
            let request = rest.split("```http\n").nth(1).and_then(|rest| rest.split("\n```").next()).unwrap();
            let log = rest.split("```log\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
            let name = text[..text.find(case).unwrap()].rsplit('#').next().unwrap().lines().next().unwrap();
            let name = format!("{}: {}", file.file_stem().unwrap().to_string_lossy(), name.trim());
            requests.push((name, spelt_out(&request.replace('\n', "\r\n")), !log.contains("error code")));
        }
    }
    requests.sort();
    Some(requests)
}

/// Checks what holds for every request, whatever it is: no success but the canary's, and the end of the connection.
/// True where the canary was answered.
fn canary(name: &str, told: &str) -> bool {
    let is_answered = told.ends_with("live\n");
    let successes =
        ["1.1 2", "1.1 3", "1.0 2", "1.0 3"].map(|status| told.matches(&format!("HTTP/{status}")).count());
    assert_eq!(successes.iter().sum::<usize>(), usize::from(is_answered), "{name}: {told}");
    is_answered
}

/// Whether hyper has refused it; the gateway's own answers carry a request id.
fn is_not_understood(told: &str) -> bool {
    let first = told.split("\r\n\r\n").next().unwrap_or_default();
    first.contains(" 400 ") && !first.contains("x-request-id")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gunicorn_refuses_hides_no_second_request() {
    let Some(suite) = gunicorn("invalid") else { return };
    let (names, requests): (Vec<_>, _) = suite.into_iter().unzip();
    assert!(names.len() > 50, "{}", names.len());
    let told = told(&impatient().await, requests).await;
    let answered = names.iter().zip(&told).filter(|(name, told)| canary(name, told)).map(|(name, _)| name);
    assert_eq!(answered.collect::<Vec<_>>(), HARMLESS_IN_GUNICORN);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gunicorn_takes_is_understood() {
    let Some(suite) = gunicorn("valid") else { return };
    let (names, requests): (Vec<_>, _) = suite.into_iter().unzip();
    assert!(names.len() > 50, "{}", names.len());
    let told = told(&impatient().await, requests).await;
    let mut refused = Vec::new();
    for (name, told) in names.iter().zip(&told) {
        canary(name, told);
        if is_not_understood(told) {
            refused.push(name);
        }
    }
    assert_eq!(refused, REFUSED_OF_GUNICORN);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_llhttp_refuses_hides_no_second_request() {
    let Some(suite) = llhttp() else { return };
    assert!(suite.len() > 100, "{}", suite.len());
    let requests = suite.iter().map(|(_, request, _)| request.clone()).collect();
    let told = told(&impatient().await, requests).await;
    let (mut answered, mut refused) = (Vec::new(), Vec::new());
    for ((name, _, is_valid), told) in suite.iter().zip(&told) {
        match (canary(name, told), is_valid) {
            (true, false) => answered.push(name),
            (_, true) if is_not_understood(told) => refused.push(name),
            _ => {}
        }
    }
    assert_eq!(answered, HARMLESS_IN_LLHTTP);
    assert_eq!(refused, REFUSED_OF_LLHTTP);
}

/// What gunicorn refuses and we answer, and why nothing can hide in it.
const HARMLESS_IN_GUNICORN: [&str; 14] = [
    // Limits and rules that gunicorn was told to have: odd methods, few or short headers, proxies' headers that disagree.
    "003c",
    "010",
    "011",
    "012",
    "017",
    "019",
    // Two types of a body that nobody reads; two hosts, which we refuse, too, and whose request ends where it seems to.
    "041",
    "042",
    // A space after the size of the last chunk.
    "chunked_09",
    // Trailers that must not be trailers: none is looked at.
    "rfc9110_trailer_forbidden_cl_01",
    "rfc9110_trailer_forbidden_host_01",
    "rfc9110_trailer_forbidden_te_01",
    // Other forms of a target, on other hosts: 421.
    "rfc9112_target_asterisk_non_options_01",
    "rfc9112_target_authority_non_connect_01",
];

/// What gunicorn takes, some of it only when told to, and we do not.
const REFUSED_OF_GUNICORN: [&str; 10] = [
    // A fragment in the target (RFC 9112, section 3.2).
    "005",
    // A length and a coding at once; quotes in a path; a space before a colon; folded lines (RFC 9112, section 5.2); PROXY.
    "009",
    "014",
    "028",
    "compat_obs_fold",
    "compat_obs_fold_huge",
    "pp_01",
    "pp_02",
    "pp_04",
    "pp_05",
];

/// What llhttp refuses and we answer.
const HARMLESS_IN_LLHTTP: [&str; 5] = [
    // llhttp was asked to stop here.
    "connection: Setting a flag and pausing",
    // A method is any token (RFC 9110, section 9.1), and is answered by 405.
    "invalid: Invalid method",
    // A line may end in LF alone (RFC 9112, section 2.2).
    "invalid: Missing CR between headers",
    "transfer-encoding: No extension after semicolon",
    "transfer-encoding: Space after chunk header",
];

/// What llhttp takes and we do not: other protocols than HTTP/1.1, a fragment, and quotes in a path.
const REFUSED_OF_LLHTTP: [&str; 6] = [
    "method: ANNOUNCE request with RTSP",
    "method: OPTIONS request with RTSP",
    "method: SOURCE request with ICE",
    "sample: No HTTP version",
    "uri: Fragment in URI",
    "uri: Quotes in URI",
];
