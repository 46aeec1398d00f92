//! The deadlines of a connection that speaks HTTP.
//!
//! A connection is in one phase at a time, and only looks at the clock when it changes phase or has waited for as long as
//! the phase allows: a busy connection never touches its timer.

use super::crowd::Crowd;
use crate::config::Deadlines;
use crate::metrics::OneMore;
use hyper::Version;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How long a client may take to close its side once ours is closed.
pub(super) const LINGER: Duration = Duration::from_secs(2);
/// How long after an answer the next request is expected at once.
const REST: Duration = Duration::from_millis(250);
/// The least that the largest crowd leaves of a deadline, and of that for the next request.
const LEAST: Duration = Duration::from_millis(500);
const LEAST_IDLE: Duration = Duration::from_secs(5);
/// How often a client that holds room and does nothing with it is looked at: the crowd may have grown meanwhile.
const GLANCE: Duration = Duration::from_millis(100);

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first bytes of a request are here, its head is not complete.
    Head,
    /// The head is complete, the body is not.
    Body,
    /// Requests are being answered.
    Busy,
    /// All requests are answered.
    Idle,
    /// The same, and what was set aside for requests is given back.
    Resting,
    /// Nothing more is sent; the client may still send.
    Closed,
    /// Nor is the client listened to.
    Over,
}

#[derive(Debug)]
pub(super) struct Pace {
    deadlines: Deadlines,
    crowd: Crowd,
    moment: Mutex<Moment>,
}

#[derive(Debug)]
struct Moment {
    phase: Phase,
    since: Instant,
    requests: usize,
    /// Whether it is HTTP/1.1 whose last request came without a body: the bytes after the answer can only be the next one's.
    may_rest: bool,
    is_multiplexed: bool,
    /// Since when the client has not read what was to be sent.
    blocked: Option<Instant>,
    /// Answers that were not yet handed over, and since when the client has taken none.
    answers: usize,
    untaken: Instant,
    /// While there is room for requests.
    member: Option<OneMore>,
}

impl Pace {
    pub(super) fn new(deadlines: Deadlines, crowd: Crowd) -> Arc<Self> {
        let now = Instant::now();
        let moment = Moment {
            phase: Phase::Head,
            since: now,
            requests: 0,
            may_rest: true,
            is_multiplexed: false,
            blocked: None,
            answers: 0,
            untaken: now,
            member: None,
        };
        Arc::new(Self { deadlines, crowd, moment: Mutex::new(moment) })
    }

    pub(super) fn phase(&self) -> Phase {
        self.moment().phase
    }

    /// Bytes came from the client.
    pub(super) fn received(&self) {
        let mut moment = self.moment();
        if matches!(moment.phase, Phase::Idle | Phase::Resting) {
            moment.enter(Phase::Head);
        }
    }

    /// A request's head is complete, and its body is waited for.
    pub(super) fn awaits_body(&self) {
        self.moment().enter(Phase::Body);
    }

    /// The connection costs as much as one that has room for requests.
    pub(super) fn join_crowd(&self) {
        self.moment().member.get_or_insert_with(|| self.crowd.join());
    }

    /// Room is made for requests. An HTTP/2 connection does not rest.
    pub(super) fn make_room(&self, version: Version) {
        self.join_crowd();
        self.moment().is_multiplexed = version == Version::HTTP_2;
    }

    /// True where nothing is under way, nor anything left of what was.
    pub(super) fn rest(&self) -> bool {
        let mut moment = self.moment();
        let rests = moment.phase == Phase::Idle && moment.rests();
        if rests {
            // `since` is kept: `idle` counts from the answer.
            moment.phase = Phase::Resting;
            moment.member = None;
        }
        rests
    }

    /// The client takes what is sent to it, or does not.
    pub(super) fn sent(&self, is_blocked: bool) {
        let mut moment = self.moment();
        if is_blocked != moment.blocked.is_some() {
            moment.blocked = is_blocked.then(Instant::now);
        }
    }

    pub(super) fn close(&self) {
        self.moment().enter(Phase::Closed);
    }

