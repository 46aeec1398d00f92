//! A stream that tells a connection's pace what the client does, and ends without cutting off what was sent.

use super::ahead::Ahead;
use super::pace::{Pace, Phase};
use hyper::Version;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read and thrown away of a client that goes on sending after the end.
const MOST_DISCARDED: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Paced<Stream> {
    stream: Ahead<Stream>,
    pace: Arc<Pace>,
    /// Whether reading tells of a request: an HTTP/2 connection reads much else.
    one_at_a_time: bool,
    is_shut: bool,
    discarded: usize,
}

impl<Stream> Paced<Stream> {
    pub(super) fn new(stream: Stream, pace: Arc<Pace>) -> Self {
        let stream = Ahead::new(stream);
        Self { stream, pace, one_at_a_time: true, is_shut: false, discarded: 0 }
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// What was read, up to here, for the one who speaks this version.
    pub(super) fn hand_over(&mut self, version: Version, ahead: Vec<u8>) {
        self.one_at_a_time = version != Version::HTTP_2;
        self.stream.put_back(ahead);
    }
}

impl<Stream: AsyncRead + Unpin> AsyncRead for Paced<Stream> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if self.one_at_a_time && buffer.filled().len() > before {
            self.pace.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<Stream: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Paced<Stream> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.pace.sent(wrote.is_pending());
        wrote
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.pace.sent(wrote.is_pending());
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.pace.sent(flushed.is_pending());
        flushed
    }

    /// Ends our side and waits for the client to end its own. A socket that is closed while bytes of the client's are unread
    /// is reset, and the answer before it is lost (RFC 9112, section 9.6).
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            let shut = Pin::new(&mut self.stream).poll_shutdown(context);
            self.pace.sent(shut.is_pending());
            ready!(shut)?;
            self.is_shut = true;
            self.pace.close();
        }
        let mut scratch = [0; 1024];
        while self.discarded < MOST_DISCARDED && self.pace.phase() != Phase::Over {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.discarded += buffer.filled().len(),
                // An end of TLS that was not announced is an end, too.
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
