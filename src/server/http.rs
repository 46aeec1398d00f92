//! A connection that speaks HTTP, from its first byte to its end.

use super::body::{Body, Broken};
use super::client_stream::ClientStream;
use super::drain::Ticket;
use super::goes_on::GoesOn;
use super::peer::Peer;
use super::progress::{Phase, Progress, UnderWay};
use super::serving::{Answers, Serving};
use super::settings::ListenerSettings;
use super::stream_due::{StreamDue, Streams};
use crate::config::Limits;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulConnection;
use std::convert::Infallible;
use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{unconstrained, yield_now};
use tokio::time::sleep_until;

/// Streams that a client may reset before they were looked at (CVE-2023-44487).
const MOST_RESET: usize = 20;
/// Streams that we reset for the client's errors, over the whole life of a connection.
const MOST_FAULTY: usize = 64;
/// Header fields that hyper accepts by default.
const HYPER_HEADER_FIELDS: usize = 100;
/// Pages, lists and most of MLflow's answers are shorter.
const LONG_ANSWER: u64 = 1024 * 1024;
/// Bytes of bodies on their way, per stream and per connection: bodies are small here.
const WINDOW: u32 = 64 * 1024;

/// Serves until the client or a deadline ends the connection, or the server has told it to end and it has.
///
/// `version` is the one that TLS has agreed on; without TLS, the first bytes decide.
pub(super) async fn serve<Stream, Handler: Answers>(
    stream: Stream,
    socket: fn(&Stream) -> &TcpStream,
    peer: Peer,
    version: Option<Version>,
    settings: &ListenerSettings,
    serving: &Arc<Serving<Handler>>,
    ticket: &mut Ticket,
) where
    Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let progress = Progress::new(settings.limits.deadlines.clone(), serving.active.clone());
    let io = TokioIo::new(ClientStream::new(stream, socket, Arc::clone(&progress)));
    let service = service_fn(|request: Request<Incoming>| {
        let under_way = UnderWay::begin(&progress, request.version());
        let serving = Arc::clone(serving);
        // After a reload that changes who may send PROXY headers, the peer of an older connection is not trusted.
        let is_outdated = !settings.takes_headers_like(&serving.settings.load());
        let peer = if is_outdated { Peer { is_somebody: false, ..peer } } else { peer };
        // Boxed, so that a waiting connection does not hold the memory of a request.
        Box::pin(
            async move { Ok::<_, Infallible>(serving.respond(request, peer, is_outdated, under_way).await) },
        )
    });
    let builder = builder(&settings.limits);
    let builder = match version {
        Some(Version::HTTP_2) => builder.http2_only(),
        Some(_) => builder.http1_only(),
        None => builder,
    };
    let mut connection = Box::pin(builder.serve_connection(io, service));
    match drive(connection.as_mut(), &progress, ticket).await {
        Ended::Well => {}
        Ended::Badly(error) => {
            // hyper has answered by itself.
            if let Some(status) = status_of(&*error) {
                serving.handler.refused(peer, status).await;
            }
            tracing::debug!(peer.address = %peer.address.ip(), %error, "connection.ended");
        }
        Ended::Overdue(phase) => {
            if matches!(phase, Phase::FirstHead | Phase::NextHead) {
                serving.refused.count("head-overdue");
            }
            tracing::debug!(peer.address = %peer.address.ip(), ?phase, "connection.overdue");
        }
    }
}

#[derive(Debug)]
enum Ended {
    Well,
    Badly(Box<dyn Error + Send + Sync>),
    Overdue(Phase),
}

