//! Replicas that are replaced one after the other behind a real balancer, under load: nobody notices.

use crate::support::elsewhere::peers;
use crate::support::postern::{Postern, free_port};
use crate::support::program::Process;
use crate::support::raw::{Raw, get};
use crate::support::stage::Stage;
use postern::sandbox::SandboxOptions;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_that_replicas_are_replaced() {
    let Some(peers) = peers("haproxy") else { return };
    let stage = Stage::with(SandboxOptions::default(), |text| text.replace("delay: 0s", "delay: 2s")).await;
    let text = fs::read_to_string(stage.folder.path().join("postern.yaml")).unwrap();
    let own = stage.postern.url.port().unwrap();
    let ports = [free_port(), free_port()];
    let replica = |port: u16| {
        let file = stage.folder.path().join(format!("replica-{port}.yaml"));
        let address = format!("address: 127.0.0.1:{port}");
        fs::write(&file, text.replace(&format!("address: 127.0.0.1:{own}"), &address)).unwrap();
        Postern::serve(&file, stage.postern.url.clone(), &[("POSTERN_LOG", "info")]).expect("a free port")
    };
    let mut replicas = ports.map(replica);
    let through = free_port();
    let server = |port| format!("  server s{port} 127.0.0.1:{port}\n");
    let config = format!(
        "defaults\n  mode http\n  timeout connect 2s\n  timeout client 10s\n  timeout server 10s\n  option redispatch\n  retries 3\n\
         frontend public\n  bind 127.0.0.1:{through}\n  default_backend postern\n\
         backend postern\n  option httpchk GET /-/ready\n  default-server check inter 200ms fall 1 rise 1\n{}{}",
        server(ports[0]),
        server(ports[1])
    );
    let file = stage.folder.path().join("haproxy.cfg");
    fs::write(&file, config).unwrap();
    let program = peers.join("haproxy/haproxy");
    let listens = |_: &str| std::net::TcpStream::connect(("127.0.0.1", through)).is_ok();
    let arguments = ["-db", "-f", file.to_str().unwrap()];
    let _balancer = Process::start(program.to_str().unwrap(), &arguments, &[], listens).unwrap();

    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients = (0..8).map(|index| {
        let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
        tokio::spawn(async move {
            let request = get(own, "/-/live", "");
            let kept = request.replace("connection: close\r\n", "");
            let mut raw = Raw::connect(through).await;
            while !over.load(Ordering::Relaxed) {
                if index % 2 == 0 {
                    // A connection for each request, and one for many.
                    raw = Raw::connect(through).await;
                }
                raw.send(&kept).await;
                let answer = raw.answer().await;
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
                answered.fetch_add(1, Ordering::Relaxed);
                if answer.contains("connection: close") {
                    raw = Raw::connect(through).await;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    for (index, port) in ports.into_iter().enumerate() {
        replicas[index].signal("TERM");
        assert!(replicas[index].wait().success());
        assert!(!replicas[index].log().contains("drain.incomplete"), "{}", replicas[index].log());
        replicas[index] = replica(port);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("not one request failed");
    }
    assert!(answered.load(Ordering::Relaxed) > 500, "{answered:?}");
}
