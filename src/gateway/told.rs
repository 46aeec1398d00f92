//! Calls that the audit trail has recorded already.

use crate::policy::grant::Grant;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// The calls that were recorded lately: one per person and destination is recorded each minute.
#[derive(Debug)]
pub(super) struct Told(Cache<(Arc<str>, Arc<str>, String), ()>);

const TOLD_FOR: Duration = Duration::from_secs(60);
const MOST_TOLD: u64 = 100_000;

impl Told {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MOST_TOLD).time_to_live(TOLD_FOR).build())
    }

    /// Whether this is the person's first call there for a minute.
    pub(super) fn is_first(&self, grant: &Grant) -> bool {
        let person = grant.principal();
        let key = (Arc::clone(grant.destination()), Arc::clone(&person.realm), person.user.clone());
        self.0.entry(key).or_insert(()).is_fresh()
    }
}
