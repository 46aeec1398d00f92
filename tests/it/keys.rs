//! Where keys come from, and what an identity provider's bad days cost.

use crate::support::issuer_fixture::{
    IssuerFixture, NOW, claims, claims_with, key_file, key_set, reason, until,
};
use crate::support::jwks_server::Answer;
use crate::support::signer::Signer;
use postern::config::KeySource;
use postern::config::secrets::Secrets;
use postern::files::Files;
use postern::http_client::HttpClient;
use postern::provider::issuer::Issuer;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const MINUTES: Duration = Duration::from_secs(60);

/// B02, and the same for a token without `kid`.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_accepted_after_one_fetch_for_all_who_wait() {
    for kid in [true, false] {
        let (old, new) = (Signer::es256("old"), Signer::es256("new"));
        let issuer_fixture = Arc::new(IssuerFixture::of(&[&old]).await);
        assert_eq!(issuer_fixture.reason(&old.token(&claims())).await, "accepted");
        issuer_fixture.server.serve("/keys", key_set(&[&old, &new]));
        let mut header = new.header();
        if !kid {
            header.as_object_mut().unwrap().remove("kid");
        }
        let began = Instant::now();
        let callers: Vec<_> = (0..100)
            .map(|n| {
                let token = new.token_with_header(&header, &claims_with("sub", format!("u{n}")));
                let issuer_fixture = Arc::clone(&issuer_fixture);
                tokio::spawn(async move { issuer_fixture.reason(&token).await })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), "accepted");
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(issuer_fixture.server.requests("/keys"), 2);
    }
}

/// The first of them causes a fetch. The others came while it was under way, so a second one tells that theirs are missing.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_key_ids_cost_two_fetches_in_thirty_seconds() {
    let signer = Signer::es256("k");
    let issuer_fixture = Arc::new(IssuerFixture::of(&[&signer]).await);
    assert_eq!(issuer_fixture.reason(&signer.token(&claims())).await, "accepted");
    let flood = async |issuer_fixture: &Arc<IssuerFixture>| {
        let callers: Vec<_> = (0..100)
            .map(|n| {
                let token = Signer::es256(&format!("unknown-{n}")).token(&claims());
                let issuer_fixture = Arc::clone(issuer_fixture);
                tokio::spawn(async move { issuer_fixture.reason(&token).await })
            })
            .collect();
        let mut reasons = Vec::new();
        for caller in callers {
            reasons.push(caller.await.unwrap());
        }
        reasons.dedup();
        reasons
    };
    let fetches = |issuer_fixture: &IssuerFixture| issuer_fixture.server.requests("/keys");
    assert_eq!(flood(&issuer_fixture).await, ["unknown-key"]);
    assert!(fetches(&issuer_fixture) <= 3, "{}", fetches(&issuer_fixture));
    let before = fetches(&issuer_fixture);
    issuer_fixture.clock.advance(Duration::from_secs(29));
    assert_eq!(flood(&issuer_fixture).await, ["unknown-key"]);
    assert_eq!(fetches(&issuer_fixture), before);
    issuer_fixture.clock.advance(Duration::from_secs(1));
    issuer_fixture.server.answer("/keys", Answer::Status(500));
    assert_eq!(flood(&issuer_fixture).await, ["keys-unavailable"]);
    assert_eq!(flood(&issuer_fixture).await, ["keys-unavailable"]);
    assert_eq!(fetches(&issuer_fixture), before + 1);
    assert_eq!(issuer_fixture.reason(&signer.token(&claims())).await, "accepted");
}

/// A token without `kid` that no key proves causes one fetch, however often it comes.
#[tokio::test]
async fn one_bad_token_without_a_key_id_costs_one_fetch() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    assert_eq!(issuer_fixture.reason(&signer.token(&claims())).await, "accepted");
    let other = Signer::es256("x");
    let mut header = other.header();
    header.as_object_mut().unwrap().remove("kid");
    let token = other.token_with_header(&header, &claims());
    for _ in 0..20 {
        assert_eq!(issuer_fixture.reason(&token).await, "bad-signature");
    }
    assert_eq!(issuer_fixture.server.requests("/keys"), 2);
}

#[tokio::test]
async fn the_first_fetch_answers_for_the_key_ids_it_does_not_bring() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    assert_eq!(issuer_fixture.reason(&Signer::es256("unknown").token(&claims())).await, "unknown-key");
    assert_eq!(issuer_fixture.server.requests("/keys"), 1);
}

