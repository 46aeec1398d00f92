//! The first record of a connection, before a handshake is made room for.

use crate::server::ahead::poll_more;
use std::future::poll_fn;
use std::io;
use tokio::io::AsyncRead;

/// Reads until a client's first record is complete (RFC 8446, section 5.1), is none or a large one, or the client has ended.
/// Whether it is a good one is for others to say.
pub(in crate::server) async fn receive<Stream: AsyncRead + Unpin>(
    stream: &mut Stream,
) -> io::Result<Vec<u8>> {
    let mut record = Vec::new();
    while !is_complete(&record) && poll_fn(|context| poll_more(stream, context, &mut record)).await? > 0 {}
    Ok(record)
}

fn is_complete(record: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    /// No client has so much to say at first.
    const MOST: usize = 4096;
    match record {
        [HANDSHAKE, _, _, high, low, fragment @ ..] => {
            fragment.len() >= usize::from(u16::from_be_bytes([*high, *low])).min(MOST)
        }
        [] | [HANDSHAKE, ..] => false,
        _ => true,
    }
}
