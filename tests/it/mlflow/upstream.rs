//! A data plane that answers anything: the bytes that it was sent, and the bytes that it sends.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

pub(super) struct Upstream {
    pub(super) url: String,
    heads: Arc<Mutex<Vec<String>>>,
    /// A connection ended from the other side while it was being answered.
    pub(super) given_up: Arc<Notify>,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(super) enum Sends {
    Once(&'static str),
    /// The first text, and then the second for ever.
    ForEver(&'static str, &'static str),
    /// The first text, and then the second once a second, so many times, and the last.
    Slowly(&'static str, &'static str, u32, &'static str),
    Nothing,
}

impl Upstream {
    pub(super) async fn start(sends: Sends) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (heads, given_up) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let upstream = Self { url, heads: Arc::clone(&heads), given_up: Arc::clone(&given_up) };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (heads, given_up) = (Arc::clone(&heads), Arc::clone(&given_up));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                    match sends {
                        Sends::Once(text) => _ = stream.write_all(text.as_bytes()).await,
                        Sends::Slowly(first, again, times, last) => {
                            _ = stream.write_all(first.as_bytes()).await;
                            for _ in 0..times {
                                tokio::time::sleep(Duration::from_secs(1)).await;
                                _ = stream.write_all(again.as_bytes()).await;
                            }
                            _ = stream.write_all(last.as_bytes()).await;
                        }
                        Sends::Nothing => {
                            while stream.read_buf(&mut head).await.unwrap_or(0) > 0 {}
                            given_up.notify_one();
                        }
                        Sends::ForEver(first, again) => {
                            let mut sent = stream.write_all(first.as_bytes()).await;
                            while sent.is_ok() {
                                sent = stream.write_all(again.as_bytes()).await;
                            }
                            given_up.notify_one();
                        }
                    }
                });
            }
        });
        upstream
    }

    /// The heads of the requests so far, in lower case.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().iter().map(|head| head.to_ascii_lowercase()).collect()
    }

    /// The demo's configuration with this data plane.
    pub(super) fn configure(&self, text: &str) -> String {
        let lines = text.lines().map(|line| match line.contains("api: &mlflow") {
            true => format!("    api: &mlflow {{endpoint_url: \"{}\"}}", self.url),
            false => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
