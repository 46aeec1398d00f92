//! Tokens that were verified before, each with its person.
//!
//! A token is known by its digest, so no token stays in memory. A failure is never remembered, and a token counts only
//! while the keys that proved it are in force and it has not expired.

use crate::clock::UnixSeconds;
use crate::digest::by_digest::ByDigest;
use crate::digest::{Sha256, sha256};
use crate::provider::principal::Principal;
use crate::tokens::claims::Expected;
use moka::sync::Cache;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The bytes of memory for the verified tokens of one issuer, by a generous estimate.
const LARGEST: u64 = 32 * 1024 * 1024;
const LONGEST_KEPT: Duration = Duration::from_secs(10 * 60);

/// The tokens of one issuer.
#[derive(Debug)]
pub(crate) struct TokenCache(Cache<CacheKey, Arc<CachedToken>, ByDigest>);

/// A token that was presented in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    token: Sha256,
    presented: Presentation,
}

/// How a token that stands for a person came with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Presentation {
    Bearer,
    SignedHeader,
}

/// The person whom a verified token stands for, and the time for which it counts.
#[derive(Debug)]
pub(crate) struct CachedToken {
    pub(crate) principal: Arc<Principal>,
    /// The set of keys that proves the token, and the key that the token names.
    pub(crate) keys: Sha256,
    pub(crate) key_id: Option<String>,
    /// From the verification to `exp`. A clock that was set back leaves it, and the token is verified again.
    pub(crate) counts: Range<UnixSeconds>,
    /// Bytes of the token's payload.
    pub(crate) size: usize,
}

impl CacheKey {
    pub(crate) fn new(token: &str, presented: Presentation) -> Self {
        Self { token: sha256(token.as_bytes()), presented }
    }

    /// The requirements for a token that is presented so.
    pub(crate) fn expected(&self) -> Expected<'static> {
        match self.presented {
            Presentation::Bearer => Expected::Bearer,
            Presentation::SignedHeader => Expected::SignedHeader,
        }
    }
}

impl TokenCache {
    pub(crate) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(LARGEST)
            .weigher(|_, token: &Arc<CachedToken>| token.weight())
            .time_to_live(LONGEST_KEPT);
        Self(cache.build_with_hasher(ByDigest::default()))
    }

    pub(crate) fn find(&self, key: &CacheKey) -> Option<Arc<CachedToken>> {
        self.0.get(key)
    }

    pub(crate) fn keep(&self, key: CacheKey, token: CachedToken) {
        self.0.insert(key, Arc::new(token));
    }
}

impl CachedToken {
    /// Parsed JSON takes a few times its text.
    fn weight(&self) -> u32 {
        u32::try_from(self.size.saturating_mul(6).saturating_add(1024)).unwrap_or(u32::MAX)
    }
}
