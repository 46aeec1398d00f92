//! Clients that never come to a point: every phase of a connection ends in time, some hundreds at once.

use crate::metrics::exposed;
use crate::support::postern::free_port;
use crate::support::raw::{Raw, get};
use crate::support::stage::Stage;
use crate::support::tls::{Authority, secured};
use crate::support::visitor::Visitor;
use postern::sandbox::{Fault, SandboxOptions, Times};
use rustls::version::TLS13;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;

const LONG: &str = "30s";

/// All deadlines are long but the one that is to be seen.
fn short(name: &str, text: &str) -> String {
    let all = [
        "first_byte",
        "proxy_header",
        "tls_handshake",
        "request_head",
        "request_body",
        "request",
        "write",
        "idle",
    ];
    let deadlines: Vec<_> = all
        .iter()
        .map(|deadline| format!("{deadline}: {}", if *deadline == name { "500ms" } else { LONG }))
        .collect();
    format!("{text}\nlimits: {{deadlines: {{{}}}}}\n", deadlines.join(", "))
}

async fn stage(name: &str, listen: &str) -> Stage {
    let listen = format!("listen:\n{listen}");
    Stage::with(SandboxOptions::default(), |text| short(name, &text.replace("listen:\n", &listen))).await
}

fn port(stage: &Stage) -> u16 {
    stage.postern.url.port().unwrap()
}

