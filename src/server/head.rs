//! The first bytes of a request, until it is known who is to read them.
//!
//! hyper sets 16 KiB aside for a connection before it has read a byte, and 8 KiB more for a body. Who does not ask, or only
//! half, gets as much room as what they sent.

use super::ahead::poll_more;
use super::drain::Ticket;
use super::paced::Paced;
use crate::config::Limits;
use httparse::Status;
use hyper::Version;
use std::future::poll_fn;
use std::io;
use tokio::io::AsyncRead;
use tokio::task::unconstrained;

/// What a client that speaks HTTP/2 says first (RFC 9113, section 3.4). No method of HTTP/1.1 is spelt so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A body behind more fields than that is not waited for here.
const MOST_FIELDS: usize = 100;
/// More of a request than that costs as much as room for it.
const LARGE: usize = 4096;

/// Reads on from `request` until HTTP/1.1 and HTTP/2 differ and, of HTTP/1.1, until a request is complete, is not going to be
/// one, or is larger than it may be. What was read is part of the request. Whether it is a good one is for others to say.
///
/// Only where no `version` is known may it be HTTP/2. A client that has said nothing is not waited for once the server is ending.
pub(super) async fn receive<Stream: AsyncRead + Unpin>(
    stream: &mut Paced<Stream>,
    mut request: Vec<u8>,
    version: Option<Version>,
    limits: &Limits,
    ticket: &mut Ticket,
) -> io::Result<(Version, Vec<u8>)> {
    let mut known = 0;
    loop {
        if version.is_none() && request.starts_with(PREFACE) {
            return Ok((Version::HTTP_2, request));
        }
        if version.is_some() || !PREFACE.starts_with(&request) {
            if request.len() >= limits.head_size {
                return Ok((Version::HTTP_11, request));
            }
            if is_to_be_read(&request, known) {
                break;
            }
            known = request.len();
        }
        let is_over = tokio::select! {
            biased;
            received = receive_more(stream, &mut request) => received? == 0,
            () = unconstrained(ticket.closing()), if request.is_empty() => true,
        };
        if is_over {
            return Ok((Version::HTTP_11, request));
        }
    }
    if let Some(body) = Body::of(&request) {
        stream.pace().awaits_body();
        while !body.is_complete(&request, limits.body_size) && receive_more(stream, &mut request).await? > 0 {
        }
    }
    Ok((Version::HTTP_11, request))
}

/// What follows a head. Taking it for more or less than it is changes when the request is read, not how.
struct Body {
    starts: usize,
    /// `None` where it comes in chunks (RFC 9112, section 7.1).
    length: Option<usize>,
}

impl Body {
    fn of(request: &[u8]) -> Option<Self> {
        if !request.starts_with(b"POST ") {
            return None;
        }
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut head = httparse::Request::new(&mut fields);
        let Ok(Status::Complete(starts)) = head.parse(request) else { return None };
        let field = |name: &str| head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        // This client waits, too (RFC 9110, section 10.1.1).
        if field("expect").is_some() {
            return None;
        }
        if field("transfer-encoding").is_some() {
            return Some(Self { starts, length: None });
        }
        let length = std::str::from_utf8(field("content-length")?.value).ok()?.parse().ok()?;
        Some(Self { starts, length: Some(length) })
    }

    fn is_complete(&self, request: &[u8], most: usize) -> bool {
        let body = request.get(self.starts..).unwrap_or_default();
        // The last chunk, or the trailer section behind it.
        let has_ended = || body.windows(5).any(|bytes| bytes == b"0\r\n\r\n") || body.ends_with(b"\r\n\r\n");
        body.len() >= self.length.unwrap_or(most).min(most) || (self.length.is_none() && has_ended())
    }
}

async fn receive_more<Stream: AsyncRead + Unpin>(
    stream: &mut Paced<Stream>,
    request: &mut Vec<u8>,
) -> io::Result<usize> {
    let received = poll_fn(|context| poll_more(stream, context, request)).await?;
    if request.len() > LARGE {
        stream.pace().join_crowd();
    }
    Ok(received)
}

/// Whether an empty line has come, which ends every head, or what is in none: such as TLS, whose client is told at once.
/// Only the first `known` bytes were looked at before.
fn is_to_be_read(head: &[u8], known: usize) -> bool {
    let fresh = head.get(known.saturating_sub(2)..).unwrap_or_default();
    // A line may end without CR (RFC 9112, section 2.2).
    let mut after_line = false;
    fresh.iter().any(|byte| match byte {
        b'\n' if after_line => true,
        b'\n' => {
            after_line = true;
            false
        }
        b'\r' => false,
        byte => {
            after_line = false;
            byte.is_ascii_control() && *byte != b'\t'
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line() {
        for (whole, until) in [
            (&b"GET / HTTP/1.1\r\nhost: x\r\n\r\nrest"[..], 27_usize),
            (b"GET / HTTP/1.1\nhost: x\n\nrest", 24),
            (b"GET / HTTP/1.1\nhost: x\n\r\nrest", 25),
            (b"\r\n\r\nGET / HTTP/1.1", 4),
            (b"\x16\x03\x01\x02\x00", 1),
            (b"GET /\x00", 6),
        ] {
            // However it is cut.
            for step in 1..whole.len() {
                let mut known = 0;
                let ended = (0..whole.len()).step_by(step).map(|start| whole.len().min(start + step)).find(
                    |length| {
                        let is_over = is_to_be_read(&whole[..*length], known);
                        known = *length;
                        is_over
                    },
                );
                let expected = whole.len().min(until.div_ceil(step) * step);
                assert_eq!(ended, Some(expected), "{whole:?} by {step}");
            }
        }
        assert!(!is_to_be_read(b"GET / HTTP/1.1\r\nhost:\tx\r\n", 0));
    }
}
