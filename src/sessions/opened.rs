//! Cookies and run tokens that were opened before, each with its content.
//!
//! A cookie is known by its digest, so none stays in memory, and only cookies that our own key opened are remembered.
//! The time, ends of sessions and the provider's answers are judged at each request, never from here. The same holds for
//! run tokens.

use super::content::{Content, Home};
use super::selection::{Questions, Unanswered};
use crate::digest::by_digest::ByDigest;
use crate::digest::{Sha256, sha256};
use crate::provider::principal::Principal;
use crate::sessions::revocation::Watched;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// The most memory for the cookies, and as much for the run tokens, by a generous estimate.
const LARGEST: u64 = 16 * 1024 * 1024;
const LONGEST_KEPT: Duration = Duration::from_secs(10 * 60);

/// The cookies, or the run tokens, of one configuration. Each with its weight.
#[derive(Debug)]
pub(super) struct Remembered<T: Send + Sync + 'static>(Cache<Sha256, (Arc<T>, u32), ByDigest>);

/// The content of a cookie, as this configuration understands it.
pub(super) struct Reading {
    pub(super) content: Content,
    pub(super) home: Home,
    pub(super) watched: Watched,
    /// Unanswered if the rules ask for more than the cookie carries.
    pub(super) principal: Result<Arc<Principal>, Unanswered>,
}

impl<T: Send + Sync + 'static> Remembered<T> {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(LARGEST)
            .weigher(|_, (_, weight): &(Arc<T>, u32)| *weight)
            .time_to_live(LONGEST_KEPT);
        Self(cache.build_with_hasher(ByDigest::default()))
    }

    /// The content of the cookie: from memory, or else from `open`, whose success is remembered. `open` tells the size
    /// of the content's text, too.
    pub(super) fn read<E>(
        &self,
        cookie: &[u8],
        open: impl FnOnce() -> Result<(T, usize), E>,
    ) -> Result<Arc<T>, E> {
        let known_by = sha256(cookie);
        if let Some((read, _)) = self.0.get(&known_by) {
            return Ok(read);
        }
        let (read, size) = open()?;
        let read = Arc::new(read);
        self.0.insert(known_by, (Arc::clone(&read), weight(size)));
        Ok(read)
    }
}

/// The fields are stored twice: for the next cookie, and for the rules.
fn weight(size: usize) -> u32 {
    u32::try_from(size.saturating_mul(12).saturating_add(1024)).unwrap_or(u32::MAX)
}

impl Reading {
    pub(super) fn new(content: Content, home: Home, questions: &Questions) -> Self {
        let groups = content.groups(questions);
        let principal = groups.map(|groups| Arc::new(content.principal(&home, groups)));
        Self { watched: content.marks(&home.iss).watched(), content, home, principal }
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reading(..)")
    }
}
