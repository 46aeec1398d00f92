//! The state that replicas share: small values that expire, under keys that reveal nothing.
//!
//! By default the state is this process's memory: it ends with the process, and other replicas do not see it. Shared
//! state is a Valkey (or Redis) server, which may be away for a while.

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

    /// Opens the configured state for the gateway at `public_url`. Does not wait for a server, which counts as away
    /// until it answers. `up` is 1 while it answers. Needs a runtime.
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

    /// Goes on with the secret and the certificate authorities as they were read now. If they differ from the earlier
    /// ones, the server is asked first, and nothing changes until it accepts them.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), or the reason why the server cannot be reached with them. Within three seconds.
    pub async fn renew(&self, config: &StateConfig, means: Means<'_>) -> Result<(), String> {
        match (&*self.0, config) {
            (Backend::Valkey(valkey), StateConfig::Valkey(config)) => valkey.renew(config, means).await,
            _ => Ok(()),
        }
    }

    /// Checks the arguments of [`open`](Self::open). Asks no network.
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

    /// Connects as [`open`](Self::open) would and writes once; `None` for the memory of this process.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), or the reason why the server is away. Within three seconds.
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
    /// [`Unavailable`]; the same holds for the functions below.
    pub async fn value(&self, key: &Key) -> Result<Option<Vec<u8>>, Unavailable> {
        match &*self.0 {
            Backend::Memory(memory) => Ok(memory.value(key)),
            Backend::Valkey(valkey) => valkey.value(key).await,
        }
    }

    /// The value of each key.
    pub async fn values(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, Unavailable> {
        match &*self.0 {
            Backend::Memory(memory) => Ok(keys.iter().map(|key| memory.value(key)).collect()),
            Backend::Valkey(valkey) => valkey.values(keys).await,
        }
    }

    /// Keeps `value` for `keep`, in place of any earlier value.
    pub async fn put(&self, key: &Key, value: &[u8], keep: Duration) -> Result<(), Unavailable> {
        match &*self.0 {
            Backend::Memory(memory) => {
                memory.put(key, value, keep);
                Ok(())
            }
            Backend::Valkey(valkey) => valkey.put(key, value, keep).await,
        }
    }

    /// Keeps `value` unless the key has one, and returns whether it did: of any number of callers, only one gets
    /// `true`.
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

    /// Notes that the sessions named by `key` ended at `at`, or one second after the latest known end if that is later,
    /// so that no two ends are equal. If the state is away, the end holds for this process, and for the others once the
    /// state is back while this process still runs.
    pub async fn end(&self, key: &Key, at: UnixSeconds, keep: Duration) -> Result<(), Unavailable> {
        match &*self.0 {
            Backend::Memory(memory) => {
                memory.end(key, at, keep);
                Ok(())
            }
            Backend::Valkey(valkey) => valkey.end(key, at, keep).await,
        }
    }

    /// The time at which each key's sessions ended, if they did.
    pub async fn ends<const N: usize>(
        &self,
        keys: [&Key; N],
    ) -> Result<[Option<UnixSeconds>; N], Unavailable> {
        match &*self.0 {
            Backend::Memory(memory) => Ok(memory.ended(keys)),
            Backend::Valkey(valkey) => valkey.ends(keys).await,
        }
    }

    /// Takes one unit of the allowance of `key`: at most a `window`'s worth at once, and one more every `interval`.
    /// `None` if nothing is shared, or the state is away: the caller counts for itself. The key is made only if needed.
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
