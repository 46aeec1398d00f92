//! The phase of a connection that speaks HTTP, and the time that it may take.
//!
//! The stream and the service report events, and [`overdue`](Progress::overdue) resolves once a phase has taken too
//! long. hyper's `header_read_timeout` cannot do this: it also runs while a connection is idle, so `idle` could not be
//! longer than `request_head`; and nothing in hyper ends a connection whose client does not read.

use super::request_line::RequestLine;
use crate::config::Deadlines;
use crate::metrics::GaugeGuard;
use hyper::Version;
use prometheus_client::metrics::gauge::Gauge;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The time in which a client must close its side once ours is closed, and send its request once the connection is told
/// to end.
pub(super) const LINGER: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first request's head is not complete.
    FirstHead,
    /// The head of a later request has begun.
    NextHead,
    /// Requests are under way.
    Busy,
    /// All requests are answered.
    Idle,
    /// Our side is closed.
    Closed,
}

#[derive(Debug)]
pub(super) struct Progress {
    deadlines: Deadlines,
    active: Gauge,
    state: Mutex<Tracked>,
    /// A long answer is about to be written.
    begins_long: AtomicBool,
}

#[derive(Debug)]
struct Tracked {
    phase: Phase,
    since: Instant,
    /// Requests under way.
    requests: usize,
    /// Requests under way whose answer was not yet handed over.
    answers: usize,
    /// The time since which the client has not read what it was sent.
    blocked: Option<Instant>,
    /// The time since which the connection is told to end.
    leaving: Option<Instant>,
    /// True over HTTP/2, where the bytes do not show the phase of a request.
    is_multiplexed: bool,
    line: RequestLine,
    line_after: RequestLine,
    active: Option<GaugeGuard>,
}

impl Progress {
    /// `active` counts the connections with requests under way.
    pub(super) fn new(deadlines: Deadlines, active: Gauge) -> Arc<Self> {
        let state = Tracked {
            phase: Phase::FirstHead,
            since: Instant::now(),
            requests: 0,
            answers: 0,
            blocked: None,
            leaving: None,
            is_multiplexed: false,
            line: RequestLine::default(),
            line_after: RequestLine::default(),
            active: None,
        };
        Arc::new(Self { deadlines, active, state: Mutex::new(state), begins_long: AtomicBool::new(false) })
    }

    /// Bytes came from the client.
    pub(super) fn received(&self, bytes: &[u8]) {
        let mut state = self.state();
        if state.is_multiplexed || matches!(state.phase, Phase::Busy | Phase::Closed) {
            return;
        }
        // Empty lines before a request are ignored (RFC 9112, section 2.2).
        if state.phase == Phase::Idle && bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
            state.enter(Phase::NextHead);
        }
        state.line.read(bytes);
        state.line_after = RequestLine::after(bytes);
    }

    /// The client reads the bytes that are sent to it, or blocks.
    pub(super) fn sent(&self, is_blocked: bool) {
        let mut state = self.state();
        if is_blocked != state.blocked.is_some() {
            state.blocked = is_blocked.then(Instant::now);
        }
    }

    /// A part of a request's body came, or of an answer was handed over.
    pub(super) fn goes_on(&self) {
        self.state().enter(Phase::Busy);
    }

    /// Whether a long answer begins here.
    pub(super) fn begins_long_answer(&self) -> bool {
        self.begins_long.swap(false, Ordering::Relaxed)
    }

    /// Our side is closed.
    pub(super) fn close(&self) {
        self.state().enter(Phase::Closed);
    }

    /// Tells the connection to end. False if a request is coming in, whose answer will end the connection.
    pub(super) fn leave(&self) -> bool {
        let mut state = self.state();
        state.leaving.get_or_insert_with(Instant::now);
        state.phase != Phase::NextHead
    }

    /// Resolves with the phase that has taken longer than it may. Sets the timer only when it fires or a deadline has come
    /// nearer, so a busy connection does not touch it.
    pub(super) async fn overdue(&self, mut timer: Pin<&mut Sleep>) -> Phase {
        poll_fn(|context| {
            loop {
                let (phase, due) = self.due();
                if due < timer.deadline() {
                    timer.as_mut().reset(due);
                }
                ready!(timer.as_mut().poll(context));
                if due <= Instant::now() {
                    return Poll::Ready(phase);
                }
                timer.as_mut().reset(due);
            }
        })
        .await
    }

    pub(super) fn due(&self) -> (Phase, Instant) {
        let state = self.state();
        let deadlines = &self.deadlines;
        let allowed = match state.phase {
            Phase::FirstHead | Phase::NextHead => deadlines.request_head,
            Phase::Busy if state.answers > 0 => deadlines.write,
            // The handler keeps its own deadline; this is for a request that it cannot end.
            Phase::Busy => deadlines.request + deadlines.write,
            Phase::Idle => deadlines.idle,
            // The stream ends by itself after `LINGER`.
            Phase::Closed => 2 * LINGER,
        };
        let waits_for_request = matches!(state.phase, Phase::FirstHead | Phase::NextHead | Phase::Idle);
        let leaving = state.leaving.filter(|_| waits_for_request);
        let ends = [
            Some(state.since + allowed),
            state.blocked.map(|since| since + deadlines.write),
            leaving.map(|since| since.max(state.since) + LINGER),
        ];
        let due = ends.into_iter().flatten().min().unwrap_or(state.since);
        (state.phase, due)
    }

    fn state(&self) -> MutexGuard<'_, Tracked> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tracked {
    fn enter(&mut self, phase: Phase) {
        if self.phase != Phase::Closed {
            self.phase = phase;
            self.since = Instant::now();
        }
    }
}

/// A request from its head until its answer was handed to the connection, or dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    progress: Arc<Progress>,
    is_answered: bool,
    /// The request's target had a fragment.
    pub(super) has_fragment: bool,
}

impl UnderWay {
    pub(super) fn begin(progress: &Arc<Progress>, version: Version) -> Self {
        let mut state = progress.state();
        state.requests += 1;
        state.is_multiplexed = version == Version::HTTP_2;
        let has_fragment = !state.is_multiplexed && state.line == RequestLine::Fragment;
        state.line = state.line_after;
        state.active.get_or_insert_with(|| GaugeGuard::of(&progress.active));
        state.enter(Phase::Busy);
        drop(state);
        Self { progress: Arc::clone(progress), is_answered: false, has_fragment }
    }

    /// There is an answer, and the client may take it.
    pub(super) fn answered(&mut self, is_long: bool) {
        if is_long {
            self.progress.begins_long.store(true, Ordering::Relaxed);
        }
        let mut state = self.progress.state();
        state.answers += 1;
        state.enter(Phase::Busy);
        drop(state);
        self.is_answered = true;
    }

    pub(super) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// A part of the answer was handed over.
    pub(super) fn goes_on(&self) {
        self.progress.goes_on();
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.progress.state();
        state.requests = state.requests.saturating_sub(1);
        if self.is_answered {
            state.answers = state.answers.saturating_sub(1);
        }
        if state.requests == 0 {
            state.active = None;
            state.enter(Phase::Idle);
        } else {
            state.enter(Phase::Busy);
        }
    }
}
