//! HTTP/2 as it should not be: floods, stalls and windows that never open.

mod conformance;

use crate::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, request, setting,
};
use crate::support::raw::Raw;
use crate::support::stage::Stage;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use postern::sandbox::{Fault, SandboxOptions, Times};
use std::time::{Duration, Instant};

const ENHANCE_YOUR_CALM: u32 = 11;
const REFUSED_STREAM: u32 = 7;
const INITIAL_WINDOW_SIZE: u16 = 4;
/// What a flood may leave behind, in KiB.
const MOST_GROWTH: usize = 32 * 1024;

fn port(stage: &Stage) -> u16 {
    stage.postern.url.port().unwrap()
}

async fn impatient() -> Stage {
    Stage::with(SandboxOptions::default(), |text| {
        text + "\nlimits: {deadlines: {request_head: 2s, idle: 2s, write: 1s, request: 1s}}\n"
    })
    .await
}

/// Reads to the connection's end. The code of its GOAWAY, and how many streams were reset and with which codes.
async fn end(raw: &mut Raw) -> (Option<u32>, Vec<u32>) {
    let (mut goaway, mut resets) = (None, Vec::new());
    while let Some(frame) = raw.frame().await {
        match frame.kind {
            GOAWAY => goaway = Some(frame.code()),
            RST_STREAM => resets.push(frame.code()),
            _ => {}
        }
    }
    (goaway, resets)
}

async fn is_served(stage: &Stage) {
    let mut raw = Raw::http2(port(stage), &[]).await;
    raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", "/-/live", port(stage), &[]))).await;
    while let Some(frame) = raw.frame().await {
        if frame.is_ok() {
            return;
        }
    }
    panic!("no answer");
}

/// CVE-2023-44487.
#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_opened_and_reset_end_the_connection() {
    let stage = impatient().await;
    let before = stage.postern.memory();
    let token = format!("Bearer {}", stage.token("grace"));
    let head = request("GET", "/studio", port(&stage), &[("authorization", &token)]);
    let mut raw = Raw::http2(port(&stage), &[]).await;
    let pairs: Vec<u8> = (0..2000)
        .flat_map(|index| {
            let stream = 2 * index + 1;
            let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            [frame(HEADERS, END_HEADERS | END_STREAM, stream, &head), reset].concat()
        })
        .collect();
    raw.flood(&pairs, 1).await;
    let (goaway, _) = end(&mut raw).await;
    assert!(goaway.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{goaway:?}");
    assert!(stage.mints().len() < 200, "{} mints for requests that nobody waits for", stage.mints().len());
    is_served(&stage).await;
    assert!(stage.postern.memory() < before + MOST_GROWTH);
}

/// CVE-2024-27316 and its like: a header block that never ends.
#[tokio::test(flavor = "multi_thread")]
async fn continuation_without_end_ends_the_connection() {
    let stage = impatient().await;
    let before = stage.postern.memory();
    for piece in [vec![0; 0], request("GET", "/", port(&stage), &[("x", &"y".repeat(16_000))])] {
        let mut raw = Raw::http2(port(&stage), &[]).await;
        raw.send(frame(HEADERS, END_STREAM, 1, &request("GET", "/-/live", port(&stage), &[]))).await;
        raw.flood(&frame(CONTINUATION, 0, 1, &piece), 20_000).await;
        let (goaway, _) = end(&mut raw).await;
        assert!(goaway.is_none_or(|code| code == ENHANCE_YOUR_CALM || code == 1), "{goaway:?}");
    }
    is_served(&stage).await;
    assert!(stage.postern.memory() < before + MOST_GROWTH);
}

/// Each of these wants an answer, and the client reads none.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_are_not_heaped_up() {
    let stage = impatient().await;
    let before = stage.postern.memory();
    for flood in
        [frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0, &setting(INITIAL_WINDOW_SIZE, 70_000))]
    {
        let began = Instant::now();
        let mut raw = Raw::http2(port(&stage), &[]).await;
        raw.flood(&flood.repeat(1000), 1000).await;
        assert!(stage.postern.memory() < before + MOST_GROWTH);
        end(&mut raw).await;
        assert!(began.elapsed() < Duration::from_secs(30), "it is thrown out");
    }
    is_served(&stage).await;
}

