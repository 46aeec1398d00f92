//! AWS as a program sees it before anything is asked.

use postern::aws::{Aws, Connections};
use postern::clock::Clock;
use postern::config::AwsConfig;
use postern::http_client::HttpClient;
use postern::state::State;
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
    Aws::new(
        &config(),
        Clock::system(),
        State::in_memory(Clock::system()),
        Arc::default(),
        &Connections::new(&HttpClient::new().unwrap()).unwrap(),
        None,
    )
    .await
    .unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}
