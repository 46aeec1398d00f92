//! A real Valkey server on loopback, by `tests/peers/install`.

use super::elsewhere::peers;
use super::postern::free_port;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) struct Valkey {
    process: Child,
    options: Vec<String>,
    pub(crate) port: u16,
    /// Where the server's files are, and those of its TLS: `ca.pem`, `server.pem`, `server.key`.
    pub(crate) folder: TempDir,
}

impl Valkey {
    /// `None`, said aloud, where no peers are installed. It keeps nothing on disk: stopped, it forgets everything.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        peers("valkey")?;
        let port = free_port();
        let port_text = port.to_string();
        Some(Self::run(port, TempDir::new().unwrap(), [&["--port", &port_text], options].concat()))
    }

    /// Speaks nothing but TLS, with a certificate for `localhost` by an authority of its own.
    pub(crate) fn start_tls(options: &[&str]) -> Option<Self> {
        peers("valkey")?;
        let (port, folder) = (free_port(), TempDir::new().unwrap());
        make_certificates(folder.path());
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (port_text, certificate, key, ca) =
            (port.to_string(), at("server.pem"), at("server.key"), at("ca.pem"));
        let tls = ["--port", "0", "--tls-port", &port_text, "--tls-auth-clients", "no"];
        let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
        Some(Self::run(port, folder, [&tls, &files, options].concat()))
    }

    fn run(port: u16, folder: TempDir, options: Vec<&str>) -> Self {
        let options: Vec<String> = options.into_iter().map(str::to_owned).collect();
        let process = spawn(&options, folder.path(), port);
        Self { process, options, port, folder }
    }

    pub(crate) fn stop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }

    /// A new, empty server at the same address.
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(&self.options, self.folder.path(), self.port);
    }

    /// It keeps its connections and answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }
}

impl Drop for Valkey {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(options: &[String], folder: &Path, port: u16) -> Child {
    let binary = peers("valkey").expect("installed").join("valkey/valkey-server");
    let mut process = Command::new(binary)
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(folder)
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("valkey-server starts");
    for _ in 0..500 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return process;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    _ = process.kill();
    _ = process.wait();
    panic!("valkey-server does not listen on {port}");
}

/// An authority and a server's certificate by it, in `folder`.
pub(crate) fn make_certificates(folder: &Path) {
    let script = "set -e
        openssl ecparam -name prime256v1 -genkey -noout -out ca.key
        openssl req -x509 -new -key ca.key -days 2 -subj '/CN=a test authority' -out ca.pem
        openssl ecparam -name prime256v1 -genkey -noout -out server.key
        openssl req -new -key server.key -subj /CN=localhost -out server.csr
        printf 'subjectAltName=DNS:localhost\\nextendedKeyUsage=serverAuth\\n' > server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.pem";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).output().expect("a shell");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
