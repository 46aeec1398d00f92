//! Thousands of connections that stall, each kind in its own way: they are closed, cost little, and hold nobody up.

use super::connection::Style;
use super::figures::{Report, Size};
use super::site::{Entrance, Plan, Site, land};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Longer than every deadline of a phase.
const PATIENCE: Duration = Duration::from_secs(120);
/// Of 10,000 connections; a hundred are lost in what a process grows by anyway.
const MOST_GROWTH_MIB: (u64, u64) = (400, 64);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    NothingSent,
    HalfHead,
    DrippingHead,
    HalfBody,
    DrippingBody,
    Http2PrefaceAlone,
    Http2HalfHeaders,
    Http2NothingAsked,
    IdleAfterAnswer,
    NeverReading,
    Http2NeverReading,
    TlsNothingSent,
    HalfTlsHello,
}

const KINDS: [(Kind, &str); 11] = [
    (Kind::NothingSent, "nothing sent"),
    (Kind::HalfHead, "half a head"),
    (Kind::DrippingHead, "a head that drips"),
    (Kind::HalfBody, "half a body"),
    (Kind::DrippingBody, "a body that drips"),
    (Kind::Http2PrefaceAlone, "HTTP/2 preface, then silence"),
    (Kind::Http2HalfHeaders, "HTTP/2 headers that never end"),
    (Kind::Http2NothingAsked, "HTTP/2 that answers pings and asks nothing"),
    (Kind::IdleAfterAnswer, "idle after an answer"),
    (Kind::NeverReading, "asks and never reads"),
    (Kind::Http2NeverReading, "HTTP/2 that asks and gives no window"),
];
const KINDS_OF_TLS: [(Kind, &str); 2] =
    [(Kind::TlsNothingSent, "TLS: nothing sent"), (Kind::HalfTlsHello, "TLS: half a hello")];

/// Those of a connection that are long by default, for a client that may come back; the others stay as they are.
const SHORTER: &str = "deadlines: {idle: 10s, write: 10s}";
/// In tests all of them are short.
const SHORTEST: &str = "deadlines: {first_byte: 1s, tls_handshake: 1s, request_head: 1s, request_body: 1s, request: 8s, \
                        write: 1s, idle: 1s}";

pub(crate) async fn run(size: Size) -> Report {
    let connections = size.choose(10_000, 100);
    let mut report = Report::new("Stalled connections");
    report.tell("connections of each kind", connections);
    report.tell("other than the defaults", size.choose(SHORTER, SHORTEST));
    of(&KINDS, Entrance::Plain, connections, size, &mut report).await;
    of(&KINDS_OF_TLS, Entrance::Tls, connections, size, &mut report).await;
    report
}

async fn of(kinds: &[(Kind, &str)], entrance: Entrance, connections: u64, size: Size, report: &mut Report) {
    let deadlines = size.choose(SHORTER, SHORTEST);
    let change = |config: String| config.replace("limits: {", &format!("limits: {{{deadlines}, "));
    let plan = Plan { entrance, change: &change, ..Plan::default() };
    let site = Site::set_up(plan).await.expect("a site");
    site.sign_everybody_in().await;
    let replica = &site.replicas[0];
    launches(&site, 50).await;
    let before = replica.resident();
    for (kind, name) in kinds {
        let mut peak = 0;
        let (mut stalled, connected) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
        let began = Instant::now();
        for _ in 0..connections {
            let authority = site.front.url.authority().to_owned();
            stalled.spawn(kind.stall(site.front.address, authority, Arc::clone(&connected)));
        }
        let mut worst_visit = Duration::ZERO;
        let mut open_at_most = 0;
        let reaped = loop {
            let open = site.metric(0, "postern_connections").await;
            open_at_most = open_at_most.max(open);
            peak = peak.max(replica.resident());
            worst_visit = worst_visit.max(launches(&site, 1).await);
            if connected.load(Ordering::Relaxed) == connections && open <= 1 {
                break Some(began.elapsed());
            }
            if began.elapsed() > PATIENCE {
                break None;
            }
            sleep(Duration::from_millis(100)).await;
        };
        stalled.abort_all();
        while stalled.join_next().await.is_some() {}
        let told = match reaped {
            Some(after) => format!("{open_at_most} open, all closed after {after:.1?}"),
            None => format!("{open_at_most} open, NOT all closed after {PATIENCE:?}"),
        };
        let growth = peak.saturating_sub(before);
        let told =
            format!("{told}; slowest launch meanwhile {worst_visit:.1?}; {growth} KiB more than at first");
        println!("    {name}: {told}");
        let most = size.choose(MOST_GROWTH_MIB.0, MOST_GROWTH_MIB.1);
        let held = reaped.is_some() && growth < most * 1024;
        report.promise(*name, told, format!("all closed, under {most} MiB"), held);
    }
    report.tell(format!("resident memory at first, {entrance:?}"), format!("{before} KiB"));
}

