//! A connection that speaks HTTP, from its first byte to its end.

use super::drain::Ticket;
use super::edge::Edge;
use super::pace::{LINGER, Pace, Phase, Request};
use super::paced::Paced;
use super::peer::Peer;
use super::{Answers, Serving, head};
use crate::config::Limits;
use crate::gateway::respond::Body;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;
use std::convert::Infallible;
use std::io;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::task::unconstrained;
use tokio::time::{Sleep, sleep_until, timeout};

/// Streams of which the client thought better before they were looked at (CVE-2023-44487).
const MOST_RESET: usize = 20;
/// Streams that we reset for the client's errors, over the whole life of a connection.
const MOST_FAULTY: usize = 64;
/// Header fields that hyper takes where it is not told otherwise.
const HYPER_HEADER_FIELDS: usize = 100;
/// Bytes of bodies on their way, per stream and per connection: bodies are small here.
const WINDOW: u32 = 64 * 1024;

/// Serves until the client or a deadline ends the connection, or the server has told it to end and it has.
///
/// `version` is what TLS has agreed on; without TLS, the first bytes tell.
pub(super) async fn serve<Stream, Handler: Answers>(
    stream: Stream,
    peer: Peer,
    version: Option<Version>,
    edge: &Edge,
    serving: &Arc<Serving<Handler>>,
    ticket: &mut Ticket,
) where
    Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = &edge.limits;
    let pace = Pace::new(limits.deadlines.clone(), serving.crowd.clone());
    let mut timer = pin!(sleep_until(pace.due()));
    let mut stream = Paced::new(stream, Arc::clone(&pace));
    let (mut version, mut ahead) = (version, Vec::new());
    let ended = loop {
        let mut spoken = version.unwrap_or(Version::HTTP_11);
        if spoken != Version::HTTP_2 {
            let received = tokio::select! {
                biased;
                received = head::receive(&mut stream, ahead, version, limits, ticket) => received,
                phase = pace.overdue(timer.as_mut()) => {
                    part(&mut stream, phase).await;
                    break Ended::Overdue(phase);
                }
            };
            match received {
                // Nothing was said before one side ended.
                Ok((_, received)) if received.is_empty() => {
                    part(&mut stream, Phase::Resting).await;
                    break Ended::Well;
                }
                Ok((told, received)) => (spoken, ahead) = (told, received),
                Err(error) => break Ended::Gone(error),
            }
        }
        pace.make_room(spoken);
        stream.hand_over(spoken, mem::take(&mut ahead));
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let running = Request::begin(&pace, !request.body().is_end_stream());
            let serving = Arc::clone(serving);
            // Who may speak for whom has changed since the connection was opened: what it was believed then no longer counts.
            let is_outdated = !edge.introduces_like(&serving.edge.load());
            let peer = if is_outdated { Peer { is_somebody: false, ..peer } } else { peer };
            // Boxed, so that a connection that waits does not hold the room for a request.
            Box::pin(async move {
                let answer = serving.handler.answer(request, peer).await;
                Ok::<_, Infallible>(serving.finish(answer, spoken, is_outdated, running))
            })
        });
        let io = TokioIo::new(stream);
        // Boxed: room for one of the two, and only once something was asked.
        if spoken == Version::HTTP_2 {
            let mut connection = Box::pin(http2(limits).serve_connection(io, service));
            break drive(connection.as_mut(), &pace, timer, ticket).await;
        }
        let mut connection = Box::pin(http1(limits).serve_connection(io, service));
        match drive(connection.as_mut(), &pace, timer.as_mut(), ticket).await {
            Ended::Resting => {
                let parts = Pin::into_inner(connection).into_parts();
                (stream, version) = (parts.io.into_inner(), Some(spoken));
                // A copy, so that none of hyper's room is left. Empty lines between requests are nobody's.
                let rest = parts.read_buf.iter().skip_while(|byte| matches!(byte, b'\r' | b'\n'));
                ahead = rest.copied().collect();
                if !ahead.is_empty() {
                    pace.received();
                }
            }
            ended => break ended,
        }
    };
    match ended {
        // hyper has answered by itself.
        Ended::Badly(error) if error.is_parse() => {
            let is_large = error.is_parse_too_large();
            let large = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            serving.handler.refused(peer, if is_large { large } else { StatusCode::BAD_REQUEST }).await;
        }
        Ended::Badly(error) => {
            tracing::debug!(peer.address = %peer.address.ip(), error = %error, "connection.ended");
        }
        Ended::Gone(error) => {
            tracing::debug!(peer.address = %peer.address.ip(), error = %error, "connection.ended");
        }
        Ended::Overdue(phase) => {
            match phase {
                Phase::Body => serving.handler.refused(peer, StatusCode::REQUEST_TIMEOUT).await,
                Phase::Head => serving.refused.count("head-overdue"),
                _ => {}
            }
            tracing::debug!(peer.address = %peer.address.ip(), ?phase, "connection.overdue");
        }
        Ended::Well | Ended::Resting => {}
    }
}

