//! The rate at which one person may mint or make run tokens, by the generic cell rate algorithm, which needs one instant
//! per person. After a pause, a person may use a whole minute's allowance at once, and continues at the even rate.
//!
//! Replicas that share state count together; while the state is unavailable, each counts for itself.

use crate::provider::principal::Principal;
use crate::state::{Key, Namespace, State};
use moka::sync::Cache;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// People counted at once. A forgotten person starts with a full allowance.
const MOST_PEOPLE: u64 = 100_000;
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Rate {
    /// Names the allowance in the shared state.
    action: &'static str,
    state: State,
    /// The instant at which a person's allowance is whole again, by (realm, user).
    whole_again: Cache<(Arc<str>, String), Arc<Mutex<Instant>>>,
    interval: Duration,
}

impl Rate {
    /// At most `per_minute` in any burst, refilled evenly.
    pub(super) fn new(action: &'static str, per_minute: u32, state: State) -> Self {
        // After this pause the allowance is whole again, so the entry is no longer needed.
        let whole_again = Cache::builder().max_capacity(MOST_PEOPLE).time_to_idle(WINDOW).build();
        Self { action, state, whole_again, interval: WINDOW / per_minute.max(1) }
    }

    /// Whether the limit is already `per_minute`.
    pub(super) fn is_at(&self, per_minute: u32) -> bool {
        self.interval == WINDOW / per_minute.max(1)
    }

    /// # Errors
    ///
    /// The rate is exceeded; the wait until the next action is allowed.
    pub(super) async fn take(&self, principal: &Principal) -> Result<(), Duration> {
        let key = || Key::new(Namespace::Rate, &[self.action, &principal.realm, &principal.user]);
        match self.state.take(key, self.interval, WINDOW).await {
            Some(taken) => taken,
            None => self.take_here(principal),
        }
    }

    fn take_here(&self, principal: &Principal) -> Result<(), Duration> {
        let key = (Arc::clone(&principal.realm), principal.user.clone());
        let now = Instant::now();
        let whole_again = self.whole_again.get_with(key, || Arc::new(Mutex::new(now)));
        // Held from the check to the change, so that two requests never use the same allowance.
        let mut whole_again = whole_again.lock().unwrap_or_else(PoisonError::into_inner);
        let then = now.max(*whole_again) + self.interval;
        match then.duration_since(now).checked_sub(WINDOW) {
            Some(over) if !over.is_zero() => Err(over),
            _ => {
                *whole_again = then;
                Ok(())
            }
        }
    }
}
