//! How often one sign-in asks the token endpoint: its callback may be sent any number of times, by anybody who has it.

use super::attempt::LIFETIME;
use crate::state::{Key, Namespace, State};
use moka::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A page that tries again while the provider is out of order does so a few times.
const MOST: u32 = 8;
/// Attempts counted at once.
const MOST_ATTEMPTS: u64 = 32_768;

/// The calls of each attempt: replicas that share state count together, and each by itself, too.
#[derive(Debug)]
pub(super) struct Calls {
    state: State,
    made: Cache<Arc<str>, Arc<AtomicU32>>,
}

impl Calls {
    pub(super) fn new(state: State) -> Self {
        Self { state, made: Cache::builder().max_capacity(MOST_ATTEMPTS).time_to_live(LIFETIME).build() }
    }

    /// Whether the attempt of this nonce may make one more.
    pub(super) async fn may_call(&self, nonce: &str) -> bool {
        let made = self.made.get_with(Arc::from(nonce), Arc::default).fetch_add(1, Ordering::Relaxed);
        if made == MOST {
            tracing::warn!(
                "sign-in.repeated: one callback came too often; the token endpoint is asked no more for it"
            );
        }
        // Stops there, and never wraps.
        if made >= MOST {
            self.made.get_with(Arc::from(nonce), Arc::default).fetch_min(MOST + 1, Ordering::Relaxed);
            return false;
        }
        let key = || Key::new(Namespace::Rate, &["attempt", nonce]);
        !matches!(self.state.take(key, LIFETIME / MOST, LIFETIME).await, Some(Err(_)))
    }
}
