//! Many tabs of one browser, which share its cookies and come back in any order.

use crate::support::browser::Browser;
use crate::support::sign_in::World;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use hyper::header::{COOKIE, HeaderValue};
use postern::sessions::Opened;
use postern::sign_in::return_to::ReturnTo;
use postern::sign_in::{Failed, Finished, Prompt, Started};
use proptest::prelude::{ProptestConfig, any, prop};
use proptest::{prop_assert, proptest};
use std::time::Duration;
use tokio::task::JoinSet;
use url::Url;

const MINUTE: Duration = Duration::from_secs(60);

async fn started(world: &World, browser: &Browser, path: &str) -> Started {
    world.sign_in.start(&ReturnTo::parse(path), true, Prompt::Default, &browser.headers()).await.unwrap()
}

fn location(started: &Started) -> Url {
    Url::parse(started.location.to_str().unwrap()).unwrap()
}

/// Tabs that begin before any answer has come, by requests without a cookie.
async fn restored(world: &World, browser: &mut Browser, tabs: usize) -> Vec<(String, Url)> {
    let mut begun = Vec::new();
    for tab in 0..tabs {
        let path = format!("/tab-{tab}");
        let started = started(world, &Browser::default(), &path).await;
        browser.keep_all(&started.cookies);
        begun.push((path, location(&started)));
    }
    begun
}

fn pass(world: &World, browser: &mut Browser, time: Duration) {
    world.clock.advance(time);
    browser.wait(time);
}

fn cookie_bytes(browser: &Browser) -> usize {
    browser.headers().get(COOKIE).map_or(0, HeaderValue::len)
}

#[track_caller]
fn signs_in_to(finished: Result<Finished, Failed>, path: &str) -> HeaderValue {
    match finished {
        Ok(Finished::SignedIn { return_to, session, deliberate: true, .. }) => {
            assert_eq!(return_to.as_str(), path);
            session.cookie
        }
        other => panic!("{path}: {other:?}"),
    }
}

#[tokio::test]
async fn a_browser_is_bound_by_one_cookie_of_a_name_of_its_own() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let first = started(&world, &browser, "/").await;
    let [set_cookie] = first.cookies.as_slice() else { panic!("{first:?}") };
    assert!(set_cookie.is_sensitive());
    let (pair, attributes) = set_cookie.to_str().unwrap().split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure");
    let (name, value) = pair.split_once('=').unwrap();
    assert_eq!(name.strip_prefix("__Host-postern-browser-").map(str::len), Some(8), "{name}");
    assert_eq!(value.len(), 32);
    browser.keep(set_cookie);
    assert!(started(&world, &browser, "/").await.cookies.is_empty(), "bound already");

    let another = started(&world, &Browser::default(), "/").await;
    let (other_name, _) = another.cookies[0].to_str().unwrap().split_once('=').unwrap();
    assert_ne!(name, other_name);

    for (name, value) in [
        (name, "short"),
        (name, &value[1..]),
        ("__Host-postern-browser", value),
        ("__Host-postern-browser-short", value),
        ("__host-postern-browser-AAAAAAAA", value),
    ] {
        let mut browser = Browser::default();
        browser.set(name, value);
        assert_eq!(
            started(&world, &browser, "/").await.cookies.len(),
            1,
            "{name}={value}: not of our making"
        );
    }
    let mut twice = browser.headers();
    twice.append(COOKIE, twice[COOKIE].clone());
    let again = world.sign_in.start(&ReturnTo::default(), true, Prompt::Default, &twice).await.unwrap();
    assert_eq!(again.cookies.len(), 1, "nobody can tell which of two of a name is ours");
}

