//! The one sign-in that a terminal keeps, in a file that its person alone can read.

use super::error::TerminalError;
use super::gateway::gateway;
use crate::clock::UnixSeconds;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};
use url::Url;

const FILE: &str = "terminal.json";
/// Bytes; a token has some thousands at most.
const LARGEST: u64 = 64 * 1024;

/// A sign-in at a gateway.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) gateway: String,
    pub(super) token: String,
    pub(crate) user: String,
    /// As the gateway wrote it (RFC 3339).
    pub(crate) expires_at: String,
}

/// The folder `postern` among the person's settings.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// By the XDG Base Directory Specification.
    ///
    /// # Errors
    ///
    /// There is no home.
    pub(crate) fn of_environment() -> Result<Self, TerminalError> {
        let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let settings =
            absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
        Ok(Self { folder: settings.ok_or(TerminalError::NoHome)?.join("postern") })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// # Errors
    ///
    /// There is no sign-in, it has expired, or the file cannot be used.
    pub(crate) fn load(&self, now: UnixSeconds) -> Result<Kept, TerminalError> {
        let path = self.path();
        let failed = |error: io::Error| TerminalError::File(path.clone(), error.to_string());
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(TerminalError::NoSignIn),
            opened => opened.map_err(failed)?,
        };
        if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
            return Err(TerminalError::Exposed(path));
        }
        let mut text = Vec::new();
        file.take(LARGEST).read_to_end(&mut text).map_err(failed)?;
        let unreadable =
            || TerminalError::File(path.clone(), "it is damaged: run `postern login` again".to_owned());
        let kept: Kept = serde_json::from_slice(&text).map_err(|_| unreadable())?;
        let expires = humantime::parse_rfc3339(&kept.expires_at).map_err(|_| unreadable())?;
        if now >= UnixSeconds::of(expires) {
            return Err(TerminalError::SignedOut { gateway: kept.gateway });
        }
        Ok(kept)
    }

    /// Writes the file anew, for its owner alone, in place of an earlier one.
    ///
    /// # Errors
    ///
    /// [`TerminalError::File`]
    pub(crate) fn save(&self, kept: &Kept) -> Result<(), TerminalError> {
        let write = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            fs::set_permissions(&self.folder, Permissions::from_mode(0o700))?;
            let fresh = self.folder.join(format!("{FILE}.{}", std::process::id()));
            let written = write_fresh(&fresh, kept).and_then(|()| fs::rename(&fresh, self.path()));
            if written.is_err() {
                _ = fs::remove_file(&fresh);
            }
            written
        };
        write().map_err(|error| TerminalError::File(self.path(), error.to_string()))
    }

    /// # Errors
    ///
    /// [`TerminalError::File`]; a file that is not there is no error.
    pub(crate) fn remove(&self) -> Result<(), TerminalError> {
        match fs::remove_file(self.path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(TerminalError::File(self.path(), error.to_string()))
            }
            _ => Ok(()),
        }
    }
}

/// A file that was not there before.
fn write_fresh(path: &Path, kept: &Kept) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    file.sync_all()
}

impl Kept {
    /// # Errors
    ///
    /// The file names no gateway, or the path cannot stand in a URL.
    pub(super) fn at(&self, path: &str) -> Result<Url, TerminalError> {
        let gateway = gateway(&self.gateway)?;
        let url = gateway.join(path).ok().filter(|url| url.origin() == gateway.origin());
        url.ok_or_else(|| TerminalError::Usage(format!("`{path}` is not a path of the gateway's")))
    }

    pub(super) fn authorization(&self) -> Secret {
        Secret::new(format!("Bearer {}", self.token))
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}
