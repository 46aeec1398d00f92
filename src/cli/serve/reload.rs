//! Another configuration while the process runs: read, checked and tested before it takes over, or refused.

use super::Current;
use super::site::Site;
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

/// How often the files are looked at. A change counts once they look the same twice in a row, so that a file is not read
/// while somebody writes it.
const LOOK: Duration = Duration::from_secs(2);
/// How long after a refusal the same is tried again: what was missing may have come.
const RETRY: Duration = Duration::from_secs(15);

/// Loads the configuration again on SIGHUP, and when one of its files has changed.
///
/// Files are looked at by what they are after all symbolic links, so that the swap of a directory's link, by which
/// Kubernetes updates a volume, is a change.
#[derive(Debug)]
pub(super) struct Reloader {
    file: PathBuf,
    watched: Vec<PathBuf>,
    /// As they were before they were last read.
    read: Vec<Option<Look>>,
    hangup: Signal,
}

/// What tells one state of a file from the next without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Reloader {
    pub(super) fn new(file: &Path, loaded: &Loaded) -> io::Result<Self> {
        let watched = watched(file, loaded);
        let read = look(&watched);
        Ok(Self { file: file.to_owned(), watched, read, hangup: signal(SignalKind::hangup())? })
    }

    /// For as long as the process lives.
    pub(super) async fn run(mut self, site: Arc<Site>, current: Arc<Current>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.read.clone();
        let mut refused: Option<(Instant, String)> = None;
        loop {
            let (is_due, asked) = tokio::select! {
                _ = self.hangup.recv() => (true, true),
                _ = looks.tick() => {
                    let now = look(&self.watched);
                    let is_settled = now != self.read && now == last;
                    last = now;
                    (is_settled || refused.as_ref().is_some_and(|(at, _)| at.elapsed() >= RETRY), is_settled)
                }
            };
            if is_due {
                self.read = look(&self.watched);
                systemd::reloading();
                match self.reload(&site, &current).await {
                    Ok(digest) => {
                        refused = None;
                        site.metrics.reloads.applied();
                        tracing::info!(config_digest = digest, "reload.applied");
                    }
                    Err(reason) => {
                        site.metrics.reloads.refused();
                        // A certificate has its time, whatever becomes of the rest.
                        let settings = current.gateway.load_full();
                        let renewed =
                            site.listener_settings(settings.settings(), Some(&current.settings.load()));
                        renewed.into_iter().for_each(|renewed| current.meet(&site, renewed));
                        // A retry that fails alike says nothing new.
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

    async fn reload(&mut self, site: &Site, current: &Current) -> Result<String, String> {
        let file = self.file.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let configuration = load(&file).map_err(|diagnostics| diagnostics.to_string())?;
            match configuration.failing_test() {
                Some(failing) => Err(failing),
                None => Ok(configuration),
            }
        });
        let before = current.gateway.load_full();
        // A password may have lost its time already, whatever becomes of the rest. Where it is read from cannot change.
        let renewed = site.renew_state(before.settings()).await;
        let configuration = loading.await.map_err(|error| error.to_string())??;
        let loaded = configuration.loaded;
        if let Some(key) = fixed(before.settings(), &loaded.gateway) {
            return Err(format!("`{key}` cannot change while the process runs: restart it"));
        }
        let watched = watched(&self.file, &loaded);
        let digest = loaded.digest;
        let listener = site.listener_settings(&loaded.gateway, Some(&current.settings.load()))?;
        let gateway = Box::pin(site.gateway(loaded.gateway, configuration.policy, &digest, Some(&before)));
        let gateway = gateway.await?;
        renewed?;
        for warning in &loaded.warnings {
            tracing::warn!(warning = %warning.message, path = %warning.path, "config.insecure");
        }
        gateway.audit().record(&Record::new(Event::Reload));
        current.gateway.store(Arc::new(gateway));
        current.meet(site, listener);
        site.in_force(&digest);
        if watched != self.watched {
            self.read = look(&watched);
            self.watched = watched;
        }
        Ok(digest)
    }
}

/// The first key that is decided when the process starts and would be another now.
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

fn look(files: &[PathBuf]) -> Vec<Option<Look>> {
    files.iter().map(|file| fs::metadata(file).ok().map(|found| Look::of(&found))).collect()
}

impl Look {
    fn of(found: &fs::Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
        }
    }
}
