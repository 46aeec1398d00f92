//! The admin listener answers probes, whoever else connects to it.

use crate::support::raw::{Raw, get};
use crate::support::stage::Stage;
use std::time::{Duration, Instant};

/// More than it has room for.
const MANY: usize = 200;

async fn is_probed(port: u16, why: &str) {
    let began = Instant::now();
    let mut raw = Raw::connect(port).await;
    raw.send(get(port, "/-/ready", "")).await;
    assert!(raw.rest_as_text().await.starts_with("HTTP/1.1 200 "), "{why}");
    assert!(began.elapsed() < Duration::from_secs(2), "{why}: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_while_connections_lie_about() {
    let stage = Stage::new().await;
    let port = stage.postern.admin("/").port().unwrap();
    let kept = get(port, "/-/live", "").replace("connection: close\r\n", "");
    let mut lying = Vec::new();
    for begin in ["", "GET /-/re", &kept, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        for _ in 0..MANY {
            let mut raw = Raw::connect(port).await;
            raw.send(begin).await;
            lying.push(raw);
        }
        is_probed(port, begin).await;
    }
    // The oldest went first, and the listener is not emptied.
    lying[0].rest().await;
    let last = lying.last_mut().unwrap();
    last.send(b"\0\0\0\x04\0\0\0\0\0").await;
    assert!(!last.answer().await.is_empty(), "its settings");
}
