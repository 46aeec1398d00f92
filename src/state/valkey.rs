//! The state of several replicas: a Valkey or Redis server, one of them or a primary with its replicas.
//!
//! Keys stand under one prefix per gateway, so that several gateways may share a server, and in one hash slot. This
//! process also keeps the ends that it noted: they hold here while the server is away, and are sent to the server each
//! time it is back, before anything else is asked. So a server that lost its data learns them anew.

mod address;
mod link;

use self::link::{Connector, Link};
use super::key::{Key, Namespace, digest};
use super::means::Means;
use super::memory::{self, Memory};
use super::unavailable::Unavailable;
use crate::clock::{Clock, UnixSeconds};
use crate::config::secrets::SecretError;
use crate::config::{ValkeyConfig, WhenAway};
use prometheus_client::metrics::gauge::Gauge;
use redis::Cmd;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Part of the prefix: a new form of keys or values gets a new number.
const VERSION: &str = "1";

/// KEYS: the end. ARGV: its time (seconds), how long to keep it (milliseconds). Notes the later of this time and one
/// second after the known end, and returns it.
const END: &str = "local known = tonumber(redis.call('GET', KEYS[1]) or '-1') or -1
local at = math.max(known + 1, tonumber(ARGV[1]))
redis.call('SET', KEYS[1], string.format('%.0f', at), 'PX', ARGV[2])
return at";

/// The same for an end that may be known already. Keeps the later of the two.
const TELL: &str = "local known = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
if known <= tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1";

/// KEYS: when the allowance is whole again (microseconds). ARGV: the interval and the window (microseconds). Returns
/// the time to wait, or 0 if one was taken. The generic cell rate algorithm by the server's clock, which all replicas
/// share.
const TAKE: &str = "local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local whole = math.max(tonumber(redis.call('GET', KEYS[1]) or '0') or 0, now) + tonumber(ARGV[1])
local over = whole - now - tonumber(ARGV[2])
if over > 0 then return over end
redis.call('SET', KEYS[1], string.format('%.0f', whole), 'PX', math.ceil((whole - now) / 1000))
return 0";

pub(super) struct Valkey {
    link: Link,
    prefix: String,
    /// The ends that this process noted and, if the configuration tolerates an absent server, the values noted
    /// meanwhile.
    own: Arc<Memory>,
    when_away: WhenAway,
}

/// A server of shared state, as `postern doctor` finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFound {
    /// Host and port.
    pub server: String,
    /// Its policy when memory runs out; `None` if it does not report one.
    pub maxmemory_policy: Option<String>,
}

impl Valkey {
    pub(super) fn open(
        config: &ValkeyConfig,
        means: Means<'_>,
        public_url: &Url,
        clock: Clock,
        up: Gauge,
    ) -> Result<Self, SecretError> {
        let connector = Connector::new(config, means)?;
        let own = Arc::new(Memory::new(clock));
        let prefix = prefix(public_url);
        let (noted, under) = (Arc::clone(&own), prefix.clone());
        let ends = move || {
            let commands = noted.all_ends().into_iter();
            commands
                .map(|(name, at, keep)| {
                    note(TELL, &full_name(&under, Namespace::Revocation, &name), at, keep)
                })
                .collect()
        };
        let link = Link::keep(connector, probe(&prefix), ends, up);
        Ok(Self { link, prefix, own, when_away: config.when_away })
    }

    pub(super) async fn renew(&self, config: &ValkeyConfig, means: Means<'_>) -> Result<(), String> {
        let fresh = Connector::new(config, means).map_err(|error| error.to_string())?;
        if self.link.is_kept_by(&fresh) {
            return Ok(());
        }
        // Replicas reload one after the other, so with another server they would miss each other's sign-outs.
        if !self.link.is_same_place(&fresh) {
            return Err(format!(
                "`state.valkey.url` is of another server or database, {fresh}: restart it for that"
            ));
        }
        let tried = fresh.establish(&probe(&self.prefix)).await;
        tried.map_err(|cause| format!("state.valkey: {fresh}: {cause}"))?;
        self.link.keep_by(fresh);
        Ok(())
    }

    pub(super) async fn examine(
        config: &ValkeyConfig,
        means: Means<'_>,
        public_url: &Url,
    ) -> Result<ServerFound, String> {
        let connector = Connector::new(config, means).map_err(|error| error.to_string())?;
        let server = connector.to_string();
        let memory = connector.examine(&probe(&prefix(public_url))).await;
        let memory = memory.map_err(|cause| format!("{server}: {cause}"))?;
        let policy = memory.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
        Ok(ServerFound { server, maxmemory_policy: policy.map(|policy| policy.trim().to_owned()) })
    }

    pub(super) fn check(config: &ValkeyConfig, means: Means<'_>) -> Result<(), SecretError> {
        Connector::new(config, means).map(drop)
    }

    pub(super) async fn value(&self, key: &Key) -> Result<Option<Vec<u8>>, Unavailable> {
        let values = self.values(std::slice::from_ref(key)).await?;
        Ok(values.into_iter().flatten().next())
    }

