//! Callbacks that come late, twice, from a bookmark, from another browser or with an error: where the person ends up.

use crate::support::browser::Browser;
use crate::support::sign_in::World;
use crate::support::stage::Stage;
use crate::support::visitor::{Answer, Visitor};
use postern::sandbox::IdentityProviderFaults;
use postern::sign_in::return_to::ReturnTo;
use postern::sign_in::{Finished, Prompt, SignInError};
use std::time::Duration;
use url::Url;

const PATH: &str = "/studio/lab/tree/a.ipynb?x=%2F";

/// A callback of the gateway's with this query.
fn callback(stage: &Stage, query: &str) -> Url {
    stage.postern.at(&format!("/-/callback?{query}"))
}

fn state(location: &Url) -> String {
    location.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
}

/// What the provider sends back when it says no.
fn refusal(stage: &Stage, first: &Answer, error: &str) -> Url {
    let (state, issuer) = (state(&first.next().unwrap()), stage.sandbox.issuer_text());
    callback(stage, &format!("error={error}&state={state}&iss={issuer}"))
}

#[track_caller]
fn asks_to_continue(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("Continue to "), "{}", answer.body);
}

/// A page that says what happened and has a link on.
#[track_caller]
fn is_page_with_a_way_on(answer: &Answer, to: &str) {
    assert!(answer.header("content-type").starts_with("text/html"), "{answer:?}");
    assert!(answer.body.contains(&format!("class=\"button\" href=\"{to}\"")), "{}", answer.body);
}

/// Follows what a browser would follow, signing in whenever the provider asks: the last answer, and how often it asked.
async fn follow(stage: &Stage, visitor: &mut Visitor, person: &str, mut answer: Answer) -> (Answer, usize) {
    let mut sign_ins = 0;
    for _ in 0..10 {
        let Some(next) = answer.next() else { return (answer, sign_ins) };
        answer = if next.port() == stage.sandbox.issuer().port() {
            sign_ins += 1;
            let callback = stage.pick(visitor, person, answer).await;
            visitor.get(&callback).await.checked()
        } else if next.origin() == stage.postern.url.origin() {
            visitor.get(&next).await.checked()
        } else {
            return (answer, sign_ins);
        };
    }
    panic!("goes round for ever: {}", answer.url);
}

