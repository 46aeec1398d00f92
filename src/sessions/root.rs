//! The session that a run token was made in.

use super::content::Content;
use super::revocation::Seen;
use super::session_id::SessionId;
use crate::clock::UnixSeconds;
use std::sync::Arc;

/// The parts of a session by which a run token ends with it. Its idle time and its lifetime are not among them: a run goes
/// on while its person sleeps.
#[derive(Clone, Debug)]
pub struct Root {
    pub(super) session: SessionId,
    pub(super) provider_session: Option<Arc<str>>,
    pub(super) established: UnixSeconds,
    pub(super) seen: Seen,
}

impl Root {
    pub fn established(&self) -> UnixSeconds {
        self.established
    }

    pub(super) fn of(content: &Content) -> Self {
        let marks = content.marks();
        Self {
            session: content.id.clone(),
            provider_session: content.provider_session.clone(),
            established: marks.established,
            seen: marks.seen,
        }
    }
}
