//! What replicas share: small values that expire, under keys that tell nothing.
//!
//! Without shared state it is this process's memory: what is noted there ends with the process, and other replicas do not
//! know it.

mod memory;

use self::memory::Memory;
use crate::clock::Clock;
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A handle: clones share one state.
#[derive(Clone, Debug)]
pub struct State(Arc<Backend>);

#[derive(Debug)]
enum Backend {
    Memory(Memory),
}

/// What a value is about. Each use has a room of its own, so that none can crowd out another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Room {
    /// Sessions that were ended before their time.
    Revocation,
    /// What counts once: sign-in attempts, logout tokens.
    Once,
    /// What is kept of a session beside its cookie, sealed.
    Session,
    /// Who is at work on something.
    Lock,
}

/// Names a value. It holds a digest, so that neither people nor sessions can be read from the state's keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    room: Room,
    name: String,
}

/// The shared state did not answer, or not in time. What it would have said is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away;

impl State {
    pub fn in_memory(clock: Clock) -> Self {
        Self(Arc::new(Backend::Memory(Memory::new(clock))))
    }

    /// The values of `keys`, in their order.
    ///
    /// # Errors
    ///
    /// [`Away`]; the same holds for all that follow.
    pub async fn values<const N: usize>(&self, keys: [&Key; N]) -> Result<[Option<Vec<u8>>; N], Away> {
        match &*self.0 {
            Backend::Memory(memory) => Ok(keys.map(|key| memory.value(key))),
        }
    }

    /// Keeps `value`, for `keep`, in place of what was there.
    pub async fn put(&self, key: &Key, value: &[u8], keep: Duration) -> Result<(), Away> {
        match &*self.0 {
            Backend::Memory(memory) => memory.put(key, value, keep),
        }
        Ok(())
    }

    /// Keeps `value` unless there is one, and tells whether it did: of any number of callers, one is told so.
    pub async fn put_new(&self, key: &Key, value: &[u8], keep: Duration) -> Result<bool, Away> {
        match &*self.0 {
            Backend::Memory(memory) => Ok(memory.put_new(key, value, keep)),
        }
    }

    pub async fn remove(&self, key: &Key) -> Result<(), Away> {
        match &*self.0 {
            Backend::Memory(memory) => memory.remove(key),
        }
        Ok(())
    }
}

impl Key {
    /// The key for what `parts` name together.
    pub fn new(room: Room, parts: &[&str]) -> Self {
        let mut digest = Context::new(&SHA256);
        for part in parts {
            // With its length, so that no two lists of parts read alike.
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        Self { room, name: URL_SAFE_NO_PAD.encode(digest.finish()) }
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shared state does not answer")
    }
}

impl std::error::Error for Away {}
