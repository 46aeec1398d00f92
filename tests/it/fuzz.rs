//! The fuzzer's targets in an ordinary build: what they start from, what was found with them, and the public vectors.

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use crate::support::elsewhere::vectors;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use targets::TARGETS;

/// Says which input it was when a check fails.
struct Replayed<'a>(&'a str);

impl Drop for Replayed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was {}", self.0);
        }
    }
}

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(kind)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = files(&folder("seeds").join(name));
    assert!(seeds.len() >= 5, "{name} has something to start from");
    for file in seeds.into_iter().chain(files(&folder("regressions").join(name))) {
        let _replayed = Replayed(&file.display().to_string());
        (target.check)(&std::fs::read(&file).unwrap());
    }
    let Some(root) = vectors("") else { return };
    for (number, input) in targets::vectors::inputs(name, &root).iter().enumerate() {
        let _replayed = Replayed(&format!("vector {number} of {name}: {:?}", String::from_utf8_lossy(input)));
        (target.check)(input);
    }
}

#[test]
fn every_folder_is_a_target_s() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let of = |kind| -> BTreeSet<String> {
        let folders = files(&folder(kind)).into_iter();
        folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of("seeds"), names);
    assert!(of("regressions").is_subset(&names) && of("dictionaries").is_subset(&names));
}

#[test]
fn token() {
    replay("token");
}

#[test]
fn redirect_path() {
    replay("redirect_path");
}

#[test]
fn callback_query() {
    replay("callback_query");
}

#[test]
fn cookie() {
    replay("cookie");
}

#[test]
fn jwks() {
    replay("jwks");
}

#[test]
fn paths() {
    replay("paths");
}

#[test]
fn cel() {
    replay("cel");
}

#[test]
fn yaml() {
    replay("yaml");
}
