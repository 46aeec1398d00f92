//! Bytes to and from the listener, as no well-behaved client sends them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Longer than any deadline that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn connect(port: u16) -> Self {
        Self::connect_from(Ipv4Addr::LOCALHOST, port).await
    }

    /// From another of this machine's loopback addresses.
    pub(crate) async fn connect_from(source: Ipv4Addr, port: u16) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(IpAddr::V4(source), 0)).expect("an address");
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self(socket.connect(to).await.expect("a connection"))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // Who is being thrown out may find that out here already.
        _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// All that comes until the other side ends, or nothing more is to be expected.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        match timeout(PATIENCE, self.0.read_to_end(&mut all)).await {
            // A reset is an end, too.
            Ok(_) => all,
            Err(_) => panic!("still open: {}", String::from_utf8_lossy(&all)),
        }
    }

    pub(crate) async fn rest_as_text(&mut self) -> String {
        String::from_utf8_lossy(&self.rest().await).into_owned()
    }

    /// One answer's head and as much of its body as came with it.
    pub(crate) async fn answer(&mut self) -> String {
        let mut all = Vec::new();
        while !all.windows(4).any(|end| end == b"\r\n\r\n") {
            let read = timeout(PATIENCE, self.0.read_buf(&mut all)).await.expect("an answer in time");
            if read.expect("an answer") == 0 {
                break;
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// `GET PATH`, with further headers, each with its line end; the connection ends with the answer.
pub(crate) fn get(port: u16, path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n{headers}\r\n")
}
