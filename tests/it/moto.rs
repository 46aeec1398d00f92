//! Role assumption against an STS that this project did not write: moto's.

use crate::support::aws_fake::AwsFake;
use crate::support::elsewhere::peers;
use crate::support::postern::free_port;
use crate::support::stage::Stage;
use postern::sandbox::SandboxOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) struct Moto {
    child: Child,
    pub(crate) url: String,
}

impl Moto {
    /// Waits until moto itself answers: under load, another program may take the port before it.
    pub(crate) fn start(peers: &std::path::Path) -> Self {
        (0..5).find_map(|_| Self::attempt(peers)).expect("moto does not start")
    }

    fn attempt(peers: &std::path::Path) -> Option<Self> {
        let port = free_port();
        let child = Command::new(peers.join("aws/bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("POSTERN_PEERS holds what tests/peers/install made");
        let mut moto = Self { child, url: format!("http://127.0.0.1:{port}") };
        for _ in 0..600 {
            if moto.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return None;
            }
            if is_moto(port) {
                return Some(moto);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Whether moto's own page is there.
fn is_moto(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let request =
        format!("GET /moto-api/data.json HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    _ = stream.write_all(request.as_bytes());
    _ = stream.read_to_string(&mut answer);
    answer.starts_with("HTTP/1.1 200")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_runs_under_credentials_of_another_sts() {
    let Some(peers) = peers("moto") else { return };
    let moto = Moto::start(&peers);
    let sagemaker = AwsFake::start(|_| None).await;
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let replaced = text.lines().map(|line| match line.trim_start().split(':').next() {
            Some("endpoint_url") => format!("  endpoint_url: {}", sagemaker.url()),
            Some("sts_endpoint_url") => format!("  sts_endpoint_url: {}", moto.url),
            _ => line.to_owned(),
        });
        replaced.collect::<Vec<_>>().join("\n")
    })
    .await;
    let handed_out = stage.program("grace").get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(handed_out.status, 302, "{}\n{}", handed_out.body, stage.postern.log());
    let calls = sagemaker.calls("CreatePresignedDomainUrl");
    assert_eq!(calls.len(), 1);
    assert!(calls[0].access_key_id.starts_with("ASIA"), "temporary credentials: {}", calls[0].access_key_id);
    assert_eq!(stage.postern.audit(2)[1]["role_session_name"], "grace@corp.example");
    assert_eq!(stage.sandbox.call_count(), 0, "nothing went to the sandbox's own STS");
}
