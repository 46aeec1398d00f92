//! Accept → \[PROXY header\] → \[TLS\] → HTTP → drain.
//!
//! Each step turns one type into the next (`connection`), and each has a deadline of `limits.deadlines`:
//!
//! - `first_byte`, `proxy_header` and `tls_handshake` end a connection before it speaks HTTP (`connection`);
//! - `request_head`, `write` and `idle` end one that does (`progress`), an idle one after GOAWAY over HTTP/2;
//! - `request_body` and `request` are the handler's, which answers 408 and 504, or says that a long body goes on
//!   (`goes_on`);
//! - an HTTP/2 stream whose client does not take the answer is reset after `request` and `write` together, or `write` after
//!   the last part that was taken (`stream_due`);
//! - caps on a head are hyper's: it answers 400, 414 and 431, and ends HTTP/2 floods with GOAWAY (`http`);
//! - a connection that we end is read for up to two seconds more, so that no reset destroys the answer (`client_stream`);
//! - when the process stops, a connection without a request has two seconds, one with a request has `drain.grace` (`drain`);
//! - connections beyond `limits.connections` wait in the kernel's queue; on the admin listener the oldest one is closed.

mod body;
mod client_stream;
mod connection;
mod drain;
mod goes_on;
mod http;
pub mod peer;
mod progress;
pub mod proxy_protocol;
pub mod readiness;
mod request_line;
mod serving;
pub mod settings;
mod stream_due;
pub mod systemd;
pub mod tls;

pub use self::body::{Body, Broken};
pub use self::goes_on::GoesOn;
pub use self::serving::{Answers, Serving, WhenFull};

use self::connection::Accepted;
use self::drain::{Drain, Ticket};
use crate::metrics::GaugeGuard;
use socket2::SockRef;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Bytes of answers that the kernel keeps for a client that does not read them; it doubles the number. Without a bound it
/// keeps megabytes, and a client that asks without reading could fill them.
const SEND_BUFFER: usize = 32 * 1024;

/// The longest queue that Linux keeps by default (`net.core.somaxconn`): clients that connect faster do not delay a stop.
const LONGEST_QUEUE: usize = 4096;

/// Serves until `stop` resolves with the time that running requests may still take, and lets them finish.
///
/// Connections that are queued in the kernel when the listener closes are served, too, within the limit.
///
/// # Errors
///
/// The listener cannot be set up, or taken out of the runtime when it closes.
pub async fn serve<Handler: Answers>(
    listener: TcpListener,
    serving: Serving<Handler>,
    stop: impl Future<Output = Duration>,
) -> io::Result<()> {
    // Accepted sockets inherit the size.
    SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER)?;
    let serving = Arc::new(serving);
    let slots = Arc::new(Semaphore::new(serving.settings.load().limits.connections));
    let complaints = Arc::new(OncePerMinute::default());
    let drain = Drain::new();
    let mut open = VecDeque::new();
    let mut stop = std::pin::pin!(stop);
    let grace = loop {
        let accepted = tokio::select! {
            grace = &mut stop => break grace,
            accepted = accept(&listener, &slots) => accepted,
        };
        if let Some((stream, peer, slot)) = accepted {
            let task = begin(stream, peer, slot, &serving, drain.ticket(), &complaints);
            if serving.when_full == WhenFull::CloseOldest {
                open.push_back(task);
                close_oldest(&mut open, &slots);
            }
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
        // Without a file descriptor, only this connection is lost.
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

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            // The cause is mostly a lack of file descriptors. Without a pause, this loop would spin until one is free.
            tracing::warn!(error = %error, "accept.failed");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

fn begin<Handler: Answers>(
    stream: TcpStream,
    peer: SocketAddr,
    slot: OwnedSemaphorePermit,
    serving: &Arc<Serving<Handler>>,
    mut ticket: Ticket,
    complaints: &Arc<OncePerMinute>,
) -> AbortHandle {
    // Answers are small and single: waiting to fill a packet only delays them.
    _ = stream.set_nodelay(true);
    let (serving, settings) = (Arc::clone(serving), serving.settings.load_full());
    let (counted, complaints) = (GaugeGuard::of(&serving.open), Arc::clone(complaints));
    let task = tokio::spawn(async move {
        let ended = Accepted { stream, peer }.run(&settings, &serving, &mut ticket).await;
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
    task.abort_handle()
}

/// Closes the oldest connection if no other can be accepted.
fn close_oldest(open: &mut VecDeque<AbortHandle>, slots: &Semaphore) {
    open.retain(|connection| !connection.is_finished());
    if slots.available_permits() == 0
        && let Some(oldest) = open.pop_front()
    {
        oldest.abort();
    }
}

/// Limits a warning that any client can cause.
#[derive(Debug, Default)]
struct OncePerMinute(Mutex<Option<Instant>>);

impl OncePerMinute {
    fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= Duration::from_secs(60));
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}
