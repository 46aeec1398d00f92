//! `postern servers`: the real binary before the sandbox's AWS, judged by the calls that arrive there and by what it prints.

mod declared;
mod ends;
mod opened;
mod peers;
mod plans;
mod updates;

use crate::support::postern::BINARY;
use postern::sandbox::{Call, Sandbox, SandboxOptions};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long the sandbox takes for a creation or an update.
const PACE: Duration = Duration::from_millis(150);
const REGION: &str = "eu-west-1";
const ROLE: &str = "arn:aws:iam::111122223333:role/mlflow";

/// A declared server with its required fields.
const RISK: &str = "
  analysis:
    artifact_store_uri: s3://corp-ml-risk/analysis
    role_arn: arn:aws:iam::111122223333:role/mlflow
";

struct Workshop {
    sandbox: Sandbox,
    folder: TempDir,
}

struct Run {
    status: i32,
    out: String,
    err: String,
}

impl Workshop {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxOptions { pace: PACE, ..SandboxOptions::default() }).await;
        Self { sandbox: sandbox.expect("a sandbox"), folder: TempDir::new().expect("a folder") }
    }

    /// With these declared tracking servers, as YAML below the key.
    async fn with_servers(servers: &str) -> Self {
        let workshop = Self::new().await;
        workshop.declare(servers, "");
        workshop
    }

    /// Writes the demo's configuration with these tracking servers and Apps.
    fn declare(&self, servers: &str, apps: &str) {
        let mut text = self.sandbox.configuration("http://localhost:8080", "127.0.0.1:8080");
        text = without_declarations(&text);
        if !servers.trim().is_empty() {
            text += &format!("\nmlflow_tracking_servers:{servers}\n");
        }
        if !apps.trim().is_empty() {
            text += &format!("\nmlflow_apps:{apps}\n");
        }
        std::fs::write(self.config(), text).expect("a file");
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("postern.yaml")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let key = self.sandbox.credentials();
        let mut command = Command::new(BINARY);
        let (verb, rest) = arguments.split_first().expect("a verb");
        command
            .args(["servers", verb, "--config"])
            .arg(self.config())
            .args(rest)
            .env("AWS_ACCESS_KEY_ID", &key.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &key.secret_access_key)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("the binary runs")
    }

    /// The sandbox serves on other threads meanwhile.
    fn run(&self, arguments: &[&str]) -> Run {
        ended(self.start(arguments))
    }

    fn apply(&self, arguments: &[&str]) -> Run {
        self.run(&[&["apply", "--yes", "--timeout", "30s"], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let run = self.run(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}{}", run.out, run.err))
    }

    /// The first declared server's plan.
    fn plan(&self) -> Value {
        self.json(&["plan"])["servers"][0].clone()
    }

    fn calls(&self, operation: &str) -> Vec<Call> {
        self.sandbox.calls().into_iter().filter(|call| call.operation == operation).collect()
    }
}

fn ended(child: Child) -> Run {
    let output = child.wait_with_output().expect("its end");
    Run {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// The demo declares servers of its own.
fn without_declarations(text: &str) -> String {
    let mut kept = String::new();
    let mut leaving_out = false;
    for line in text.lines() {
        if !line.starts_with([' ', '#']) && !line.is_empty() {
            leaving_out = line.starts_with("mlflow_tracking_servers:") || line.starts_with("mlflow_apps:");
        }
        if !leaving_out {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}
