//! Asks the provider again whether it still confirms a session, and for its current claims about the person.
//!
//! OpenID Connect Core 1.0, section 12; RFC 6749, section 6. The refresh token is in the session's
//! [`Record`](super::record::Record); each session is asked about by one task of one replica at a time. A person who is
//! not confirmed goes through sign-in. During an outage sessions go on until it is over; if this gateway's client is at
//! fault, they go on for `session.unconfirmed` at most.

mod report;
mod turn;

use self::report::Report;
use self::turn::{Cause, Outcome, PATIENCE, Turns};
use super::content::Content;
use super::error::Unusable;
use super::session_id::SessionId;
use super::store::SessionStore;
use crate::audit::{Audit, Event};
use crate::clock::UnixSeconds;
use crate::config::RevalidationConfig;
use crate::metrics::Metrics;
use crate::provider::relying_party::RelyingParty;
use crate::state::Unavailable;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The least time between two tries for one session.
const RETRY: Duration = Duration::from_secs(30);
/// Sessions that are remembered as under way or failed. Further ones wait for their turn.
const MOST_IN_PROGRESS: usize = 16_384;

#[derive(Debug)]
pub(super) struct Revalidation {
    turns: Turns,
    /// The progress by session, while the provider is asked or shortly after that failed.
    progress: Mutex<HashMap<SessionId, Progress>>,
}

#[derive(Debug)]
struct Progress {
    stage: Stage,
    /// The audit trail has a record that the session goes on unchecked.
    told: bool,
}

#[derive(Debug)]
enum Stage {
    UnderWay(watch::Receiver<Option<Outcome>>),
    Failed { again: UnixSeconds, cause: Cause },
}

/// The provider's view of a session.
pub(super) enum Standing {
    /// The content of the cookie counts.
    AsItIs,
    /// The cookie is to have this content from now on.
    Newer(Box<Content>),
    Unusable(Unusable),
    /// It is not known now whether the session counts.
    Unknown,
}

impl Revalidation {
    pub(super) fn new(
        store: Arc<SessionStore>,
        config: RevalidationConfig,
        party: Arc<RelyingParty>,
        metrics: Arc<Metrics>,
        audit: Audit,
    ) -> Self {
        let turns = Turns::new(store, config, party, Report::new(metrics, audit));
        Self { turns, progress: Mutex::default() }
    }

    /// Notes whether a sign-in brought a refresh token.
    pub(super) fn expects(&self, has_refresh_token: bool) {
        self.turns.report.expects(has_refresh_token);
    }

    /// Ensures that the provider still confirms a session. It is asked in the background. If the last answer is older
    /// than twice the interval, the request waits, so that nothing is opened on older knowledge while the provider
    /// answers.
    pub(super) async fn standing(self: &Arc<Self>, content: &Content) -> Standing {
        let now = self.turns.store.clock.now();
        if self.turns.is_due(content, now) {
            Box::pin(self.standing_when_due(content, now)).await
        } else {
            Standing::AsItIs
        }
    }

    async fn standing_when_due(self: &Arc<Self>, content: &Content, now: UnixSeconds) -> Standing {
        let record = match self.turns.store.records.load(&content.id).await {
            Ok(Some(record)) => record,
            Ok(None) => return Standing::Unusable(Unusable::Unconfirmed),
            Err(Unavailable) => return Standing::Unknown,
        };
        let noted = record.content.as_deref().and_then(Content::parse);
        let newer = noted.filter(|noted| noted.validated > content.validated);
        let newer = newer.map(|newer| content.followed_by(newer));
        let content = newer.as_ref().unwrap_or(content);
        let as_it_is = |newer: Option<Content>| match newer {
            Some(newer) => Standing::Newer(Box::new(newer)),
            None => Standing::AsItIs,
        };
        if !self.turns.is_due(content, now) {
            return as_it_is(newer);
        }
        if record.refresh_token.is_none() {
            return Standing::Unusable(Unusable::Unconfirmed);
        }
        let waits = self.turns.is_overdue(content, now) && !self.turns.report.is_dark();
        let mut turn = match self.turn_under_way(content) {
            Ok(turn) if waits => turn,
            Ok(_) => return as_it_is(newer),
            Err(cause) => return self.goes_on(content, as_it_is(newer.clone()), cause).await,
        };
        let outcome = match tokio::time::timeout(PATIENCE, turn.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone(),
            // The task died.
            Ok(Err(_)) => Some(Outcome::Failed(Cause::Ours("failed"))),
            Err(_) => None,
        };
        match outcome {
            Some(Outcome::Confirmed(text)) => match Content::parse(&text) {
                Some(told) => Standing::Newer(Box::new(content.followed_by(told))),
                None => as_it_is(newer),
            },
            Some(Outcome::Withdrawn) => Standing::Unusable(Unusable::Withdrawn),
            Some(Outcome::Failed(cause)) => self.goes_on(content, as_it_is(newer.clone()), cause).await,
            None => as_it_is(newer),
        }
    }

