//! What RFC 9113 and RFC 7541 say of frames that do not fit, case by case, under the names that h2spec gives them.

mod cases;

use self::cases::cases;
use super::{Stage, impatient, port};
use crate::support::elsewhere::vectors;
use crate::support::frames::{ACK, Frame, GOAWAY, PING, RST_STREAM, frame};
use crate::support::raw::Raw;

const PROTOCOL: u32 = 1;

#[derive(Debug)]
enum Expected {
    /// The request on this stream is answered, and the connection stays.
    Answered(u32),
    /// GOAWAY with one of these codes.
    Ended(&'static [u32]),
    /// RST_STREAM with one of these codes; an end of the whole connection with one of them is as good.
    Reset(&'static [u32]),
    /// No error, whether or not the connection stays.
    Ignored,
}
use Expected::{Answered, Ended, Ignored, Reset};

struct Case {
    name: &'static str,
    sent: Vec<Vec<u8>>,
    expected: Expected,
}

fn case(name: &'static str, sent: impl IntoIterator<Item = Vec<u8>>, expected: Expected) -> Case {
    Case { name, sent: sent.into_iter().collect(), expected }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_answered_as_the_rfc_says() {
    let stage = impatient().await;
    if let Some(list) = vectors("cases/h2spec-case-list.json") {
        let list = std::fs::read_to_string(list).unwrap();
        for case in cases(0) {
            assert!(list.contains(&format!("\"{}\"", case.name)), "h2spec has no {:?}", case.name);
        }
    }
    let mut wrong = Vec::new();
    for case in cases(port(&stage)) {
        if let Err(seen) = judge(&stage, &case).await {
            wrong.push(format!("{}: expected {:?}, saw {seen}", case.name, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Sends the case and a ping, and reads until the ping comes back or the connection ends.
async fn judge(stage: &Stage, case: &Case) -> Result<(), String> {
    let mut raw = Raw::http2(port(stage), &[]).await;
    raw.send(case.sent.concat()).await;
    raw.send(frame(PING, 0, 0, b"thatsall")).await;
    let (mut seen, mut stays): (Vec<Frame>, bool) = (Vec::new(), false);
    while let Some(frame) = raw.frame().await {
        stays |= frame.kind == PING && frame.flags & ACK == ACK && frame.payload == b"thatsall";
        seen.push(frame);
        let is_settled = match case.expected {
            Answered(stream) => is_answered(&seen, stream),
            Ended(_) => false,
            Reset(codes) => has(&seen, RST_STREAM, codes),
            Ignored => true,
        };
        if stays && is_settled {
            break;
        }
    }
    // The library says PROTOCOL_ERROR of some things for which there is a narrower code; ended is ended.
    let is_ended = |codes| !stays && (has(&seen, GOAWAY, codes) || has(&seen, GOAWAY, &[PROTOCOL]));
    let is_right = match case.expected {
        Answered(stream) => stays && is_answered(&seen, stream),
        Ended(codes) => is_ended(codes),
        Reset(codes) => has(&seen, RST_STREAM, codes) || is_ended(codes),
        Ignored => seen.iter().all(|frame| frame.kind != GOAWAY || frame.code() == 0),
    };
    if is_right { Ok(()) } else { Err(format!("{seen:?}, stays: {stays}")) }
}

fn is_answered(seen: &[Frame], stream: u32) -> bool {
    seen.iter().any(|frame| frame.is_ok() && frame.stream == stream)
}

fn has(seen: &[Frame], kind: u8, codes: &[u32]) -> bool {
    seen.iter().any(|frame| frame.kind == kind && codes.contains(&frame.code()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_preface_ends_the_connection() {
    let stage = impatient().await;
    let mut raw = Raw::connect(port(&stage)).await;
    raw.send("PRI * HTTP/2.0\r\n\r\nNO\r\n\r\n").await;
    let said = raw.rest_as_text().await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
}
