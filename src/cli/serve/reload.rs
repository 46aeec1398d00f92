//! Another configuration while the process runs: read, checked and tested before it takes over, or refused.

use super::Running;
use super::process::{Process, listed};
use crate::audit::{Event, Record};
use crate::cli::configuration::{Configuration, load};
use crate::config::secrets::Secrets;
use crate::config::{self, LARGEST_FILE, Loaded, Outline};
use crate::files::{Files, off_runtime};
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
/// How long after a refusal the same files are tried again: a missing one may have come.
const RETRY: Duration = Duration::from_secs(15);

/// Loads the configuration again on SIGHUP, and when one of its files has changed.
///
/// Stamps are taken behind all symbolic links, so the swap of a directory's link, by which Kubernetes updates a volume, is a
/// change.
#[derive(Debug)]
pub(super) struct Reloader {
    file: PathBuf,
    files: Files,
    watched: Vec<PathBuf>,
    /// The stamps of `watched` before the files were last read.
    read: Vec<Option<FileStamp>>,
    /// The outline of the configuration in force.
    outline: Outline,
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
    pub(super) async fn new(file: &Path, loaded: &Loaded, files: Files) -> io::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        let watched = watched(file, loaded);
        let read = stamps(&files, &watched).await.unwrap_or_default();
        let outline = Outline::of(loaded);
        Ok(Self { file: file.to_owned(), files, watched, read, outline, hangup })
    }

    /// For as long as the process lives.
    pub(super) async fn run(mut self, process: Arc<Process>, current: Arc<Running>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.read.clone();
        let mut refused: Option<(Instant, String)> = None;
        loop {
            let (is_due, asked) = tokio::select! {
                _ = self.hangup.recv() => (true, true),
                _ = ticks.tick() => {
                    let is_settled = match stamps(&self.files, &self.watched).await {
                        Some(now) => {
                            let is_settled = now != self.read && now == last;
                            last = now;
                            is_settled
                        }
                        // Nothing is known of the files while one hangs.
                        None => false,
                    };
                    (is_settled || refused.as_ref().is_some_and(|(at, _)| at.elapsed() >= RETRY), is_settled)
                }
            };
            if is_due {
                if let Some(now) = stamps(&self.files, &self.watched).await {
                    self.read = now;
                }
                systemd::reloading();
                match self.reload(&process, &current).await {
                    Ok((digest, changes)) => {
                        refused = None;
                        process.metrics.reloads.applied();
                        let changes = changes.join("; ");
                        tracing::info!(config_digest = digest, changes, "reload.applied");
                    }
                    Err(reason) => {
                        process.metrics.reloads.refused();
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

    /// Returns the digest of the configuration in force from now on, and the changes.
    async fn reload(
        &mut self,
        process: &Process,
        current: &Running,
    ) -> Result<(String, Vec<String>), String> {
        let before = current.gateway.load_full();
        let (file, files, settings) = (self.file.clone(), self.files.clone(), before.settings().clone());
        let found = off_runtime(move || Found::read(&file, &files, &settings)).await;
        let Some(Found { fresh, in_force, outline }) = found else {
            process.refused(None);
            return Err("the configuration could not be read".to_owned());
        };
        // A password may have expired even if the new configuration is refused. The place it is read from cannot change.
        let renewed = process.renew_state(before.settings(), &in_force).await;
        let applied = match fresh {
            Ok(fresh) => {
                self.apply(process, current, *fresh, outline.clone().unwrap_or_default(), renewed).await
            }
            Err(reason) => Err(reason),
        };
        if applied.is_err() {
            // A certificate expires even if the rest of the configuration is refused.
            let now = current.settings.load();
            let renewed = process.listener_settings(before.settings(), &in_force, Some(&now));
            renewed.into_iter().for_each(|renewed| current.meet(process, renewed));
            process.refused(outline.map(|outline| self.outline.changes(&outline)));
        }
        applied
    }

    async fn apply(
        &mut self,
        process: &Process,
        current: &Running,
        (configuration, secrets): (Configuration, Secrets),
        outline: Outline,
        renewed: Result<(), String>,
    ) -> Result<(String, Vec<String>), String> {
        let before = current.gateway.load_full();
        let loaded = configuration.loaded;
        if let Some(key) = fixed(before.settings(), &loaded.gateway) {
            return Err(format!("`{key}` cannot change while the process runs: restart it"));
        }
        let watched = watched(&self.file, &loaded);
        let changes = self.outline.changes(&outline);
        let digest = loaded.digest;
        let listener =
            process.listener_settings(&loaded.gateway, &secrets, Some(&current.settings.load()))?;
        let (settings, policy) = (loaded.gateway, configuration.policy);
        let gateway = Box::pin(process.gateway(settings, &secrets, policy, &digest, Some(&before))).await?;
        renewed?;
        for warning in &loaded.warnings {
            tracing::warn!(warning = %warning.message, path = %warning.path, "config.insecure");
        }
        for (path, warning) in secrets.exposed() {
            tracing::warn!(warning, path, "config.insecure");
        }
        gateway.audit().record(&Record { changes: &changes, ..Record::new(Event::Reload) });
        if before.audit().config_digest() != digest {
            process.metrics.config_changes.inc();
        }
        current.gateway.store(Arc::new(gateway));
        current.meet(process, listener);
        process.in_force(&digest);
        self.outline = outline;
        if watched != self.watched {
            self.read = stamps(&self.files, &watched).await.unwrap_or_default();
            self.watched = watched;
        }
        Ok((digest, changes))
    }
}

/// The state of the files on disk.
struct Found {
    fresh: Result<Box<(Configuration, Secrets)>, String>,
    /// The secrets that the configuration in force names.
    in_force: Secrets,
    /// The outline of the file, whether it is refused or not.
    outline: Option<Outline>,
}

impl Found {
    /// Blocks while files are read.
    fn read(file: &Path, files: &Files, in_force: &config::Gateway) -> Self {
        let fresh = fresh(file, files).map(Box::new);
        let outline = match &fresh {
            Ok(fresh) => Some(Outline::of(&fresh.0.loaded)),
            Err(_) => {
                let text =
                    files.read(file, LARGEST_FILE).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                text.and_then(|text| Outline::of_text(&text))
            }
        };
        Self { fresh, in_force: Secrets::read(in_force.named(), files), outline }
    }
}

fn fresh(file: &Path, files: &Files) -> Result<(Configuration, Secrets), String> {
    let configuration = load(file, files).map_err(|diagnostics| diagnostics.to_string())?.passing()?;
    let secrets = Secrets::read(configuration.loaded.gateway.named(), files);
    match secrets.errors().as_slice() {
        [] => Ok((configuration, secrets)),
        errors => Err(listed(errors)),
    }
}

/// The first changed key among those that hold until a restart.
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

/// `None` where one of the files hangs.
async fn stamps(files: &Files, watched: &[PathBuf]) -> Option<Vec<Option<FileStamp>>> {
    /// A name for all the files together.
    const WATCHED: &str = "(watched files)";
    let (files, watched) = (files.clone(), watched.to_owned());
    let look = move |_: &Path| {
        let found = watched.iter().map(|file| fs::metadata(file).ok().map(|found| FileStamp::of(&found)));
        Ok(found.collect())
    };
    off_runtime(move || files.in_time(Path::new(WATCHED), look)).await?.ok()
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
