//! The file that the audit trail goes to.

use crate::files::{self, FileError, Files};
use rustix::fs::{Access, access};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Appends to the file at a path, and follows its rotation: when the file was renamed or removed, the next write opens
/// the path anew.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    file: File,
    identity: (u64, u64),
}

impl AuditFile {
    /// As [`open`](Self::open), on a thread of its own.
    ///
    /// # Errors
    ///
    /// The same, or the file does not answer in time.
    pub fn open_in_time(path: &Path, files: &Files) -> Result<Self, String> {
        files.in_time(path, |path| Ok(Self::open(path)?)).map_err(told)
    }

    /// Opens the file, or creates it for its owner alone.
    ///
    /// # Errors
    ///
    /// It cannot be opened for writing, or is a named pipe: opening one waits for a reader without end.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Ok(found) = fs::metadata(path) {
            refuse_pipe(&found)?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let identity = identity(&file.metadata()?);
        Ok(Self { path: path.to_owned(), file, identity })
    }

    /// Whether the file can be opened, and a warning where somebody should look at it all the same. Creates no file:
    /// where there is none yet, there has to be a folder for it.
    ///
    /// # Errors
    ///
    /// As [`open_in_time`](Self::open_in_time).
    pub fn examine(path: &Path, files: &Files) -> Result<Option<String>, String> {
        files.in_time(path, |path| Ok(complaint(path)?)).map_err(told)
    }
}

fn told(error: FileError) -> String {
    match error {
        FileError::Io(error) => error,
        _ => format!("it did not answer within {} s", files::DEADLINE.as_secs()),
    }
}

fn complaint(path: &Path) -> io::Result<Option<String>> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            access(folder.unwrap_or(Path::new(".")), Access::WRITE_OK | Access::EXEC_OK)?;
            return Ok(None);
        }
        found => found?,
    };
    refuse_pipe(&found)?;
    OpenOptions::new().append(true).open(path)?;
    let complaint = if fs::symlink_metadata(path)?.is_symlink() {
        Some("it is a symbolic link: who may change that decides where the trail goes".to_owned())
    } else if found.mode() & 0o022 != 0 {
        Some(format!("others than its owner may write to it: its mode is {:04o}", found.mode() & 0o7777))
    } else {
        None
    };
    Ok(complaint)
}

fn refuse_pipe(found: &Metadata) -> io::Result<()> {
    if found.file_type().is_fifo() {
        return Err(io::Error::other("it is a named pipe: have the trail on standard output instead"));
    }
    Ok(())
}

impl Write for AuditFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_there = fs::metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity);
        if !is_there {
            *self = Self::open(&self.path)?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