    /// The client did not end its side in time.
    pub(super) fn give_up(&self) {
        let mut moment = self.moment();
        moment.phase = Phase::Over;
        moment.since = Instant::now();
    }

    /// Resolves when the phase has taken longer than it may.
    pub(super) async fn overdue(&self, mut timer: Pin<&mut Sleep>) -> Phase {
        poll_fn(|context| {
            loop {
                let due = self.look_again();
                if due < timer.deadline() {
                    timer.as_mut().reset(due);
                }
                ready!(timer.as_mut().poll(context));
                if self.due() <= Instant::now() {
                    return Poll::Ready(self.phase());
                }
                timer.as_mut().reset(self.look_again());
            }
        })
        .await
    }

    /// When to look at the clock next: at the deadline, or sooner, for the crowd may shorten it.
    fn look_again(&self) -> Instant {
        let due = self.due();
        let moment = self.moment();
        let is_half = matches!(moment.phase, Phase::Head | Phase::Body);
        let stands_about = is_half || moment.blocked.is_some() || moment.answers > 0;
        if moment.member.is_some() && stands_about { due.min(Instant::now() + GLANCE) } else { due }
    }

    pub(super) fn due(&self) -> Instant {
        let moment = self.moment();
        let holds_room = moment.member.is_some();
        let hurried = |usual: Duration, least: Duration| {
            if holds_room { self.crowd.hurried(usual).max(least.min(usual)) } else { usual }
        };
        let allowed = match moment.phase {
            Phase::Head => hurried(self.deadlines.request_head, LEAST),
            Phase::Body => hurried(self.deadlines.request_body, LEAST),
            // Each request has its own deadline; this is for what none of them ends.
            Phase::Busy => self.deadlines.request + self.deadlines.write + LINGER,
            Phase::Idle if moment.rests() => REST,
            // Balancers keep HTTP/1.1 connections and cannot be told in time that one ends; over HTTP/2 there is GOAWAY.
            Phase::Idle if moment.is_multiplexed => hurried(self.deadlines.idle, LEAST_IDLE),
            Phase::Idle | Phase::Resting => self.deadlines.idle,
            Phase::Closed | Phase::Over => LINGER,
        };
        let due = moment.since + allowed;
        let waiting = [moment.blocked, (moment.answers > 0).then_some(moment.untaken)];
        let oldest = waiting.into_iter().flatten().min();
        oldest.map_or(due, |oldest| due.min(oldest + hurried(self.deadlines.write, LEAST)))
    }

    fn moment(&self) -> MutexGuard<'_, Moment> {
        self.moment.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moment {
    fn rests(&self) -> bool {
        self.may_rest && !self.is_multiplexed && self.blocked.is_none()
    }

    fn enter(&mut self, phase: Phase) {
        if !matches!(self.phase, Phase::Closed | Phase::Over) {
            self.phase = phase;
            self.since = Instant::now();
        }
    }
}

/// A request from its head until its answer was handed to the connection, or dropped.
#[derive(Debug)]
pub(super) struct Request {
    pace: Arc<Pace>,
    is_answered: bool,
}

impl Request {
    pub(super) fn begin(pace: &Arc<Pace>, has_body: bool) -> Self {
        let mut moment = pace.moment();
        moment.requests += 1;
        // hyper has read the body of the one before, to its end.
        moment.may_rest = !has_body;
        moment.enter(Phase::Busy);
        drop(moment);
        Self { pace: Arc::clone(pace), is_answered: false }
    }

    /// There is an answer, and the client may take it.
    pub(super) fn answered(&mut self) {
        let mut moment = self.pace.moment();
        if moment.answers == 0 {
            moment.untaken = Instant::now();
        }
        moment.answers += 1;
        drop(moment);
        self.is_answered = true;
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut moment = self.pace.moment();
        moment.requests = moment.requests.saturating_sub(1);
        let phase = if moment.requests == 0 { Phase::Idle } else { Phase::Busy };
        moment.enter(phase);
        if self.is_answered {
            moment.answers = moment.answers.saturating_sub(1);
            moment.untaken = moment.since;
        }
    }
}
