//! Asking the provider again whether it still stands by a session, and what it says of the person now.
//!
//! OpenID Connect Core 1.0, section 12; RFC 6749, section 6. The refresh token is in the session's [`Record`]; each
//! session is asked for by one task of one replica at a time. Whoever is not confirmed goes through sign-in: an outage alone
//! lets sessions go on until it is over, and what is wrong with this gateway's client lets them go on for
//! `session.unconfirmed` at most.

mod turn;

use super::content::Content;
use super::{SessionId, Sessions, Unusable};
use crate::audit::{Audit, Event, Record as AuditRecord};
use crate::clock::UnixSeconds;
use crate::config::RevalidationConfig;
use crate::metrics::Metrics;
use crate::provider::error::ProviderError;
use crate::provider::relying_party::RelyingParty;
use crate::state::Unavailable;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// How long a request waits whose session is long overdue, and a replica for what another one learns.
const PATIENCE: Duration = Duration::from_secs(5);
/// The least time between two tries for one session.
const RETRY: Duration = Duration::from_secs(30);
/// The least time between two lines in the log about what is wrong with our client.
const REMINDER: Duration = Duration::from_secs(60);
/// Sessions that the provider is asked about at once.
const MOST_ASKED: usize = 32;
/// Sessions that are remembered as under way or failed. Beyond, they wait for their turn.
const MOST_ATTEMPTS: usize = 16_384;

#[derive(Debug)]
pub struct Revalidation {
    interval: Duration,
    unconfirmed: Duration,
    party: Arc<RelyingParty>,
    asking: Semaphore,
    attempts: Mutex<HashMap<SessionId, Attempt>>,
    /// The provider did not answer the last time: nobody waits for it, and it was logged.
    dark: AtomicBool,
    /// When the log last told what is wrong with our client, in Unix time.
    reminded: AtomicU64,
    told_of_no_refresh_token: AtomicBool,
    told_of_nothing_said: AtomicBool,
    metrics: Arc<Metrics>,
    audit: Audit,
}

#[derive(Debug)]
struct Attempt {
    stage: Stage,
    /// The audit trail says that the session goes on unchecked.
    told: bool,
}

#[derive(Debug)]
enum Stage {
    UnderWay(watch::Receiver<Option<Outcome>>),
    Failed { again: UnixSeconds, cause: Cause },
}

#[derive(Clone, Debug)]
enum Outcome {
    /// What the cookie is to carry from now on.
    Confirmed(Arc<[u8]>),
    Withdrawn,
    /// Nobody can tell now.
    Failed(Cause),
}

/// Why a session was neither confirmed nor ended, with the word for the audit trail.
#[derive(Clone, Copy, Debug)]
enum Cause {
    /// The provider or the shared state is away.
    Outage(&'static str),
    /// The provider is there, and refuses this gateway or cannot be used by it.
    Ours(&'static str),
    /// Another replica asks, and has not told yet.
    Untold,
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
    /// What a provider said counts for the interval; then it is asked again.
    pub fn new(
        config: RevalidationConfig,
        party: Arc<RelyingParty>,
        metrics: Arc<Metrics>,
        audit: Audit,
    ) -> Self {
        let RevalidationConfig { interval, unconfirmed } = config;
        Self {
            interval,
            unconfirmed,
            party,
            asking: Semaphore::new(MOST_ASKED),
            attempts: Mutex::default(),
            dark: AtomicBool::new(false),
            reminded: AtomicU64::new(0),
            told_of_no_refresh_token: AtomicBool::new(false),
            told_of_nothing_said: AtomicBool::new(false),
            metrics,
            audit,
        }
    }

    /// Says once that the provider gives no refresh tokens.
    pub(super) fn expects(&self, has_refresh_token: bool) {
        if !has_refresh_token && !self.told_of_no_refresh_token.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "revalidation.no-refresh-token: the provider gave none, so sessions end after `session.revalidate` and \
                 go through sign-in; it may ask for the scope offline_access"
            );
        }
    }