/// B03.
#[tokio::test]
async fn a_removed_key_stops_counting_with_the_next_refresh() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let issuer_fixture = IssuerFixture::of(&[&old]).await;
    let mut lasting = claims();
    lasting["exp"] = json!(NOW + 3600);
    let token = old.token(&lasting);
    assert_eq!(issuer_fixture.reason(&token).await, "accepted");
    issuer_fixture.server.serve("/keys", key_set(&[&new]));
    assert_eq!(issuer_fixture.reason(&token).await, "accepted");
    issuer_fixture.clock.advance(5 * MINUTES);
    assert_eq!(
        issuer_fixture.reason(&token).await,
        "accepted",
        "the old set serves while the new one is fetched"
    );
    until(|| issuer_fixture.server.requests("/keys") == 2).await;
    let mut last = "";
    for _ in 0..200 {
        last = issuer_fixture.reason(&token).await;
        if last != "accepted" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(last, "unknown-key");
}

#[tokio::test]
async fn keys_outlive_an_outage_of_a_day_and_recover_from_it() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let token = |issuer_fixture: &IssuerFixture| {
        let now = issuer_fixture.clock.now().0;
        let mut claims = claims_with("iat", now);
        claims["exp"] = json!(now + 60);
        signer.token(&claims)
    };
    assert_eq!(issuer_fixture.reason(&token(&issuer_fixture)).await, "accepted");
    issuer_fixture.server.answer("/keys", Answer::Status(503));
    for _ in 0..23 {
        issuer_fixture.clock.advance(60 * MINUTES);
        assert_eq!(issuer_fixture.reason(&token(&issuer_fixture)).await, "accepted");
        tokio::task::yield_now().await;
    }
    issuer_fixture.clock.advance(60 * MINUTES);
    assert_eq!(issuer_fixture.reason(&token(&issuer_fixture)).await, "keys-unavailable");
    assert!(issuer_fixture.bearer(&token(&issuer_fixture)).await.unwrap_err().is_unavailable());
    issuer_fixture.server.serve("/keys", key_set(&[&signer]));
    issuer_fixture.clock.advance(Duration::from_secs(3));
    assert_eq!(issuer_fixture.reason(&token(&issuer_fixture)).await, "accepted");
}

#[tokio::test]
async fn a_good_token_does_not_wait_for_a_refresh_that_hangs() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    assert_eq!(issuer_fixture.reason(&signer.token(&claims())).await, "accepted");
    issuer_fixture.server.answer("/keys", Answer::Hang);
    issuer_fixture.clock.advance(5 * MINUTES);
    let began = Instant::now();
    for n in 0..20 {
        let mut claims = claims_with("sub", format!("u{n}"));
        claims["exp"] = json!(NOW + 900);
        assert_eq!(issuer_fixture.reason(&signer.token(&claims)).await, "accepted");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    until(|| issuer_fixture.server.requests("/keys") == 2).await;
}

#[tokio::test]
async fn a_caller_who_leaves_takes_nothing_along() {
    let signer = Signer::es256("k");
    let issuer_fixture = Arc::new(IssuerFixture::of(&[&signer]).await);
    issuer_fixture
        .server
        .answer("/keys", Answer::Slow(Duration::from_millis(300), key_set(&[&signer]).to_string()));
    let token = signer.token(&claims());
    let first = tokio::spawn({
        let (issuer_fixture, token) = (Arc::clone(&issuer_fixture), token.clone());
        async move { issuer_fixture.reason(&token).await }
    });
    until(|| issuer_fixture.server.requests("/keys") == 1).await;
    let second = tokio::spawn({
        let (issuer_fixture, token) = (Arc::clone(&issuer_fixture), token.clone());
        async move { issuer_fixture.reason(&token).await }
    });
    first.abort();
    assert_eq!(second.await.unwrap(), "accepted");
    assert_eq!(issuer_fixture.server.requests("/keys"), 1);
}

#[tokio::test]
async fn a_token_waits_for_keys_no_longer_than_its_patience() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    issuer_fixture.server.answer("/keys", Answer::Hang);
    let began = Instant::now();
    let error = issuer_fixture.bearer(&signer.token(&claims())).await.unwrap_err();
    assert!(error.is_unavailable());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

