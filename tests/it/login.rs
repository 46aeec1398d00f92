//! Sign-in in the browser: attempts, tabs, and whose callback is whose.

use crate::support::browser::Browser;
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, TokenAnswer};
use crate::support::sign_in::{DEEP, World};
use postern::provider::error::ProviderError;
use postern::provider::principal::Groups;
use postern::sessions::Opened;
use postern::sign_in::SignInError;
use postern::sign_in::return_to::ReturnTo;
use postern::sign_in::{Finished, Prompt};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use url::{Url, form_urlencoded};

#[track_caller]
fn restart(finished: Result<Finished, SignInError>) -> (String, bool) {
    match finished {
        Ok(Finished::Restart { return_to, automatic, .. }) => (return_to.as_str().to_owned(), automatic),
        other => panic!("not a restart: {other:?}"),
    }
}

fn parameters(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn signs_in_and_comes_back_to_the_exact_path_and_query() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let finished = world.finish(&browser, &world.provider.sign_in(&location)).await.unwrap();
    let Finished::SignedIn { principal, session, return_to, deliberate } = finished else {
        panic!("{finished:?}")
    };
    assert_eq!(return_to.as_str(), DEEP);
    assert!(deliberate);
    assert_eq!((&*principal.realm, principal.user.as_str()), ("staff", "ada@corp.example"));
    assert_eq!(principal.groups, Groups::Known([Arc::from("ml-users")].into()));
    browser.keep(&session.cookie);
    let Opened::Valid(opened) = world.sessions.open(&browser.headers()).await else { panic!("no session") };
    assert_eq!(opened.principal.user, principal.user);
    assert_eq!(opened.provider_session.as_deref(), Some("provider-session"));
    assert_eq!(world.provider.now_says().user_info_calls, 0, "the ID token has all");
}

#[tokio::test]
async fn asks_for_a_code_with_pkce_state_and_nonce() {
    let world = World::new().await;
    let location = world.start(&mut Browser::default(), DEEP).await;
    let asked = parameters(&location);
    let mut names: Vec<&str> = asked.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "tenant",
    ];
    assert_eq!(names, expected);
    assert_eq!(asked["client_id"], CLIENT_ID);
    assert_eq!(asked["redirect_uri"], "https://ml.corp.example/-/callback");
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["scope"], "openid email profile groups");
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["code_challenge"].len(), 43);
    let again = parameters(&world.start(&mut Browser::default(), DEEP).await);
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(asked[name], again[name], "{name}");
    }
}

