//! Logs and the audit trail under readers that stall and streams that are full.

use crate::support::postern::{BINARY, free_port};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

struct Served {
    child: Child,
    port: u16,
    admin: u16,
    _folder: TempDir,
}

impl Served {
    /// The gateway without its sandbox: health, refusals and metrics need none.
    fn start(stdout: Stdio) -> Self {
        let (port, admin) = (free_port(), free_port());
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("sandbox-client-secret"), "a secret of this test").unwrap();
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/sandbox.yaml");
        let text = std::fs::read_to_string(example).unwrap();
        let text = text
            .replace("localhost:8080", &format!("localhost:{port}"))
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"))
            .replace("127.0.0.1:0", &format!("127.0.0.1:{admin}"));
        let config = folder.path().join("postern.yaml");
        std::fs::write(&config, text).unwrap();
        let child = Command::new(BINARY)
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let served = Self { child, port, admin, _folder: folder };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return served;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("postern did not start");
    }

    fn get(&self, port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n\r\n", self.port)
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer in time");
        answer
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A pipe holds 64 KiB. Nobody reads this one, and what is logged is several times that.
#[test]
fn a_reader_of_the_log_that_stalls_holds_nobody_up() {
    let served = Served::start(Stdio::null());
    for _ in 0..1500 {
        assert!(served.get(served.port, "/-/live").starts_with("HTTP/1.1 200"));
    }
}

#[test]
fn audit_records_that_are_lost_are_counted() {
    let full =
        std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that is always full");
    let served = Served::start(full.into());
    let mut metrics = String::new();
    for _ in 0..200 {
        metrics = served.get(served.admin, "/metrics");
        if metrics.contains("\npostern_audit_lost_total 1\n") {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the record of the start was lost and not counted: {metrics}");
}
