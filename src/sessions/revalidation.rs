//! Asking the provider again whether it still stands by a session, and what it says of the person now.
//!
//! OpenID Connect Core 1.0, section 12; RFC 6749, section 6. The refresh token is in the session's [`Record`]; each
//! session is asked for by one task of one replica at a time. Where the provider does not answer, sessions go on; where it
//! refuses, they end everywhere.

mod turn;

use self::turn::Refusal;
use super::content::Content;
use super::{SessionId, Sessions, Unusable};
use crate::audit::Audit;
use crate::clock::UnixSeconds;
use crate::metrics::Metrics;
use crate::provider::relying_party::RelyingParty;
use crate::state::Away;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// How long a request waits whose session is long overdue, and a replica for what another one learns.
const PATIENCE: Duration = Duration::from_secs(5);
/// The least time between two tries for one session.
const RETRY: Duration = Duration::from_secs(30);
/// Sessions that the provider is asked about at once.
const MOST_ASKED: usize = 32;
/// Sessions that are remembered as under way or failed. Beyond, they wait for their turn.
const MOST_ATTEMPTS: usize = 16_384;

#[derive(Debug)]
pub struct Revalidation {
    interval: Duration,
    party: Arc<RelyingParty>,
    asking: Semaphore,
    attempts: Mutex<HashMap<SessionId, Attempt>>,
    /// The provider did not answer the last time: nobody waits for it, and it was logged.
    dark: AtomicBool,
    told_of_none: AtomicBool,
    metrics: Arc<Metrics>,
    audit: Audit,
}

#[derive(Debug)]
enum Attempt {
    UnderWay(watch::Receiver<Option<Outcome>>),
    Failed { again: UnixSeconds },
}

#[derive(Clone, Debug)]
enum Outcome {
    /// What the cookie is to carry from now on.
    Confirmed(Arc<[u8]>),
    Withdrawn,
    /// Nobody can tell now.
    Failed,
}

/// What became of a session that is due.
pub(super) enum Current {
    /// What the cookie says counts.
    AsItIs,
    /// The cookie is to say this from now on.
    Newer(Box<Content>),
    Unusable(Unusable),
    Away,
}

impl Revalidation {
    /// What a provider said counts for `interval`; then it is asked again.
    pub fn new(interval: Duration, party: Arc<RelyingParty>, metrics: Arc<Metrics>, audit: Audit) -> Self {
        let asking = Semaphore::new(MOST_ASKED);
        let attempts = Mutex::default();
        let (dark, told_of_none) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { interval, party, asking, attempts, dark, told_of_none, metrics, audit }
    }

    /// Says once that the provider gives no refresh tokens.
    pub(super) fn expects(&self, has_refresh_token: bool) {
        if !has_refresh_token && !self.told_of_none.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "revalidation.no-refresh-token: the provider gave none, so sessions end after `session.revalidate` and \
                 go through sign-in; it may ask for the scope offline_access"
            );
        }
    }

    fn is_due(&self, content: &Content, now: UnixSeconds) -> bool {
        now.since(content.validated) >= self.interval
    }

    fn is_overdue(&self, content: &Content, now: UnixSeconds) -> bool {
        now.since(content.validated) >= self.interval * 2
    }

    fn attempts(&self) -> MutexGuard<'_, HashMap<SessionId, Attempt>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, refusal: &Refusal) {
        self.metrics.sessions.revalidation_failed.inc();
        let was_dark = self.dark.swap(true, Ordering::Relaxed);
        match refusal {
            Refusal::Misconfigured(error) if !was_dark => {
                tracing::error!(%error, "revalidation.refused: the provider refuses this client; sessions go on unchecked");
            }
            Refusal::Unavailable(error) if !was_dark => {
                tracing::warn!(%error, "revalidation.failed: sessions go on until the provider answers again");
            }
            Refusal::StateAway if !was_dark => {
                tracing::warn!(
                    "revalidation.failed: the shared state is away; sessions go on until it is back"
                );
            }
            _ => {}
        }
    }

    fn answered(&self) {
        if self.dark.swap(false, Ordering::Relaxed) {
            tracing::info!("revalidation.recovered");
        }
    }
}

