//! The artifact stores of tracking servers and Apps, as AWS tells them along with their states.

use super::error::AwsError;
use super::s3::store::{ArtifactStore, UnusableStore};
use super::sagemaker::Described;
use crate::target::Kind;
use moka::future::Cache;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// Each look-up of the state renews it.
const KEPT: Duration = Duration::from_secs(600);
/// The time for which a store is not looked up again after that failed.
const MISSED_FOR: Duration = Duration::from_secs(3);
const MOST: u64 = 10_000;

/// A store, or the reason why it cannot be used.
pub(super) type Told = Result<Arc<ArtifactStore>, UnusableStore>;

/// Kept by the key of the target's state.
#[derive(Debug)]
pub(super) struct Stores<Key: Clone + Hash + Eq + Send + Sync + 'static> {
    pub(super) told: Cache<Key, Told>,
    pub(super) missed: Cache<Key, AwsError>,
}

/// The reason why there is no store to ask.
#[derive(Clone, Debug)]
pub(crate) enum NoStore {
    /// AWS was not asked, or did not answer.
    Unknown(AwsError),
    Unusable(UnusableStore),
}

impl<Key: Clone + Hash + Eq + Send + Sync + 'static> Stores<Key> {
    pub(super) fn new() -> Self {
        let cache = Cache::builder().max_capacity(MOST).time_to_live(KEPT).build();
        Self { told: cache, missed: Cache::builder().max_capacity(MOST).time_to_live(MISSED_FOR).build() }
    }

    /// Keeps the store that AWS has just told.
    pub(super) async fn keep(&self, key: &Key, kind: Kind, described: &Described) {
        if kind.is_mlflow() {
            self.told.insert(key.clone(), read(described)).await;
        }
    }
}

/// The store in AWS's answer about a target.
pub(super) fn read(described: &Described) -> Told {
    let uri = described.artifact_store_uri.as_deref().ok_or(UnusableStore::Untold)?;
    let owner = described.store.as_ref().filter(|store| store.is_verified != Some(false));
    let owner = owner.and_then(|store| store.account_id.as_deref());
    ArtifactStore::parse(uri, owner).map(Arc::new)
}
