//! Cookies that were opened before, each with its content.
//!
//! A cookie is known by its digest, so none stays in memory, and only cookies that our own key opened are remembered.
//! The time, ends of sessions and the provider's answers are judged at each request, never from here.

use super::content::{Content, Home};
use super::selection::{Questions, Unanswered};
use crate::digest::by_digest::ByDigest;
use crate::digest::{Sha256, sha256};
use crate::provider::principal::Principal;
use crate::sessions::revocation::Watched;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// The most memory for these cookies, by a generous estimate.
const LARGEST: u64 = 16 * 1024 * 1024;
const LONGEST_KEPT: Duration = Duration::from_secs(10 * 60);

/// The cookies of one configuration.
#[derive(Debug)]
pub(super) struct OpenedCookies(Cache<Sha256, Arc<Reading>, ByDigest>);

/// The content of a cookie, as this configuration understands it.
pub(super) struct Reading {
    pub(super) content: Content,
    pub(super) home: Home,
    pub(super) watched: Watched,
    /// Unanswered if the rules ask for more than the cookie carries.
    pub(super) principal: Result<Arc<Principal>, Unanswered>,
    size: usize,
}

impl OpenedCookies {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(LARGEST)
            .weigher(|_, reading: &Arc<Reading>| reading.weight())
            .time_to_live(LONGEST_KEPT);
        Self(cache.build_with_hasher(ByDigest::default()))
    }

    /// The content of the cookie: from memory, or else from `open`, whose success is remembered.
    pub(super) fn read<E>(
        &self,
        cookie: &[u8],
        open: impl FnOnce() -> Result<Reading, E>,
    ) -> Result<Arc<Reading>, E> {
        let known_by = sha256(cookie);
        if let Some(reading) = self.0.get(&known_by) {
            return Ok(reading);
        }
        let reading = Arc::new(open()?);
        self.0.insert(known_by, Arc::clone(&reading));
        Ok(reading)
    }
}

impl Reading {
    /// `size` is the size of the text that `content` was parsed from.
    pub(super) fn new(content: Content, home: Home, questions: &Questions, size: usize) -> Self {
        let groups = content.groups(questions);
        let principal = groups.map(|groups| Arc::new(content.principal(&home, groups)));
        Self { watched: content.marks().watched(), content, home, principal, size }
    }

    /// The fields are stored twice: for the next cookie, and for the rules.
    fn weight(&self) -> u32 {
        u32::try_from(self.size.saturating_mul(12).saturating_add(1024)).unwrap_or(u32::MAX)
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reading(..)")
    }
}