#[tokio::test]
async fn the_longest_return_path_survives_the_way_through_the_state() {
    let world = World::new().await;
    let path = format!("/studio?{}", "x".repeat(2040));
    let mut browser = Browser::default();
    let location = world.start(&mut browser, &path).await;
    match world.finish(&browser, &world.provider.sign_in(&location)).await.unwrap() {
        Finished::SignedIn { return_to, .. } => assert_eq!(return_to.as_str(), path),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_session_wins_over_another_browser_s_callback() {
    let world = World::new().await;
    let location = world.start(&mut Browser::default(), "/studio").await;
    let foreign = world.provider.sign_in(&location);
    let mut browser = Browser::default();
    let location = world.start(&mut browser, "/").await;
    let Finished::SignedIn { session, .. } =
        world.finish(&browser, &world.provider.sign_in(&location)).await.unwrap()
    else {
        panic!("not signed in")
    };
    browser.keep(&session.cookie);
    for (query, expected) in [(foreign.as_str(), "/studio"), ("code=a&state=b", "/"), ("", "/")] {
        match world.finish(&browser, query).await {
            Ok(Finished::Kept { return_to, deliberate: false }) => assert_eq!(return_to.as_str(), expected),
            other => panic!("{query}: {other:?}"),
        }
    }
    assert_eq!(world.provider.token_calls(), 1);
}

#[tokio::test]
async fn the_code_of_one_tab_with_the_state_of_another_signs_nobody_in() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let (one, other) = (world.start(&mut browser, "/one").await, world.start(&mut browser, "/other").await);
    let code = parameters_of(&world.provider.sign_in(&one))["code"].clone();
    let mut mixed = parameters_of(&world.provider.sign_in(&other));
    mixed.insert("code".to_owned(), code);
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(mixed).finish();
    assert_eq!(restart(world.finish(&browser, &query).await), ("/other".to_owned(), true));
}

fn parameters_of(query: &str) -> HashMap<String, String> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[tokio::test]
async fn another_browser_s_callback_signs_nobody_in() {
    let world = World::new().await;
    let mut attacker = Browser::default();
    let location = world.start(&mut attacker, "/studio").await;
    let query = world.provider.sign_in(&location);
    let mut victim = Browser::default();
    assert_eq!(
        restart(world.finish(&victim, &query).await),
        ("/studio".to_owned(), true),
        "without a cookie"
    );
    world.start(&mut victim, "/").await;
    assert_eq!(restart(world.finish(&victim, &query).await), ("/studio".to_owned(), true), "with its own");
    let mut twice = attacker.headers();
    twice.append("cookie", attacker.headers()["cookie"].clone());
    let finished = world.sign_in.finish(&query, &twice).await.map_err(|failed| failed.error);
    assert_eq!(restart(finished), ("/studio".to_owned(), true), "with its cookie twice");
    let (name, value) = attacker.bindings()[0];
    let other = if name.ends_with('A') { 'B' } else { 'A' };
    for (name, value) in [
        (name.to_owned(), format!("{value}A")),
        (name.to_owned(), value[1..].to_owned()),
        (name.to_owned(), format!("\"{value}\"")),
        (format!("{}{other}", &name[..name.len() - 1]), value.to_owned()),
        (name.to_ascii_lowercase(), value.to_owned()),
        ("__Host-postern-browser".to_owned(), value.to_owned()),
    ] {
        let mut guessing = Browser::default();
        guessing.set(&name, &value);
        let finished = world.finish(&guessing, &query).await;
        assert_eq!(restart(finished), ("/studio".to_owned(), true), "{name}={value}");
    }
    assert_eq!(world.provider.token_calls(), 0);
}

#[tokio::test]
async fn a_browser_without_cookies_goes_round_once() {
    let world = World::new().await;
    let nobody = Browser::default();
    let location = world.start(&mut Browser::default(), "/studio").await;
    let query = world.provider.sign_in(&location);
    assert_eq!(restart(world.finish(&nobody, &query).await), ("/studio".to_owned(), true));
    let again = world.sign_in.restart(&ReturnTo::parse("/studio"), true, &nobody.headers()).await.unwrap();
    let query = world.provider.sign_in(&Url::parse(again.location.to_str().unwrap()).unwrap());
    assert_eq!(restart(world.finish(&nobody, &query).await), ("/studio".to_owned(), false));
}

#[tokio::test]
async fn an_attempt_ends_after_ten_minutes() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let in_time = world.provider.sign_in(&world.start(&mut browser, "/studio").await);
    let late = world.provider.sign_in(&world.start(&mut browser, "/studio").await);
    world.clock.advance(Duration::from_secs(599));
    assert!(matches!(world.finish(&browser, &in_time).await, Ok(Finished::SignedIn { .. })));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(restart(world.finish(&browser, &late).await), ("/studio".to_owned(), true));
    assert_eq!(world.provider.token_calls(), 1);
}

#[tokio::test]
async fn a_replayed_callback_makes_no_token_call() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let query = world.provider.sign_in(&location);
    let Ok(Finished::SignedIn { session, .. }) = world.finish(&browser, &query).await else { panic!() };
    assert_eq!(restart(world.finish(&browser, &query).await), (DEEP.to_owned(), true), "without the session");
    browser.keep(&session.cookie);
    match world.finish(&browser, &query).await {
        Ok(Finished::Kept { return_to, deliberate: true }) => assert_eq!(return_to.as_str(), DEEP),
        other => panic!("with the session: {other:?}"),
    }
    assert_eq!(world.provider.token_calls(), 1);
}

