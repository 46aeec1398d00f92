//! Files that the configuration names. A file may hang (a dead mount) or never end (a device), so only regular files are
//! read, each up to a size, and on a thread that nobody waits for longer than 5 seconds.
//!
//! These functions block the calling thread. The runtime calls them by [`off_runtime`].

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, FileType, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// The time for one file.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Reads files. Clones share the list of files that hang: no second thread is lost to the same file.
#[derive(Clone, Debug, Default)]
pub struct Files {
    hanging: Arc<Mutex<HashSet<PathBuf>>>,
}

/// The reason why a file was not read. Contains nothing of the file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    Io(String),
    /// The kind of the file.
    NotRegular(&'static str),
    /// It has more bytes than this.
    TooLarge(usize),
    OutOfTime,
}

impl Files {
    /// The bytes of a regular file, or of the target of a symbolic link.
    ///
    /// # Errors
    ///
    /// [`FileError`], after 5 seconds at the latest.
    pub fn read(&self, path: &Path, largest: usize) -> Result<Vec<u8>, FileError> {
        self.in_time(path, move |path| read(path, largest))
    }

    /// The metadata of a file, without opening it.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn metadata(&self, path: &Path) -> Result<Metadata, FileError> {
        self.in_time(path, |path| fs::metadata(path).map_err(FileError::from))
    }

    /// Does something that may block on `path`, on a thread of its own.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn in_time<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&Path) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FileError> {
        if !self.lock().insert(path.to_owned()) {
            return Err(FileError::OutOfTime);
        }
        let (tell, told) = sync_channel(1);
        let (files, owned) = (self.clone(), path.to_owned());
        let worker = std::thread::Builder::new().name("file".to_owned()).spawn(move || {
            let done = work(&owned);
            files.lock().remove(&owned);
            // After the deadline, nobody listens any more.
            _ = tell.send(done);
        });
        if let Err(error) = worker {
            self.lock().remove(path);
            return Err(error.into());
        }
        told.recv_timeout(DEADLINE).unwrap_or(Err(FileError::OutOfTime))
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.hanging.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does blocking work while the runtime goes on. Unlike the runtime's own threads for such work, this one does not
/// delay a stop. `None` if the thread cannot be started or panics.
pub async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = oneshot::channel();
    let worker = std::thread::Builder::new().name("files".to_owned()).spawn(move || _ = tell.send(work()));
    worker.ok()?;
    told.await.ok()
}

fn read(path: &Path, largest: usize) -> Result<Vec<u8>, FileError> {
    // Opening a pipe waits for its other end, and opening a device may do anything, so the kind is checked first.
    refuse_irregular(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    let found = file.metadata()?;
    refuse_irregular(&found)?;
    let length = usize::try_from(found.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(length.min(largest).saturating_add(1));
    file.take(largest as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > largest { Err(FileError::TooLarge(largest)) } else { Ok(bytes) }
}

/// # Errors
///
/// [`FileError::NotRegular`].
pub(crate) fn refuse_irregular(found: &Metadata) -> Result<(), FileError> {
    let kind: FileType = found.file_type();
    match kind {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(FileError::NotRegular("a folder")),
        kind if kind.is_fifo() => Err(FileError::NotRegular("a named pipe")),
        kind if kind.is_socket() => Err(FileError::NotRegular("a socket")),
        _ => Err(FileError::NotRegular("a device")),
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// The words to follow the file's name.
impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::NotRegular(kind) => write!(f, "is {kind}, and only regular files are read"),
            Self::TooLarge(largest) if largest % (1024 * 1024) == 0 => {
                write!(f, "is larger than {} MiB", largest / 1024 / 1024)
            }
            Self::TooLarge(largest) => write!(f, "is larger than {} KiB", largest / 1024),
            Self::OutOfTime => write!(f, "was not read within {} s", DEADLINE.as_secs()),
        }
    }
}

impl std::error::Error for FileError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn one_thread_at_most_waits_for_a_file_that_hangs() {
        let files = Files::default();
        let (release, released) = channel::<()>();
        let path = Path::new("/a/dead/mount");
        let hanging = files.in_time(path, move |_| {
            _ = released.recv();
            Ok(())
        });
        assert_eq!(hanging, Err(FileError::OutOfTime));
        assert_eq!(files.in_time(path, |_| Ok(())), Err(FileError::OutOfTime), "the first still hangs");
        assert_eq!(files.in_time(Path::new("/another"), |_| Ok(())), Ok(()));
        drop(release);
        let mut again = Err(FileError::OutOfTime);
        for _ in 0..100 {
            again = files.in_time(path, |_| Ok(()));
            if again.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(again, Ok(()), "it came back");
    }

    #[test]
    fn only_regular_files_are_read_and_up_to_a_size() {
        let files = Files::default();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "12345678").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(files.read(&file, 8).unwrap(), b"12345678");
        assert_eq!(files.read(&link, 8).unwrap(), b"12345678");
        assert_eq!(files.read(&file, 7), Err(FileError::TooLarge(7)));
        assert_eq!(files.read(folder.path(), 8), Err(FileError::NotRegular("a folder")));
        assert_eq!(files.read(Path::new("/dev/zero"), 8), Err(FileError::NotRegular("a device")));
        assert!(matches!(files.read(&folder.path().join("none"), 8), Err(FileError::Io(_))));
    }
}
