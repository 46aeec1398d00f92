//! The artifact stores of tracking servers and Apps, as AWS tells them along with their states.

use super::Aws;
use super::error::AwsError;
use super::s3::StoreAccess;
use super::s3::store::{ArtifactStore, UnusableStore};
use super::sagemaker::Described;
use super::session_policy::Scope;
use super::states::{StateKey, States};
use super::sts::AssumeRole;
use crate::target::Mint;
use moka::future::Cache;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Each look-up of the state renews it.
const KEPT: Duration = Duration::from_secs(600);
/// The time for which a store is not looked up again after that failed.
const MISSED_FOR: Duration = Duration::from_secs(3);
const MOST: u64 = 10_000;

/// A store, or the reason why it cannot be used.
type Told = Result<Arc<ArtifactStore>, UnusableStore>;

#[derive(Debug)]
pub(super) struct Stores {
    told: Cache<StateKey, Told>,
    missed: Cache<StateKey, AwsError>,
}

/// The reason why there is no store to ask.
#[derive(Clone, Debug)]
pub(crate) enum NoStore {
    /// AWS was not asked, or did not answer.
    Unknown(AwsError),
    Unusable(UnusableStore),
}

impl Stores {
    pub(super) fn new() -> Self {
        let cache = Cache::builder().max_capacity(MOST).time_to_live(KEPT).build();
        Self { told: cache, missed: Cache::builder().max_capacity(MOST).time_to_live(MISSED_FOR).build() }
    }

    /// Keeps the store that AWS has just told.
    pub(super) async fn keep(&self, key: &StateKey, described: &Described) {
        if key.resource.kind().is_mlflow() {
            self.told.insert(key.clone(), read(described)).await;
        }
    }
}

fn read(described: &Described) -> Told {
    let uri = described.artifact_store_uri.as_deref().ok_or(UnusableStore::Untold)?;
    let owner = described.store.as_ref().filter(|store| store.is_verified != Some(false));
    let owner = owner.and_then(|store| store.account_id.as_deref());
    ArtifactStore::parse(uri, owner).map(Arc::new)
}

impl Aws {
    /// The artifact store of an MLflow target, as of some minutes ago at most. The caller has the deadline.
    ///
    /// # Errors
    ///
    /// [`NoStore`]
    pub(crate) async fn artifact_store(&self, mint: &Mint) -> Result<Arc<ArtifactStore>, NoStore> {
        let (states, key) = (&self.states, StateKey::of(mint));
        if let Some(error) = states.stores.missed.get(&key).await {
            return Err(NoStore::Unknown(error));
        }
        let asked = states.stores.told.try_get_with_by_ref(&key, Box::pin(asked(states, &key))).await;
        match asked {
            Ok(told) => told.map_err(NoStore::Unusable),
            Err(error) => {
                states.stores.missed.insert(key, (*error).clone()).await;
                Err(NoStore::Unknown((*error).clone()))
            }
        }
    }

    /// How a person asks the store: in a session of their own for these artifacts and nothing else, as far as their access
    /// goes. Without a role, as the gateway itself.
    pub(crate) fn store_access(
        &self,
        mint: &Mint,
        session_name: String,
        store: Arc<ArtifactStore>,
        endpoint_url: Option<Url>,
    ) -> StoreAccess {
        let session = self.session(mint, session_name).map(|session| {
            let (store, access) = (Arc::clone(&store), mint.access);
            let scope = self.config.scoped_session_policy.then_some(Scope::Artifacts { store, access });
            Arc::new(AssumeRole { scope, ..(*session).clone() })
        });
        StoreAccess { store, region: mint.region.clone(), endpoint_url, session }
    }
}

async fn asked(states: &States, key: &StateKey) -> Result<Told, AwsError> {
    Ok(read(&states.ask(key, true).await?))
}