/// Frames that say nothing, on a connection that asks nothing.
#[tokio::test(flavor = "multi_thread")]
async fn idle_chatter_does_not_keep_a_connection() {
    let stage = impatient().await;
    for (kind, stream, payload) in
        [(PING, 0, &b"12345678"[..]), (WINDOW_UPDATE, 0, &[0, 0, 0, 1]), (0xfa, 0, b"?")]
    {
        let mut raw = Raw::http2(port(&stage), &[]).await;
        raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", "/-/live", port(&stage), &[])))
            .await;
        let began = Instant::now();
        let flags = if kind == PING { ACK } else { 0 };
        let (mut read, mut write) = raw.0.into_split();
        let chatter = tokio::spawn(async move {
            while tokio::io::AsyncWriteExt::write_all(&mut write, &frame(kind, flags, stream, payload))
                .await
                .is_ok()
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut all = Vec::new();
        let reading = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut all);
        _ = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("an end in spite of it");
        chatter.abort();
        assert!(began.elapsed() > Duration::from_secs(1), "{kind}: not while it may still ask");
    }
}

async fn thirty_without_a_window(stage: &Stage) -> Raw {
    let mut raw = Raw::http2(port(stage), &setting(INITIAL_WINDOW_SIZE, 0)).await;
    let head = request("GET", "/-/live", port(stage), &[]);
    for index in 0..30 {
        raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 2 * index + 1, &head)).await;
    }
    raw
}

/// The answers are ready, and the client takes no byte of their bodies.
#[tokio::test(flavor = "multi_thread")]
async fn windows_that_never_open_end_in_time() {
    let stage = impatient().await;
    let mut raw = thirty_without_a_window(&stage).await;
    let mut answered = 0;
    let began = Instant::now();
    while let Some(frame) = raw.frame().await {
        assert!(frame.kind != DATA || frame.payload.is_empty(), "there was no room for it");
        answered += usize::from(frame.is_ok());
    }
    assert_eq!(answered, 30);
    assert!(began.elapsed() < Duration::from_secs(20));
    is_served(&stage).await;
}

/// The client takes some answers and never others.
#[tokio::test(flavor = "multi_thread")]
async fn windows_that_never_open_beside_others_are_reset() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text + "\nlimits: {deadlines: {write: 4s, request: 1s}}\n"
    })
    .await;
    let mut raw = thirty_without_a_window(&stage).await;
    let head = request("GET", "/-/live", port(&stage), &[]);
    let mut reset = 0;
    let began = Instant::now();
    let mut stream = 61;
    while reset < 30 && began.elapsed() < Duration::from_secs(20) {
        raw.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)).await;
        raw.send(frame(WINDOW_UPDATE, 0, stream, &[0, 0, 1, 0])).await;
        loop {
            let frame = raw.frame().await.expect("it goes on while something is taken");
            reset += usize::from(frame.kind == RST_STREAM);
            if frame.kind == DATA {
                break;
            }
        }
        stream += 2;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(reset, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_over_the_limit_are_refused() {
    let stage = Stage::with(SandboxOptions::default(), |text| text + "\nlimits: {streams: 3}\n").await;
    let slow = Fault::Slow(Duration::from_secs(2));
    stage.sandbox.faults().inject(Some("CreatePresignedDomainUrl"), slow, Times::Next(9));
    let token = format!("Bearer {}", stage.token("grace"));
    let head = request("GET", "/studio", port(&stage), &[("authorization", &token)]);
    let mut raw = Raw::http2(port(&stage), &[]).await;
    let all: Vec<u8> =
        (0..5).flat_map(|index| frame(HEADERS, END_HEADERS | END_STREAM, 2 * index + 1, &head)).collect();
    raw.send(all).await;
    let (mut answered, mut refused, mut said) = (0, 0, None);
    while answered + refused < 5 {
        let frame = raw.frame().await.expect("the connection stays");
        match frame.kind {
            HEADERS => answered += 1,
            RST_STREAM => {
                assert_eq!(frame.code(), REFUSED_STREAM);
                refused += 1;
            }
            SETTINGS if frame.flags & ACK == 0 => said = Some(frame.payload),
            _ => {}
        }
    }
    assert_eq!((answered, refused), (3, 2));
    let said = said.expect("settings");
    assert!(said.chunks(6).any(|entry| entry == setting(3, 3)), "SETTINGS_MAX_CONCURRENT_STREAMS: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_over_the_limit_is_answered_by_431() {
    let stage = Stage::with(SandboxOptions::default(), |text| text + "\nlimits: {head_size: 8KiB}\n").await;
    let stream = TokioIo::new(Raw::connect(port(&stage)).await.0);
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for (length, status) in [(10_000, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE), (100, StatusCode::OK)] {
        let url = stage.postern.at("/-/live");
        let request =
            Request::get(url.as_str()).header("x-long", "a".repeat(length)).body(String::new()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), status, "{length}");
    }
    let mut many = Request::get(stage.postern.at("/studio").as_str()).body(String::new()).unwrap();
    for index in 0..101 {
        let name = hyper::header::HeaderName::try_from(format!("x-{index}")).unwrap();
        many.headers_mut().insert(name, "y".parse().unwrap());
    }
    let answer = sender.send_request(many).await.unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}
