//! A company's way out: an HTTP proxy that alone knows some names, and notes what it is asked for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    names: HashMap<String, SocketAddr>,
    /// Heads of requests, as they came.
    asked: Vec<String>,
    /// What it answers to every request, in place of doing what it is asked.
    refusal: Option<String>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on `name`, a host with its port, leads to `address`.
    pub(crate) fn knows(&self, name: &str, address: SocketAddr) {
        self.state.lock().expect("state").names.insert(name.to_owned(), address);
    }

    pub(crate) fn refuses_with(&self, answer: &str) {
        self.state.lock().expect("state").refusal = Some(answer.to_owned());
    }

    /// The heads of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().expect("state").asked.clone()
    }

    /// What it was asked for so far: `CONNECT host:port`, or the method and the URL.
    pub(crate) fn targets(&self) -> Vec<String> {
        let target = |head: &String| head.split(' ').take(2).collect::<Vec<_>>().join(" ");
        self.asked().iter().map(target).collect()
    }
}

async fn serve(mut client: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let (target, refusal) = {
        let mut state = state.lock().ok()?;
        state.asked.push(head.clone());
        (head.split(' ').nth(1)?.to_owned(), state.refusal.clone())
    };
    if let Some(refusal) = refusal {
        client.write_all(refusal.as_bytes()).await.ok()?;
        return client.shutdown().await.ok();
    }
    let is_tunnel = head.starts_with("CONNECT ");
    let name = target.split("://").last()?.split('/').next()?.to_owned();
    let address = state.lock().ok()?.names.get(&name).copied();
    let Some(address) = address else {
        client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await.ok()?;
        return client.shutdown().await.ok();
    };
    let mut server = TcpStream::connect(address).await.ok()?;
    if is_tunnel {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
    } else {
        let origin = head.replacen(&format!("http://{name}"), "", 1);
        server.write_all(origin.as_bytes()).await.ok()?;
    }
    copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}
