//! One sign-in's callback, sent again and again to replicas that share state and to replicas that do not.

use super::{Replicas, url};
use crate::support::provider::{CLIENT_SECRET, Provider};
use crate::support::valkey::Valkey;
use crate::support::visitor::Visitor;
use postern::clock::Clock;
use std::io::Write;
use url::Url;

/// How often one sign-in may ask the token endpoint.
const MOST: usize = 8;

/// Two replicas whose provider counts what it is asked.
async fn replicas(state: &str, provider: &Provider, secret: &tempfile::NamedTempFile) -> Replicas {
    "postern".clone_into(&mut provider.now_says().client_id);
    let (issuer, secret) = (provider.issuer.clone(), secret.path().display().to_string());
    Replicas::new(state, "", move |text| {
        let (before, rest) = text.split_once("    issuer: ").expect("the issuer");
        let (_, after) = rest.split_once('\n').expect("a line");
        format!("{before}    issuer: {issuer}\n{after}").replacen("[RS256]", "[ES256]", 1).replacen(
            "{file: sandbox-client-secret}",
            &format!("{{file: {secret}}}"),
            1,
        )
    })
    .await
}

/// A sign-in begun at the first replica: the browser, and the query of its callback.
async fn begun(replicas: &Replicas, provider: &Provider) -> (Visitor, String) {
    let mut browser = Visitor::person();
    let first = browser.get(&replicas.stage.postern.at("/")).await.checked();
    let location = first.next().unwrap_or_else(|| panic!("no redirect: {}", first.body));
    (browser, provider.sign_in(&location))
}

/// Sends the callback this often to both in turn, each time with another code. Nobody is signed in by it.
async fn send(replicas: &Replicas, browser: &Visitor, query: &str, copies: usize) {
    for copy in 0..copies {
        let postern = if copy % 2 == 0 { &replicas.stage.postern } else { &replicas.second };
        let (before, after) = query.split_once("code=code-").expect("a code");
        let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        let url = postern.at(&format!("/-/callback?{before}code=invented-{copy}{rest}"));
        let mut browser = browser.clone();
        browser.carry_cookies(&replicas.stage.postern.url, &url);
        let answer = browser.get(&url).await.checked();
        // To the provider once more.
        assert_eq!(answer.status, 302, "{copy}: {}", answer.body);
        let onward = Url::parse(answer.location()).expect("a URL");
        assert!(onward.path().ends_with("/authorize"), "{onward}");
    }
}

fn secret() -> tempfile::NamedTempFile {
    let mut secret = tempfile::NamedTempFile::new().expect("a file");
    secret.write_all(CLIENT_SECRET.as_bytes()).expect("the secret");
    secret
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sign_in_asks_the_token_endpoint_a_few_times_in_all() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let (provider, secret) = (Provider::start(Clock::system()).await, secret());
    let replicas = replicas(&url(&valkey), &provider, &secret).await;
    replicas.both_say("state.up", 1);
    let (browser, query) = begun(&replicas, &provider).await;
    send(&replicas, &browser, &query, 5).await;
    assert_eq!(provider.token_calls(), 5, "a few are let through");
    send(&replicas, &browser, &query, 60).await;
    // Another one is allowed after more than a minute.
    let calls = provider.token_calls();
    assert!((MOST..=MOST + 1).contains(&calls), "{calls}");

    // Another sign-in is not held up, also at the other replica.
    let (mut browser, query) = begun(&replicas, &provider).await;
    let callback = replicas.second.at(&format!("/-/callback?{query}"));
    browser.carry_cookies(&replicas.stage.postern.url, &callback);
    let arrived = browser.get(&callback).await.checked();
    assert_eq!((arrived.status.as_u16(), arrived.location()), (302, "/"), "{}", arrived.body);
    assert_eq!(provider.token_calls(), calls + 1);
    assert_eq!(browser.get(&replicas.second.at("/")).await.checked().status, 200);
}

/// Each replica counts for itself while it cannot ask.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_state_is_away_each_replica_has_a_bound_of_its_own() {
    let (provider, secret) = (Provider::start(Clock::system()).await, secret());
    let replicas = replicas("redis://127.0.0.1:1/1", &provider, &secret).await;
    replicas.both_say("state.away", 1);
    let (browser, query) = begun(&replicas, &provider).await;
    send(&replicas, &browser, &query, 60).await;
    assert_eq!(provider.token_calls(), 2 * MOST);
}