impl Sessions {
    /// Sees to it that the provider still stands by a session. Asks off the request's way, unless nobody has asked for twice
    /// the interval: then the request waits, so that nothing is opened on older knowledge while the provider answers.
    pub(super) async fn current(self: &Arc<Self>, content: &Content) -> Current {
        let now = self.clock.now();
        match self.revalidation.as_ref().filter(|it| it.is_due(content, now)) {
            None => Current::AsItIs,
            Some(revalidation) => Box::pin(self.revalidated(revalidation, content, now)).await,
        }
    }

    async fn revalidated(
        self: &Arc<Self>,
        revalidation: &Revalidation,
        content: &Content,
        now: UnixSeconds,
    ) -> Current {
        let record = match self.records.load(&content.id).await {
            Ok(Some(record)) => record,
            Ok(None) => return Current::Unusable(Unusable::Unconfirmed),
            Err(Away) => return Current::Away,
        };
        let noted = record.content.as_deref().and_then(Content::parse);
        let newer = noted.filter(|noted| noted.validated > content.validated);
        let newer = newer.map(|newer| content.followed_by(newer));
        let content = newer.as_ref().unwrap_or(content);
        let as_it_is = |newer: Option<Content>| match newer {
            Some(newer) => Current::Newer(Box::new(newer)),
            None => Current::AsItIs,
        };
        if !revalidation.is_due(content, now) {
            return as_it_is(newer);
        }
        if record.refresh_token.is_none() {
            return Current::Unusable(Unusable::Unconfirmed);
        }
        let waits = revalidation.is_overdue(content, now) && !revalidation.dark.load(Ordering::Relaxed);
        let Some(mut attempt) = self.attempt(revalidation, content) else {
            return as_it_is(newer);
        };
        if !waits {
            return as_it_is(newer);
        }
        let outcome = match tokio::time::timeout(PATIENCE, attempt.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone(),
            Ok(Err(_)) | Err(_) => None,
        };
        match outcome {
            Some(Outcome::Confirmed(text)) => match Content::parse(&text) {
                Some(told) => Current::Newer(Box::new(content.followed_by(told))),
                None => as_it_is(newer),
            },
            Some(Outcome::Withdrawn) => Current::Unusable(Unusable::Withdrawn),
            Some(Outcome::Failed) | None => as_it_is(newer),
        }
    }

    /// The attempt under way for a session, or a new one; none where one has just failed.
    fn attempt(
        self: &Arc<Self>,
        revalidation: &Revalidation,
        content: &Content,
    ) -> Option<watch::Receiver<Option<Outcome>>> {
        let now = self.clock.now();
        let mut attempts = revalidation.attempts();
        match attempts.get(&content.id) {
            // One whose task died counts as none.
            Some(Attempt::UnderWay(attempt)) if attempt.has_changed().is_ok() => {
                return Some(attempt.clone());
            }
            Some(Attempt::Failed { again }) if now < *again => return None,
            _ => {}
        }
        if attempts.len() >= MOST_ATTEMPTS {
            attempts.retain(|_, attempt| match attempt {
                Attempt::UnderWay(attempt) => attempt.has_changed().is_ok(),
                Attempt::Failed { again } => now < *again,
            });
            if attempts.len() >= MOST_ATTEMPTS {
                return None;
            }
        }
        let (tell, attempt) = watch::channel(None);
        attempts.insert(content.id.clone(), Attempt::UnderWay(attempt.clone()));
        drop(attempts);
        let (sessions, content) = (Arc::clone(self), content.clone());
        tokio::spawn(async move {
            let Some(revalidation) = &sessions.revalidation else { return };
            let outcome = sessions.take_turn(revalidation, &content).await;
            let mut attempts = revalidation.attempts();
            if let Outcome::Failed = outcome {
                let again = sessions.clock.now().plus(RETRY.min(revalidation.interval));
                attempts.insert(content.id.clone(), Attempt::Failed { again });
            } else {
                attempts.remove(&content.id);
            }
            drop(attempts);
            tell.send_replace(Some(outcome));
        });
        Some(attempt)
    }
}