/// Ends a connection that hyper does not hold.
async fn part<Stream: AsyncRead + AsyncWrite + Unpin>(stream: &mut Paced<Stream>, phase: Phase) {
    const TOO_LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let last = if phase == Phase::Body { TOO_LATE } else { b"" };
    let parted = async {
        stream.write_all(last).await?;
        stream.shutdown().await
    };
    // Who does not take it has gone.
    _ = timeout(LINGER, parted).await;
}

#[derive(Debug)]
enum Ended {
    Well,
    Badly(hyper::Error),
    Gone(io::Error),
    Overdue(Phase),
    /// It has not: nothing is under way.
    Resting,
}

async fn drive<Connection>(
    mut connection: Pin<&mut Connection>,
    pace: &Pace,
    mut timer: Pin<&mut Sleep>,
    ticket: &mut Ticket,
) -> Ended
where
    Connection: GracefulConnection<Error = hyper::Error>,
{
    let mut is_leaving = false;
    loop {
        let phase = tokio::select! {
            biased;
            ended = connection.as_mut() => return ended.map_or_else(Ended::Badly, |()| Ended::Well),
            // Unconstrained: a client that always has more to say uses up what tokio lets a task do in one turn.
            () = unconstrained(ticket.closing()), if !is_leaving => None,
            phase = unconstrained(pace.overdue(timer.as_mut())) => Some(phase),
        };
        match phase {
            // HTTP/1.1 ends after the answer under way, HTTP/2 by GOAWAY and the answers to what came before it.
            None => connection.as_mut().graceful_shutdown(),
            Some(Phase::Idle) if !is_leaving && pace.rest() => return Ended::Resting,
            Some(Phase::Idle) if !is_leaving => {
                connection.as_mut().graceful_shutdown();
                pace.close();
            }
            // It then ends by itself, and says how.
            Some(Phase::Closed) => pace.give_up(),
            Some(phase) => return Ended::Overdue(phase),
        }
        is_leaving = true;
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(limits.head_size);
    // For as many as it takes by itself, hyper has room on the stack; for any other number it allocates at each request.
    if limits.header_fields != HYPER_HEADER_FIELDS {
        builder.max_headers(limits.header_fields);
    }
    builder
}

fn http2(limits: &Limits) -> http2::Builder<Streams> {
    let deadlines = &limits.deadlines;
    let mut builder = http2::Builder::new(Streams { deadline: deadlines.request + deadlines.write });
    builder
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.head_size).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MOST_RESET)
        .max_local_error_reset_streams(MOST_FAULTY)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(64 * 1024);
    builder
}

/// Runs HTTP/2's streams, each from its request to the last byte of its answer. One whose client takes no bytes (a window
/// of zero) is reset in the end.
#[derive(Clone, Debug)]
struct Streams {
    deadline: Duration,
}

impl<Stream: Future<Output: Send> + Send + 'static> Executor<Stream> for Streams {
    fn execute(&self, stream: Stream) {
        tokio::spawn(timeout(self.deadline, stream));
    }
}

impl<Handler> Serving<Handler> {
    /// The answer as it goes into the connection.
    fn finish(
        &self,
        mut answer: Response<Body>,
        version: Version,
        is_outdated: bool,
        mut request: Request,
    ) -> Response<Answer> {
        request.answered();
        if version != Version::HTTP_2 && (is_outdated || !self.readiness.is_ready()) {
            // Before the listener closes, so that no client finds its connection gone when it next asks.
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer.map(|body| Answer { body, _request: request })
    }
}

/// A body that tells when it has been handed over.
#[derive(Debug)]
struct Answer {
    body: Body,
    _request: Request,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
