//! What some tests need and this repository does not hold: public test vectors, and peers that others wrote.
//!
//! Where they are not named and not there, the suite is left out, and the test run says so past the harness's capture.
//! Where they are named and something is missing, the test fails.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file or folder of the vectors: below `POSTERN_VECTORS`, or `../shared/vectors` where that is there.
pub(crate) fn vectors(name: &str) -> Option<PathBuf> {
    if let Some(root) = env::var_os("POSTERN_VECTORS") {
        let path = PathBuf::from(root).join(name);
        assert!(path.exists(), "POSTERN_VECTORS is set, but {} is not there", path.display());
        return Some(path);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors").join(name);
    if !path.exists() {
        leave_out(name, "POSTERN_VECTORS is not set");
    }
    path.exists().then_some(path)
}

/// The folder that `tests/peers/install` filled, if it is named.
pub(crate) fn peers(suite: &str) -> Option<PathBuf> {
    let peers = env::var_os("POSTERN_PEERS").map(PathBuf::from);
    if peers.is_none() {
        leave_out(suite, "POSTERN_PEERS is not set; tests/run sets it");
    }
    peers
}

/// The folder in which `tests/run` let the container image be built, if it is named.
pub(crate) fn images(suite: &str) -> Option<PathBuf> {
    let images = env::var_os("POSTERN_IMAGES").map(PathBuf::from);
    if images.is_none() {
        leave_out(suite, "POSTERN_IMAGES is not set; tests/run sets it");
    }
    images
}

fn leave_out(suite: &str, why: &str) {
    _ = writeln!(std::io::stderr(), "LEFT OUT: {suite} ({why})");
}
