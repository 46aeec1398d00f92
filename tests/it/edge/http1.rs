//! HTTP/1.1 as it should not be.

use crate::support::elsewhere::vectors;
use crate::support::raw::{Raw, get};
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


/// An answer to it shows that what came before was taken for a whole request.
const CANARY: &str = "GET /-/live HTTP/1.1\r\nhost: localhost:PORT\r\n\r\n";

/// Sends a request and the canary in one go, and returns all that comes back, to the end of the connection.
async fn told(stage: &Stage, request: &[u8]) -> String {
    let port = stage.postern.url.port().unwrap();
    let mut raw = Raw::connect(port).await;
    raw.send([request, CANARY.replace("PORT", &port.to_string()).as_bytes()].concat()).await;
    raw.rest_as_text().await
}

/// What does not end by itself ends soon.
async fn impatient() -> Stage {
    Stage::with(postern::sandbox::SandboxOptions::default(), |text| {
        text + "\nlimits: {deadlines: {request_head: 1s, idle: 1s, request_body: 1s}}\n"
    })
    .await
}

/// The requests that gunicorn's own tests hold, as bytes.
fn gunicorn(kind: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let folder = vectors(&format!("gunicorn/tests/requests/{kind}"))?;
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let requests = files.filter(|file| file.extension().is_some_and(|extension| extension == "http"));
    let mut requests: Vec<_> = requests
        .map(|file| {
            let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).replace('\n', "");
            let bytes = text.replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t").replace("\\0", "\0");
            (file.file_stem().unwrap().to_string_lossy().into_owned(), bytes.into_bytes())
        })
        .collect();
    requests.sort();
    Some(requests)
}

#[tokio::test(flavor = "multi_thread")]
async fn gunicorn_invalid() {
    let Some(requests) = gunicorn("invalid") else { return };
    let stage = impatient().await;
    for (name, request) in requests {
        let told = told(&stage, &request).await;
        println!("{name}: canary {} {:?}\n   {:?}", told.contains("live\n"), told.lines().filter(|l| l.starts_with("HTTP/")).collect::<Vec<_>>(), String::from_utf8_lossy(&request[..request.len().min(150)]));
    }
    panic!();
}
#[tokio::test(flavor = "multi_thread")]
async fn gunicorn_valid() {
    let Some(requests) = gunicorn("valid") else { return };
    let stage = impatient().await;
    for (name, request) in requests {
        let told = told(&stage, &request).await;
        println!("{name}: canary {} {:?}\n   {:?}", told.contains("live\n"), told.lines().filter(|l| l.starts_with("HTTP/")).collect::<Vec<_>>(), String::from_utf8_lossy(&request[..request.len().min(150)]));
    }
    panic!();
}
