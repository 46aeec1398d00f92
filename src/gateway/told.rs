//! Calls that the audit trail has recorded already.

use crate::target::Access;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// The calls that were recorded lately. Of calls that are alike, one is recorded each minute.
#[derive(Debug)]
pub(super) struct Told(Cache<Alike, ()>);

/// The parts by which two calls are alike.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Alike {
    pub(super) destination: Arc<str>,
    pub(super) realm: Arc<str>,
    pub(super) user: String,
    /// The run token that was used.
    pub(super) token: Option<String>,
    /// The rule that decided.
    pub(super) rule: Option<Arc<str>>,
    /// The class of access that the endpoint needs.
    pub(super) needs: Option<Access>,
    pub(super) outcome: Option<&'static str>,
}

const TOLD_FOR: Duration = Duration::from_secs(60);
const MOST_TOLD: u64 = 100_000;

impl Told {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MOST_TOLD).time_to_live(TOLD_FOR).build())
    }

    /// Whether this is the first such call for a minute.
    pub(super) fn is_first(&self, call: Alike) -> bool {
        self.0.entry(call).or_insert(()).is_fresh()
    }
}
