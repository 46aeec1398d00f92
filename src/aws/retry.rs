//! Limits on calls to AWS: a bounded number at a time, each in bounded time, with retries only where they can help.

use super::error::{AwsError, AwsErrorKind, BadAnswer};
use super::share::Share;
use crate::metrics::{GaugeGuard, Metrics};
use moka::sync::Cache;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};

/// Calls that may wait for a place; a further one fails at once.
const WAITING: usize = 1024;
/// Shares that are remembered. A forgotten one starts again with all its places free.
const MOST_SHARES: u64 = 1024;
/// How long throttled calls are retried, so that the answer to the person comes within three seconds.
const PATIENCE_WITH_THROTTLING: Duration = Duration::from_millis(2600);
const SHORTEST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(150);

/// Process-wide limits on calls to AWS.
#[derive(Debug)]
pub(super) struct Calls {
    all: Places,
    at_once: usize,
    /// At most half of the places are for one share, whose calls are slow together.
    shares: Cache<Share, Arc<Places>>,
    budget: Budget,
    /// The time for one attempt, so that a dead connection leaves time for another.
    attempt: Duration,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Places {
    /// For calls under way and waiting.
    admitted: Semaphore,
    running: Semaphore,
}

/// The end of one mint, and of its retries against throttling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    throttling_until: Instant,
}

impl Deadline {
    pub(crate) fn after(timeout: Duration) -> Self {
        let now = Instant::now();
        let at = now + timeout;
        Self { at, throttling_until: at.min(now + PATIENCE_WITH_THROTTLING) }
    }

    /// The earlier of this deadline and `other`.
    pub(crate) fn or(self, other: Instant) -> Self {
        Self { at: self.at.min(other), throttling_until: self.throttling_until.min(other) }
    }
}

impl Calls {
    /// At most `at_once` calls are under way at a time, so that a slow AWS holds no more.
    pub(super) fn new(timeout: Duration, at_once: usize, metrics: Arc<Metrics>) -> Self {
        metrics.aws_calls_limit.set(at_once as i64);
        Self {
            all: Places::new(at_once, WAITING),
            at_once,
            shares: Cache::new(MOST_SHARES),
            budget: Budget::new(),
            attempt: timeout / 2,
            metrics,
        }
    }

    /// Makes one attempt. `doing` is the operation's name; `share` is the group of calls that it belongs to.
    pub(super) async fn once<T>(
        &self,
        doing: &'static str,
        share: Option<&Share>,
        deadline: Instant,
        call: impl Future<Output = Result<T, AwsError>>,
    ) -> Result<T, AwsError> {
        let waiting = GaugeGuard::of(&self.metrics.aws_calls_waiting);
        let part = share.map(|share| (share, self.share(share)));
        let _part = match &part {
            Some((share, places)) => Some(
                places
                    .place(deadline)
                    .await
                    .map_err(|why| why.of(doing, &format!("about {}", share.name())))?,
            ),
            None => None,
        };
        let _place = self.all.place(deadline).await.map_err(|why| why.of(doing, "to AWS"))?;
        drop(waiting);
        let _running_too = GaugeGuard::of(&self.metrics.aws_calls_running);
        let limit = deadline.min(Instant::now() + self.attempt);
        let answer = timeout_at(limit, call).await.unwrap_or_else(|_| Err(AwsError::out_of_time(doing)));
        self.metrics.aws_call(doing, answer.as_ref().map_or_else(|error| error.kind.as_str(), |_| "ok"));
        answer
    }

    fn share(&self, share: &Share) -> Arc<Places> {
        let places = || Arc::new(Places::new(self.at_once.div_ceil(2), WAITING / 2));
        self.shares.get_with_by_ref(share, places)
    }