/// Signed in by one tab, while another is still at the provider's.
async fn signed_in_with_a_tab_left(stage: &Stage) -> (Visitor, Answer) {
    let mut visitor = Visitor::person();
    let left = visitor.get(&stage.postern.at(PATH)).await.checked();
    let portal = stage.sign_in(&mut visitor, "grace", "/").await;
    assert_eq!(portal.status, 200);
    (visitor, left)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_session_a_callback_that_was_used_goes_straight_on() {
    let stage = Stage::new().await;
    let mut visitor = Visitor::person();
    let first = visitor.get(&stage.postern.at(PATH)).await.checked();
    let callback = stage.pick(&mut visitor, "grace", first).await;
    for visit in ["once", "reload", "back button"] {
        let arrived = visitor.get(&callback).await.checked();
        assert_eq!((arrived.status.as_u16(), arrived.location()), (302, PATH), "{visit}");
    }
    let mut other_browser = stage.person("grace").await;
    asks_to_continue(&other_browser.get(&callback).await.checked());
    assert_eq!(stage.mints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_session_no_failure_of_a_left_tab_hurts() {
    let stage = Stage::new().await;
    let (visitor, left) = signed_in_with_a_tab_left(&stage).await;
    for error in [
        "access_denied",
        "login_required",
        "interaction_required",
        "account_selection_required",
        "consent_required",
        "temporarily_unavailable",
        "server_error",
        "invalid_request",
        "%3Cb%3E",
    ] {
        let mut tab = visitor.clone();
        let arrived = tab.get(&refusal(&stage, &left, error)).await.checked();
        assert_eq!((arrived.status.as_u16(), arrived.location()), (302, PATH), "{error}");
    }
    let state = state(&left.next().unwrap());
    let issuer = stage.sandbox.issuer_text();
    for (query, to) in [
        (format!("state={state}&iss={issuer}"), PATH),
        (format!("code=none&state={state}&iss={issuer}"), PATH),
        (format!("code=none&state={state}&iss=https://evil.example"), PATH),
        (format!("code=none&state={}&iss={issuer}", &state[1..]), "/"),
        (format!("code=a&code=b&state={state}"), "/"),
        ("code=a".to_owned(), "/"),
        (String::new(), "/"),
    ] {
        let arrived = visitor.clone().get(&callback(&stage, &query)).await.checked();
        assert_eq!((arrived.status.as_u16(), arrived.location()), (302, to), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_every_callback_ends_well_after_one_more_sign_in_at_most() {
    let stage = Stage::new().await;
    let mut browser = Visitor::person();
    let first = browser.get(&stage.postern.at(PATH)).await.checked();
    let (state, issuer) = (state(&first.next().unwrap()), stage.sandbox.issuer_text());
    let stranger = Visitor::person();
    // A bookmarked page of the provider's comes back without our cookie, with a state of whatever age or key.
    for (query, visitor, straight) in [
        (format!("code=none&state={state}&iss={issuer}"), &browser, true),
        (format!("error=login_required&state={state}&iss={issuer}"), &browser, true),
        (format!("error=interaction_required&state={state}&iss={issuer}"), &browser, true),
        (format!("code=none&state={state}&iss={issuer}"), &stranger, false),
        (format!("error=login_required&state={state}&iss={issuer}"), &stranger, false),
    ] {
        let mut visitor = visitor.clone();
        let answer = visitor.get(&callback(&stage, &query)).await.checked();
        let (last, sign_ins) = follow(&stage, &mut visitor, "grace", answer).await;
        assert_eq!(sign_ins, 1, "{query}");
        if straight {
            assert_eq!((last.status.as_u16(), last.url.as_str()), (302, stage.postern.at(PATH).as_str()));
        } else {
            asks_to_continue(&last);
        }
    }
    for query in [
        format!("code=none&state={}&iss={issuer}", &state[1..]),
        "error=login_required".to_owned(),
        "code=a".to_owned(),
        String::new(),
    ] {
        let mut visitor = stranger.clone();
        let answer = visitor.get(&callback(&stage, &query)).await.checked();
        let (portal, sign_ins) = follow(&stage, &mut visitor, "grace", answer).await;
        assert_eq!((portal.status.as_u16(), portal.url.path(), sign_ins), (200, "/", 1), "{query}");
        let page = browser.clone().get(&callback(&stage, &query)).await.checked();
        assert_eq!(page.status, 400, "{query}: a provider that garbles the state is not asked for ever");
        is_page_with_a_way_on(&page, "/");
    }
    for (query, status, to) in [
        (format!("error=access_denied&state={state}&iss={issuer}"), 403, PATH),
        (format!("error=server_error&state={state}&iss={issuer}"), 403, PATH),
        (format!("error=temporarily_unavailable&state={state}&iss={issuer}"), 503, PATH),
        (format!("code=none&state={state}&iss=https://evil.example"), 403, PATH),
        (format!("state={state}&iss={issuer}"), 400, PATH),
        (format!("code=a&code=b&state={state}"), 400, "/"),
        (format!("code=a&error=access_denied&state={state}"), 400, "/"),
    ] {
        let page = browser.clone().get(&callback(&stage, &query)).await.checked();
        assert_eq!(page.status.as_u16(), status, "{query}");
        is_page_with_a_way_on(&page, to);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_cookies_goes_round_once_whatever_it_brings() {
    let stage = Stage::new().await;
    for query in ["", "code=a&state=b"] {
        let first = Visitor::person().get(&callback(&stage, query)).await.checked();
        let back = stage.pick(&mut Visitor::person(), "grace", first).await;
        let page = Visitor::person().get(&back).await.checked();
        assert_eq!(page.status, 400);
        is_page_with_a_way_on(&page, "/");
        assert!(page.body.contains("Allow cookies"), "{}", page.body);
    }
}

/// C02: login CSRF.
#[tokio::test(flavor = "multi_thread")]
async fn an_attackers_callback_signs_nobody_in_as_the_attacker() {
    let stage = Stage::new().await;
    let mut attacker = Visitor::person();
    let first = attacker.get(&stage.postern.at(PATH)).await.checked();
    let forged = stage.pick(&mut attacker, "ada", first).await;

    let mut victim = Visitor::person();
    let answer = victim.get(&forged).await.checked();
    let (last, _) = follow(&stage, &mut victim, "grace", answer).await;
    asks_to_continue(&last);
    assert!(last.body.contains("grace@corp.example") && !last.body.contains("ada@"), "{}", last.body);

    let mut signed_in = stage.person("grace").await;
    let before = signed_in.cookies(&stage.postern.url);
    asks_to_continue(&signed_in.get(&forged).await.checked());
    assert_eq!(signed_in.cookies(&stage.postern.url), before);
    assert_eq!(stage.mints(), [""; 0]);
    assert!(!stage.postern.audit_text().contains("ada@corp.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_sign_in_wins_and_ends_the_session_before() {
    let stage = Stage::new().await;
    let mut visitor = Visitor::person();
    let left = visitor.get(&stage.postern.at("/-/whoami")).await.checked();
    let portal = stage.sign_in(&mut visitor, "grace", "/").await;
    assert_eq!(portal.status, 200);
    let copy = visitor.clone();
    let callback = stage.pick(&mut visitor, "ada", left).await;
    assert_eq!(visitor.get(&callback).await.checked().location(), "/-/whoami");
    let page = visitor.get(&stage.postern.at("/-/whoami")).await.checked();
    assert!(page.body.contains("ada@corp.example"), "{}", page.body);
    let asked = copy.clone().get(&stage.postern.at("/")).await.checked();
    assert_eq!(asked.status, 302, "a copy of the session before does not count");

    let records = stage.postern.audit(4);
    let told: Vec<_> = records[1..]
        .iter()
        .map(|record| {
            let word = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            (word("event"), word("user"), word("reason"))
        })
        .collect();
    let record =
        |event: &str, user: &str, reason: &str| (event.to_owned(), user.to_owned(), reason.to_owned());
    assert_eq!(
        told,
        [
            record("sign-in", "grace@corp.example", ""),
            record("sign-out", "grace@corp.example", "replaced"),
            record("sign-in", "ada@corp.example", "")
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sign_in_of_the_same_person_ends_nothing() {
    let stage = Stage::new().await;
    let (mut visitor, left) = signed_in_with_a_tab_left(&stage).await;
    let copy = visitor.clone();
    let callback = stage.pick(&mut visitor, "grace", left).await;
    assert_eq!(visitor.get(&callback).await.checked().location(), PATH);
    assert_eq!(copy.clone().get(&stage.postern.at("/")).await.checked().status, 200);
    let records = stage.postern.audit(3);
    assert!(records[1..].iter().all(|record| record["event"] == "sign-in"), "{records:#?}");
}

/// On a clock of its own: what an attempt's age changes.
#[tokio::test]
async fn a_tab_that_was_left_for_long_still_comes_back_to_its_own_destination() {
    for (minutes, is_still_ours) in [(11, true), (59, true), (60, false), (60 * 24 * 3, false)] {
        let world = World::new().await;
        let mut browser = Browser::default();
        let left = world.provider.sign_in(&world.start(&mut browser, PATH).await);
        let wait = Duration::from_secs(minutes * 60);
        world.clock.advance(wait);
        browser.wait(wait);
        match world.finish(&browser, &left).await {
            Ok(Finished::Restart { return_to, deliberate, automatic: true }) => {
                assert_eq!((return_to.as_str(), deliberate), (PATH, is_still_ours), "{minutes}");
            }
            other => panic!("{minutes}: {other:?}"),
        }
        let restarted =
            world.sign_in.restart(&ReturnTo::parse(PATH), is_still_ours, &browser.headers()).await;
        let restarted = restarted.unwrap();
        browser.keep_all(&restarted.cookies);
        let query = world.provider.sign_in(&Url::parse(restarted.location.to_str().unwrap()).unwrap());
        match world.finish(&browser, &query).await {
            Ok(Finished::SignedIn { return_to, deliberate, session, .. }) => {
                assert_eq!((return_to.as_str(), deliberate), (PATH, is_still_ours), "{minutes}");
                browser.keep(&session.cookie);
            }
            other => panic!("{minutes}: {other:?}"),
        }
        match world.finish(&browser, &left).await {
            Ok(Finished::Kept { return_to, deliberate }) => {
                assert_eq!((return_to.as_str(), deliberate), (PATH, is_still_ours), "{minutes}");
            }
            other => panic!("{minutes}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_nobody_clicked_on_never_becomes_deliberate() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let start = world
        .sign_in
        .start(&ReturnTo::parse(PATH), false, Prompt::Default, &browser.headers())
        .await
        .unwrap();
    browser.keep_all(&start.cookies);
    let query = world.provider.sign_in(&Url::parse(start.location.to_str().unwrap()).unwrap());
    world.clock.advance(Duration::from_secs(601));
    let stale = world.finish(&browser, &query).await;
    assert!(matches!(stale, Ok(Finished::Restart { deliberate: false, .. })), "{stale:?}");
    let again = world.sign_in.restart(&ReturnTo::parse(PATH), false, &browser.headers()).await.unwrap();
    let query = world.provider.sign_in(&Url::parse(again.location.to_str().unwrap()).unwrap());
    let finished = world.finish(&browser, &query).await;
    let Ok(Finished::SignedIn { deliberate: false, session, .. }) = finished else { panic!("{finished:?}") };
    browser.keep(&session.cookie);
    let kept = world.finish(&browser, &query).await;
    assert!(matches!(kept, Ok(Finished::Kept { deliberate: false, .. })), "{kept:?}");
}

/// A provider that is away refuses nobody, and neither does a crowd that waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_while_the_provider_is_away_is_worth_another_try() {
    let stage = Stage::new().await;
    let mut visitor = Visitor::person();
    let first = visitor.get(&stage.postern.at("/experiments")).await.checked();
    let callback = stage.pick(&mut visitor, "grace", first).await;
    let away = IdentityProviderFaults { unavailable: true, ..Default::default() };
    stage.sandbox.faults().set_identity_provider(away);
    let answer = visitor.get(&callback).await.checked();
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.body.contains("cannot be reached at the moment"), "{}", answer.body);
    assert!(!answer.header("retry-after").is_empty());
    assert!(SignInError::Crowded.is_unavailable());
}
