//! Reports of revalidation to the log, the metrics and the audit trail. The log has one line for all sessions.

use crate::audit::{Audit, Event, Record as AuditRecord};
use crate::clock::UnixSeconds;
use crate::metrics::Metrics;
use crate::provider::error::ProviderError;
use crate::sessions::content::Content;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The least time between two lines in the log about a fault of our client.
const REMINDER: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Report {
    /// The provider did not answer the last time: nobody waits for it, and the outage was logged.
    dark: AtomicBool,
    /// The time of the last line in the log about a fault of our client, in Unix time.
    reminded: AtomicU64,
    told_of_no_refresh_token: AtomicBool,
    told_of_nothing_said: AtomicBool,
    metrics: Arc<Metrics>,
    audit: Audit,
}

impl Report {
    pub(super) fn new(metrics: Arc<Metrics>, audit: Audit) -> Self {
        Self {
            dark: AtomicBool::new(false),
            reminded: AtomicU64::new(0),
            told_of_no_refresh_token: AtomicBool::new(false),
            told_of_nothing_said: AtomicBool::new(false),
            metrics,
            audit,
        }
    }

    /// The provider did not answer the last time.
    pub(super) fn is_dark(&self) -> bool {
        self.dark.load(Ordering::Relaxed)
    }

    /// Logs once that the provider gives no refresh tokens.
    pub(super) fn expects(&self, has_refresh_token: bool) {
        if !has_refresh_token && !self.told_of_no_refresh_token.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "revalidation.no-refresh-token: the provider gave none, so sessions end after `session.revalidate` and \
                 go through sign-in; it may ask for the scope offline_access"
            );
        }
    }

    /// Logs once that the provider's refreshes have no claims about people.
    pub(super) fn tell_of(&self, error: Option<&ProviderError>) {
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

    /// The provider or the shared state is away.
    pub(super) fn unanswered(&self, cause: &str) {
        self.metrics.sessions.revalidation_failed.inc();
        if !self.dark.swap(true, Ordering::Relaxed) {
            tracing::warn!(cause, "revalidation.failed: sessions go on until the provider answers again");
        }
    }

    /// The provider is there, and the fault is with this gateway's client.
    pub(super) fn refused(&self, error: &ProviderError, unconfirmed: Duration, now: UnixSeconds) {
        self.metrics.sessions.revalidation_failed.inc();
        self.metrics.sessions.revalidation_refused.inc();
        let last = self.reminded.load(Ordering::Relaxed);
        if now.0.abs_diff(last) < REMINDER.as_secs() || self.reminded.swap(now.0, Ordering::Relaxed) != last {
            return;
        }
        let unconfirmed_seconds = unconfirmed.as_secs();
        tracing::error!(
            %error,
            unconfirmed_seconds,
            "revalidation.refused: the provider refuses this client, not the person; sessions end where that lasts for \
             `session.unconfirmed`"
        );
    }

    /// Names the person of a session that ended or goes on unchecked.
    pub(super) fn record(&self, event: Event, content: &Content, reason: &'static str) {
        self.audit.record(&AuditRecord {
            issuer: Some(&content.issuer),
            subject: Some(&content.subject),
            user: Some(&content.user),
            reason: Some(reason),
            ..AuditRecord::new(event)
        });
    }

    pub(super) fn answered(&self) {
        if self.dark.swap(false, Ordering::Relaxed) {
            tracing::info!("revalidation.recovered");
        }
    }

    /// The provider confirms a session.
    pub(super) fn confirmed(&self) {
        self.answered();
        self.metrics.sessions.revalidated.inc();
    }

    /// The provider does not confirm a session, which has ended.
    pub(super) fn withdrawn(
        &self,
        content: &Content,
        reason: &'static str,
        error: Option<&ProviderError>,
        everywhere: bool,
    ) {
        let cause = error.map(tracing::field::display);
        tracing::info!(reason, cause, everywhere, "session.withdrawn");
        self.metrics.sessions.withdrawn.inc();
        self.record(Event::Withdraw, content, reason);
    }
}
