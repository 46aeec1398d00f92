//! Real balancers that pass bytes on.

use super::{Stage, is_recorded, port, required, status};
use crate::support::elsewhere::peers;
use crate::support::postern::free_port;
use crate::support::program::Process;
use crate::support::raw::{Raw, get};
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

/// Asks through a balancer that listens on `through`, as a client with an address of its own.
async fn is_introduced(stage: &Stage, through: u16, client: Ipv4Addr) {
    let mut raw = Raw::connect_from(client, through).await;
    let authorization = format!("authorization: Bearer {}\r\n", stage.token("grace"));
    // What a client says of itself passes a balancer of bytes, and means nothing.
    raw.send(get(port(stage), "/studio", &format!("{authorization}x-forwarded-for: 10.20.3.4\r\n"))).await;
    let answer = raw.rest_as_text().await;
    assert_eq!(status(&answer), "302", "{answer}");
    is_recorded(stage, &client.to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_introduces_clients_by_both_versions() {
    let Some(peers) = peers("haproxy") else { return };
    let stage = required("[127.0.0.2]").await;
    let options = "send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,authority,crc32c,unique-id";
    for (how, client) in [("send-proxy", 7), ("send-proxy-v2", 8), (options, 9)] {
        let through = free_port();
        let config = format!(
            "defaults\n  mode tcp\n  timeout connect 2s\n  timeout client 10s\n  timeout server 10s\n  unique-id-format %{{+X}}o%ci%cp\n\
             listen passing\n  bind 127.0.0.1:{through}\n  source 127.0.0.2\n  server postern 127.0.0.1:{} {how} check-send-proxy\n",
            port(&stage)
        );
        let file = stage.folder.path().join("haproxy.cfg");
        fs::write(&file, config).unwrap();
        let arguments = ["-db", "-f", file.to_str().unwrap()];
        let _balancer = run(&peers.join("haproxy/haproxy"), &arguments, through);
        is_introduced(&stage, through, Ipv4Addr::new(127, 0, 0, client)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxys_health_check_is_answered() {
    let Some(peers) = peers("haproxy") else { return };
    let stage = required("[127.0.0.2]").await;
    let (through, statistics) = (free_port(), free_port());
    let config = format!(
        "defaults\n  mode http\n  timeout connect 2s\n  timeout client 10s\n  timeout server 10s\n\
         listen statistics\n  bind 127.0.0.1:{statistics}\n  stats enable\n  stats uri /statistics\n\
         backend postern\n  source 127.0.0.2\n  option httpchk GET /-/ready\n\
         \n  server only 127.0.0.1:{} check inter 50ms rise 1 fall 1 send-proxy-v2 check-send-proxy\n\
         frontend public\n  bind 127.0.0.1:{through}\n  default_backend postern\n",
        port(&stage)
    );
    let file = stage.folder.path().join("haproxy.cfg");
    fs::write(&file, config).unwrap();
    let _balancer = run(&peers.join("haproxy/haproxy"), &["-db", "-f", file.to_str().unwrap()], through);
    let mut seen = String::new();
    for _ in 0..100 {
        let mut raw = Raw::connect(statistics).await;
        raw.send(get(statistics, "/statistics;csv", "")).await;
        seen = raw.rest_as_text().await;
        if seen
            .lines()
            .any(|line| line.starts_with("postern,only,") && line.contains(",UP,") && line.contains("L7OK"))
        {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the server is not up: {seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_introduces_clients() {
    let Some(peers) = peers("nginx") else { return };
    let stage = required("[127.0.0.2]").await;
    let through = free_port();
    let modules =
        ["/usr/lib/nginx/modules/ngx_stream_module.so", "/usr/share/nginx/modules/ngx_stream_module.so"];
    let module = modules.iter().find(|module| Path::new(module).exists());
    let load = module.map(|module| format!("load_module {module};\n")).unwrap_or_default();
    let folder = stage.folder.path().display();
    let config = format!(
        "{load}daemon off;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\nstream {{\n  server {{\n    listen 127.0.0.1:{through};\n\
         \x20   proxy_pass 127.0.0.1:{};\n    proxy_protocol on;\n    proxy_bind 127.0.0.2;\n  }}\n}}\n",
        port(&stage)
    );
    let file = stage.folder.path().join("nginx.conf");
    fs::write(&file, config).unwrap();
    let _balancer = run(&peers.join("nginx/nginx"), &["-c", file.to_str().unwrap()], through);
    is_introduced(&stage, through, Ipv4Addr::new(127, 0, 0, 11)).await;
}

fn run(program: &Path, arguments: &[&str], port: u16) -> Process {
    let listens = |_: &str| TcpStream::connect(("127.0.0.1", port)).is_ok();
    Process::start(program.to_str().unwrap(), arguments, &[], listens).unwrap()
}
