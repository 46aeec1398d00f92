//! A limit on one sign-in's calls of the token endpoint: anybody who has its callback may send it any number of times.

use super::attempt::LIFETIME;
use crate::state::{Key, Namespace, State};
use moka::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A page that retries while the provider is out of order needs a few calls.
const MOST: u32 = 8;
/// The most attempts counted at once.
const MOST_ATTEMPTS: u64 = 32_768;

/// The calls of each attempt: replicas that share state count together, and each one also by itself.
#[derive(Debug)]
pub(super) struct Calls {
    state: State,
    made: Cache<Arc<str>, Arc<AtomicU32>>,
}

impl Calls {
    pub(super) fn new(state: State) -> Self {
        Self { state, made: Cache::builder().max_capacity(MOST_ATTEMPTS).time_to_live(LIFETIME).build() }
    }

    /// Whether the attempt with this nonce may make one more call.
    pub(super) async fn may_call(&self, nonce: &str) -> bool {
        let made = self.made.get_with(Arc::from(nonce), Arc::default).fetch_add(1, Ordering::Relaxed);
        if made == MOST {
            tracing::warn!(
                "sign-in.repeated: one callback came too often; the token endpoint is asked no more for it"
            );
        }
        // Stops at the limit, so the count never wraps.
        if made >= MOST {
            self.made.get_with(Arc::from(nonce), Arc::default).fetch_min(MOST + 1, Ordering::Relaxed);
            return false;
        }
        let key = || Key::new(Namespace::Rate, &["attempt", nonce]);
        !matches!(self.state.take(key, LIFETIME / MOST, LIFETIME).await, Some(Err(_)))
    }
}
