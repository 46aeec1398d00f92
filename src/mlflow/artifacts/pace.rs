//! The pace of an upload: the time since its last byte, and the side that it waits for.

use super::super::CallError;
use crate::server::GoesOn;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Shared by the body that is passed on and the one who waits for S3's answer.
#[derive(Debug)]
pub(super) struct Pace {
    silence: Duration,
    until: Instant,
    most: u64,
    bytes: AtomicU64,
    last: Mutex<Instant>,
    is_clients_turn: AtomicBool,
    /// The client's side broke off, or sent too much.
    fault: Mutex<Option<CallError>>,
    goes_on: Option<GoesOn>,
}

impl Pace {
    /// `most` bytes may come, with at most `silence` between two of them.
    pub(super) fn new(silence: Duration, longest: Duration, most: u64, goes_on: Option<GoesOn>) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            silence,
            until: now + longest,
            most,
            bytes: AtomicU64::new(0),
            last: Mutex::new(now),
            is_clients_turn: AtomicBool::new(false),
            fault: Mutex::new(None),
            goes_on,
        })
    }

    /// The bytes that came so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The client's fault, if the body ended by one.
    pub(super) fn fault(&self) -> Option<CallError> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for as long as the upload goes on.
    ///
    /// # Errors
    ///
    /// Neither side did anything for too long, or the whole takes too long.
    pub(super) async fn keep<T>(&self, work: impl Future<Output = T>) -> Result<T, CallError> {
        let mut work = pin!(work);
        loop {
            let due = self.due();
            if let Ok(done) = timeout_at(due, work.as_mut()).await {
                return Ok(done);
            }
            if self.due() <= due {
                let is_clients = self.is_clients_turn.load(Ordering::Relaxed);
                return Err(if is_clients { CallError::BodyOverdue } else { CallError::OutOfTime });
            }
        }
    }

    fn due(&self) -> Instant {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (last + self.silence).min(self.until)
    }

    /// Notes that something was done.
    pub(super) fn goes_on(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.goes_on.iter().for_each(GoesOn::goes_on);
    }

    fn waits_for_client(&self, waits: bool) {
        self.is_clients_turn.store(waits, Ordering::Relaxed);
    }

    /// Counts a part of the body.
    fn came(&self, length: usize) -> Result<(), CallError> {
        self.waits_for_client(false);
        self.goes_on();
        let bytes = self.bytes.fetch_add(length as u64, Ordering::Relaxed) + length as u64;
        if bytes > self.most { Err(CallError::BodyTooLarge { most: self.most }) } else { Ok(()) }
    }
}

/// A body that nobody has begun to read. The first who asks for it gets it.
#[derive(Clone, Debug)]
pub(super) struct Unbegun(Arc<Mutex<Option<Incoming>>>);

impl Unbegun {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    /// `None` if somebody has begun to read it.
    pub(super) fn take(&self) -> Option<Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The client's body, passed on as it comes.
pub(super) struct Paced {
    unbegun: Unbegun,
    /// Set since the first byte was asked for.
    body: Option<Incoming>,
    length: Option<u64>,
    pace: Arc<Pace>,
    /// Before the first byte.
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Paced {
    /// `length` is the body's, if it is known.
    pub(super) fn new(unbegun: Unbegun, length: Option<u64>, pace: Arc<Pace>) -> Self {
        Self { unbegun, body: None, length, pace, wait: None }
    }

    /// The same, but its first byte waits for this.
    pub(super) fn after(self, wait: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { wait: Some(Box::pin(wait)), ..self }
    }

    fn broken(&self, error: CallError) -> NotWhole {
        *self.pace.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        NotWhole
    }
}

/// The body ends here, and is not whole: see [`Pace::fault`]. Or it was taken back before its first byte.
#[derive(Debug)]
pub(super) struct NotWhole;

impl std::fmt::Display for NotWhole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the client's body cannot be passed on")
    }
}

impl std::error::Error for NotWhole {}

impl Body for Paced {
    type Data = Bytes;
    type Error = NotWhole;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NotWhole>>> {
        let this = self.get_mut();
        if let Some(wait) = &mut this.wait {
            ready!(wait.as_mut().poll(context));
            this.wait = None;
        }
        if this.body.is_none() {
            this.body = this.unbegun.take();
        }
        let Some(body) = &mut this.body else { return Poll::Ready(Some(Err(NotWhole))) };
        loop {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) else {
                this.pace.waits_for_client(true);
                return Poll::Pending;
            };
            this.pace.waits_for_client(false);
            return Poll::Ready(match frame {
                None => None,
                Some(Err(_)) => Some(Err(this.broken(CallError::BodyBroken))),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    match this.pace.came(data.len()) {
                        Ok(()) => Some(Ok(Frame::data(data))),
                        Err(error) => Some(Err(this.broken(error))),
                    }
                }
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().map_or(self.length == Some(0), Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let unbegun = || self.length.map_or_else(SizeHint::default, SizeHint::with_exact);
        self.body.as_ref().map_or_else(unbegun, Incoming::size_hint)
    }
}