/// People who come meanwhile open what they always do. Returns how long the slowest waited.
async fn launches(site: &Site, count: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for number in 0..count {
        let person = &site.people[number % site.people.len()];
        let answer = site.connect(Style::Fresh).get("/studio", &person.clicks()).await;
        let answer = answer.unwrap_or_else(|lost| panic!("a launch among stalled connections: {lost}"));
        land(&site.sandbox, person, answer.location())
            .unwrap_or_else(|error| panic!("their own profile, not {}: {error}", answer.status));
        slowest = slowest.max(answer.took);
    }
    slowest
}

impl Kind {
    /// Connects and stalls until the other side closes.
    async fn stall(self, address: SocketAddr, host: String, connected: Arc<AtomicU64>) {
        let stream = self.connect(address).await.expect("a connection");
        connected.fetch_add(1, Ordering::Relaxed);
        // What is closed while something is still written ends with an error, which is all the same here.
        _ = self.play(stream, &host).await;
    }

    async fn play(self, mut stream: TcpStream, host: &str) -> std::io::Result<()> {
        const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
        let head = |rest: &str| format!("{rest}\r\nhost: {host}\r\n");
        match self {
            Self::NothingSent | Self::TlsNothingSent => {}
            // The record promises 512 bytes (RFC 8446, section 5.1).
            Self::HalfTlsHello => stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await?,
            Self::HalfHead => stream.write_all(head("GET /studio HTTP/1.1").as_bytes()).await?,
            Self::DrippingHead => {
                stream.write_all(head("GET /studio HTTP/1.1").as_bytes()).await?;
                return drip(stream, b"x-filler: aaaaaaaaaaaaaaaaaaaaaa\r\n").await;
            }
            Self::HalfBody | Self::DrippingBody => {
                let form = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 4000\r\n\r\n";
                let post = head("POST /-/backchannel-logout HTTP/1.1") + form + "logout_token=";
                stream.write_all(post.as_bytes()).await?;
                if self == Self::DrippingBody {
                    return drip(stream, b"aaaa").await;
                }
            }
            Self::Http2PrefaceAlone => stream.write_all(PREFACE).await?,
            Self::Http2HalfHeaders => {
                stream.write_all(PREFACE).await?;
                stream.write_all(SETTINGS).await?;
                // HEADERS on stream 1 without END_HEADERS: `:method: GET` and nothing else, ever.
                stream.write_all(b"\0\0\x01\x01\0\0\0\0\x01\x82").await?;
            }
            Self::Http2NothingAsked => {
                stream.write_all(PREFACE).await?;
                stream.write_all(SETTINGS).await?;
                return answer_pings(stream).await;
            }
            Self::IdleAfterAnswer => {
                stream.write_all((head("GET /-/live HTTP/1.1") + "\r\n").as_bytes()).await?;
            }
            Self::NeverReading => {
                // Whole pages, until nothing more fits into what the kernel keeps on both sides.
                let ask = head("GET /-/whoami HTTP/1.1") + "accept: text/html\r\n\r\n";
                return ask_without_end(stream, ask.as_bytes()).await;
            }
            Self::Http2NeverReading => {
                stream.write_all(PREFACE).await?;
                // SETTINGS_INITIAL_WINDOW_SIZE = 0: bodies have nowhere to go (RFC 9113, section 6.5.2).
                stream.write_all(b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0").await?;
                for id in [1_u8, 3, 5, 7] {
                    stream.write_all(&http2_get(id, "/-/api/openapi.json", host)).await?;
                }
                return answer_pings(stream).await;
            }
        }
        until_closed(stream).await
    }

    async fn connect(self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if self == Self::NeverReading {
            socket.set_recv_buffer_size(4096)?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

async fn until_closed(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// One byte a second.
async fn drip(mut stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes.iter().cycle() {
        sleep(Duration::from_secs(1)).await;
        stream.write_all(&[*byte]).await?;
    }
    Ok(())
}

/// Alive as far as the protocol's own probes can tell.
async fn answer_pings(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await?;
        let is_ack = head[4] & 1 == 1;
        match head[3] {
            4 if !is_ack => stream.write_all(b"\0\0\0\x04\x01\0\0\0\0").await?,
            6 if !is_ack => {
                stream.write_all(b"\0\0\x08\x06\x01\0\0\0\0").await?;
                stream.write_all(&payload).await?;
            }
            _ => {}
        }
    }
}

/// Reads nothing, and notices the end by what can no longer be written.
async fn ask_without_end(mut stream: TcpStream, ask: &[u8]) -> std::io::Result<()> {
    let mut patience = 200;
    while patience > 0 {
        match timeout(Duration::from_secs(1), stream.write_all(ask)).await {
            Ok(written) => written?,
            Err(_) => patience -= 1,
        }
    }
    Ok(())
}

/// HEADERS with END_STREAM and END_HEADERS: literal fields without indexing (RFC 7541, section 6.2.2).
fn http2_get(stream: u8, path: &str, host: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86]; // :method: GET, :scheme: http
    for (name, value) in [(4_u8, path), (1, host)] {
        block.push(name);
        block.push(u8::try_from(value.len()).expect("short"));
        block.extend_from_slice(value.as_bytes());
    }
    let length = u8::try_from(block.len()).expect("short");
    [&[0, 0, length, 1, 5, 0, 0, 0, stream], &*block].concat()
}