/// B07: none of these replaces the set at hand.
#[tokio::test]
async fn an_answer_that_is_no_bounded_key_set_changes_nothing() {
    let signer = Signer::es256("k");
    let good = key_set(&[&signer]);
    let many: Vec<Value> = (0..101).map(|_| signer.jwk()).collect();
    let mut padded = good.clone();
    padded["x"] = json!("x".repeat(150 * 1024));
    for bad in [
        json!({"keys": null}).to_string(),
        json!({"keys": {}}).to_string(),
        json!({"keys": []}).to_string(),
        json!([]).to_string(),
        json!({"keys": many}).to_string(),
        padded.to_string(),
        "x".repeat(1024 * 1024),
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        "<!doctype html>".to_owned(),
        String::new(),
    ] {
        let issuer_fixture = IssuerFixture::of(&[&signer]).await;
        assert_eq!(issuer_fixture.reason(&signer.token(&claims())).await, "accepted");
        issuer_fixture.server.serve("/keys", &bad);
        let unknown = issuer_fixture.reason(&Signer::es256("unknown").token(&claims())).await;
        assert_eq!(unknown, "keys-unavailable", "{}", &bad[..bad.len().min(40)]);
        assert_eq!(issuer_fixture.reason(&signer.token(&claims_with("sub", "u2"))).await, "accepted");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    issuer_fixture.server.serve("/elsewhere", key_set(&[&signer]));
    issuer_fixture
        .server
        .answer("/keys", Answer::Redirect(format!("{}/elsewhere", issuer_fixture.server.base)));
    assert_eq!(issuer_fixture.reason(&signer.token(&claims())).await, "keys-unavailable");
    assert_eq!(issuer_fixture.server.requests("/elsewhere"), 0);
}

/// B08.
#[tokio::test]
async fn a_bad_key_never_spoils_the_set() {
    let (signer, rsa) = (Signer::es256("k"), Signer::rs256("k"));
    let changed = |jwk: Value, name: &str, value: Value| {
        let mut jwk = jwk;
        jwk[name] = value;
        jwk
    };
    let keys = json!({"keys": [
        null, 5, {}, {"kty": "EC"}, {"kty": "oct", "kid": "k", "k": "c2VjcmV0"},
        {"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"},
        {"kty": "AKP", "kid": "k", "alg": "ML-DSA-44", "pub": "x"},
        changed(signer.jwk(), "kid", json!(7)),
        changed(signer.jwk(), "x", json!("AAAA")),
        changed(signer.jwk(), "crv", json!("secp256k1")),
        rsa.jwk(),
        changed(signer.jwk(), "x5c", json!("not an array")),
    ]});
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    issuer_fixture.server.serve("/keys", keys);
    // Two good keys with one id: the algorithm tells them apart.
    assert_eq!(issuer_fixture.reason(&signer.token(&claims())).await, "accepted");
    assert_eq!(issuer_fixture.reason(&rsa.token(&claims())).await, "accepted");
}

#[tokio::test]
async fn a_key_is_for_its_own_use_and_algorithm() {
    let (signer, rsa) = (Signer::es256("k"), Signer::rs256("r"));
    let outcome = async |key: &Signer, change: &[(&str, Value)]| {
        let issuer_fixture = IssuerFixture::of(&[]).await;
        let mut jwk = key.jwk();
        for (name, value) in change {
            jwk[*name] = value.clone();
        }
        issuer_fixture.server.serve("/keys", json!({"keys": [jwk, Signer::ed25519("other").jwk()]}));
        issuer_fixture.reason(&key.token(&claims())).await
    };
    assert_eq!(outcome(&signer, &[]).await, "accepted");
    assert_eq!(
        outcome(&signer, &[("alg", json!("ES256")), ("key_ops", json!(["verify"]))]).await,
        "accepted"
    );
    assert_eq!(outcome(&signer, &[("use", json!("enc"))]).await, "unknown-key");
    assert_eq!(outcome(&signer, &[("key_ops", json!(["encrypt"]))]).await, "unknown-key");
    assert_eq!(outcome(&signer, &[("alg", json!("ES384"))]).await, "unknown-key");
    assert_eq!(outcome(&signer, &[("alg", json!("HS256"))]).await, "unknown-key");
    assert_eq!(outcome(&signer, &[("d", json!("AAAA"))]).await, "unknown-key");
    assert_eq!(outcome(&rsa, &[("n", json!("A".repeat(342)))]).await, "unknown-key");
    for weak in ["AQ", "AAAB", "Ag", ""] {
        assert_eq!(outcome(&rsa, &[("e", json!(weak))]).await, "unknown-key", "{weak}");
    }
    assert_eq!(outcome(&rsa, &[("alg", json!("RSA-OAEP"))]).await, "unknown-key");
    assert_eq!(outcome(&rsa, &[("alg", json!("PS256"))]).await, "algorithm-not-allowed");
}

#[tokio::test]
async fn a_key_belongs_to_one_issuer() {
    let (ours, theirs) = (Signer::es256("k"), Signer::es256("k"));
    let issuer_fixture = IssuerFixture::of(&[&ours]).await;
    let other =
        IssuerFixture::with(&[&theirs], |config, _| config.issuer = "https://other.example".to_owned()).await;
    let all = postern::config::Credentials { bearer: true, session: false, signed_header: false };
    let issuers = [Arc::clone(&issuer_fixture.issuer), Arc::clone(&other.issuer)];
    let both = postern::authn::Authenticator::new(&issuers, &all, None, Arc::default());
    let outcome = async |token: String| {
        let headers =
            crate::support::issuer_fixture::header_map(&[("authorization", &format!("Bearer {token}"))]);
        let presented = postern::authn::credential::Presented {
            headers: &headers,
            from_trusted_proxy: false,
            client_ip: None,
        };
        reason(both.authenticate(&presented).await)
    };
    assert_eq!(outcome(ours.token(&claims())).await, "accepted");
    assert_eq!(outcome(theirs.token(&claims_with("iss", "https://other.example"))).await, "accepted");
    assert_eq!(outcome(theirs.token(&claims())).await, "bad-signature");
    assert_eq!(outcome(ours.token(&claims_with("iss", "https://other.example"))).await, "bad-signature");
}

#[tokio::test]
async fn a_remembered_token_dies_with_its_time() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let token = signer.token(&claims());
    assert_eq!(issuer_fixture.reason(&token).await, "accepted");
    assert_eq!(issuer_fixture.reason(&token).await, "accepted");
    issuer_fixture.clock.advance(Duration::from_secs(329));
    assert_eq!(issuer_fixture.reason(&token).await, "accepted");
    issuer_fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(issuer_fixture.reason(&token).await, "expired");
}

