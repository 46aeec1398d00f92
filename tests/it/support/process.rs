//! A program that runs beside the tests and ends with its handle.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) struct Beside(Child);

impl Beside {
    /// Starts a server and waits until it takes connections on `port`.
    pub(crate) fn start(program: &Path, arguments: &[&str], port: u16) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Self(child);
            }
            if let Some(status) = child.try_wait().expect("a child") {
                panic!("{} {arguments:?} ended: {status}", program.display());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        _ = child.kill();
        panic!("{} does not listen on {port}", program.display());
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
