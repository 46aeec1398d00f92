//! Tokens with invented key names, many at a time: they keep nobody else's key from being found.

use crate::support::jwks_server::{Answer, JwksServer};
use crate::support::signer::Signer;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use hyper::StatusCode;
use postern::clock::Clock;
use postern::sandbox::SandboxOptions;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use url::Url;

const BALANCER: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/ml/50dc6c495c0c9188";
const ISSUER: &str = "https://sso.corp.example/realms/staff";
const STRANGER: &str = "203.0.113.7";

/// The real binary, with a load balancer's keys and a second provider's key set at `keys`.
async fn stage(keys: &JwksServer) -> Stage {
    let base = keys.base.clone();
    Stage::with(SandboxOptions::default(), |text| {
        let issuers = format!(
            "issuers:\n  balancer:\n    preset: aws_alb\n    region: eu-west-1\n    signer: {BALANCER}\n    issuer: {ISSUER}\n    \
             client_id: ml\n    user_domains: [corp.example]\n    keys_url: {base}/pem\n    insecure_http: true\n    realm: sandbox\n  \
             programs:\n    issuer: https://programs.corp.example\n    jwks_uri: {base}/keys\n    insecure_http: true\n    \
             audience: [postern-api]\n    algorithms: [ES256]\n    user_domains: [corp.example]\n    realm: sandbox\n"
        );
        text.replace("issuers:\n", &issuers)
            .replace("  direct_clients: true\n", "")
            .replace("admin:", "trusted_proxies: [127.0.0.0/8]\ncredentials: [bearer, session, signed_header]\nadmin:")
    })
    .await
}

fn claims(issuer: &str) -> Value {
    let now = Clock::system().now().0;
    json!({
        "iss": issuer, "aud": "postern-api", "sub": "u1", "exp": now + 120, "iat": now,
        "email": "ada@corp.example", "email_verified": true, "groups": ["ml-users"],
    })
}

/// As the load balancer hands people on.
fn balanced(key: &Signer, kid: &str, from: &str) -> Visitor {
    let header = json!({
        "typ": "JWT", "kid": kid, "alg": "ES256", "iss": ISSUER, "client": "ml", "signer": BALANCER,
        "exp": Clock::system().now().0 + 120,
    });
    let token = key.padded(&header, &claims(ISSUER));
    Visitor::program().with("x-amzn-oidc-data", &token).with("x-forwarded-for", from)
}

fn bearer(key: &Signer) -> Visitor {
    let token = key.token(&claims("https://programs.corp.example"));
    Visitor::program().bearer(&token).with("x-forwarded-for", STRANGER)
}

/// Visitors that come without a pause, each time with another token, until it is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    _visitors: JoinSet<()>,
}

