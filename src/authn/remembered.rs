//! A bounded memory of what happened lately.

use crate::clock::UnixSeconds;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Keys with the time each was last noted: for `keep`, and at most `capacity` of them. The oldest go first.
///
/// A cache would be shorter, but a cache may turn away the newest entry to keep a popular one.
#[derive(Debug)]
pub(super) struct Remembered<K> {
    keep: Duration,
    capacity: usize,
    entries: Mutex<Entries<K>>,
}

#[derive(Debug)]
struct Entries<K> {
    noted: HashMap<K, UnixSeconds>,
    order: VecDeque<(UnixSeconds, K)>,
}

impl<K: Clone + Eq + Hash> Remembered<K> {
    pub(super) fn new(keep: Duration, capacity: usize) -> Self {
        let entries = Entries { noted: HashMap::new(), order: VecDeque::new() };
        Self { keep, capacity, entries: Mutex::new(entries) }
    }

    /// Notes `key`, and tells whether it was new.
    pub(super) fn note(&self, key: K, now: UnixSeconds) -> bool {
        let mut entries = self.entries();
        entries.forget(self.keep, self.capacity, now);
        entries.order.push_back((now, key.clone()));
        entries.noted.insert(key, now).is_none()
    }

    /// When `key` was last noted.
    pub(super) fn noted(&self, key: &K) -> Option<UnixSeconds> {
        self.entries().noted.get(key).copied()
    }

    fn entries(&self) -> MutexGuard<'_, Entries<K>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Entries<K> {
    fn forget(&mut self, keep: Duration, capacity: usize, now: UnixSeconds) {
        while let Some((at, _)) = self.order.front()
            && (now.since(*at) > keep || self.order.len() >= capacity)
        {
            if let Some((at, key)) = self.order.pop_front()
                && self.noted.get(&key) == Some(&at)
            {
                self.noted.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_after_its_time_and_stays_within_its_capacity() {
        let remembered = Remembered::new(Duration::from_secs(10), 3);
        assert!(remembered.note(1, UnixSeconds(100)));
        assert!(!remembered.note(1, UnixSeconds(110)), "noted ten seconds ago");
        assert!(remembered.note(2, UnixSeconds(121)), "and 1 is forgotten with that");
        assert_eq!(remembered.noted(&1), None);
        for key in 3..9 {
            assert!(remembered.note(key, UnixSeconds(122)));
        }
        let kept: Vec<i32> = (1..9).filter(|key| remembered.noted(key).is_some()).collect();
        assert_eq!(kept, [6, 7, 8], "the newest");
    }
}
