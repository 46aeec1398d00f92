//! Limits on calls, and on bytes of their bodies, under way at once: a slow server, large bodies or a person with many
//! programs cannot take the places of others.

use super::error::CallError;
use moka::sync::Cache;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const AT_ONCE: usize = 512;
const OF_A_DESTINATION: usize = AT_ONCE / 2;
const OF_A_PERSON: usize = OF_A_DESTINATION / 2;
/// Bodies are held until they are signed.
const KIB_HELD: usize = 256 * 1024;
/// Longer than any call lasts.
const REMEMBERED: Duration = Duration::from_secs(3600);
const MOST_REMEMBERED: u64 = 100_000;

#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    destinations: Cache<Arc<str>, Arc<Semaphore>>,
    people: Cache<(Arc<str>, Arc<str>, String), Arc<Semaphore>>,
    held: Arc<Semaphore>,
}

/// A call's places, until it is over.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held")] [OwnedSemaphorePermit; 3]);

impl Places {
    pub(super) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(AT_ONCE)),
            destinations: remembered(),
            people: remembered(),
            held: Arc::new(Semaphore::new(KIB_HELD)),
        }
    }

    /// # Errors
    ///
    /// [`CallError::Busy`]
    pub(super) fn take(
        &self,
        destination: &Arc<str>,
        realm: &Arc<str>,
        user: &str,
    ) -> Result<Place, CallError> {
        let key = (Arc::clone(destination), Arc::clone(realm), user.to_owned());
        let of_person = self.people.get_with(key, || Arc::new(Semaphore::new(OF_A_PERSON)));
        let of_destination = Arc::clone(destination);
        let of_destination =
            self.destinations.get_with(of_destination, || Arc::new(Semaphore::new(OF_A_DESTINATION)));
        let one = |places: Arc<Semaphore>| places.try_acquire_owned().map_err(|_| CallError::Busy);
        Ok(Place([one(of_person)?, one(of_destination)?, one(Arc::clone(&self.all))?]))
    }

    /// Reserves memory for a body of at most this many bytes.
    ///
    /// # Errors
    ///
    /// [`CallError::Busy`]
    pub(super) fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, CallError> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        Arc::clone(&self.held).try_acquire_many_owned(kib).map_err(|_| CallError::Busy)
    }
}

fn remembered<K: Hash + Eq + Send + Sync + 'static>() -> Cache<K, Arc<Semaphore>> {
    Cache::builder().max_capacity(MOST_REMEMBERED).time_to_idle(REMEMBERED).build()
}