impl Flood {
    async fn begin(url: &Url, at_once: usize, make: impl Fn() -> Visitor + Send + Sync + 'static) -> Self {
        let (stop, answered, make) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(make));
        let mut visitors = JoinSet::new();
        for _ in 0..at_once {
            let (stop, answered, make, url) =
                (Arc::clone(&stop), Arc::clone(&answered), Arc::clone(&make), url.clone());
            visitors.spawn(async move {
                // One connection each: only the token is another one.
                let mut visitor = Visitor::program();
                while !stop.load(Ordering::Relaxed) {
                    visitor.headers = make().headers;
                    assert_ne!(visitor.get(&url).await.status, StatusCode::OK);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let flood = Self { stop, answered, _visitors: visitors };
        tokio::time::sleep(Duration::from_millis(300)).await;
        flood
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        assert!(self.answered.load(Ordering::Relaxed) > 20, "this was no flood");
    }
}

fn invented(number: &AtomicUsize) -> String {
    format!("00000000-0000-0000-0000-{:012}", number.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_balancers_key_is_found_through_a_flood_at_a_cold_start_and_after_a_rotation() {
    let (keys, numbers) = (JwksServer::start().await, AtomicUsize::new(0));
    let stage = stage(&keys).await;
    let url = stage.postern.at("/-/whoami");
    let stranger = Signer::es256("x");
    let _flood = Flood::begin(&url, 100, move || balanced(&stranger, &invented(&numbers), STRANGER)).await;
    // At the same address as the flood, and at another.
    for (number, from) in [STRANGER, "198.51.100.1", STRANGER, "198.51.100.2"].into_iter().enumerate() {
        let kid = format!("1234567{number}-1234-1234-1234-123456789012");
        let key = Signer::es256(&kid);
        keys.serve(&format!("/pem/{kid}"), key.pem());
        let began = Instant::now();
        let answer = balanced(&key, &kid, from).get(&url).await.checked();
        assert_eq!(answer.status, StatusCode::OK, "{from}: {}", answer.body);
        assert!(began.elapsed() < Duration::from_secs(2), "{from}: {:?}", began.elapsed());
        assert_eq!(keys.requests(&format!("/pem/{kid}")), 1);
    }
}

/// While the source hangs, ids of one address wait for one another and for nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_source_that_hangs_for_one_address_answers_for_another() {
    let (keys, numbers) = (JwksServer::start().await, AtomicUsize::new(0));
    let stage = stage(&keys).await;
    let url = stage.postern.at("/-/whoami");
    for number in 0..200 {
        keys.answer(&format!("/pem/00000000-0000-0000-0000-{number:012}"), Answer::Hang);
    }
    let stranger = Signer::es256("x");
    let flood = (0..50).map(|_| balanced(&stranger, &invented(&numbers), STRANGER));
    let mut waiting = JoinSet::new();
    for mut visitor in flood {
        let url = url.clone();
        waiting.spawn(async move { visitor.get(&url).await.status });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let kid = "12345678-1234-1234-1234-123456789012";
    let key = Signer::es256(kid);
    keys.serve(&format!("/pem/{kid}"), key.pem());
    let began = Instant::now();
    let answer = balanced(&key, kid, "198.51.100.1").get(&url).await.checked();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    while let Some(status) = waiting.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

/// A key whose first fetch failed is there 3 seconds later.
#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_failed_delays_its_own_key_shortly_and_no_other() {
    let keys = JwksServer::start().await;
    let stage = stage(&keys).await;
    let url = stage.postern.at("/-/whoami");
    let names = ["aaaaaaaa", "bbbbbbbb"].map(|first| format!("{first}-1234-1234-1234-123456789012"));
    let [failing, other] = names.map(|kid| Signer::es256(&kid));
    keys.answer(&format!("/pem/{}", failing.kid), Answer::Status(500));
    keys.serve(&format!("/pem/{}", other.kid), other.pem());
    let outcome = async |key: &Signer| balanced(key, &key.kid, STRANGER).get(&url).await.status;
    assert_eq!(outcome(&failing).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(outcome(&other).await, StatusCode::OK);
    keys.serve(&format!("/pem/{}", failing.kid), failing.pem());
    assert_eq!(outcome(&failing).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(keys.requests(&format!("/pem/{}", failing.kid)), 1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(outcome(&failing).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_set_is_fetched_anew_through_a_flood_and_rarely() {
    let keys = JwksServer::start().await;
    let set = |signers: &[&Signer]| json!({"keys": signers.iter().map(|key| key.jwk()).collect::<Vec<_>>()});
    let (first, second) = (Signer::es256("first"), Signer::es256("second"));
    keys.serve("/keys", set(&[&first]));
    let stage = stage(&keys).await;
    let url = stage.postern.at("/-/whoami");
    assert_eq!(bearer(&first).get(&url).await.status, StatusCode::OK);
    let (began, numbers) = (Instant::now(), AtomicUsize::new(0));
    let _flood = Flood::begin(&url, 100, move || bearer(&Signer::es256(&invented(&numbers)))).await;
    keys.serve("/keys", set(&[&first, &second]));
    let asked = Instant::now();
    let answer = bearer(&second).get(&url).await.checked();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(asked.elapsed() < Duration::from_millis(2500), "{:?}", asked.elapsed());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let most = 3 + usize::try_from(began.elapsed().as_secs()).unwrap() / 2;
    assert!(keys.requests("/keys") <= most, "{} in {:?}", keys.requests("/keys"), began.elapsed());
}

/// A provider that fails when a new key is first seen is asked again 3 seconds later, not 30.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_set_that_could_not_be_fetched_is_asked_for_again_soon() {
    let keys = JwksServer::start().await;
    let (first, second) = (Signer::es256("first"), Signer::es256("second"));
    keys.serve("/keys", json!({"keys": [first.jwk()]}));
    let stage = stage(&keys).await;
    let url = stage.postern.at("/-/whoami");
    let outcome = async |key: &Signer| bearer(key).get(&url).await.status;
    assert_eq!(outcome(&first).await, StatusCode::OK);
    keys.answer("/keys", Answer::Status(503));
    assert_eq!(outcome(&second).await, StatusCode::SERVICE_UNAVAILABLE);
    keys.serve("/keys", json!({"keys": [second.jwk()]}));
    assert_eq!(outcome(&second).await, StatusCode::SERVICE_UNAVAILABLE, "too soon");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(outcome(&second).await, StatusCode::OK);
}
