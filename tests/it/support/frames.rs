//! HTTP/2 as bytes: frames and header blocks that no library would send (RFC 9113, section 4.1; RFC 7541, section 6).

use super::raw::Raw;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 32;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal header field, never indexed before and not from now on, without Huffman coding.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

fn text(text: &str) -> Vec<u8> {
    let mut length = Vec::new();
    let mut rest = text.len();
    if rest < 127 {
        length.push(u8::try_from(rest).expect("small"));
    } else {
        length.push(127);
        rest -= 127;
        while rest >= 128 {
            length.push(u8::try_from(rest % 128).expect("small") | 128);
            rest /= 128;
        }
        length.push(u8::try_from(rest).expect("small"));
    }
    [&length, text.as_bytes()].concat()
}

/// The header block of a request, and further fields after the pseudo-headers.
pub(crate) fn request(method: &str, path: &str, port: u16, more: &[(&str, &str)]) -> Vec<u8> {
    let authority = format!("localhost:{port}");
    let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", &authority)];
    pseudo.iter().chain(more).flat_map(|(name, value)| field(name, value)).collect()
}

pub(crate) fn setting(identifier: u16, value: u32) -> Vec<u8> {
    [&identifier.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of RST_STREAM or GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }

    /// `:status 200` has an entry of its own in HPACK's table.
    pub(crate) fn is_ok(&self) -> bool {
        self.kind == HEADERS && self.payload.first() == Some(&0x88)
    }
}

impl Raw {
    /// Begins HTTP/2 with these settings.
    pub(crate) async fn http2(port: u16, settings: &[u8]) -> Self {
        let mut raw = Self::connect(port).await;
        raw.send([PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).await;
        raw
    }

    /// The next frame, or `None` at the connection's end.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & (u32::MAX >> 1);
            Some(Frame { kind: head[3], flags: head[4], stream, payload })
        };
        tokio::time::timeout(Duration::from_secs(30), read).await.expect("a frame or the end, in time")
    }

    /// Sends for as long as the other side takes it. True where that came to an end, false where it stopped reading.
    pub(crate) async fn flood(&mut self, bytes: &[u8], times: usize) -> bool {
        let sending = async {
            for _ in 0..times {
                if self.0.write_all(bytes).await.is_err() {
                    return true;
                }
            }
            true
        };
        tokio::time::timeout(Duration::from_secs(5), sending).await.unwrap_or(false)
    }
}
