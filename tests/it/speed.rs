//! What tests/bench measures is what it says: every server there takes good credentials and refuses forged ones. Nothing is
//! measured here.

use crate::support::elsewhere::peers;
use crate::support::postern::BINARY;
use std::process::Command;

const SUITE: &str = "speed";

#[test]
fn every_server_that_is_measured_does_the_job() {
    let Some(peers) = peers(SUITE) else { return };
    let checked = Command::new("tests/bench/run")
        .args(["--check", "--programs", BINARY, env!("CARGO_BIN_EXE_stage")])
        .env("POSTERN_PEERS", peers)
        .output()
        .expect("tests/bench/run");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    assert!(said.contains("Postern: answers 403, refuses 10 forgeries"), "{said}");
}
