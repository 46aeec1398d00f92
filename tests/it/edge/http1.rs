//! HTTP/1.1 as it should not be.

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
