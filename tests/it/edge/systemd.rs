//! A service manager: sockets that it passes on, and what it is told.

use crate::support::postern::BINARY;
use crate::support::raw::{Raw, get};
use crate::support::stage::Stage;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Runs with the configuration of `stage`, whose addresses are taken already, and two passed sockets.
struct Service {
    child: Child,
    told: UnixDatagram,
}

impl Service {
    fn start(stage: &Stage, names: &str, sockets: [&TcpListener; 2]) -> Self {
        let notify = stage.folder.path().join("notify");
        let told = UnixDatagram::bind(&notify).unwrap();
        told.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let passed = |socket: &TcpListener| Stdio::from(OwnedFd::from(socket.try_clone().unwrap()));
        let script = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; LISTEN_PID=$$ exec \"$@\"";
        let child = Command::new("sh")
            .args(["-c", script, "sh", BINARY, "serve", "--config"])
            .arg(stage.folder.path().join("postern.yaml"))
            .envs([("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", names), ("WATCHDOG_USEC", "200000")])
            .env("NOTIFY_SOCKET", &notify)
            .stdin(passed(sockets[0]))
            .stdout(passed(sockets[1]))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, told }
    }

    /// The next message that says something else than that the process is alive.
    fn says(&self) -> String {
        loop {
            let message = self.message();
            if message != "WATCHDOG=1" {
                return message;
            }
        }
    }

    fn message(&self) -> String {
        let mut buffer = [0; 512];
        let length = self.told.recv(&mut buffer).expect("a message in time");
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_passed_on_and_the_manager_is_told() {
    let stage = Stage::new().await;
    let [main, admin] = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let [main_port, admin_port] = [&main, &admin].map(|socket| socket.local_addr().unwrap().port());
    let mut early = Raw::connect(main_port).await;
    early.send(get(stage.postern.url.port().unwrap(), "/-/live", "")).await;

    let mut service = Service::start(&stage, "postern:admin", [&main, &admin]);
    assert_eq!(service.says(), "READY=1");
    assert!(early.rest_as_text().await.starts_with("HTTP/1.1 200 "), "who came before the process is served");
    let mut scraper = Raw::connect(admin_port).await;
    scraper.send(get(admin_port, "/metrics", "")).await;
    assert!(
        scraper.rest_as_text().await.contains("postern_connections"),
        "the admin socket has its own name"
    );
    assert_eq!(service.message(), "WATCHDOG=1");

    service.signal("HUP");
    let reloading = service.says();
    let since =
        reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap_or_else(|| panic!("{reloading}"));
    assert!(since.parse::<u64>().is_ok(), "{since}");
    assert_eq!(service.says(), "READY=1", "after a reload");
    std::fs::write(stage.folder.path().join("postern.yaml"), "nonsense").unwrap();
    service.signal("HUP");
    assert!(service.says().starts_with("RELOADING=1"));
    assert_eq!(service.says(), "READY=1", "a refused reload is over, too");

    service.signal("TERM");
    assert_eq!(service.says(), "STOPPING=1");
    assert!(service.child.wait().unwrap().success());
    let mut next = Raw::connect(main_port).await;
    next.send("GET").await;
    assert_eq!(
        main.local_addr().unwrap().port(),
        main_port,
        "the socket is the manager's, and waits for the next process"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sockets_for_one_purpose_are_refused() {
    let stage = Stage::new().await;
    let [first, second] = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let mut service = Service::start(&stage, "web:web", [&first, &second]);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut service.child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(service.child.wait().unwrap().code(), Some(1));
    assert!(said.contains("passed a second socket named `web`; allowed: one named `admin`"), "{said}");
}