    /// Says once that the provider's refreshes say nothing of people.
    fn tell_of(&self, error: Option<&ProviderError>) {
        if let Some(error @ ProviderError::NothingSaid(_)) = error
            && !self.told_of_nothing_said.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                %error,
                "revalidation.nothing-said: a refresh says nothing of the person, so sessions end after \
                 `session.revalidate` and go through sign-in"
            );
        }
    }

    fn is_due(&self, content: &Content, now: UnixSeconds) -> bool {
        now.since(content.validated) >= self.interval
    }

    fn is_overdue(&self, content: &Content, now: UnixSeconds) -> bool {
        now.since(content.validated) >= self.interval * 2
    }

    /// What is wrong with our client keeps a session no longer.
    fn is_unconfirmed(&self, content: &Content, now: UnixSeconds) -> bool {
        now.since(content.validated) >= self.unconfirmed
    }

    fn attempts(&self) -> MutexGuard<'_, HashMap<SessionId, Attempt>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The provider, or what replicas share, is away.
    fn unanswered(&self, cause: &str) {
        self.metrics.sessions.revalidation_failed.inc();
        if !self.dark.swap(true, Ordering::Relaxed) {
            tracing::warn!(cause, "revalidation.failed: sessions go on until the provider answers again");
        }
    }

    /// The provider is there, and the fault is with this gateway's client.
    fn refused(&self, error: &ProviderError, now: UnixSeconds) {
        self.metrics.sessions.revalidation_failed.inc();
        self.metrics.sessions.revalidation_refused.inc();
        let last = self.reminded.load(Ordering::Relaxed);
        if now.0.abs_diff(last) < REMINDER.as_secs() || self.reminded.swap(now.0, Ordering::Relaxed) != last {
            return;
        }
        let unconfirmed_seconds = self.unconfirmed.as_secs();
        tracing::error!(
            %error,
            unconfirmed_seconds,
            "revalidation.refused: the provider refuses this client, not the person; sessions end where that lasts for \
             `session.unconfirmed`"
        );
    }

    /// Names the person of a session that ended or goes on unchecked.
    fn record(&self, event: Event, content: &Content, reason: &'static str) {
        self.audit.record(&AuditRecord {
            issuer: Some(&content.issuer),
            subject: Some(&content.subject),
            user: Some(&content.user),
            reason: Some(reason),
            ..AuditRecord::new(event)
        });
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
            Err(Unavailable) => return Current::Away,
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
        let mut attempt = match self.attempt(revalidation, content) {
            Ok(attempt) if waits => attempt,
            Ok(_) => return as_it_is(newer),
            Err(cause) => return self.goes_on(revalidation, content, as_it_is(newer.clone()), cause).await,
        };
        let outcome = match tokio::time::timeout(PATIENCE, attempt.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone(),
            // The task died.
            Ok(Err(_)) => Some(Outcome::Failed(Cause::Ours("failed"))),
            Err(_) => None,
        };
        match outcome {
            Some(Outcome::Confirmed(text)) => match Content::parse(&text) {
                Some(told) => Current::Newer(Box::new(content.followed_by(told))),
                None => as_it_is(newer),
            },
            Some(Outcome::Withdrawn) => Current::Unusable(Unusable::Withdrawn),
            Some(Outcome::Failed(cause)) => {
                self.goes_on(revalidation, content, as_it_is(newer.clone()), cause).await
            }
            None => as_it_is(newer),
        }
    }

    /// `current`, unless the fault is ours and has lasted for too long.
    async fn goes_on(
        &self,
        revalidation: &Revalidation,
        content: &Content,
        current: Current,
        cause: Cause,
    ) -> Current {
        match cause {
            Cause::Ours(_) if revalidation.is_unconfirmed(content, self.clock.now()) => {
                self.withdraw(revalidation, content, "unconfirmed", None).await;
                Current::Unusable(Unusable::Withdrawn)
            }
            Cause::Ours(_) | Cause::Outage(_) | Cause::Untold => current,
        }
    }

    /// The attempt under way for a session, or a new one.
    ///
    /// # Errors
    ///
    /// Why none is made now: one has just failed, or too many did.
    fn attempt(
        self: &Arc<Self>,
        revalidation: &Revalidation,
        content: &Content,
    ) -> Result<watch::Receiver<Option<Outcome>>, Cause> {
        let now = self.clock.now();
        let mut attempts = revalidation.attempts();
        let before = attempts.get(&content.id);
        match before.map(|attempt| &attempt.stage) {
            // One whose task died counts as none.
            Some(Stage::UnderWay(attempt)) if attempt.has_changed().is_ok() => return Ok(attempt.clone()),
            Some(Stage::Failed { again, cause }) if now < *again => return Err(*cause),
            _ => {}
        }
        let told = before.is_some_and(|attempt| attempt.told);
        if attempts.len() >= MOST_ATTEMPTS {
            attempts.retain(|_, attempt| match &attempt.stage {
                Stage::UnderWay(attempt) => attempt.has_changed().is_ok(),
                Stage::Failed { again, .. } => now < *again,
            });
            if attempts.len() >= MOST_ATTEMPTS {
                let is_outage = revalidation.dark.load(Ordering::Relaxed);
                return Err(if is_outage { Cause::Outage("crowded") } else { Cause::Ours("crowded") });
            }
        }
        let (tell, attempt) = watch::channel(None);
        let stage = Stage::UnderWay(attempt.clone());
        attempts.insert(content.id.clone(), Attempt { stage, told });
        drop(attempts);
        let (sessions, content) = (Arc::clone(self), content.clone());
        tokio::spawn(async move {
            let Some(revalidation) = &sessions.revalidation else { return };
            let outcome = sessions.take_turn(revalidation, &content).await;
            sessions.note(revalidation, &content, &outcome, told);
            tell.send_replace(Some(outcome));
        });
        Ok(attempt)
    }

    /// Keeps in mind that an attempt failed. That a session goes on unchecked is on record once.
    fn note(&self, revalidation: &Revalidation, content: &Content, outcome: &Outcome, told: bool) {
        let Outcome::Failed(cause) = *outcome else {
            revalidation.attempts().remove(&content.id);
            return;
        };
        let now = self.clock.now();
        let tells = match cause {
            Cause::Outage(reason) | Cause::Ours(reason) if !told && revalidation.is_overdue(content, now) => {
                revalidation.record(Event::Unchecked, content, reason);
                true
            }
            _ => told,
        };
        let stage = Stage::Failed { again: now.plus(RETRY.min(revalidation.interval)), cause };
        revalidation.attempts().insert(content.id.clone(), Attempt { stage, told: tells });
    }
}