#[tokio::test]
async fn twenty_tabs_that_begin_at_once_all_come_back() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let begun = restored(&world, &mut browser, 20).await;
    assert_eq!(browser.bindings().len(), 20);
    assert!(cookie_bytes(&browser) < 1500, "{}", cookie_bytes(&browser));
    for (path, location) in begun.iter().rev() {
        let finished = world.sign_in.finish(&world.provider.sign_in(location), &browser.headers()).await;
        browser.keep(&signs_in_to(finished, path));
        browser.keep_all(&world.sign_in.tidy(&browser.headers()));
    }
    assert_eq!(world.provider.token_calls(), 20);
    assert_eq!(browser.bindings().len(), 20, "all were under way a moment ago");
    assert!(cookie_bytes(&browser) < 2048, "with the session: {}", cookie_bytes(&browser));
}

#[tokio::test]
async fn what_a_crowd_leaves_behind_is_tidied_when_nothing_is_under_way() {
    let world = World::new().await;
    let mut browser = Browser::default();
    restored(&world, &mut browser, 20).await;
    pass(&world, &mut browser, 15 * MINUTE);
    let late = started(&world, &browser, "/late").await;
    assert!(late.cookies.is_empty(), "attempts may be under way");
    pass(&world, &mut browser, 5 * MINUTE);
    let tidied = started(&world, &browser, "/").await;
    for deletion in &tidied.cookies {
        let text = deletion.to_str().unwrap();
        assert!(text.ends_with("=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"), "{text}");
    }
    browser.keep_all(&tidied.cookies);
    assert_eq!(browser.bindings().len(), 4);
    let finished = world.sign_in.finish(&world.provider.sign_in(&location(&late)), &browser.headers()).await;
    browser.keep(&signs_in_to(finished, "/late"));
    assert!(world.sign_in.tidy(&browser.headers()).is_empty(), "a handful is no crowd");
    pass(&world, &mut browser, 40 * MINUTE);
    assert!(browser.bindings().is_empty(), "an hour later");
}

#[tokio::test]
async fn a_cookie_in_use_is_kept_for_longer() {
    let world = World::new().await;
    let mut browser = Browser::default();
    restored(&world, &mut browser, 3).await;
    pass(&world, &mut browser, 29 * MINUTE);
    assert!(started(&world, &browser, "/").await.cookies.is_empty());
    pass(&world, &mut browser, MINUTE);
    let (one, other) = (started(&world, &browser, "/one").await, started(&world, &browser, "/other").await);
    assert_eq!(one.cookies, other.cookies, "tabs that begin at once agree");
    assert_eq!(one.cookies.len(), 1);
    browser.keep_all(&one.cookies);
    assert_eq!(browser.bindings().len(), 3);
    for _ in 0..3 {
        pass(&world, &mut browser, 59 * MINUTE);
        assert_eq!(browser.bindings().len(), 1, "the others have ended");
        let again = started(&world, &browser, "/").await;
        browser.keep_all(&again.cookies);
    }
    pass(&world, &mut browser, 60 * MINUTE);
    assert!(browser.bindings().is_empty());
}

#[tokio::test]
async fn of_several_cookies_the_newest_binds_and_those_in_use_stay() {
    let world = World::new().await;
    let mut browser = Browser::default();
    restored(&world, &mut browser, 3).await;
    pass(&world, &mut browser, 24 * MINUTE);
    let by_old = started(&world, &browser, "/by-old").await;
    assert!(by_old.cookies.is_empty());
    restored(&world, &mut browser, 6).await;
    pass(&world, &mut browser, MINUTE);
    let by_new = started(&world, &browser, "/by-new").await;
    assert_eq!(by_new.cookies.len(), 2, "the older two of the first crowd");
    browser.keep_all(&by_new.cookies);
    let finished =
        world.sign_in.finish(&world.provider.sign_in(&location(&by_old)), &browser.headers()).await;
    browser.keep(&signs_in_to(finished, "/by-old"));
    pass(&world, &mut browser, 40 * MINUTE);
    match world.sign_in.finish(&world.provider.sign_in(&location(&by_new)), &browser.headers()).await {
        Ok(Finished::Kept { deliberate: true, .. }) => {}
        other => panic!("its cookie is 41 minutes old: {other:?}"),
    }
}

