//! The real binary, on a free port, with everything it prints kept.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_postern");

#[derive(Debug)]
pub(crate) struct Postern {
    child: Child,
    pub url: Url,
    output: Arc<Mutex<String>>,
    audit: Arc<Mutex<String>>,
}

impl Postern {
    /// Runs `postern serve` and waits until it answers; `url` is what the config's `public_url` says. `None` where
    /// somebody else took the port in the meantime.
    pub(crate) fn serve(config: &Path, url: Url, environment: &[(&str, &str)]) -> Option<Self> {
        let mut child = Command::new(BINARY)
            .args(["serve", "--log-format", "json", "--config"])
            .arg(config)
            .env("POSTERN_LOG", "trace")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (output, started) = keep(child.stderr.take().expect("standard error"), Some("\"started\""));
        let (audit, _) = keep(child.stdout.take().expect("standard output"), None);
        if started.recv_timeout(Duration::from_secs(30)).is_err() {
            _ = child.kill();
            _ = child.wait();
            let output = output.lock().expect("output");
            assert!(output.contains("Address already in use"), "postern did not start: {output}");
            return None;
        }
        Some(Self { child, url, output, audit })
    }

    pub(crate) fn at(&self, path: &str) -> Url {
        self.url.join(path).expect("a path")
    }

    /// A path at the admin listener, whose address the log names.
    pub(crate) fn admin(&self, path: &str) -> Url {
        let log = self.log();
        let address = log.split("\"admin\":\"").nth(1).and_then(|rest| rest.split('"').next());
        Url::parse(&format!("http://{}{path}", address.expect("an address"))).expect("a URL")
    }

    /// Everything it wrote to standard error so far, at TRACE.
    pub(crate) fn log(&self) -> String {
        self.output.lock().expect("output").clone()
    }

    /// Waits until the log contains `text` so many times.
    pub(crate) async fn wait_for_log(&self, text: &str, times: usize) {
        for _ in 0..1500 {
            if self.log().matches(text).count() >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not {times} times {text}: {}", self.log());
    }

    /// The audit records so far. Writing is asynchronous, so this waits until there are `at_least` of them.
    pub(crate) fn audit(&self, at_least: usize) -> Vec<serde_json::Value> {
        for _ in 0..500 {
            let text = self.audit.lock().expect("audit").clone();
            let records: Vec<_> =
                text.lines().map(|line| serde_json::from_str(line).expect("a JSON record")).collect();
            if records.len() >= at_least {
                return records;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("fewer than {at_least} audit records: {}", self.audit.lock().expect("audit"));
    }

    /// All records, when no further one has come for half a second.
    pub(crate) fn audit_at_rest(&self) -> Vec<serde_json::Value> {
        let mut text = self.audit_text();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(500));
            let now = self.audit_text();
            if now == text {
                return text.lines().map(|line| serde_json::from_str(line).expect("a JSON record")).collect();
            }
            text = now;
        }
        panic!("the audit trail does not come to rest: {text}");
    }

    pub(crate) fn audit_text(&self) -> String {
        self.audit.lock().expect("audit").clone()
    }

    /// Memory of its own, in KiB: pages of the program file, which it touches as it goes, are not counted.
    pub(crate) fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        for _ in 0..500 {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("postern did not stop");
    }
}

impl Drop for Postern {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Reads a stream to its end on a thread, and tells when a line contains `marker`.
fn keep(
    stream: impl Read + Send + 'static,
    marker: Option<&'static str>,
) -> (Arc<Mutex<String>>, Receiver<()>) {
    let kept = Arc::new(Mutex::new(String::new()));
    let (found, wait) = channel();
    let writer = Arc::clone(&kept);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut text = writer.lock().expect("output");
            text.push_str(&line);
            text.push('\n');
            drop(text);
            if marker.is_some_and(|marker| line.contains(marker)) {
                _ = found.send(());
            }
        }
    });
    (kept, wait)
}