#[tokio::test]
async fn a_code_that_was_used_elsewhere_leads_to_one_more_sign_in() {
    let world = World::new().await;
    let answer = json!({"error": "invalid_grant"}).to_string();
    world.provider.now_says().token = TokenAnswer::Raw(400, answer);
    assert_eq!(restart(world.sign_in().await), (DEEP.to_owned(), true));
    let mut browser = Browser::default();
    let started = world.sign_in.restart(&ReturnTo::default(), false, &browser.headers()).await.unwrap();
    browser.keep_all(&started.cookies);
    let query = world.provider.sign_in(&Url::parse(started.location.to_str().unwrap()).unwrap());
    let refused = world.finish(&browser, &query).await.unwrap_err();
    let (error, description) = ("invalid_grant".to_owned(), None);
    assert_eq!(refused, SignInError::Provider(ProviderError::TokenRefused { error, description }));
}

#[tokio::test]
async fn a_callback_with_a_state_that_is_not_ours_starts_over_once() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let state = parameters(&location)["state"].clone();
    let foreign = Browser::default();
    for query in [
        String::new(),
        "code=a".to_owned(),
        "code=a&state=".to_owned(),
        "code=a&state=%00%ff".to_owned(),
        format!("code=a&state={}", &state[..state.len() - 1]),
        format!("code=a&state=A{state}"),
    ] {
        assert_eq!(restart(world.finish(&browser, &query).await), ("/".to_owned(), false), "{query}");
        assert_eq!(restart(world.finish(&foreign, &query).await), ("/".to_owned(), true), "{query}");
    }
    assert_eq!(world.provider.token_calls(), 0);
}

#[tokio::test]
async fn a_parameter_that_stands_twice_is_refused() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let query = world.provider.sign_in(&location);
    for extra in
        ["code=other", "state=other", "iss=https%3A%2F%2Fevil.example", "error=access_denied", "a=1&a=1"]
    {
        for query in [format!("{query}&{extra}"), format!("{extra}&{query}")] {
            let refused = world.finish(&browser, &query).await.unwrap_err();
            assert_eq!(refused, SignInError::MalformedCallback, "{extra}");
        }
    }
    let state = &parameters(&location)["state"];
    let without_code = format!("state={state}&iss={}", world.provider.issuer);
    assert_eq!(world.finish(&browser, &without_code).await.unwrap_err(), SignInError::MalformedCallback);
    assert_eq!(world.provider.token_calls(), 0);
}

#[tokio::test]
async fn the_answering_issuer_is_checked() {
    let world = World::new().await;
    for wrong in [None, Some("https://evil.example".to_owned()), Some(format!("{}/", world.provider.issuer))]
    {
        world.provider.now_says().callback_issuer = wrong;
        assert_eq!(world.sign_in().await.unwrap_err(), SignInError::WrongIssuer);
    }
    assert_eq!(world.provider.token_calls(), 0);

    let silent = json!({"authorization_response_iss_parameter_supported": null});
    let world = World::with(|setup| setup.discovery = silent).await;
    world.provider.now_says().callback_issuer = None;
    assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
    world.provider.now_says().callback_issuer = Some("https://evil.example".to_owned());
    assert_eq!(world.sign_in().await.unwrap_err(), SignInError::WrongIssuer);
}

#[tokio::test]
async fn a_refusal_by_the_provider_is_told_by_its_code_alone() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let state = &parameters(&location)["state"];
    for (sent, told) in [("access_denied", "access_denied"), ("%3Cscript%3E", "other")] {
        let query =
            format!("error={sent}&error_description=%3Cb%3E&state={state}&iss={}", world.provider.issuer);
        let refused = world.finish(&browser, &query).await.unwrap_err();
        assert_eq!(
            refused,
            SignInError::Refused { error: told.to_owned(), description: Some("<b>".to_owned()) }
        );
        let stranger = world.finish(&Browser::default(), &query).await;
        assert_eq!(restart(stranger), (DEEP.to_owned(), true), "not this browser's");
    }
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let started =
        world.sign_in.start(&ReturnTo::parse(DEEP), true, Prompt::Default, &browser.headers()).await.unwrap();
    browser.keep_all(&started.cookies);
    let location = Url::parse(started.location.to_str().unwrap()).unwrap();
    let finished = world.finish(&browser, &world.provider.sign_in(&location)).await.unwrap();
    let shown = format!("{started:?} {finished:?} {:?} {:?}", world.sign_in, world.sessions);
    let state = &parameters(&location)["state"];
    for secret in [state.as_str(), CLIENT_SECRET, browser.bindings()[0].1, "code-0"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
