//! What stands in `deploy/`: judged by the tools that it is for, and the load balancers by real launches.

mod balanced;
mod balancers;
mod client;

use std::path::{Path, PathBuf};

/// A file of `deploy/`.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

/// The text with everything replaced that a reader is told to replace. What is to be replaced must be there.
fn filled_in(text: &str, replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "`{from}` does not stand there any more:\n{text}");
        text.replace(from, to)
    })
}
