//! Sessions that are ended before their time, and which of several an end concerns.

use super::{HOUR, ISS, World, ada, now, refused, valid};
use crate::support::browser::Browser;
use postern::clock::{Clock, UnixSeconds};
use postern::config::LONGEST_SESSION;
use postern::sessions::{NewSession, ProviderTokens, Unusable};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_revoked_session_ends_for_every_copy_of_its_cookie_and_across_reloads() {
    let world = World::new();
    let (browser, other) = (world.signed_in(), world.signed_in());
    let session = valid(now(world.sessions().open(&browser.headers())));
    now(world.sessions().revoke(&session.id)).unwrap();
    assert_eq!(refused(now(world.sessions().open(&browser.headers()))), Unusable::Revoked);
    valid(now(world.sessions().open(&other.headers())));
}

/// The audit trail names one sign-out, however often the browser asks.
#[test]
fn a_session_is_signed_out_once() {
    let world = World::new();
    let (browser, stranger) = (world.signed_in(), Browser::default());
    let signed_out = now(world.sessions().sign_out(&browser.headers())).unwrap();
    assert_eq!(
        (signed_out.session.principal.user.as_str(), signed_out.everywhere),
        ("ada@corp.example", true)
    );
    assert!(now(world.sessions().sign_out(&browser.headers())).is_none());
    assert!(now(world.sessions().sign_out(&stranger.headers())).is_none());
}

#[test]
fn what_ended_stays_ended_under_a_longer_lifetime() {
    let mut world = World::new();
    let ahead = World {
        clock: Clock::manual(world.clock.now().plus(MINUTE)),
        sealer: world.sealer.clone(),
        state: world.state.clone(),
        ..World::new()
    };
    let browser = ahead.signed_in();
    let session = valid(now(world.sessions().open(&browser.headers())));
    now(world.sessions().revoke(&session.id)).unwrap();
    (world.lifetime, world.idle) = (LONGEST_SESSION, LONGEST_SESSION);
    for time in [9 * HOUR, LONGEST_SESSION - 9 * HOUR, MINUTE - SECOND] {
        world.clock.advance(time);
        assert_eq!(refused(now(world.sessions().open(&browser.headers()))), Unusable::Revoked);
    }
    world.clock.advance(SECOND);
    assert_eq!(refused(now(world.sessions().open(&browser.headers()))), Unusable::Expired);
}

/// Ends are known by the second, and by clocks that differ: a sign-in after one begins a session that counts, or the browser
/// would go round for as long.
#[test]
fn a_sign_in_after_an_end_counts_at_once() {
    for skew in [0, 30] {
        let world = World::new();
        let before = world.signed_in();
        let ahead = World {
            clock: Clock::manual(UnixSeconds(world.clock.now().0 + skew)),
            sealer: world.sealer.clone(),
            state: world.state.clone(),
            ..World::new()
        };
        now(ahead.sessions().revoke_subject(ISS, "u1")).unwrap();
        now(ahead.sessions().revoke_provider_session(ISS, "provider-session")).unwrap();
        assert_eq!(refused(now(world.sessions().open(&before.headers()))), Unusable::Revoked);
        let after = world.signed_in();
        valid(now(world.sessions().open(&after.headers())));
        assert_eq!(refused(now(world.sessions().open(&before.headers()))), Unusable::Revoked);
    }
}

/// What ends after a sign-in ends it, by whichever clock the one or the other is noted, and however many end in one second.
#[test]
fn an_end_after_a_sign_in_counts_whatever_the_clocks_say() {
    for behind in [0, 3, 59] {
        let world = World::new();
        let other = World {
            clock: Clock::manual(UnixSeconds(world.clock.now().0 - behind)),
            sealer: world.sealer.clone(),
            state: world.state.clone(),
            ..World::new()
        };
        for round in 0..3 {
            let browser = world.signed_in();
            valid(now(world.sessions().open(&browser.headers())));
            if round % 2 == 0 {
                now(other.sessions().revoke_subject(ISS, "u1")).unwrap();
            } else {
                now(other.sessions().revoke_provider_session(ISS, "provider-session")).unwrap();
            }
            for sessions in [world.sessions(), other.sessions()] {
                assert_eq!(
                    refused(now(sessions.open(&browser.headers()))),
                    Unusable::Revoked,
                    "{behind} {round}"
                );
            }
        }
    }
}

/// Between a provider's answer and the session, keys and `UserInfo` may be waited for.
#[test]
fn an_end_during_a_sign_in_counts() {
    let world = World::new();
    let seen = now(world.sessions().seen(ISS, "u1", Some("provider-session")));
    world.clock.advance(Duration::from_secs(3));
    now(world.sessions().revoke_provider_session(ISS, "provider-session")).unwrap();
    world.clock.advance(Duration::from_secs(3));
    let principal = ada();
    let (provider_session, tokens) = (Some("provider-session"), ProviderTokens::default());
    let arrival = NewSession { principal: &principal, provider_session, seen, tokens };
    let mut browser = Browser::default();
    browser.keep(&now(world.sessions().establish(arrival)).unwrap().cookie);
    assert_eq!(refused(now(world.sessions().open(&browser.headers()))), Unusable::Revoked);
}

/// An end that only some replicas know, such as without a shared state, does not keep people out for good.
#[test]
fn an_end_long_before_the_sign_in_does_not_count() {
    let world = World::new();
    now(world.sessions().revoke_subject(ISS, "u1")).unwrap();
    let elsewhere = World { sealer: world.sealer.clone(), clock: world.clock.clone(), ..World::new() };
    world.clock.advance(MINUTE);
    let browser = elsewhere.signed_in();
    assert_eq!(refused(now(world.sessions().open(&browser.headers()))), Unusable::Revoked, "clocks differ");
    world.clock.advance(SECOND);
    let browser = elsewhere.signed_in();
    valid(now(world.sessions().open(&browser.headers())));
}

#[test]
fn the_provider_ends_its_own_sessions_or_all_of_a_subject() {
    let world = World::new();
    let browser = world.signed_in();
    now(world.sessions().revoke_provider_session("https://sso.other.example", "provider-session")).unwrap();
    now(world.sessions().revoke_provider_session(ISS, "another-session")).unwrap();
    now(world.sessions().revoke_subject(ISS, "u2")).unwrap();
    valid(now(world.sessions().open(&browser.headers())));
    now(world.sessions().revoke_provider_session(ISS, "provider-session")).unwrap();
    assert_eq!(refused(now(world.sessions().open(&browser.headers()))), Unusable::Revoked);

    let world = World::new();
    let browser = world.signed_in();
    world.clock.advance(Duration::from_secs(10));
    now(world.sessions().revoke_subject(ISS, "u1")).unwrap();
    assert_eq!(refused(now(world.sessions().open(&browser.headers()))), Unusable::Revoked);
    world.clock.advance(Duration::from_secs(1));
    valid(now(world.sessions().open(&world.signed_in().headers())));
}
