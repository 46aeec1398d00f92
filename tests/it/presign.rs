//! The presigner as a program sees it before there is any grant.

use postern::clock::Clock;
use postern::config::AwsConfig;
use postern::presign::Presigner;
use postern::target::Region;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn config() -> AwsConfig {
    AwsConfig {
        region: Region::parse("eu-west-1").unwrap(),
        role_arn: None,
        source_identity: true,
        scoped_session_policy: true,
        external_id: None,
        session_tags: Vec::new(),
        timeout: Duration::from_secs(5),
        calls_at_once: 64,
        endpoint_url: None,
        sts_endpoint_url: None,
        authorized_url_hosts: Vec::new(),
    }
}

#[tokio::test]
async fn starting_asks_nobody_for_credentials() {
    let started = Instant::now();
    Presigner::new(&config(), Some("corp".into()), Clock::system(), Arc::default()).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_host_that_is_none_is_named() {
    for host in ["https://studio.example", "*.example", ".", "studio.example/path"] {
        let config = AwsConfig { authorized_url_hosts: vec![host.to_owned()], ..config() };
        let error = Presigner::new(&config, None, Clock::system(), Arc::default()).await.expect_err(host);
        assert!(error.contains(host), "{error}");
    }
}
