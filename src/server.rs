//! Accept → \[PROXY header\] → \[TLS\] → HTTP → drain.
//!
//! Each step turns one type into the next (`connection`), and each waits for so long at most: what comes before HTTP has its
//! deadlines there, what HTTP waits for has them in `pace`.

mod ahead;
mod connection;
pub mod crowd;
mod drain;
pub mod edge;
mod head;
mod http;
mod pace;
mod paced;
pub mod peer;
pub mod proxy_protocol;
pub mod readiness;
pub mod systemd;
pub mod tls;

use self::connection::Accepted;
use self::crowd::Crowd;
use self::drain::{Drain, Ticket};
use self::edge::Edge;
use self::peer::Peer;
use self::readiness::Readiness;
use crate::gateway::respond::Body;
use crate::metrics::OneMore;
use crate::metrics::series::Refusals;
use arc_swap::ArcSwap;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use prometheus_client::metrics::gauge::Gauge;
use socket2::SockRef;
use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// What the kernel keeps of answers that a client does not read, in bytes; it doubles that. Answers are small. Left to
/// itself, it keeps megabytes of them, and those who only ask can have them all made.
const SEND_BUFFER: usize = 32 * 1024;

/// What the kernel queues at most, as it comes (`net.core.somaxconn`): who connects faster than that does not hold up a stop.
const LONGEST_QUEUE: usize = 4096;

/// Who answers what a listener receives.
pub trait Answers: Send + Sync + 'static {
    /// The answer to one request. Never fails: what goes wrong is an answer too.
    fn answer(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;

    /// A request was so malformed, large or slow that it was answered with `status` without a call of
    /// [`answer`](Self::answer).
    fn refused(&self, _peer: Peer, _status: StatusCode) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

/// How a listener is served.
#[derive(Debug)]
pub struct Serving<Handler> {
    pub handler: Handler,
    /// What new connections are met with. How many may be open at a time is decided when serving begins.
    pub edge: Arc<ArcSwap<Edge>>,
    pub readiness: Readiness,
    /// Open connections.
    pub open: Gauge,
    /// Those that ended before a request was complete.
    pub refused: Refusals,
    pub crowd: Crowd,
}

/// Serves until `stop` resolves with the time that running requests may still take, and lets them finish.
///
/// Connections over the limit wait in the kernel's queue; what is queued when the listener closes is served all the same, in
/// its turn.
///
/// # Errors
///
/// The listener cannot be set up, or taken out of the runtime when it closes.
pub async fn serve<Handler: Answers>(
    listener: TcpListener,
    serving: Serving<Handler>,
    stop: impl Future<Output = Duration>,
) -> io::Result<()> {
    // What is accepted inherits it.
    SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER)?;
    let serving = Arc::new(serving);
    let slots = Arc::new(Semaphore::new(serving.edge.load().limits.connections));
    let complaints = Arc::new(Seldom::default());
    let drain = Drain::new();
    let mut stop = std::pin::pin!(stop);
    let grace = loop {
        let accepted = tokio::select! {
            grace = &mut stop => break grace,
            accepted = accept(&listener, &slots) => accepted,
        };
        if let Some((stream, peer, slot)) = accepted {
            begin(stream, peer, slot, &serving, drain.ticket(), &complaints);
        }
    };
    let listener = listener.into_std()?;
    for _ in 0..LONGEST_QUEUE {
        let (stream, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(_) => continue,
        };
        let registered = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        // Out of file descriptors: this one is lost, and no other.
        let Ok(stream) = registered else { continue };
        let (ticket, slots, serving, complaints) =
            (drain.ticket(), Arc::clone(&slots), Arc::clone(&serving), Arc::clone(&complaints));
        tokio::spawn(async move {
            if let Ok(slot) = slots.acquire_owned().await {
                begin(stream, peer, slot, &serving, ticket, &complaints);
            }
        });
    }
    drop(listener);
    if !drain.finish(grace).await {
        tracing::warn!(grace_seconds = grace.as_secs(), "drain.incomplete");
    }
    Ok(())
}

fn begin<Handler: Answers>(
    stream: TcpStream,
    peer: SocketAddr,
    slot: OwnedSemaphorePermit,
    serving: &Arc<Serving<Handler>>,
    mut ticket: Ticket,
    complaints: &Arc<Seldom>,
) {
    // Answers are small and single: waiting to fill a packet only delays them.
    _ = stream.set_nodelay(true);
    let (serving, edge) = (Arc::clone(serving), serving.edge.load_full());
    let (counted, complaints) = (OneMore::of(&serving.open), Arc::clone(complaints));
    tokio::spawn(async move {
        let ended = Accepted { stream, peer }.run(&edge, &serving, &mut ticket).await;
        if let Err(refused) = &ended {
            serving.refused.count(refused.reason());
        }
        match ended {
            Err(refused) if refused.is_misconfigured() && complaints.is_due() => {
                tracing::warn!(peer.address = %peer.ip(), error = %refused, "connection.refused");
            }
            Err(refused) => {
                tracing::debug!(peer.address = %peer.ip(), error = %refused, "connection.refused");
            }
            Ok(()) => {}
        }
        drop((counted, slot, ticket));
    });
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            // Out of file descriptors, mostly. Without a pause this loop would spin until one is free.
            tracing::warn!(error = %error, "accept.failed");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// What anybody who connects could make us say is said once a minute.
#[derive(Debug, Default)]
struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= Duration::from_secs(60));
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}