#[tokio::test]
async fn a_clock_set_back_does_not_stop_new_keys() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let issuer_fixture = IssuerFixture::of(&[&old]).await;
    issuer_fixture.clock.advance(Duration::from_secs(3600));
    let at = |seconds: u64| {
        let mut claims = claims_with("iat", seconds);
        claims["exp"] = json!(seconds + 60);
        claims
    };
    assert_eq!(issuer_fixture.reason(&old.token(&at(NOW + 3600))).await, "accepted");
    assert_eq!(issuer_fixture.reason(&Signer::es256("x").token(&at(NOW + 3600))).await, "unknown-key");
    // A manual clock counts modulo 2^64.
    issuer_fixture.clock.advance(Duration::from_secs(u64::MAX - 3599));
    assert_eq!(issuer_fixture.clock.now().0, NOW);
    issuer_fixture.server.serve("/keys", key_set(&[&old, &new]));
    assert_eq!(issuer_fixture.reason(&new.token(&at(NOW))).await, "accepted");
}

#[tokio::test]
async fn keys_on_disk_are_read_when_the_issuer_is_made() {
    let signer = Signer::es256("k");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    let made = |path: &std::path::Path| {
        let mut config = crate::support::issuer_fixture::issuer_config();
        config.keys = KeySource::JwksFile(path.to_owned());
        let (http, clock) = (HttpClient::new().unwrap(), postern::clock::Clock::system());
        let secrets = Secrets::read(key_file(&config), &Files::default());
        let made = Issuer::new(config, &secrets, http, clock, &postern::metrics::Metrics::default());
        made.map(drop).map_err(|error| error.to_string())
    };
    assert!(made(&path).unwrap_err().contains("keys.json"));
    std::fs::write(&path, "{}").unwrap();
    assert!(made(&path).unwrap_err().contains("`keys`"));
    std::fs::write(&path, key_set(&[&signer]).to_string()).unwrap();
    assert!(made(&path).is_ok());
    let issuer_fixture =
        IssuerFixture::with(&[], |config, _| config.keys = KeySource::JwksFile(path.clone())).await;
    assert_eq!(issuer_fixture.reason(&signer.token(&claims())).await, "accepted");
    assert_eq!(issuer_fixture.reason(&Signer::es256("x").token(&claims())).await, "unknown-key");
    assert_eq!(issuer_fixture.server.all_requests(), 0);
}
