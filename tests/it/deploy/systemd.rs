//! The unit and its socket, as systemd reads them.

use super::{filled_in, judged, outlasts, said, text};
use crate::support::elsewhere::peers;
use crate::support::postern::BINARY;
use postern::config::load;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The units in a folder of their own, started from where the tests' binary is.
fn units(change: impl Fn(String) -> String) -> (TempDir, [PathBuf; 2]) {
    let folder = TempDir::new().expect("a folder");
    let service = filled_in(&text("systemd/postern.service"), &[("/usr/bin/postern", BINARY)]);
    let paths = [folder.path().join("postern.service"), folder.path().join("postern.socket")];
    fs::write(&paths[0], change(service)).expect("the unit");
    fs::write(&paths[1], text("systemd/postern.socket")).expect("the socket");
    (folder, paths)
}

/// It ends with 0 where it ignores what it does not know, so whatever it says is an error.
fn verify(peers: &Path, units: &[PathBuf]) -> String {
    said(&judged(&peers.join("systemd/systemd-analyze"), &["verify", "--man=no"], units))
}

#[test]
fn units_are_understood_to_the_letter() {
    let Some(peers) = peers("systemd units") else { return };
    let (_folder, paths) = units(|text| text);
    assert_eq!(verify(&peers, &paths), "");
    let (_folder, paths) = units(|text| text.replace("RestrictSUIDSGID=", "RestrictSUIDGUID="));
    assert!(verify(&peers, &paths).contains("RestrictSUIDGUID"), "what systemd would ignore is noticed");
}

#[test]
fn the_unit_is_exposed_to_little() {
    let Some(peers) = peers("systemd units") else { return };
    let security = |service: &PathBuf| {
        // In tenths: below 2 of 10 is what systemd calls OK.
        let arguments = ["security", "--offline=true", "--threshold=15", "--no-pager"];
        judged(&peers.join("systemd/systemd-analyze"), &arguments, std::slice::from_ref(service))
    };
    let (_folder, [service, _]) = units(|text| text);
    let output = security(&service);
    assert!(output.status.success(), "{}", said(&output));
    let (_folder, [service, _]) = units(|text| text.replace("SystemCallFilter=@system-service\n", ""));
    assert!(!security(&service).status.success(), "without its filter it is exposed to more");
}

#[test]
fn systemd_waits_for_the_drain() {
    let unit = text("systemd/postern.service");
    let seconds = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")?.strip_suffix('s'));
    let seconds = seconds.expect("TimeoutStopSec in seconds").parse().expect("a number");
    let defaults = load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config/minimal.yaml")));
    outlasts(Duration::from_secs(seconds), defaults.expect("the defaults").gateway.drain);
}
