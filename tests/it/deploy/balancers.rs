//! HAProxy and nginx with the files of `deploy/` in front of real replicas.

use super::balanced::{Balanced, Balancer, Options, complaints};
use super::client::{ADDRESS, Answer, Version};
use crate::support::elsewhere::peers;
use crate::support::visitor::Visitor;
use postern::sandbox::{Fault, Times};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

macro_rules! with {
    ($place:ident $balancer:ident: $($name:ident),+ $(,)?) => {
        mod $place {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Balancer::$balancer).await;
            })+
        }
    };
}

with!(haproxy Haproxy:
    launches_pass_with_locations_of_all_sizes,
    defaults_would_refuse_long_locations,
    a_replica_that_cannot_be_reached_costs_no_launch,
    what_reached_a_replica_is_not_asked_again,
    a_replica_that_stops_costs_no_launch,
    logs_hold_no_query_and_no_location,
    what_comes_without_tls_is_sent_on,
);
with!(nginx Nginx:
    launches_pass_with_locations_of_all_sizes,
    defaults_would_refuse_long_locations,
    a_replica_that_cannot_be_reached_costs_no_launch,
    what_reached_a_replica_is_not_asked_again,
    a_replica_that_stops_costs_no_launch,
    logs_hold_no_query_and_no_location,
    what_comes_without_tls_is_sent_on,
);
with!(passthrough Passthrough:
    launches_pass_with_locations_of_all_sizes,
    a_replica_that_cannot_be_reached_costs_no_launch,
    a_replica_that_stops_costs_no_launch,
);

#[test]
fn files_are_valid() {
    let Some(peers) = peers("load balancers") else { return };
    for balancer in [Balancer::Haproxy, Balancer::Nginx, Balancer::Passthrough] {
        assert_eq!(complaints(&peers, balancer), "", "{balancer:?}");
    }
}

/// SageMaker's own are of 4.4 kB; an IAM session token of the largest size makes 15 kB.
const LENGTHS: [usize; 3] = [4_000, 8_000, 15_000];

async fn stage(balancer: Balancer, options: Options) -> Option<Balanced> {
    Some(Balanced::start(&peers("load balancers")?, balancer, options).await)
}

fn location(answer: &Answer) -> Url {
    assert_eq!(answer.status(), 302, "{:?}", answer.headers());
    Url::parse(answer.headers()["location"].to_str().expect("ASCII")).expect("a URL")
}

fn long_urls(stage: &Balanced, length: usize) {
    stage.sandbox.faults().clear();
    stage.sandbox.faults().inject(
        Some("CreatePresignedDomainUrl"),
        Fault::LongUrl(length),
        Times::UntilCleared,
    );
}

async fn launches_pass_with_locations_of_all_sizes(balancer: Balancer) {
    let Some(stage) = stage(balancer, Options { replicas: 2, ..Options::default() }).await else { return };
    let mut launches = 0;
    for length in LENGTHS {
        long_urls(&stage, length);
        for version in [Version::Http1, Version::Http2] {
            let url = location(&stage.client.get(version, "/studio").await);
            assert!(url.as_str().len() >= length, "{}", url.as_str().len());
            assert_eq!(Visitor::program().get(&url).await.status, 200, "the URL opens once");
            launches += 1;
        }
    }
    assert_eq!(stage.mints(), launches);
    for grant in stage.grants(launches).await {
        assert_eq!(grant["client_ip"], ADDRESS, "whatever the client says of itself");
    }
}

async fn defaults_would_refuse_long_locations(balancer: Balancer) {
    let without: fn(String) -> String = match balancer {
        Balancer::Haproxy | Balancer::Passthrough => |file| without_lines(&file, "tune.bufsize", 1),
        Balancer::Nginx => |file| without_lines(&without_lines(&file, "proxy_buffer_size", 1), "proxy_b", 2),
    };
    let options = Options { replicas: 2, change: Some(without), ..Options::default() };
    let Some(stage) = stage(balancer, options).await else { return };
    let largest = LENGTHS[if balancer == Balancer::Nginx { 0 } else { 2 }];
    long_urls(&stage, 3_000);
    let passed = stage.client.get(Version::Http1, "/studio").await;
    assert_eq!(passed.status(), 302);
    long_urls(&stage, largest);
    let refused = stage.client.get(Version::Http1, "/studio").await;
    assert_eq!(refused.status(), 502, "{largest}");
}