    /// `standing`, unless the fault is ours and has lasted too long.
    async fn goes_on(&self, content: &Content, standing: Standing, cause: Cause) -> Standing {
        match cause {
            Cause::Ours(_) if self.turns.is_unconfirmed(content, self.turns.store.clock.now()) => {
                self.turns.withdraw(content, "unconfirmed", None).await;
                Standing::Unusable(Unusable::Withdrawn)
            }
            Cause::Ours(_) | Cause::Outage(_) | Cause::Untold => standing,
        }
    }

    /// The turn under way for a session, or a new one.
    ///
    /// # Errors
    ///
    /// The reason why no turn begins now: one has just failed, or too many did.
    fn turn_under_way(
        self: &Arc<Self>,
        content: &Content,
    ) -> Result<watch::Receiver<Option<Outcome>>, Cause> {
        let now = self.turns.store.clock.now();
        let mut progress = self.progress();
        let before = progress.get(&content.id);
        match before.map(|progress| &progress.stage) {
            // A turn whose task died does not count.
            Some(Stage::UnderWay(turn)) if turn.has_changed().is_ok() => return Ok(turn.clone()),
            Some(Stage::Failed { again, cause }) if now < *again => return Err(*cause),
            _ => {}
        }
        let told = before.is_some_and(|progress| progress.told);
        if progress.len() >= MOST_IN_PROGRESS {
            progress.retain(|_, progress| match &progress.stage {
                Stage::UnderWay(turn) => turn.has_changed().is_ok(),
                Stage::Failed { again, .. } => now < *again,
            });
            if progress.len() >= MOST_IN_PROGRESS {
                let is_outage = self.turns.report.is_dark();
                return Err(if is_outage { Cause::Outage("crowded") } else { Cause::Ours("crowded") });
            }
        }
        let (tell, turn) = watch::channel(None);
        let stage = Stage::UnderWay(turn.clone());
        progress.insert(content.id.clone(), Progress { stage, told });
        drop(progress);
        let (revalidation, content) = (Arc::clone(self), content.clone());
        tokio::spawn(async move {
            let outcome = revalidation.turns.take_turn(&content).await;
            revalidation.note(&content, &outcome, told);
            tell.send_replace(Some(outcome));
        });
        Ok(turn)
    }

    /// Remembers that a turn failed. The audit trail records only once that a session goes on unchecked.
    fn note(&self, content: &Content, outcome: &Outcome, told: bool) {
        let Outcome::Failed(cause) = *outcome else {
            self.progress().remove(&content.id);
            return;
        };
        let now = self.turns.store.clock.now();
        let tells = match cause {
            Cause::Outage(reason) | Cause::Ours(reason) if !told && self.turns.is_overdue(content, now) => {
                self.turns.report.record(Event::Unchecked, content, reason);
                true
            }
            _ => told,
        };
        let stage = Stage::Failed { again: now.plus(RETRY.min(self.turns.interval())), cause };
        self.progress().insert(content.id.clone(), Progress { stage, told: tells });
    }

    fn progress(&self) -> MutexGuard<'_, HashMap<SessionId, Progress>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
