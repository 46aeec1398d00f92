//! A replica whose clock somebody moves: `libfaketime` stands between it and the machine's.

use crate::support::elsewhere::peers;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::sleep;

pub(crate) struct FakeClock {
    file: PathBuf,
    library: PathBuf,
}

impl FakeClock {
    /// `None`, said aloud, where no peers are installed.
    pub(crate) fn new(folder: &Path) -> Option<Self> {
        let library = peers("a clock that can be moved")?.join("faketime/libfaketimeMT.so.1");
        assert!(library.exists(), "{} is not there: run tests/peers/install", library.display());
        let clock = Self { file: folder.join("clock"), library };
        clock.write(0);
        Some(clock)
    }

    /// What a process runs with whose wall clock this one is. Its monotonic clock stays the machine's.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        [
            ("LD_PRELOAD", text(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file)),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// From now on the clock is so many seconds ahead of the machine's, or behind. Returns when it is.
    pub(crate) async fn set(&self, ahead: i64) {
        self.write(ahead);
        sleep(Duration::from_millis(1_500)).await;
    }

    fn write(&self, ahead: i64) {
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, format!("{ahead:+}\n")).expect("a file");
        fs::rename(&fresh, &self.file).expect("a file to replace");
    }
}
