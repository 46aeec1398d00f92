//! What stands in `deploy/`: judged by the tools that it is for, and the load balancers by real launches.

mod balanced;
mod balancers;
mod ci;
mod client;
mod cloudformation;
mod container;
mod kubernetes;
mod systemd;

use postern::config::Drain;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// What a process still writes after its drain; `FLUSH` of `postern serve`.
const FLUSH: Duration = Duration::from_secs(5);

/// A file or folder of `deploy/`.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(shipped(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The text with everything replaced that a reader is told to replace. What is to be replaced must be there.
fn filled_in(text: &str, replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "`{from}` does not stand there any more:\n{text}");
        text.replace(from, to)
    })
}

/// What one of the peers says of files.
fn judged(program: &Path, arguments: &[&str], files: &[PathBuf]) -> Output {
    let judged = Command::new(program).args(arguments).args(files).env_remove("BC_API_KEY").output();
    judged.unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

fn said(output: &Output) -> String {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream).into_owned());
    format!("{}{out}{err}", if output.status.success() { "" } else { "(failed)\n" })
}

/// Checkov's own rules, offline. Skips stand in the files, each with its reason.
fn pass_checkov(peers: &Path, framework: &str, further: &[&str], files: &[PathBuf]) {
    let options = ["--framework", framework, "--skip-download", "--compact", "--quiet"];
    let mut arguments = [&options, further].concat();
    arguments.push("--file");
    let output = judged(&peers.join("checkov/bin/checkov"), &arguments, files);
    let said = said(&output);
    assert!(output.status.success() && said.contains("Failed checks: 0"), "{said}");
}

/// Whoever ends the process gives it the time that it takes to stop.
#[track_caller]
fn outlasts(patience: Duration, drain: Drain) {
    let needed = drain.delay + drain.grace + FLUSH;
    assert!(patience > needed, "{patience:?} for what may take {needed:?}");
}
