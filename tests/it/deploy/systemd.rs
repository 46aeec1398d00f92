//! The unit and its socket, as systemd reads them.

use super::{filled_in, judged, outlasts, said, text};
use crate::support::elsewhere::peers;
use crate::support::postern::BINARY;
use crate::support::stage::Stage;
use postern::config::load;
use postern::sandbox::SandboxOptions;
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
fn what_is_commented_out_is_understood_too() {
    let Some(peers) = peers("systemd units") else { return };
    let (_folder, paths) = units(|text| filled_in(&text, &[("#LoadCredential=", "LoadCredential=")]));
    assert_eq!(verify(&peers, &paths), "");
}

/// `logrotate` itself renames the file of a gateway that goes on writing.
#[tokio::test(flavor = "multi_thread")]
async fn the_trail_is_rotated_and_nothing_of_it_is_lost() {
    let Some(peers) = peers("logrotate") else { return };
    let folder = TempDir::new().expect("a folder");
    let trail = folder.path().join("audit.jsonl");
    let audit = format!("\naudit: {{file: {}}}\n", trail.display());
    let stage = Stage::with(SandboxOptions::default(), |text| text + &audit).await;
    let launch = async || stage.program("grace").get(&stage.postern.at("/studio")).await.checked().status;
    assert_eq!(launch().await, 302);
    records(&trail, 2).await;
    let rules = folder.path().join("postern.logrotate");
    let place = ("/var/log/postern/audit.jsonl", trail.to_str().expect("UTF-8"));
    fs::write(&rules, filled_in(&text("systemd/postern.logrotate"), &[place])).expect("the rules");
    let state = folder.path().join("state");
    let arguments = ["--force", "--verbose", "--state", state.to_str().expect("UTF-8")];
    let rotated = judged(&peers.join("logrotate/logrotate"), &arguments, &[rules]);
    assert!(rotated.status.success() && !said(&rotated).contains("error:"), "{}", said(&rotated));
    assert!(!trail.exists(), "{}", said(&rotated));
    assert_eq!(launch().await, 302);
    records(&trail, 1).await;
    let entries =
        fs::read_dir(folder.path()).expect("the folder").map(|entry| entry.expect("an entry").path());
    let before = |path: &PathBuf| path.to_str().is_some_and(|path| path.contains("audit.jsonl-"));
    records(&entries.into_iter().find(before).expect("the renamed one"), 2).await;
}

/// Waits until the file holds so many records; more would be wrong.
async fn records(file: &Path, count: usize) {
    let found = || fs::read_to_string(file).unwrap_or_default().lines().count();
    for _ in 0..500 {
        if found() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(found(), count, "{}", file.display());
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