async fn drive<Connection>(
    mut connection: Pin<&mut Connection>,
    progress: &Progress,
    ticket: &mut Ticket,
) -> Ended
where
    Connection: GracefulConnection<Error = Box<dyn Error + Send + Sync>>,
{
    let mut timer = pin!(sleep_until(progress.due().1));
    let mut is_leaving = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended.map_or_else(Ended::Badly, |()| Ended::Well),
            // Unconstrained: a busy client would use up the budget that tokio gives a task for one turn.
            () = unconstrained(ticket.closing()), if !is_leaving => {}
            phase = unconstrained(progress.overdue(timer.as_mut())) => {
                if phase != Phase::Idle || is_leaving {
                    return Ended::Overdue(phase);
                }
            }
        }
        is_leaving = true;
        if progress.leave() {
            // HTTP/1.1 ends after the answer under way, HTTP/2 by GOAWAY and the answers to earlier streams.
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// The status that hyper has answered with by itself.
fn status_of(error: &(dyn Error + Send + Sync + 'static)) -> Option<StatusCode> {
    let error = error.downcast_ref::<hyper::Error>().filter(|error| error.is_parse())?;
    let is_large = error.is_parse_too_large();
    Some(if is_large { StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE } else { StatusCode::BAD_REQUEST })
}

fn builder(limits: &Limits) -> Builder<Streams> {
    let deadlines = &limits.deadlines;
    let mut builder = Builder::new(Streams { request: deadlines.request, write: deadlines.write });
    builder
        .http2()
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.head_size).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MOST_RESET)
        .max_local_error_reset_streams(MOST_FAULTY)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(64 * 1024);
    // A client may shut its side down after a whole request, and still gets its answer.
    builder.http1().half_close(true).max_buf_size(limits.head_size);
    // For its own default number, hyper uses the stack; for any other one it allocates at each request.
    if limits.header_fields != HYPER_HEADER_FIELDS {
        builder.http1().max_headers(limits.header_fields);
    }
    builder
}

impl<Handler: Answers> Serving<Handler> {
    /// Answers a request. The connection ends with the answer if `is_last` is set, if the server is ending, or if the
    /// next byte may not begin a request.
    async fn respond(
        &self,
        mut request: Request<Incoming>,
        peer: Peer,
        is_last: bool,
        mut under_way: UnderWay,
    ) -> Response<impl HttpBody<Data = Bytes, Error = Broken> + use<Handler>> {
        let due = StreamDue::of_this_stream();
        let version = request.version();
        // A client that asks for a tunnel may have begun to use it (RFC 9110, section 9.3.6).
        let is_tunnel = request.method() == Method::CONNECT;
        let refused = refusal(&request, under_way.has_fragment);
        let mut answer = match refused {
            Some(status) => {
                drop(request);
                self.handler.refused(peer, status).await;
                let mut answer = Response::new(Body::default());
                *answer.status_mut() = status;
                answer
            }
            None => {
                let goes_on = GoesOn::new(Arc::clone(under_way.progress()), due.clone());
                request.extensions_mut().insert(goes_on);
                self.handler.answer(request, peer).await
            }
        };
        // Other requests that have come are looked at first, and the answers then leave one right after another, so
        // that a receiver on the same machine is woken once for all of them. Beside a client with 64 connections, a
        // decision costs 16 instead of 27 µs.
        yield_now().await;
        under_way.answered(answer.body().size_hint().exact().is_some_and(|bytes| bytes > LONG_ANSWER));
        let ends = is_last || is_tunnel || refused.is_some() || !self.readiness.is_ready();
        if ends && version != Version::HTTP_2 {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        // The request is under way for as long as the body is there.
        answer.map(|body| {
            body.inspect_frame(move |_| {
                under_way.goes_on();
                due.iter().for_each(|due| due.goes_on());
            })
        })
    }
}

/// Refuses requests that hyper accepts and HTTP does not allow.
fn refusal(request: &Request<Incoming>, has_fragment: bool) -> Option<StatusCode> {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next();
    let is_chunked = coding.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if !is_chunked || codings.next().is_some() {
        // RFC 9112, section 6.1. Without a last `chunked`, hyper has answered 400 (section 6.3).
        Some(StatusCode::NOT_IMPLEMENTED)
    } else if has_fragment {
        Some(StatusCode::BAD_REQUEST)
    } else {
        None
    }
}
