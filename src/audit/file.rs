//! The file that the audit trail goes to.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Appends to whatever stands at a path, and follows when that is rotated: a file that was renamed or removed is left, and
/// the path opened anew, by the next write.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    file: File,
    identity: (u64, u64),
}

impl AuditFile {
    /// Opens the file, or creates it for its owner alone.
    ///
    /// # Errors
    ///
    /// It cannot be opened for writing, or is a named pipe: opening one waits for a reader without end.
    pub fn open(path: &Path) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
            return Err(io::Error::other("it is a named pipe: have the trail on standard output instead"));
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let identity = identity(&file.metadata()?);
        Ok(Self { path: path.to_owned(), file, identity })
    }
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