    /// Makes attempts until one succeeds, fails for good, or the deadline, the patience or the budget is used up. Then
    /// the last error is the answer.
    pub(super) async fn retrying<T, F: Future<Output = Result<T, AwsError>>>(
        &self,
        doing: &'static str,
        share: Option<&Share>,
        deadline: Deadline,
        call: impl Fn() -> F,
    ) -> Result<T, AwsError> {
        let mut attempts = 0;
        loop {
            let mut error = match self.once(doing, share, deadline.at, call()).await {
                Ok(answer) => {
                    self.budget.deposit();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            attempts += 1;
            let pause = random_below(ceiling(attempts));
            let is_about_the_signature = error.is_about_the_signature();
            let (most_attempts, until) = match &mut error.kind {
                AwsErrorKind::Throttled { retry_after } => {
                    // Callers that were throttled together must not come back together.
                    *retry_after = Duration::from_secs(2) + random_below(Duration::from_secs(4));
                    (16, deadline.throttling_until)
                }
                AwsErrorKind::Unavailable | AwsErrorKind::BadAnswer(BadAnswer::CutOff) => (3, deadline.at),
                AwsErrorKind::OutOfTime => (2, deadline.at),
                // The clock may have been moved. Then the SDK has learnt its distance from AWS's clock from this very
                // answer, and signs accordingly from now on.
                AwsErrorKind::Credentials if is_about_the_signature => (3, deadline.at),
                // A refusal is final, and is never retried with other rights.
                AwsErrorKind::NotFound
                | AwsErrorKind::Ambiguous
                | AwsErrorKind::Refused
                | AwsErrorKind::Quota
                | AwsErrorKind::Capacity
                | AwsErrorKind::Credentials
                | AwsErrorKind::BadAnswer(_) => return Err(error),
            };
            if attempts >= most_attempts || Instant::now() + pause >= until || !self.budget.withdraw() {
                return Err(error);
            }
            sleep(pause).await;
        }
    }
}

/// The reason why there is no place for a call.
enum NoPlace {
    Full,
    OutOfTime,
}

impl NoPlace {
    fn of(self, doing: &str, about: &str) -> AwsError {
        match self {
            Self::Full => {
                let message = format!("{doing}: too many calls {about} already wait");
                AwsError::new(AwsErrorKind::Unavailable, message)
            }
            Self::OutOfTime => {
                AwsError::out_of_time(&format!("{doing}: waiting for a place among the calls {about}"))
            }
        }
    }
}

impl Places {
    fn new(at_once: usize, waiting: usize) -> Self {
        Self { admitted: Semaphore::new(at_once + waiting), running: Semaphore::new(at_once) }
    }

    /// A place, and the admission to wait for it: both are given back together.
    async fn place(&self, deadline: Instant) -> Result<[SemaphorePermit<'_>; 2], NoPlace> {
        let admitted = self.admitted.try_acquire().map_err(|_| NoPlace::Full)?;
        match timeout_at(deadline, self.running.acquire()).await {
            Ok(Ok(running)) => Ok([admitted, running]),
            _ => Err(NoPlace::OutOfTime),
        }
    }
}

/// The longest pause after so many failed attempts: doubling, up to a limit.
fn ceiling(attempts: u32) -> Duration {
    SHORTEST_PAUSE.saturating_mul(1 << (attempts - 1).min(16)).min(LONGEST_PAUSE)
}

/// "Full jitter": anything from nothing to the ceiling, so that callers spread evenly.
fn random_below(ceiling: Duration) -> Duration {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => ceiling.mul_f64(f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)),
        Err(_) => ceiling,
    }
}

/// The budget that pays for retries, shared by all calls of the process.
///
/// A success pays for one and a half retries, so calls of which half are throttled sustain themselves. Without
/// successes, only the reserve and a trickle are left, and calls soon cost one attempt each.
#[derive(Debug)]
struct Budget(Mutex<Account>);

#[derive(Debug)]
struct Account {
    retries: f64,
    since: Instant,
}

const MOST_SAVED: f64 = 200.0;
const PER_SUCCESS: f64 = 1.5;
const PER_SECOND: f64 = 5.0;

impl Budget {
    fn new() -> Self {
        Self(Mutex::new(Account { retries: MOST_SAVED, since: Instant::now() }))
    }

    fn deposit(&self) {
        self.change(|saved| saved + PER_SUCCESS);
    }

    fn withdraw(&self) -> bool {
        let mut paid = false;
        self.change(|saved| {
            paid = saved >= 1.0;
            if paid { saved - 1.0 } else { saved }
        });
        paid
    }

    fn change(&self, by: impl FnOnce(f64) -> f64) {
        let mut account = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trickled = account.retries + account.since.elapsed().as_secs_f64() * PER_SECOND;
        account.since = Instant::now();
        account.retries = by(trickled.min(MOST_SAVED)).min(MOST_SAVED);
    }
}