/// What a tab does next. An answer may be late: others' come in between.
enum Tab {
    Opened,
    Sent(Started),
    AtProvider(Url),
    SentBack(Result<Finished, Failed>, Vec<HeaderValue>),
    Arrived,
}

async fn step(world: &World, browser: &mut Browser, tab: Tab, path: &str) -> Tab {
    match tab {
        Tab::Opened if matches!(world.sessions.open(&browser.headers()).await, Opened::Valid(_)) => {
            Tab::Arrived
        }
        Tab::Opened => Tab::Sent(started(world, browser, path).await),
        Tab::Sent(started) => {
            browser.keep_all(&started.cookies);
            Tab::AtProvider(location(&started))
        }
        Tab::AtProvider(location) => {
            let headers = browser.headers();
            let finished = world.sign_in.finish(&world.provider.sign_in(&location), &headers).await;
            Tab::SentBack(finished, world.sign_in.tidy(&headers))
        }
        Tab::SentBack(finished, tidied) => {
            browser.keep(&signs_in_to(finished, path));
            browser.keep_all(&tidied);
            Tab::Arrived
        }
        Tab::Arrived => Tab::Arrived,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// However the steps of six tabs interleave, and whatever earlier crowds left in the browser.
    #[test]
    fn every_tab_ends_at_its_own_destination_after_one_sign_in(
        crowds in prop::collection::vec((0_usize..12, 0_u64..70), 0..3),
        steps in prop::collection::vec((0_usize..6, 0_u64..20), 0..30),
        late in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let mut browser = Browser::default();
            for (tabs, minutes) in crowds {
                restored(&world, &mut browser, tabs).await;
                pass(&world, &mut browser, MINUTE * u32::try_from(minutes).unwrap());
            }
            let mut tabs: Vec<Tab> = (0..6).map(|_| Tab::Opened).collect();
            let rest = (0..6).flat_map(|tab| [(tab, 0); 4]);
            let rest: Vec<_> = if late { rest.rev().collect() } else { rest.collect() };
            for (number, seconds) in steps.into_iter().chain(rest) {
                let tab = std::mem::replace(&mut tabs[number], Tab::Arrived);
                tabs[number] = step(&world, &mut browser, tab, &format!("/tab-{number}")).await;
                pass(&world, &mut browser, Duration::from_secs(seconds));
            }
            prop_assert!(tabs.iter().all(|tab| matches!(tab, Tab::Arrived)));
            prop_assert!(cookie_bytes(&browser) < 3072);
            Ok(())
        })?;
    }
}

/// Through the front door, with requests that are really under way at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_window_of_twenty_tabs_signs_in_everywhere() {
    let stage = Stage::new().await;
    let mut browser = Visitor::person();
    let mut requests = JoinSet::new();
    for tab in 0..20 {
        let path = format!("/studio/lab/tree/{tab}.ipynb");
        let (mut tab, url) = (browser.clone(), stage.postern.at(&path));
        requests.spawn(async move { (path, tab.get(&url).await.checked()) });
    }
    let firsts = requests.join_all().await;
    for (_, first) in &firsts {
        browser.keep(first);
    }
    assert_eq!(browser.cookies(&stage.postern.url).len(), 20);
    let mut returns = JoinSet::new();
    for (path, first) in firsts {
        let callback = stage.pick(&mut browser, "grace", first).await;
        let mut tab = browser.clone();
        returns.spawn(async move { (path, tab.get(&callback).await.checked()) });
    }
    for (path, arrived) in returns.join_all().await {
        assert_eq!((arrived.status.as_u16(), arrived.location()), (302, path.as_str()), "{}", arrived.body);
        browser.keep(&arrived);
    }
    let cookies = browser.cookies(&stage.postern.url);
    let size: usize = cookies.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
    assert!(size < 2100, "{size}");
    assert!(
        cookies.keys().all(|name| name.ends_with("-insecure") || name.contains("-insecure-")),
        "over plain http no name claims more than it holds: {cookies:?}"
    );
    assert_eq!(browser.get(&stage.postern.at("/studio")).await.checked().status, 302);
}