    pub(super) async fn values(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, Unavailable> {
        let known = match self.many(keys.iter()).await {
            Err(Unavailable) if self.when_away == WhenAway::Serve => vec![None; keys.len()],
            known => known?,
        };
        // A value noted in the server's absence is newer than the server's.
        Ok(keys.iter().zip(known).map(|(key, known)| self.own.value(key).or(known)).collect())
    }

    pub(super) async fn put(&self, key: &Key, value: &[u8], keep: Duration) -> Result<(), Unavailable> {
        let mut command = redis::cmd("SET");
        command.arg(self.name(key)).arg(value).arg("PX").arg(milliseconds(keep));
        match self.link.ask::<()>(command).await {
            Ok(()) => self.own.remove(key),
            Err(Unavailable) if self.when_away == WhenAway::Serve => self.own.put(key, value, keep),
            Err(Unavailable) => return Err(Unavailable),
        }
        Ok(())
    }

    pub(super) async fn put_new(&self, key: &Key, value: &[u8], keep: Duration) -> Result<bool, Unavailable> {
        if self.own.value(key).is_some() {
            return Ok(false);
        }
        let mut command = redis::cmd("SET");
        command.arg(self.name(key)).arg(value).arg("NX").arg("PX").arg(milliseconds(keep));
        match self.link.ask::<Option<String>>(command).await {
            Err(Unavailable) if self.when_away == WhenAway::Serve => Ok(self.own.put_new(key, value, keep)),
            done => Ok(done?.is_some()),
        }
    }

    pub(super) async fn remove(&self, key: &Key) -> Result<(), Unavailable> {
        self.own.remove(key);
        let mut command = redis::cmd("DEL");
        command.arg(self.name(key));
        match self.link.ask::<()>(command).await {
            Err(Unavailable) if self.when_away == WhenAway::Serve => Ok(()),
            done => done,
        }
    }

    pub(super) async fn end(&self, key: &Key, at: UnixSeconds, keep: Duration) -> Result<(), Unavailable> {
        self.own.end(key, at, keep);
        let told = self.link.ask(note(END, &self.name(key), at, keep)).await;
        match told {
            Ok(noted) => self.own.told(key, UnixSeconds(noted), keep),
            Err(Unavailable) => self.link.tell_again(),
        }
        told.map(drop)
    }

    pub(super) async fn ends<const N: usize>(
        &self,
        keys: [&Key; N],
    ) -> Result<[Option<UnixSeconds>; N], Unavailable> {
        let mut ends = self.own.ended(keys);
        let known = match self.many(keys.into_iter()).await {
            Err(Unavailable) if self.when_away == WhenAway::Serve => return Ok(ends),
            known => known?,
        };
        for (end, known) in ends.iter_mut().zip(known) {
            // An unreadable entry counts as an end all the same.
            let known = known.map(|text| memory::time(&text).unwrap_or(UnixSeconds(u64::MAX)));
            *end = (*end).max(known);
        }
        Ok(ends)
    }

    pub(super) async fn take(
        &self,
        key: &Key,
        interval: Duration,
        window: Duration,
    ) -> Result<Result<(), Duration>, Unavailable> {
        let mut command = redis::cmd("EVAL");
        command.arg(TAKE).arg(1).arg(self.name(key)).arg(microseconds(interval)).arg(microseconds(window));
        let wait: u64 = self.link.ask(command).await?;
        Ok(if wait == 0 { Ok(()) } else { Err(Duration::from_micros(wait)) })
    }

    /// One value for each key.
    async fn many(
        &self,
        keys: impl ExactSizeIterator<Item = &Key>,
    ) -> Result<Vec<Option<Vec<u8>>>, Unavailable> {
        let (mut command, asked) = (redis::cmd("MGET"), keys.len());
        for key in keys {
            command.arg(self.name(key));
        }
        let values: Vec<Option<Vec<u8>>> = self.link.ask(command).await?;
        if values.len() == asked { Ok(values) } else { Err(Unavailable) }
    }

    fn name(&self, key: &Key) -> String {
        full_name(&self.prefix, key.namespace, &key.name)
    }
}

fn prefix(public_url: &Url) -> String {
    format!("postern:{{{}}}:", digest(&[VERSION, public_url.as_str()]))
}

/// Shows that the server takes writes.
fn probe(prefix: &str) -> Cmd {
    note(TELL, &format!("{prefix}probe"), UnixSeconds(0), Duration::from_secs(60))
}

fn full_name(prefix: &str, namespace: Namespace, name: &str) -> String {
    let namespace = match namespace {
        Namespace::Revocation => "end",
        Namespace::Once => "once",
        Namespace::Session => "session",
        Namespace::IdToken => "id-token",
        Namespace::RunToken => "run-token",
        Namespace::Lock => "lock",
        Namespace::Begun => "begun",
        Namespace::Rate => "rate",
    };
    format!("{prefix}{namespace}:{name}")
}

fn note(script: &str, name: &str, at: UnixSeconds, keep: Duration) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(1).arg(name).arg(at.0).arg(milliseconds(keep));
    command
}

/// At least one: the server refuses an expiry of zero.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Valkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Valkey").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
