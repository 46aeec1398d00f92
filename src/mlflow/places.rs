//! Limits on calls, and on bytes of their bodies, under way at once: a slow server, large bodies or a person with many
//! programs cannot take the places of others.

use super::error::CallError;
use crate::provider::principal::Principal;
use moka::sync::Cache;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const AT_ONCE: usize = 512;
const OF_A_DESTINATION: usize = AT_ONCE / 2;
/// At all destinations together.
const OF_A_PERSON: usize = OF_A_DESTINATION / 2;
/// Bodies are held until the answer begins.
const KIB_HELD: usize = 256 * 1024;
const KIB_OF_A_PERSON: usize = KIB_HELD / 4;
/// The time that one file may take, in either direction.
pub(super) const LONGEST_TRANSFER: Duration = Duration::from_secs(6 * 3600);
/// Longer than any call lasts.
const REMEMBERED: Duration = Duration::from_secs(7 * 3600);
const _: () = assert!(REMEMBERED.as_secs() > LONGEST_TRANSFER.as_secs());
const MOST_REMEMBERED: u64 = 100_000;

#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    destinations: Cache<Arc<str>, Arc<Semaphore>>,
    people: Cache<Person, Arc<Semaphore>>,
    held: Arc<Semaphore>,
    held_by: Cache<Person, Arc<Semaphore>>,
}

/// Realm and user.
type Person = (Arc<str>, String);

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
            held_by: remembered(),
        }
    }

    /// # Errors
    ///
    /// [`CallError::Busy`]
    pub(super) fn take(&self, destination: &Arc<str>, person: &Principal) -> Result<Place, CallError> {
        let of_person = semaphore(&self.people, key(person), OF_A_PERSON);
        let of_destination = semaphore(&self.destinations, Arc::clone(destination), OF_A_DESTINATION);
        let one = |places: Arc<Semaphore>| places.try_acquire_owned().map_err(|_| CallError::Busy);
        Ok(Place([one(of_person)?, one(of_destination)?, one(Arc::clone(&self.all))?]))
    }

    /// Reserves memory for a body of at most this many bytes.
    ///
    /// # Errors
    ///
    /// [`CallError::Busy`]
    pub(super) fn room(&self, bytes: usize, person: &Principal) -> Result<Room, CallError> {
        let of_person = semaphore(&self.held_by, key(person), KIB_OF_A_PERSON);
        let some =
            |held: Arc<Semaphore>| held.try_acquire_many_owned(kib(bytes)).map_err(|_| CallError::Busy);
        Ok(Room([some(of_person)?, some(Arc::clone(&self.held))?]))
    }
}

/// Memory for a body, until this is dropped.
#[derive(Debug)]
pub(super) struct Room([OwnedSemaphorePermit; 2]);

impl Room {
    /// Gives back what a body of this many bytes does not need.
    pub(super) fn shrink(&mut self, bytes: usize) {
        for permit in &mut self.0 {
            drop(permit.split(permit.num_permits().saturating_sub(kib(bytes) as usize)));
        }
    }
}

fn key(person: &Principal) -> Person {
    (Arc::clone(&person.realm), person.user.clone())
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

fn semaphore<K: Hash + Eq + Send + Sync + 'static>(
    of: &Cache<K, Arc<Semaphore>>,
    key: K,
    places: usize,
) -> Arc<Semaphore> {
    of.get_with(key, || Arc::new(Semaphore::new(places)))
}

fn remembered<K: Hash + Eq + Send + Sync + 'static>() -> Cache<K, Arc<Semaphore>> {
    Cache::builder().max_capacity(MOST_REMEMBERED).time_to_idle(REMEMBERED).build()
}
