//! Another configuration while the process runs: read, checked and tested before it takes over, or refused.

use super::Current;
use super::process::Process;
use crate::audit::{Event, Record};
use crate::cli::load;
use crate::config::{self, Loaded};
use crate::server::systemd;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the files' stamps are compared. A change counts once the stamps are the same twice in a row, so that a file is not
/// read while somebody writes it.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long after a refusal the same is tried again: a missing file may have come.
const RETRY: Duration = Duration::from_secs(15);

/// Loads the configuration again on SIGHUP, and when one of its files has changed.
///
/// Stamps are taken behind all symbolic links, so the swap of a directory's link, by which Kubernetes updates a volume, is a
/// change.
#[derive(Debug)]
pub(super) struct Reloader {
    file: PathBuf,
    watched: Vec<PathBuf>,
    /// Their stamps before they were last read.
    read: Vec<Option<FileStamp>>,
    hangup: Signal,
}

/// Tells one state of a file from the next without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Reloader {
    pub(super) fn new(file: &Path, loaded: &Loaded) -> io::Result<Self> {
        let watched = watched(file, loaded);
        let read = stamps(&watched);
        Ok(Self { file: file.to_owned(), watched, read, hangup: signal(SignalKind::hangup())? })
    }

    /// For as long as the process lives.
    pub(super) async fn run(mut self, process: Arc<Process>, current: Arc<Current>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.read.clone();
        let mut refused: Option<(Instant, String)> = None;
        loop {
            let (is_due, asked) = tokio::select! {
                _ = self.hangup.recv() => (true, true),
                _ = ticks.tick() => {
                    let now = stamps(&self.watched);
                    let is_settled = now != self.read && now == last;
                    last = now;
                    (is_settled || refused.as_ref().is_some_and(|(at, _)| at.elapsed() >= RETRY), is_settled)
                }
            };
            if is_due {
                self.read = stamps(&self.watched);
                systemd::reloading();
                match self.reload(&process, &current).await {
                    Ok(digest) => {
                        refused = None;
                        process.metrics.reloads.applied();
                        tracing::info!(config_digest = digest, "reload.applied");
                    }
                    Err(reason) => {
                        process.metrics.reloads.refused();
                        // A certificate expires even if the rest of the configuration is refused.
                        let settings = current.gateway.load_full();
                        let renewed =
                            process.listener_settings(settings.settings(), Some(&current.settings.load()));
                        renewed.into_iter().for_each(|renewed| current.meet(&process, renewed));
                        // A retry with the same result is not logged again.
                        if asked || refused.as_ref().is_none_or(|(_, before)| *before != reason) {
                            tracing::error!(%reason, "reload.refused: the configuration before it stays in force");
                        }
                        refused = Some((Instant::now(), reason));
                    }
                }
                systemd::ready();
                last.clone_from(&self.read);
            }
        }
    }

    async fn reload(&mut self, process: &Process, current: &Current) -> Result<String, String> {
        let file = self.file.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let configuration = load(&file).map_err(|diagnostics| diagnostics.to_string())?;
            match configuration.failing_test() {
                Some(failing) => Err(failing),
                None => Ok(configuration),
            }
        });
        let before = current.gateway.load_full();
        // A password may have expired even if the rest is refused. Its source cannot change.
        let renewed = process.renew_state(before.settings()).await;
        let configuration = loading.await.map_err(|error| error.to_string())??;
        let loaded = configuration.loaded;
        if let Some(key) = fixed(before.settings(), &loaded.gateway) {
            return Err(format!("`{key}` cannot change while the process runs: restart it"));
        }
        let watched = watched(&self.file, &loaded);
        let digest = loaded.digest;
        let listener = process.listener_settings(&loaded.gateway, Some(&current.settings.load()))?;
        let gateway = Box::pin(process.gateway(loaded.gateway, configuration.policy, &digest, Some(&before)));
        let gateway = gateway.await?;
        renewed?;
        for warning in &loaded.warnings {
            tracing::warn!(warning = %warning.message, path = %warning.path, "config.insecure");
        }
        gateway.audit().record(&Record::new(Event::Reload));
        current.gateway.store(Arc::new(gateway));
        current.meet(process, listener);
        process.in_force(&digest);
        if watched != self.watched {
            self.read = stamps(&watched);
            self.watched = watched;
        }
        Ok(digest)
    }
}

/// The first changed key of those that hold until a restart.
fn fixed(before: &config::Gateway, after: &config::Gateway) -> Option<&'static str> {
    if before.public_url != after.public_url {
        Some("public_url")
    } else if before.listen.address != after.listen.address {
        Some("listen.address")
    } else if before.admin != after.admin {
        Some("admin.address")
    } else if before.state != after.state {
        Some("state")
    } else if before.audit_file != after.audit_file {
        Some("audit.file")
    } else if before.limits.connections != after.limits.connections {
        Some("limits.connections")
    } else {
        None
    }
}

fn watched(file: &Path, loaded: &Loaded) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let tables = loaded.tables.keys().map(|table| folder.join(table));
    std::iter::once(file.to_owned()).chain(tables).chain(loaded.gateway.files()).collect()
}

fn stamps(files: &[PathBuf]) -> Vec<Option<FileStamp>> {
    files.iter().map(|file| fs::metadata(file).ok().map(|found| FileStamp::of(&found))).collect()
}

impl FileStamp {
    fn of(found: &fs::Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
        }
    }
}
