//! Logs and the audit trail under readers that stall and streams that are full.

use crate::support::postern::{BINARY, free_port};
use crate::support::visitor::Visitor;
use postern::sandbox::{Sandbox, SandboxOptions, Token};
use postern::sink::Sink;
use prometheus_client::metrics::counter::Counter;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
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
        let served = Self { child: run(&config, stdout), port, admin, _folder: folder };
        served.wait();
        served
    }

    fn wait(&self) {
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
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

/// The binary, with a log that nobody reads.
fn run(config: &Path, stdout: Stdio) -> Child {
    Command::new(BINARY)
        .arg("serve")
        .arg("--config")
        .arg(config)
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
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

/// A stream that does with each write what the test says, and keeps what it took.
#[derive(Clone, Default)]
struct Stream {
    taken: Arc<Mutex<Vec<u8>>>,
    writes: Arc<Mutex<Vec<io::Result<usize>>>>,
    gate: Option<Arc<Mutex<Receiver<()>>>>,
}

impl Stream {
    /// How much the next writes take; after that, everything.
    fn that(writes: impl IntoIterator<Item = io::Result<usize>>) -> Self {
        let mut writes: Vec<_> = writes.into_iter().collect();
        writes.reverse();
        Self { writes: Arc::new(Mutex::new(writes)), ..Self::default() }
    }

    /// Takes nothing before the test says so.
    fn stalled() -> (Self, Sender<()>) {
        let (open, gate) = channel();
        (Self { gate: Some(Arc::new(Mutex::new(gate))), ..Self::default() }, open)
    }

    fn text(&self) -> String {
        String::from_utf8(self.taken.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(gate) = &self.gate {
            _ = gate.lock().unwrap().recv();
        }
        let taken = self.writes.lock().unwrap().pop().unwrap_or(Ok(bytes.len()))?.min(bytes.len());
        self.taken.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn sink(stream: &Stream, capacity: usize) -> (Sink, Counter) {
    let lost = Counter::default();
    let notice = |lost| format!("lost {lost}\n").into_bytes();
    (Sink::start("test", capacity, lost.clone(), stream.clone(), notice).unwrap(), lost)
}

const SOON: Duration = Duration::from_secs(10);

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

#[test]
fn a_stream_that_stalls_loses_what_finds_no_room_and_says_so_in_its_place() {
    let (stream, open) = Stream::stalled();
    let (sink, lost) = sink(&stream, 50);
    sink.line(b"the first\n");
    // The thread has it, and stalls with it.
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..100 {
        sink.line(b"123456789\n");
    }
    assert_eq!(lost.get(), 95, "five of ten bytes fit into fifty");
    drop(open);
    sink.flush(SOON);
    sink.line(b"the last\n");
    sink.flush(SOON);
    assert_eq!(stream.text(), format!("the first\n{}lost 95\nthe last\n", "123456789\n".repeat(5)));
}

#[test]
fn a_line_that_was_cut_off_does_not_spoil_the_next() {
    let stream = Stream::that([Ok(7), Err(full()), Err(full())]);
    let (sink, lost) = sink(&stream, 1000);
    for text in ["one\ntwo\n", "three\n", "four\n"] {
        sink.line(text.as_bytes());
        sink.flush(SOON);
    }
    assert_eq!(stream.text(), "one\ntwo\nfour\nlost 2\n", "`three` met a full disk");
    assert_eq!(lost.get(), 2);
}

#[test]
fn a_stream_that_is_busy_or_interrupted_loses_nothing() {
    let stream = Stream::that([
        Err(io::ErrorKind::WouldBlock.into()),
        Ok(2),
        Err(io::ErrorKind::Interrupted.into()),
        Err(io::ErrorKind::WouldBlock.into()),
    ]);
    let (sink, lost) = sink(&stream, 1000);
    sink.line(b"a line\n");
    sink.flush(SOON);
    assert_eq!((stream.text().as_str(), lost.get()), ("a line\n", 0));
}

#[test]
fn lines_share_writes() {
    let (stream, writes) = Stream::stalled();
    let (sink, lost) = sink(&stream, 1 << 20);
    for _ in 0..10_000 {
        sink.line(b"a line\n");
    }
    // Three writes are let through, where ten thousand lines want to be written.
    for _ in 0..3 {
        writes.send(()).unwrap();
    }
    sink.flush(SOON);
    assert_eq!((stream.text().lines().count(), lost.get()), (10_000, 0));
}

#[test]
fn what_was_queued_is_written_before_the_thread_ends() {
    let stream = Stream::default();
    let (sink, _) = sink(&stream, 1000);
    sink.line(b"a line\n");
    drop(sink);
    for _ in 0..500 {
        if stream.text() == "a line\n" {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the line is not there");
}

/// A pipe holds 64 KiB, and the records of this are several times that. They wait, and are all there in the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_the_audit_trail_that_stalls_holds_nobody_up() {
    const DENIALS: usize = 600;
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let port = free_port();
    let (folder, url) = (TempDir::new().unwrap(), format!("http://localhost:{port}"));
    std::fs::write(folder.path().join("sandbox-client-secret"), sandbox.client().1.expose()).unwrap();
    let config = folder.path().join("postern.yaml");
    std::fs::write(&config, sandbox.configuration(&url, &format!("127.0.0.1:{port}"))).unwrap();
    let child = run(&config, Stdio::piped());
    let mut served = Served { child, port, admin: 0, _folder: folder };
    served.wait();
    let token = sandbox.token(&Token::new(sandbox.access_claims("max"))).unwrap();
    let (mut max, studio) = (Visitor::program().bearer(&token), url::Url::parse(&url).unwrap());
    let studio = studio.join("/studio").unwrap();
    for _ in 0..DENIALS {
        assert_eq!(max.get(&studio).await.checked().status, 403);
    }
    let trail = io::BufReader::new(served.child.stdout.take().unwrap());
    let records = io::BufRead::lines(trail).take(1 + DENIALS).map(Result::unwrap);
    let events: Vec<_> = records
        .map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap()["event"].clone())
        .collect();
    assert_eq!(events[0], "start");
    assert!(events[1..].iter().all(|event| event == "deny"), "{events:?}");
}
