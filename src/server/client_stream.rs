//! A client's stream that reports its progress, and whose end does not cut off the answer before it.

use super::progress::{LINGER, Progress};
use socket2::SockRef;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Bytes that are read and discarded from a client that goes on sending after the end.
const MOST_DISCARDED: usize = 256 * 1024;

/// Bytes of a long answer that the kernel keeps; it doubles the number. A network carries no more in the time that an
/// acknowledgement takes.
const SEND_BUFFER_OF_LONG_ANSWERS: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct ClientStream<Stream> {
    stream: Stream,
    socket: fn(&Stream) -> &TcpStream,
    progress: Arc<Progress>,
    /// Set once our side is closed.
    linger: Option<Pin<Box<Sleep>>>,
    discarded: usize,
}

impl<Stream> ClientStream<Stream> {
    /// `socket` is the one below the stream.
    pub(super) fn new(stream: Stream, socket: fn(&Stream) -> &TcpStream, progress: Arc<Progress>) -> Self {
        Self { stream, socket, progress, linger: None, discarded: 0 }
    }

    fn make_room_for_a_long_answer(&self) {
        if self.progress.begins_long_answer() {
            let socket = SockRef::from((self.socket)(&self.stream));
            // Without the room, the answer is only slower.
            _ = socket.set_send_buffer_size(SEND_BUFFER_OF_LONG_ANSWERS);
        }
    }

    fn report<T>(&self, sent: Poll<T>) -> Poll<T> {
        self.progress.sent(sent.is_pending());
        sent
    }
}

impl<Stream: AsyncRead + Unpin> AsyncRead for ClientStream<Stream> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let received = buffer.filled().get(before..).unwrap_or_default();
        if !received.is_empty() {
            self.progress.received(received);
        }
        Poll::Ready(Ok(()))
    }
}

impl<Stream: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<Stream> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.make_room_for_a_long_answer();
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.report(wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.make_room_for_a_long_answer();
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.report(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.report(flushed)
    }

    /// Ends our side and waits for the client to end its own. A socket that is closed while bytes of the client's are unread
    /// is reset, and the answer before it is lost (RFC 9112, section 9.6).
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            let shut = Pin::new(&mut this.stream).poll_shutdown(context);
            ready!(this.report(shut))?;
            this.progress.close();
        }
        let linger = this.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut scratch = [0; 1024];
        while this.discarded < MOST_DISCARDED && linger.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => this.discarded += buffer.filled().len(),
                // TLS reports an end without a close notification as an error; it is an end, too.
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
