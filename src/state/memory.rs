//! The state of one process.

use super::key::{Key, Namespace};
use crate::clock::{Clock, UnixSeconds};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Values per namespace, with a bound for each: if there is no room left, the value that expires first is removed.
///
/// A cache would be shorter, but a cache may turn away the newest entry to keep a popular one.
#[derive(Debug)]
pub(super) struct Memory {
    clock: Clock,
    revocations: Mutex<Entries>,
    once: Mutex<Entries>,
    sessions: Mutex<Entries>,
    id_tokens: Mutex<Entries>,
    run_tokens: Mutex<Entries>,
    locks: Mutex<Entries>,
    begun: Mutex<Entries>,
}

#[derive(Debug)]
struct Entries {
    capacity: usize,
    values: HashMap<String, Entry>,
    /// The values by their time of expiry; the number distinguishes those that expire together.
    ends: BTreeMap<(UnixSeconds, u64), String>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    end: (UnixSeconds, u64),
}

impl Memory {
    pub(super) fn new(clock: Clock) -> Self {
        let entries = |capacity| Mutex::new(Entries::new(capacity));
        Self {
            clock,
            revocations: entries(262_144),
            once: entries(65_536),
            // Each holds the tokens of a sign-in, some kilobytes.
            sessions: entries(10_000),
            id_tokens: entries(10_000),
            run_tokens: entries(65_536),
            locks: entries(10_000),
            begun: entries(10_000),
        }
    }

    pub(super) fn value(&self, key: &Key) -> Option<Vec<u8>> {
        let now = self.clock.now();
        self.entries(key.namespace)
            .values
            .get(&key.name)
            .filter(|entry| entry.end.0 > now)
            .map(|entry| entry.value.clone())
    }

    pub(super) fn put(&self, key: &Key, value: &[u8], keep: Duration) {
        let now = self.clock.now();
        self.entries(key.namespace).put(&key.name, value, now, keep);
    }

    pub(super) fn put_new(&self, key: &Key, value: &[u8], keep: Duration) -> bool {
        let now = self.clock.now();
        let mut entries = self.entries(key.namespace);
        let is_new = entries.values.get(&key.name).is_none_or(|entry| entry.end.0 <= now);
        if is_new {
            entries.put(&key.name, value, now, keep);
        }
        is_new
    }

    pub(super) fn remove(&self, key: &Key) {
        self.entries(key.namespace).remove(&key.name);
    }

    /// Notes `at`, or one second after the noted end if that is later.
    pub(super) fn end(&self, key: &Key, at: UnixSeconds, keep: Duration) {
        let now = self.clock.now();
        let mut entries = self.entries(key.namespace);
        let after = entries.noted(key, now).map_or(0, |known| known.0.saturating_add(1));
        entries.put(&key.name, at.0.max(after).to_string().as_bytes(), now, keep);
    }

    /// Notes an end that may be known already, and keeps the later of the two.
    pub(super) fn told(&self, key: &Key, at: UnixSeconds, keep: Duration) {
        let now = self.clock.now();
        let mut entries = self.entries(key.namespace);
        if entries.noted(key, now).is_none_or(|known| known < at) {
            entries.put(&key.name, at.0.to_string().as_bytes(), now, keep);
        }
    }

    /// The time of each key's end, as [`end`](Self::end) noted it.
    pub(super) fn ended<const N: usize>(&self, keys: [&Key; N]) -> [Option<UnixSeconds>; N] {
        let now = self.clock.now();
        let entries = self.entries(Namespace::Revocation);
        keys.map(|key| entries.noted(key, now))
    }

    /// Every end noted by [`end`](Self::end) that still counts: its name, its time, and how much longer it is to be
    /// known.
    pub(super) fn all_ends(&self) -> Vec<(String, UnixSeconds, Duration)> {
        let now = self.clock.now();
        let entries = self.entries(Namespace::Revocation);
        let current = entries.values.iter().filter(|(_, entry)| entry.end.0 > now);
        current
            .filter_map(|(name, entry)| Some((name.clone(), time(&entry.value)?, entry.end.0.since(now))))
            .collect()
    }

