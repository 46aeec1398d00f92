//! The places that keep sessions: the sealed cookie, the record beside it, and the notes of ends.

use super::content::Content;
use super::cookie::{Cookie, LONGEST_SET_COOKIE};
use super::error::SessionError;
use super::record::Records;
use super::revocation::{Ended, Revocations};
use super::seal::{Purpose, Sealer};
use super::selection::Questions;
use crate::clock::Clock;
use crate::config::SessionConfig;
use crate::provider::policy_inputs::PolicyInputs;
use crate::state::{State, Unavailable};
use hyper::header::HeaderValue;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Up to this size all groups and claims are kept, whatever the rules read: then changed rules never lack any.
const COMFORTABLE_SET_COOKIE: usize = 2048;

#[derive(Debug)]
pub(super) struct SessionStore {
    pub(super) sealer: Arc<Sealer>,
    pub(super) cookie: Cookie,
    pub(super) lifetime: Duration,
    pub(super) idle: Duration,
    pub(super) questions: Questions,
    pub(super) revocations: Revocations,
    pub(super) records: Records,
    pub(super) state: State,
    pub(super) clock: Clock,
}

impl SessionStore {
    pub(super) fn new(
        sealer: Arc<Sealer>,
        config: &SessionConfig,
        public_url: &Url,
        reads: &PolicyInputs,
        state: State,
        clock: Clock,
    ) -> Self {
        Self {
            cookie: Cookie::session(public_url),
            lifetime: config.lifetime,
            idle: config.idle,
            questions: Questions::new(reads),
            revocations: Revocations::new(state.clone()),
            records: Records::new(Arc::clone(&sealer), state.clone()),
            sealer,
            state,
            clock,
        }
    }

    /// Notes that something ended now.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]: the sessions may not have ended everywhere.
    pub(super) async fn end(&self, ended: Ended<'_>) -> Result<(), Unavailable> {
        self.revocations.end(ended, self.clock.now()).await
    }

    /// Keeps everything known about the person if that is small, or else the part that the policy reads.
    pub(super) fn fit(&self, whole: Content) -> Result<(Content, HeaderValue), SessionError> {
        let everything = self.set_cookie(&whole);
        if everything.as_ref().is_ok_and(|header| header.len() <= COMFORTABLE_SET_COOKIE) {
            return everything.map(|header| (whole, header));
        }
        let reduced = whole.clone().reduced(&self.questions);
        let selection = self.set_cookie(&reduced);
        let length = |sealed: &Result<HeaderValue, SessionError>| match sealed {
            Ok(header) => header.len(),
            Err(SessionError::TooBig { bytes }) => *bytes,
        };
        if length(&selection) < length(&everything) {
            selection.map(|header| (reduced, header))
        } else {
            everything.map(|header| (whole, header))
        }
    }

    /// The `Set-Cookie` that carries `content`. The browser forgets it when the session would no longer count anyway.
    pub(super) fn set_cookie(&self, content: &Content) -> Result<HeaderValue, SessionError> {
        let left = self.lifetime.saturating_sub(content.last_seen.since(content.established));
        let value = self.sealer.seal(Purpose::Session, &content.to_text());
        match self.cookie.set(&value, self.idle.min(left)) {
            Some(header) if header.len() <= LONGEST_SET_COOKIE => Ok(header),
            Some(header) => Err(SessionError::TooBig { bytes: header.len() }),
            None => Err(SessionError::TooBig { bytes: value.len() }),
        }
    }
}