fn without_lines(file: &str, what: &str, how_many: usize) -> String {
    let (without, with): (Vec<_>, Vec<_>) = file.lines().partition(|line| !line.trim().starts_with(what));
    assert_eq!(with.len(), how_many, "{with:?}");
    without.join("\n") + "\n"
}

async fn a_replica_that_cannot_be_reached_costs_no_launch(balancer: Balancer) {
    let Some(stage) = stage(balancer, Options { replicas: 1, ..Options::default() }).await else { return };
    for launch in 0..12 {
        let version = if launch % 2 == 0 { Version::Http1 } else { Version::Http2 };
        location(&stage.client.get(version, "/studio").await);
    }
    assert_eq!(stage.mints(), 12);
}

async fn what_reached_a_replica_is_not_asked_again(balancer: Balancer) {
    let swallowed = Arc::new(AtomicUsize::new(0));
    let impostor = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = impostor.local_addr().expect("an address").port();
    tokio::spawn(swallow(impostor, Arc::clone(&swallowed)));
    let options = Options { replicas: 1, impostor: port, ..Options::default() };
    let Some(stage) = stage(balancer, options).await else { return };
    let mut failed = 0;
    for _ in 0..12 {
        let answer = stage.client.get(Version::Http1, "/studio").await;
        failed += usize::from(answer.status() == 502);
    }
    let swallowed = swallowed.load(Ordering::SeqCst);
    assert!(swallowed > 0, "some launches met the replica that dies");
    assert_eq!((failed, stage.mints()), (swallowed, 12 - swallowed));
}

/// Says that it is ready, and closes the connection on every other request that it has read.
async fn swallow(listener: TcpListener, swallowed: Arc<AtomicUsize>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut head = vec![0; 16 * 1024];
        let Ok(read) = stream.read(&mut head).await else { continue };
        if head[..read].starts_with(b"GET /-/ready") {
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        } else if read > 0 {
            swallowed.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn a_replica_that_stops_costs_no_launch(balancer: Balancer) {
    let options = Options { replicas: 2, drain_delay: "4s", ..Options::default() };
    let Some(mut stage) = stage(balancer, options).await else { return };
    let mut leaving = stage.replicas.remove(0);
    leaving.signal("TERM");
    let stopped = tokio::task::spawn_blocking(move || leaving.wait());
    let mut launches = 0;
    let mut after = 0;
    while after < 10 {
        let version = if launches % 2 == 0 { Version::Http1 } else { Version::Http2 };
        location(&stage.client.get(version, "/studio").await);
        launches += 1;
        after += usize::from(stopped.is_finished());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(stopped.await.expect("no panic").success());
    assert_eq!(stage.mints(), launches);
}

async fn logs_hold_no_query_and_no_location(balancer: Balancer) {
    let Some(stage) = stage(balancer, Options { replicas: 1, ..Options::default() }).await else { return };
    let url = location(&stage.client.get(Version::Http2, "/studio").await);
    let (_, token) = url.query_pairs().next().expect("a token");
    let callback = stage.client.get(Version::Http1, "/-/callback?code=code-of-a-sign-in&state=s").await;
    let request_id = callback.headers()["x-request-id"].to_str().expect("ASCII").to_owned();
    let logged = || stage.logged();
    for _ in 0..200 {
        if logged().contains(&request_id) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let logged = logged();
    assert!(logged.contains("GET /studio HTTP/2.0"), "{logged}");
    assert!(logged.contains("GET /-/callback HTTP/1.1"), "{logged}");
    assert!(logged.contains(&request_id), "{logged}");
    for secret in [&*token, "code-of-a-sign-in", "eyJ"] {
        assert!(!logged.contains(secret), "{secret}: {logged}");
    }
}

async fn what_comes_without_tls_is_sent_on(balancer: Balancer) {
    let Some(stage) = stage(balancer, Options { replicas: 1, ..Options::default() }).await else { return };
    let here = Url::parse(&format!("http://127.0.0.1:{}/studio?x=1", stage.plain)).expect("a URL");
    let answer = Visitor::program().get(&here).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (301, "https://ml.corp.example/studio?x=1"));
}
