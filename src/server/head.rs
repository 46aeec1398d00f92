//! The first bytes of a connection, until it is known who is to read them.
//!
//! hyper sets 8 KiB aside for a connection's reading before it has read a byte. Who does not even ask gets as much room as
//! what they sent.

use super::drain::Ticket;
use hyper::Version;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::ready;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::unconstrained;

/// What a client that speaks HTTP/2 says first (RFC 9113, section 3.4). No method of HTTP/1.1 is spelt so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until HTTP/1.1 and HTTP/2 differ and, of HTTP/1.1, until the first head is complete, is not going to be one, or
/// has `most` bytes. What was read is part of the request. Whether it is a good one is for others to say.
///
/// A client that has said nothing is not waited for once the server is ending.
pub(super) async fn receive<Stream: AsyncRead + Unpin>(
    stream: &mut Stream,
    most: usize,
    ticket: &mut Ticket,
) -> io::Result<(Version, Vec<u8>)> {
    let mut head = Vec::new();
    let mut known = 0;
    loop {
        let is_over = tokio::select! {
            biased;
            received = receive_more(stream, &mut head) => received? == 0,
            () = unconstrained(ticket.closing()), if head.is_empty() => true,
        };
        if head.starts_with(PREFACE) {
            return Ok((Version::HTTP_2, head));
        }
        let is_undecided = PREFACE.starts_with(&head);
        if is_over || head.len() >= most || (!is_undecided && is_to_be_read(&head, known)) {
            return Ok((Version::HTTP_11, head));
        }
        if !is_undecided {
            known = head.len();
        }
    }
}

async fn receive_more<Stream: AsyncRead + Unpin>(
    stream: &mut Stream,
    head: &mut Vec<u8>,
) -> io::Result<usize> {
    poll_fn(|context| {
        // On the stack, so that a client that is waited for has none of it.
        let mut scratch = [MaybeUninit::uninit(); 4096];
        let mut buffer = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        head.extend_from_slice(buffer.filled());
        Ok(buffer.filled().len()).into()
    })
    .await
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
