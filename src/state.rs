//! What replicas share: small values that expire, under keys that tell nothing.
//!
//! Without shared state it is this process's memory: what is noted there ends with the process, and other replicas do not
//! know it. With it, it is a Valkey (or Redis) server, which may be away for a while.

mod key;
mod means;
mod memory;
mod unavailable;
mod valkey;

pub use self::key::{Key, Namespace};
pub use self::means::Means;
pub use self::unavailable::Unavailable;
pub use self::valkey::ServerFound;

use self::memory::Memory;
use self::valkey::Valkey;
use crate::clock::{Clock, UnixSeconds};
use crate::config::StateConfig;
use crate::config::secrets::SecretError;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A handle: clones share one state.
#[derive(Clone, Debug)]
pub struct State(Arc<Backend>);

#[derive(Debug)]
enum Backend {
    Memory(Box<Memory>),
    Valkey(Valkey),
}

impl State {
    pub fn in_memory(clock: Clock) -> Self {
        Self(Arc::new(Backend::Memory(Box::new(Memory::new(clock)))))
    }

    /// The state as configured, for the gateway at `public_url`. A server is not waited for: it is away until it answers.
    /// `up` is 1 while it does. Needs a runtime.
    ///
    /// # Errors
    ///
    /// The server's address or certificate is not usable.
    pub fn open(
        config: &StateConfig,
        means: Means<'_>,
        public_url: &Url,
        clock: Clock,
        up: &Gauge,
    ) -> Result<Self, SecretError> {
        match config {
            StateConfig::Memory => {
                up.set(1);
                Ok(Self::in_memory(clock))
            }
            StateConfig::Valkey(config) => {
                let valkey = Valkey::open(config, means, public_url, clock, up.clone())?;
                Ok(Self(Arc::new(Backend::Valkey(valkey))))
            }
        }
    }

    /// Goes on with the secret and the certificate authorities that were read now. Where they are others than before, the server is asked first, and until it accepts them nothing changes.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), or why the server cannot be reached by them. Within three seconds.
    pub async fn renew(&self, config: &StateConfig, means: Means<'_>) -> Result<(), String> {
        match (&*self.0, config) {
            (Backend::Valkey(valkey), StateConfig::Valkey(config)) => valkey.renew(config, means).await,
            _ => Ok(()),
        }
    }

    /// Tries what [`open`](Self::open) is given. Asks no network.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn check(config: &StateConfig, means: Means<'_>) -> Result<(), SecretError> {
        match config {
            StateConfig::Memory => Ok(()),
            StateConfig::Valkey(config) => Valkey::check(config, means),
        }
    }

    /// Connects as [`open`](Self::open) would and writes once; nothing for the memory of this process.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), or why the server is away. Within three seconds.
    pub async fn examine(
        config: &StateConfig,
        means: Means<'_>,
        public_url: &Url,
    ) -> Result<Option<ServerFound>, String> {
        match config {
            StateConfig::Memory => Ok(None),
            StateConfig::Valkey(config) => Valkey::examine(config, means, public_url).await.map(Some),
        }
    }

    /// The value of `key`, if there is one.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]; the same holds for all that follow.
    pub async fn value(&self, key: &Key) -> Result<Option<Vec<u8>>, Unavailable> {
        match &*self.0 {
            Backend::Memory(memory) => Ok(memory.value(key)),
            Backend::Valkey(valkey) => valkey.value(key).await,
        }
    }

    /// Keeps `value`, for `keep`, in place of what was there.
    pub async fn put(&self, key: &Key, value: &[u8], keep: Duration) -> Result<(), Unavailable> {
        match &*self.0 {
            Backend::Memory(memory) => {
                memory.put(key, value, keep);
                Ok(())
            }
            Backend::Valkey(valkey) => valkey.put(key, value, keep).await,
        }
    }

    /// Keeps `value` unless there is one, and tells whether it did: of any number of callers, one is told so.
    pub async fn put_new(&self, key: &Key, value: &[u8], keep: Duration) -> Result<bool, Unavailable> {
        match &*self.0 {
            Backend::Memory(memory) => Ok(memory.put_new(key, value, keep)),
            Backend::Valkey(valkey) => valkey.put_new(key, value, keep).await,
        }
    }

    pub async fn remove(&self, key: &Key) -> Result<(), Unavailable> {
        match &*self.0 {
            Backend::Memory(memory) => {
                memory.remove(key);
                Ok(())
            }
            Backend::Valkey(valkey) => valkey.remove(key).await,
        }
    }

    /// Notes that what `key` names ended at `at`, or a second after the end that is known where that is later: no end is noted
    /// like one before. Where the state is away, it has ended for this process, and for the others once the state is back and
    /// this process still runs.
    pub async fn end(&self, key: &Key, at: UnixSeconds, keep: Duration) -> Result<(), Unavailable> {
        match &*self.0 {
            Backend::Memory(memory) => {
                memory.end(key, at, keep);
                Ok(())
            }
            Backend::Valkey(valkey) => valkey.end(key, at, keep).await,
        }
    }

    /// When what `keys` name ended, as far as it did.
    pub async fn ends<const N: usize>(
        &self,
        keys: [&Key; N],
    ) -> Result<[Option<UnixSeconds>; N], Unavailable> {
        match &*self.0 {
            Backend::Memory(memory) => Ok(memory.ended(keys)),
            Backend::Valkey(valkey) => valkey.ends(keys).await,
        }
    }

    /// Takes one of what `key` allows: at most a `window`'s worth at once, and one more every `interval`. `None` where
    /// nothing is shared, or not now: the caller counts for itself. The key is made only where it is needed.
    pub async fn take(
        &self,
        key: impl FnOnce() -> Key,
        interval: Duration,
        window: Duration,
    ) -> Option<Result<(), Duration>> {
        match &*self.0 {
            Backend::Memory(_) => None,
            Backend::Valkey(valkey) => valkey.take(&key(), interval, window).await.ok(),
        }
    }
}
