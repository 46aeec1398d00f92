//! One small HTTP/1.1 server for all of the sandbox's listeners: bounded in head, body, time and connections.

use super::random;
use crate::clock::Clock;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, DATE, HeaderMap, HeaderName,
    HeaderValue, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Sleep, sleep, timeout};

/// No request to the sandbox is larger: the largest are profiles of datasets.
const LARGEST_BODY: usize = 17 * 1024 * 1024;
const HEAD_DEADLINE: Duration = Duration::from_secs(30);
const BODY_DEADLINE: Duration = Duration::from_secs(10);
const DRAIN: Duration = Duration::from_millis(500);
const CONNECTIONS: usize = 4096;

/// A request with its whole body.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    /// Without the `?`; empty if there is none.
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

pub(super) type Reply = Response<ReplyBody>;

/// Bytes with a length, or the first part of them and then a broken connection.
pub(super) struct ReplyBody {
    bytes: Option<Bytes>,
    cut: Option<Pin<Box<Sleep>>>,
}

/// Serves until the sender of `stop` sends or is dropped.
///
/// Answers have a `Date` by `clock`.
pub(super) async fn serve<H, F>(listener: TcpListener, stop: watch::Receiver<()>, clock: Clock, handle: H)
where
    H: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    serve_bodies(LARGEST_BODY, listener, stop, clock, handle).await;
}

/// As [`serve`], with bodies of up to this many bytes.
pub(super) async fn serve_bodies<H, F>(
    largest: usize,
    listener: TcpListener,
    mut stop: watch::Receiver<()>,
    clock: Clock,
    handle: H,
) where
    H: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        let Ok((stream, _)) = accepted else {
            sleep(Duration::from_millis(20)).await; // out of descriptors: the accept error repeats at once
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (handle, clock) = (handle.clone(), clock.clone());
        let service = service_fn(move |request| {
            let (handle, clock) = (handle.clone(), clock.clone());
            async move {
                let mut reply = answer(request, largest, handle).await;
                if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(clock.now_system())) {
                    set(&mut reply, DATE, date);
                }
                Ok::<_, Infallible>(reply)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _ = connection.await; // a client that went away is no event here
            drop(slot);
        });
    }
    drop(listener);
    let _ = timeout(DRAIN, graceful.shutdown()).await;
}

async fn answer<H, F>(request: hyper::Request<Incoming>, largest: usize, handle: H) -> Reply
where
    H: Fn(Request) -> F,
    F: Future<Output = Reply>,
{
    let (head, body) = request.into_parts();
    let body = match timeout(BODY_DEADLINE, Limited::new(body, largest).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return text(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large or broken.\n"),
        Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.\n"),
    };
    handle(Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
    })
    .await
}

impl Request {
    /// A header that stands exactly once and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }
}

pub(super) fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(ReplyBody { bytes: Some(body.into()), cut: None });
    *reply.status_mut() = status;
    set(&mut reply, CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Reply {
    reply(status, "text/plain; charset=utf-8", text)
}

/// JSON that no cache may store.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Reply {
    let mut reply = reply(status, "application/json", value.to_string());
    set(&mut reply, CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// A page that runs no script, loads nothing and is not framed.
pub(super) fn html(status: StatusCode, page: maud::Markup) -> Reply {
    const POLICY: &str =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
    let mut reply = reply(status, "text/html; charset=utf-8", page.into_string());
    set(&mut reply, CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set(&mut reply, CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    set(&mut reply, REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    set(&mut reply, X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// 303, so that a form's POST becomes a GET.
pub(super) fn redirect(location: &str) -> Reply {
    let Ok(value) = HeaderValue::from_str(location) else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "The location cannot stand in a header.\n");
    };
    let mut reply = reply(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "");
    set(&mut reply, LOCATION, value);
    set(&mut reply, CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

pub(super) fn set(reply: &mut Reply, name: HeaderName, value: HeaderValue) {
    reply.headers_mut().insert(name, value);
}

/// Gives an answer the id by which AWS's support would find it.
pub(super) fn with_request_id(mut reply: Reply, name: &'static str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(&random::uuid()) {
        set(&mut reply, HeaderName::from_static(name), value);
    }
    reply
}

/// Announces the whole body, sends the first half of it, and breaks the connection.
pub(super) fn cut(mut reply: Reply) -> Reply {
    let body = reply.body_mut();
    let bytes = body.bytes.take().unwrap_or_default();
    let announced = bytes.len().max(2);
    body.bytes = Some(bytes.slice(..bytes.len() / 2));
    body.cut = Some(Box::pin(sleep(Duration::from_millis(20)))); // lets the first half reach the wire
    set(&mut reply, CONTENT_LENGTH, HeaderValue::from(announced));
    reply
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(bytes) = self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let Some(pause) = &mut self.cut else { return Poll::Ready(None) };
        ready!(pause.as_mut().poll(context));
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.cut.is_none() && self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.bytes, &self.cut) {
            (Some(bytes), None) => SizeHint::with_exact(bytes.len() as u64),
            (None, None) => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}
