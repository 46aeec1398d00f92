//! Runs a scenario of `tests/browser` in Chromium and answers what it asks.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// What a scenario runs in.
pub(crate) trait Scene {
    /// What the script is told at its start: `peers`, and where everything is.
    fn description(&self) -> Value;
    /// What a script may ask for.
    fn answer(&self, question: &Value) -> Result<Value, String>;
    /// What everything around the browser printed, for a failure.
    fn printed(&self) -> String;
}

/// Runs one scenario; `label` names its screenshots and logs.
pub(crate) fn play(scene: &impl Scene, script: &str, name: &str, label: &str) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let mut told = scene.description();
    told["failures"] = json!(env!("CARGO_TARGET_TMPDIR"));
    told["label"] = json!(label);
    let mut player = Command::new("node")
        .arg(scripts.join("run.mjs"))
        .args([script, name, &told.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut answers = player.stdin.take().expect("standard input");
    let mut printed = String::new();
    for line in BufReader::new(player.stdout.take().expect("standard output")).lines() {
        let line = line.expect("a line");
        let Some(question) = line.strip_prefix("ASK ") else {
            printed.push_str(&line);
            printed.push('\n');
            continue;
        };
        let question: Value = serde_json::from_str(question).expect("a question in JSON");
        let answer = match scene.answer(&question) {
            Ok(answer) => json!({ "answer": answer }),
            Err(error) => json!({ "error": error }),
        };
        writeln!(answers, "{answer}").expect("the script listens");
    }
    println!("{printed}");
    let status = player.wait().expect("the end of the script");
    if !status.success() {
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{label}.log"));
        std::fs::write(&log, scene.printed()).expect("the log");
        panic!("{label} failed; what the peers printed is in {}", log.display());
    }
}
