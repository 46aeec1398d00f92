//! Accept, serve, drain.

pub mod readiness;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};

use crate::gateway::respond::Body;
use prometheus_client::metrics::gauge::Gauge;

/// How long a client may take for a request's head, and how long an idle connection is kept for the next one.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of a request's head: a cookie of 4 kB, a token of 16 kB and what browsers add.
const LARGEST_HEAD: usize = 64 * 1024;
pub const MOST_HEADERS: usize = 100;
const MOST_STREAMS: u32 = 64;
/// Serves until `stop` resolves with the time that running requests may still take, and lets them finish.
///
/// At most `most` connections are open at a time; further ones wait in the kernel's queue.
pub async fn serve<Handler, Answer>(
    listener: TcpListener,
    handler: Handler,
    most: usize,
    open: &Gauge,
    stop: impl Future<Output = Duration>,
) where
    Handler: Fn(Request<Incoming>, SocketAddr) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = Response<Body>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(most));
    let draining = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    let grace = loop {
        let accepted = tokio::select! {
            grace = &mut stop => break grace,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else { continue };
        let handler = handler.clone();
        let began = Arc::new(Notify::new());
        let begins = Arc::clone(&began);
        let service = service_fn(move |request| {
            begins.notify_one();
            let answer = handler(request, peer);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = builder().serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = draining.watch(connection);
        let counted = Counted::of(open);
        tokio::spawn(async move {
            tokio::select! {
                // A connection that ends badly is the client's affair; what was answered is in the access log.
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(peer = %peer, error = %error, "connection.ended");
                },
                () = never_begins(&began) => tracing::debug!(peer = %peer, "connection.stalled"),
            }
            drop((counted, slot));
        });
    };
    drop(listener);
    if tokio::time::timeout(grace, draining.shutdown()).await.is_err() {
        tracing::warn!(grace_seconds = grace.as_secs(), "drain.incomplete");
    }
}

/// One open connection in the gauge, also where its task panics.
struct Counted(Gauge);

impl Counted {
    fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Resolves where no request has begun in time: hyper waits without end for the bytes that tell HTTP/1.1 from HTTP/2.
async fn never_begins(began: &Notify) {
    if tokio::time::timeout(HEAD_DEADLINE, began.notified()).await.is_ok() {
        pending::<()>().await;
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and single: waiting to fill a packet only delays them.
            _ = stream.set_nodelay(true);
            Some((stream, peer, slot))
        }
        Err(error) => {
            // Out of file descriptors, mostly. Without a pause this loop would spin until one is free.
            tracing::warn!(error = %error, "accept.failed");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(u32::try_from(LARGEST_HEAD).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}
