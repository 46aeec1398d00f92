//! Role assumption against an STS that this project did not write: moto's.

use crate::support::aws_fake::AwsFake;
use crate::support::elsewhere::peers;
use crate::support::postern::free_port;
use crate::support::stage::Stage;
use postern::sandbox::SandboxOptions;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) struct Moto {
    child: Child,
    pub(crate) url: String,
}

impl Moto {
    pub(crate) fn start(peers: &std::path::Path) -> Self {
        let port = free_port();
        let child = Command::new(peers.join("aws/bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("POSTERN_PEERS holds what tests/peers/install made");
        let moto = Self { child, url: format!("http://127.0.0.1:{port}") };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return moto;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("moto did not start");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
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