/// A hundred clients say `begin`, wait, and are thrown out: not at once, and long before any other deadline.
async fn are_reaped(stage: &Stage, begin: &[u8]) {
    let port = port(stage);
    let began = Instant::now();
    let clients = (0..100).map(|_| {
        let begin = begin.to_vec();
        tokio::spawn(async move {
            let mut raw = Raw::connect(port).await;
            raw.send(begin).await;
            raw.rest().await
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let shown = String::from_utf8_lossy(begin);
    assert!(began.elapsed() >= Duration::from_millis(400), "{shown:?} was not waited for");
    assert!(began.elapsed() < Duration::from_secs(20), "{shown:?} was waited for too long");
    is_served(stage).await;
}

async fn is_served(stage: &Stage) {
    let mut raw = Raw::connect(port(stage)).await;
    raw.send(get(port(stage), "/-/live", "")).await;
    assert!(raw.rest_as_text().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing() {
    are_reaped(&stage("first_byte", "").await, b"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_finish_a_request_head() {
    let stage = stage("request_head", "").await;
    for begin in [
        "G",
        "GET /studio HTTP/1.1\r\nho",
        "P",
        "PRI * HTTP/2.0\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\r\n",
    ] {
        are_reaped(&stage, begin.as_bytes()).await;
    }
    // The second request of a connection has its time, too, and dripping does not stretch it.
    let mut raw = Raw::connect(port(&stage)).await;
    raw.send("GET /-/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 "));
    let began = Instant::now();
    let dripping = async {
        loop {
            raw.0.write_all(b"G").await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let ended: std::io::Result<()> =
        tokio::time::timeout(Duration::from_secs(20), dripping).await.expect("an end");
    assert!(ended.is_err() && began.elapsed() >= Duration::from_millis(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_ask_again() {
    let stage = stage("idle", "").await;
    let mut raw = Raw::connect(port(&stage)).await;
    raw.send(get(port(&stage), "/-/live", "").replace("connection: close\r\n", "")).await;
    let began = Instant::now();
    assert!(raw.rest_as_text().await.starts_with("HTTP/1.1 200 "), "answered, and ended without a reset");
    assert!((Duration::from_millis(400)..Duration::from_secs(20)).contains(&began.elapsed()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_finish_a_proxy_header() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let text = text.replace("  direct_clients: true\n", "  proxy_protocol: required\n");
        short("proxy_header", &(text + "\ntrusted_proxies: [127.0.0.1]\n"))
    })
    .await;
    let port = port(&stage);
    let began = Instant::now();
    for begin in [&b"P"[..], b"PROXY TCP4 10.20.3.4", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x0a"] {
        let mut raw = Raw::connect(port).await;
        raw.send(begin).await;
        assert_eq!(raw.rest_as_text().await, "");
    }
    assert!((Duration::from_millis(1200)..Duration::from_secs(20)).contains(&began.elapsed()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_finish_a_handshake() {
    let authority = Authority::new();
    let stage = stage("tls_handshake", &authority.listen()).await;
    let port = port(&stage);
    let began = Instant::now();
    let clients = (0..100).map(|_| {
        tokio::spawn(async move {
            let mut raw = Raw::connect(port).await;
            raw.send(b"\x16\x03\x01\x00\xf0\x01").await;
            raw.rest().await
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert!((Duration::from_millis(400)..Duration::from_secs(20)).contains(&began.elapsed()));
    secured(&authority.client(&[&TLS13], &[]), Raw::connect(port).await.0).await.expect("others are served");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_send_a_body() {
    let stage = stage("request_body", "").await;
    for (framing, begin, expected) in [
        ("content-length: 100\r\n", "logout_token=", "HTTP/1.1 408 "),
        ("transfer-encoding: chunked\r\n", "d\r\nlogout_token=\r\n", "HTTP/1.1 408 "),
        // This client is asked for the body.
        ("content-length: 100\r\nexpect: 100-continue\r\n", "", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 "),
    ] {
        let mut raw = Raw::connect(port(&stage)).await;
        let head = format!("content-type: application/x-www-form-urlencoded\r\n{framing}");
        raw.send(get(port(&stage), "/-/backchannel-logout", &head).replacen("GET", "POST", 1)).await;
        raw.send(begin).await;
        let told = raw.rest_as_text().await;
        assert!(told.starts_with(expected), "an answer, not a hang: {framing:?}: {told:?}");
    }
    stage.postern.wait_for_log("\"outcome\":\"body-overdue\"", 3).await;
}

/// A connection is worth less when nothing is under way, and yet it is the same connection.
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_a_rest() {
    let authority = Authority::new();
    let (plain, tls) = (stage("first_byte", "").await, stage("first_byte", &authority.listen()).await);
    let client = authority.client(&[&TLS13], &[]);
    let secured = secured(&client, Raw::connect(port(&tls)).await.0).await.unwrap();
    tokio::join!(goes_on(Raw::connect(port(&plain)).await.0, port(&plain)), goes_on(secured, port(&tls)));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_count_as_active_while_a_request_is_under_way() {
    let stage = slow_to_mint(Duration::from_secs(2), "").await;
    let token = stage.token("grace");
    let request = get(port(&stage), "/studio", &format!("authorization: Bearer {token}\r\n"));
    let mut raw = Raw::connect(port(&stage)).await;
    raw.send(request.replace("connection: close\r\n", "")).await;
    shows(&stage, "postern_connections_active 1").await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 302 "));
    shows(&stage, "postern_connections_active 0").await;
    shows(&stage, "postern_connections 1").await;
}

/// Waits until the metrics have this line.
async fn shows(stage: &Stage, line: &str) {
    let shown = async {
        while !exposed(stage).await.lines().any(|shown| shown == line) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), shown).await.unwrap_or_else(|_| panic!("never {line}"));
}

/// Requests with pauses before, within and between them; some come in pieces, some at once.
async fn goes_on(mut stream: impl AsyncRead + AsyncWrite + Unpin, port: u16) {
    const REST: Duration = Duration::from_millis(600);
    let request = get(port, "/-/live", "").replace("connection: close\r\n", "");
    let (begin, end) = request.split_at(20);
    let post = request.replacen("GET", "POST", 1).replace("\r\n\r\n", "\r\ncontent-length: 5\r\n\r\n");
    let pieces = [
        (request.clone(), 1),
        (format!("{request}{request}{begin}"), 2),
        (end.to_owned(), 1),
        (begin.to_owned(), 0),
        (end.to_owned(), 1),
        // A body that looks like a request, and one behind it.
        (format!("{post}GET /{request}"), 2),
        (request.clone(), 1),
    ];
    for (piece, answers) in pieces {
        stream.write_all(piece.as_bytes()).await.unwrap();
        let mut told = Vec::new();
        while String::from_utf8_lossy(&told).matches("HTTP/1.1 ").count() < answers {
            assert_ne!(stream.read_buf(&mut told).await.unwrap(), 0, "it goes on");
        }
        tokio::time::sleep(REST).await;
    }
}

/// Asks and asks, and never reads an answer. Few are made for it.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read() {
    let stage = stage("write", "").await;
    let request =
        get(port(&stage), "/-/api/openapi.json", "").replace("connection: close\r\n", "").repeat(100);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], port(&stage)).into()).await.unwrap();
    let asking = async {
        loop {
            stream.write_all(request.as_bytes()).await?;
        }
    };
    let ended: std::io::Result<()> =
        tokio::time::timeout(Duration::from_secs(25), asking).await.expect("an end");
    assert!(ended.is_err());
    is_served(&stage).await;
    let made = stage.postern.log().matches("\"http.status\":200").count();
    assert!((1..40).contains(&made), "{made} answers that nobody read");
}

/// AWS is waited for longer than it takes.
async fn slow_to_mint(slow: Duration, limits: &str) -> Stage {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let text = text.replace("  region: eu-west-1\n", "  region: eu-west-1\n  timeout: 30s\n");
        format!("{text}\n{limits}\n")
    })
    .await;
    stage.sandbox.faults().inject(Some("CreatePresignedDomainUrl"), Fault::Slow(slow), Times::UntilCleared);
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_as_a_whole_ends_in_time() {
    let stage = slow_to_mint(Duration::from_secs(20), "limits: {deadlines: {request: 1s}}").await;
    let answer = stage.program("grace").get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(answer.status, 504, "{}", answer.body);
    let record = stage.postern.audit(2)[1].clone();
    assert_eq!((&record["outcome"], &record["reason"]), (&"failed".into(), &"out-of-time".into()));
    let exposed = exposed(&stage).await;
    let mint = exposed.lines().find(|line| line.starts_with("postern_mints_total") && line.ends_with(" 1"));
    assert!(mint.expect("a mint").contains("outcome=\"out-of-time\""), "{mint:?}");
}

/// Who comes when all places are taken waits for one, and gets it when somebody is thrown out.
#[tokio::test(flavor = "multi_thread")]
async fn connections_have_a_cap() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text + "\nlimits: {connections: 20, deadlines: {first_byte: 1s}}\n"
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Raw::connect(port(&stage)).await);
    }
    let began = Instant::now();
    is_served(&stage).await;
    assert!(began.elapsed() >= Duration::from_millis(500), "there was no place at first");
}

/// Nor does a stop let everybody in who waits.
#[tokio::test(flavor = "multi_thread")]
async fn the_cap_holds_for_who_is_queued_when_the_listener_closes() {
    let stage = slow_to_mint(Duration::from_secs(4), "limits: {connections: 2}").await;
    let mut launches = Vec::new();
    for person in ["grace", "ada"] {
        let mut raw = Raw::connect(port(&stage)).await;
        let token = stage.token(person);
        raw.send(get(port(&stage), "/studio", &format!("authorization: Bearer {token}\r\n"))).await;
        launches.push(raw);
    }
    while !exposed(&stage).await.contains("\npostern_aws_calls_running 2\n") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut queued = Vec::new();
    for _ in 0..5 {
        let mut raw = Raw::connect(port(&stage)).await;
        raw.send(get(port(&stage), "/-/live", "")).await;
        queued.push(raw);
    }
    stage.postern.signal("TERM");
    stage.postern.wait_for_log("\"stopping\"", 1).await;
    let answered = tokio::time::timeout(Duration::from_millis(500), queued[0].rest());
    assert!(answered.await.is_err(), "both places are taken");
    for raw in &mut launches {
        assert!(raw.rest_as_text().await.starts_with("HTTP/1.1 302"));
    }
    for mut raw in queued.into_iter().skip(1) {
        assert!(raw.rest_as_text().await.starts_with("HTTP/1.1 200"), "in its turn");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_deadlines_and_not_the_number_of_connections() {
    let stage = stage("idle", "").await;
    let file = stage.folder.path().join("postern.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("first_byte: 30s", "first_byte: 300ms")).unwrap();
    stage.hang_up("applied").await;
    are_reaped_soon(&stage).await;
    std::fs::write(&file, text.replace("limits: {", "limits: {connections: 5, ")).unwrap();
    stage.hang_up("refused").await;
    assert!(stage.postern.log().contains("`limits.connections` cannot change"));
    assert_ne!(free_port(), 0);
    let mut visitor = Visitor::program();
    assert_eq!(visitor.get(&stage.postern.at("/-/live")).await.checked().status, 200);
}

async fn are_reaped_soon(stage: &Stage) {
    let mut raw = Raw::connect(port(stage)).await;
    let began = Instant::now();
    raw.rest().await;
    assert!(began.elapsed() < Duration::from_secs(20));
}
