//! Sessions that go on although the provider does not confirm them: what is told of them, and how many are remembered.

use super::{INTERVAL, World, refused, valid};
use crate::support::browser::Browser;
use crate::support::provider::TokenAnswer;
use crate::support::sign_in::Stack;
use hyper::header::HeaderMap;
use postern::clock::Clock;
use postern::config::RevalidationConfig;
use postern::provider::principal::Principal;
use postern::sessions::{NewSession, Opened, ProviderTokens, Seen, Unusable};
use serde_json::json;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The least time between two tries for one session.
const RETRY: Duration = Duration::from_secs(30);
/// The sessions that are remembered as under way or failed.
const MOST: usize = 16_384;

impl World {
    /// Lets the provider fail for the session once more, off the request's way.
    async fn fails_again(&mut self) {
        let failures = self.failures();
        self.session().await;
        self.until(|world| world.failures() == failures + 1).await;
    }

    fn failures(&self) -> usize {
        self.count("revalidation-failed")
    }
}

/// A record for each try would bury the others, and none until it is late would say that all is well.
#[tokio::test]
async fn each_outage_is_on_record_once_for_a_session_that_is_overdue() {
    let mut world = World::new().await;
    for outage in 1..=2 {
        world.provider.now_says().refresh = TokenAnswer::Raw(503, String::new());
        world.clock.advance(INTERVAL);
        world.fails_again().await;
        world.clock.advance(INTERVAL - Duration::from_secs(1));
        world.fails_again().await;
        assert_eq!(world.audited().len(), outage - 1, "it is due, and no more");
        for _ in 0..3 {
            world.clock.advance(RETRY);
            world.fails_again().await;
            let told = world.audited();
            assert_eq!(told.len(), outage);
            assert_eq!(told[outage - 1]["event"], "unchecked");
            assert_eq!(told[outage - 1]["user"], "ada@corp.example");
        }
        world.provider.now_says().refresh = TokenAnswer::Good;
        world.clock.advance(RETRY);
        world.session().await;
        world.until(|world| world.provider.refresh_calls() == 6 * outage).await;
        world.until(|world| world.count("revalidated") == outage).await;
    }
}

/// One more session of the person.
async fn signed_in(principal: &Principal, replica: &Stack) -> HeaderMap {
    let tokens = ProviderTokens { refresh_token: Some("refresh".to_owned()), nonce: None };
    let arrival = NewSession { principal, provider_session: None, seen: Seen::default(), tokens };
    let mut browser = Browser::default();
    browser.keep(&replica.sessions.establish(arrival).await.unwrap().cookie);
    browser.headers()
}

/// What becomes of the session without a wait for anything; `None` if its request waits for the provider.
fn at_once(replica: &Stack, headers: &HeaderMap) -> Option<Opened> {
    match pin!(replica.sessions.open(headers)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(opened) => Some(opened),
        Poll::Pending => None,
    }
}

/// More sessions than are remembered wait for their turn until some are forgotten. A fault of ours ends them in time, too.
#[tokio::test]
async fn a_crowd_of_failed_sessions_leaves_further_ones_unasked() {
    let mut world = World::new().await;
    let principal = world.session().await.principal;
    let (_, trail) = world.shared.revalidate.take().unwrap();
    let unconfirmed = INTERVAL * 2 + Duration::from_secs(10);
    world.shared.revalidate = Some((RevalidationConfig { interval: INTERVAL, unconfirmed }, trail));
    // Nothing is sent to a provider that takes no authentication of ours.
    world.provider.now_says().discovery =
        json!({"token_endpoint_auth_methods_supported": ["tls_client_auth"]});
    let replica = world.another();
    let before = Clock::manual(world.clock.now());
    let earlier = super::replica(&world.shared, &world.issuer, &before, &world.secret);
    world.clock.advance(INTERVAL * 2 - Duration::from_secs(10));
    for number in 1..=MOST {
        valid(replica.sessions.open(&signed_in(&principal, &earlier).await).await);
        // The state keeps fewer records than that at a time.
        if number % 128 == 0 {
            world.until(|world| world.failures() == number).await;
        }
    }
    let [first, second] = [signed_in(&principal, &earlier).await, signed_in(&principal, &earlier).await];

    world.clock.advance(Duration::from_secs(10));
    valid(at_once(&replica, &first).expect("it is not asked about"));
    world.clock.advance(Duration::from_secs(10));
    let reason = refused(at_once(&replica, &first).expect("it is not asked about"));
    assert_eq!((reason, world.failures()), (Unusable::Withdrawn, MOST));

    world.clock.advance(RETRY - Duration::from_secs(20));
    assert!(at_once(&replica, &second).is_none(), "there is room, so it is asked about");
    world.until(|world| world.failures() == MOST + 1).await;
    assert_eq!(refused(replica.sessions.open(&second).await), Unusable::Revoked);
}