    fn entries(&self, namespace: Namespace) -> MutexGuard<'_, Entries> {
        let entries = match namespace {
            Namespace::Revocation => &self.revocations,
            Namespace::Once => &self.once,
            Namespace::Session => &self.sessions,
            Namespace::IdToken => &self.id_tokens,
            Namespace::RunToken => &self.run_tokens,
            Namespace::Lock | Namespace::Rate => &self.locks,
            Namespace::Begun => &self.begun,
        };
        entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds in decimal, as [`Memory::end`] and the servers' script write them.
pub(super) fn time(text: &[u8]) -> Option<UnixSeconds> {
    str::from_utf8(text).ok()?.parse().ok().map(UnixSeconds)
}

impl Entries {
    fn new(capacity: usize) -> Self {
        Self { capacity, values: HashMap::new(), ends: BTreeMap::new(), next: 0 }
    }

    /// The time of the key's end.
    fn noted(&self, key: &Key, now: UnixSeconds) -> Option<UnixSeconds> {
        let entry = self.values.get(&key.name).filter(|entry| entry.end.0 > now)?;
        time(&entry.value)
    }

    fn put(&mut self, name: &str, value: &[u8], now: UnixSeconds, keep: Duration) {
        self.remove(name);
        while let Some((end, name)) = self.ends.first_key_value()
            && (end.0 <= now || self.values.len() >= self.capacity)
        {
            let name = name.clone();
            self.remove(&name);
        }
        // Rounded up, so that nothing is forgotten too early.
        let seconds = keep.as_secs().saturating_add(u64::from(keep.subsec_nanos() > 0));
        let end = (UnixSeconds(now.0.saturating_add(seconds)), self.next);
        self.next += 1;
        self.ends.insert(end, name.to_owned());
        self.values.insert(name.to_owned(), Entry { value: value.to_vec(), end });
    }

    fn remove(&mut self, name: &str) {
        if let Some(entry) = self.values.remove(name) {
            self.ends.remove(&entry.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_value_lives_for_its_time_and_is_new_again_after_it() {
        let clock = Clock::manual(UnixSeconds(1_000));
        let memory = Memory::new(clock.clone());
        let key = Key::new(Namespace::Once, &["a"]);
        assert!(memory.put_new(&key, b"1", MINUTE));
        assert!(!memory.put_new(&key, b"2", MINUTE));
        clock.advance(MINUTE - Duration::from_secs(1));
        assert_eq!(memory.value(&key).as_deref(), Some(&b"1"[..]));
        clock.advance(Duration::from_secs(1));
        assert_eq!(memory.value(&key), None);
        assert!(memory.put_new(&key, b"3", MINUTE));
        memory.remove(&key);
        assert_eq!(memory.value(&key), None);
        assert_eq!(memory.value(&Key::new(Namespace::Lock, &["a"])), None, "another namespace");
    }

    #[test]
    fn each_end_comes_after_the_one_before_and_the_latest_counts() {
        let memory = Memory::new(Clock::manual(UnixSeconds(1_000)));
        let key = Key::new(Namespace::Revocation, &["a"]);
        for (at, noted) in [(900, 900), (950, 950), (920, 951), (951, 952), (951, 953)] {
            memory.end(&key, UnixSeconds(at), MINUTE);
            assert_eq!(memory.ended([&key]), [Some(UnixSeconds(noted))], "{at}");
        }
        memory.told(&key, UnixSeconds(940), MINUTE);
        assert_eq!(memory.all_ends(), [(key.name.clone(), UnixSeconds(953), MINUTE)]);
        memory.told(&key, UnixSeconds(960), MINUTE);
        assert_eq!(memory.all_ends(), [(key.name.clone(), UnixSeconds(960), MINUTE)]);
    }

    #[test]
    fn an_end_is_noted_for_its_time_and_no_longer() {
        let clock = Clock::manual(UnixSeconds(1_000));
        let memory = Memory::new(clock.clone());
        let key = Key::new(Namespace::Revocation, &["a"]);
        memory.end(&key, UnixSeconds(1_000), MINUTE);
        clock.advance(MINUTE - Duration::from_secs(1));
        assert_eq!(memory.ended([&key]), [Some(UnixSeconds(1_000))]);
        assert_eq!(memory.all_ends().len(), 1);
        clock.advance(Duration::from_secs(1));
        assert_eq!((memory.ended([&key]), memory.all_ends().len()), ([None], 0));
    }

    #[test]
    fn a_full_namespace_gives_up_what_would_end_first() {
        let mut entries = Entries::new(2);
        let now = UnixSeconds(1_000);
        entries.put("long", b"", now, 3 * MINUTE);
        entries.put("short", b"", now, MINUTE);
        entries.put("middle", b"", now, 2 * MINUTE);
        let mut kept: Vec<&str> = entries.values.keys().map(String::as_str).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["long", "middle"]);
        assert_eq!(entries.ends.len(), 2);
    }
}
