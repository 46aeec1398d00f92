//! Take-once slots: URLs minted ahead, each waiting for the one request that will use it.
//!
//! The map owns its URLs and gives them away by value, so the types prove that no URL is handed out twice.
//!
//! A slot belongs to one session, and the shared state is asked about each request's session before anything else. So a
//! URL dies with its session, however and at whichever replica the session ended: no request can reach the URL any
//! more, and it is wiped when its time is over.

use super::authorized_url::AuthorizedUrl;
use super::presigned::{MintFacts, Presigned};
use crate::clock::Clock;
use crate::metrics::series::Slots as Counted;
use crate::policy::grant::Grant;
use crate::sessions::SessionId;
use crate::target::{EXPIRES_IN_SECONDS, Mint, Target};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Beyond this number of slots at one replica, people's URLs are minted on demand.
const MOST_SLOTS: usize = 4096;
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The person and the input of a slot. Every value that changes the answer is part of the key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SlotKey {
    session: SessionId,
    /// The provider may have renamed a session's person since.
    realm: Arc<str>,
    user: String,
    mint: Mint,
}

#[derive(Debug)]
pub(super) struct Slots {
    table: Mutex<Table>,
    clock: Clock,
    counted: Counted,
}

#[derive(Debug, Default)]
struct Table {
    slots: HashMap<SlotKey, Slot>,
    /// Numbers the fillings, so that a forgotten filling is never taken for a later one.
    fillings: u64,
}

#[derive(Debug)]
enum Slot {
    /// The filler with this number has the place. Removing the entry makes the filler's URL unwanted.
    Filling(u64),
    Filled(Filled),
}

#[derive(Debug)]
struct Filled {
    url: AuthorizedUrl,
    facts: MintFacts,
    /// By both clocks: the monotonic one does not count while the machine sleeps, the other may be set back.
    life: Duration,
    since: Instant,
    since_by_clock: SystemTime,
}

/// The right to fill one slot. Dropped unused, it frees the place.
#[derive(Debug)]
pub(super) struct Filling {
    slots: Arc<Slots>,
    key: SlotKey,
    number: u64,
    life: Duration,
    since: Instant,
    since_by_clock: SystemTime,
}

/// The time for which an unused URL of this target is kept: half of the life that AWS gives it, or `None` if AWS
/// documents no default and the config names none.
pub(super) fn life(target: &Target) -> Option<Duration> {
    let said = target.seconds(EXPIRES_IN_SECONDS).map(i32::unsigned_abs);
    let seconds = said.or(target.kind().description().documented_life)?;
    Some(Duration::from_secs(seconds.into()) / 2)
}

impl SlotKey {
    pub(super) fn of(grant: &Grant, session: &SessionId) -> Self {
        let (session, person) = (session.clone(), grant.principal());
        let (realm, user) = (Arc::clone(&person.realm), person.user.clone());
        Self { session, realm, user, mint: grant.mint().clone() }
    }
}

impl Slots {
    /// Sweeps itself once a second for as long as it is in use, so that no URL outlives its slot in memory.
    pub(super) fn new(clock: Clock, counted: Counted) -> Arc<Self> {
        let slots = Arc::new(Self { table: Mutex::default(), clock, counted });
        let weak = Arc::downgrade(&slots);
        tokio::spawn(async move {
            while let Some(slots) = weak.upgrade() {
                slots.sweep();
                drop(slots);
                tokio::time::sleep(SWEEP_EVERY).await;
            }
        });
        slots
    }

    /// Empties the slot. Never waits: a slot that is still being filled has no URL to take.
    pub(super) fn take(&self, key: &SlotKey) -> Option<Presigned> {
        let mut table = self.lock();
        let Slot::Filled(_) = table.slots.get(key)? else { return None };
        let Some(Slot::Filled(filled)) = table.slots.remove(key) else { return None };
        drop(table);
        let is_alive = filled.alive(&self.clock);
        if is_alive { &self.counted.taken } else { &self.counted.expired }.inc();
        let facts = MintFacts { from_slot: true, ..filled.facts };
        is_alive.then_some(Presigned { url: filled.url, facts })
    }

    /// Reserves the slot for a URL whose life counts from now, unless it is filled, being filled, or there are too many.
    pub(super) fn reserve(self: &Arc<Self>, key: SlotKey, life: Duration) -> Option<Filling> {
        let mut table = self.lock();
        if table.slots.contains_key(&key) {
            return None;
        }
        if table.slots.len() >= MOST_SLOTS {
            self.counted.no_room.inc();
            return None;
        }
        table.fillings += 1;
        let number = table.fillings;
        table.slots.insert(key.clone(), Slot::Filling(number));
        drop(table);
        let since_by_clock = self.clock.now_system();
        Some(Filling { slots: Arc::clone(self), key, number, life, since: Instant::now(), since_by_clock })
    }

    /// Drops every slot of a session, filled or being filled.
    pub(super) fn forget(&self, session: &SessionId) {
        self.lock().slots.retain(|key, slot| {
            let is_of_it = key.session == *session;
            if is_of_it && matches!(slot, Slot::Filled(_)) {
                self.counted.forgotten.inc();
            }
            !is_of_it
        });
    }

    #[cfg(test)]
    pub(super) fn filled(&self) -> usize {
        self.lock().slots.values().filter(|slot| matches!(slot, Slot::Filled(_))).count()
    }

    fn sweep(&self) {
        self.lock().slots.retain(|_, slot| match slot {
            Slot::Filling(_) => true,
            Slot::Filled(filled) => {
                let is_alive = filled.alive(&self.clock);
                if !is_alive {
                    self.counted.expired.inc();
                }
                is_alive
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change under the lock leaves the table consistent, so a poisoned lock is harmless.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filled {
    fn alive(&self, clock: &Clock) -> bool {
        let by_clock = clock.now_system().duration_since(self.since_by_clock).unwrap_or_default();
        self.since.elapsed() < self.life && by_clock < self.life
    }
}

impl Filling {
    /// Puts the URL into the slot, if the person was not forgotten in the meantime.
    pub(super) fn fill(self, presigned: Presigned) {
        let mut table = self.slots.lock();
        if let Some(slot) = table.slots.get_mut(&self.key)
            && matches!(slot, Slot::Filling(number) if *number == self.number)
        {
            self.slots.counted.filled.inc();
            *slot = Slot::Filled(Filled {
                url: presigned.url,
                facts: presigned.facts,
                life: self.life,
                since: self.since,
                since_by_clock: self.since_by_clock,
            });
        }
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        let mut table = self.slots.lock();
        if matches!(table.slots.get(&self.key), Some(Slot::Filling(number)) if *number == self.number) {
            table.slots.remove(&self.key);
        }
    }
}
