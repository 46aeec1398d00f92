//! What a session makes of a provider's answer about its person.

use super::{INTERVAL, UNCONFIRMED, World, groups, refused, valid};
use crate::support::provider::{TokenAnswer, altered};
use postern::sessions::Unusable;
use serde_json::{Value, json};
use std::time::Duration;

/// OpenID Connect Core 1.0, section 12.2, lets a refreshed ID token leave out what the first one said. A rule that denies a
/// group must not open for that.
#[tokio::test]
async fn an_answer_without_the_groups_takes_nobody_out_of_a_group() {
    let world = World::new().await;
    world.provider.now_says().claims = json!({"groups": null});
    world.provider.now_says().user_info = Some(json!({"sub": "u1"}));
    world.clock.advance(INTERVAL * 2);
    assert_eq!(refused(world.open().await), Unusable::Withdrawn, "a sign-in tells");
    assert_eq!(world.audited()[0]["reason"], "answer-incomplete");

    let mut world = World::new().await;
    world.provider.now_says().claims = json!({"groups": []});
    world.clock.advance(INTERVAL * 2);
    assert_eq!(groups(&world.session().await), [""; 0], "no groups is an answer");
}

/// The provider does not speak of everybody any more for whom it gives an access token.
#[tokio::test]
async fn a_person_whom_user_info_refuses_loses_the_session() {
    for status in [401, 403] {
        let world = World::new().await;
        world.provider.now_says().claims = json!({"groups": null});
        world.provider.now_says().user_info_refusal = status;
        world.clock.advance(INTERVAL * 2);
        assert_eq!(refused(world.open().await), Unusable::Withdrawn);
        assert_eq!(world.audited()[0]["reason"], "user-info-refused");
    }
}

#[tokio::test]
async fn a_refresh_token_that_came_with_an_unusable_answer_is_kept() {
    let mut world = World::new().await;
    // The groups are to be had from `UserInfo` alone, which is out of order.
    world.provider.now_says().claims = json!({"groups": null});
    world.provider.now_says().user_info_refusal = 503;
    world.clock.advance(INTERVAL * 2);
    assert_eq!(groups(&world.session().await), ["ml-users"]);
    world.provider.now_says().user_info = Some(json!({"sub": "u1", "groups": ["ml-risk"]}));
    world.clock.advance(Duration::from_secs(30));
    world.session().await;
    world.until(|world| world.counted("revalidated")).await;
    assert_eq!(groups(&world.session().await), ["ml-risk"]);
    assert_eq!(world.provider.refresh_calls(), 2);
}

#[tokio::test]
async fn an_answer_about_someone_else_ends_the_session() {
    for (what, claims, reason) in [
        ("another user", json!({"email": "eve@corp.example"}), "user-changed"),
        ("a user of no domain of ours", json!({"email": "ada@evil.example"}), "email-domain"),
        ("another subject", json!({"sub": "u2"}), "wrong-subject"),
        ("another client", json!({"aud": "another client"}), "wrong-audience"),
        ("another party", json!({"azp": "another client"}), "wrong-authorized-party"),
        ("another sign-in", json!({"nonce": "another"}), "wrong-nonce"),
        ("no iat", json!({"iat": null}), "missing-claim"),
        ("expired", json!({"exp": 1_700_000_000}), "expired"),
        ("another access token", json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}), "wrong-access-token"),
    ] {
        let world = World::new().await;
        world.provider.now_says().refresh_claims = claims;
        world.clock.advance(INTERVAL * 2);
        assert_eq!(refused(world.open().await), Unusable::Withdrawn, "{what}");
        assert_eq!(world.audited()[0]["reason"], reason, "{what}");
    }
}

/// A replica's clock that is minutes behind makes every fresh token one from the future.
#[tokio::test]
async fn a_clock_that_is_behind_ends_no_session_at_once() {
    let future = u64::from(u32::MAX);
    for claims in [json!({"iat": future - 10, "exp": future}), json!({"nbf": future})] {
        let mut world = World::new().await;
        world.provider.now_says().refresh_claims = claims.clone();
        world.clock.advance(INTERVAL * 2);
        world.session().await;
        assert_eq!(world.audited()[0]["event"], "unchecked", "{claims}");
        world.clock.advance(UNCONFIRMED - INTERVAL * 2);
        assert_eq!(refused(world.open().await), Unusable::Withdrawn, "{claims}: not for ever");
    }
}

/// What `UserInfo` says of her.
fn ada() -> Value {
    let groups = ["ml-users"];
    json!({"sub": "u1", "email": "ada@corp.example", "email_verified": true, "name": "Ada", "groups": groups})
}

/// OpenID Connect Core 1.0, section 12.2: Canaille and Glewlwyd give none.
#[tokio::test]
async fn without_an_id_token_user_info_tells() {
    let mut world = World::new().await;
    world.provider.now_says().refresh = TokenAnswer::Altered(json!({"id_token": null}));
    world.provider.now_says().user_info = Some(altered(ada(), &json!({"groups": ["ml-risk"]})));
    for round in 1..=3 {
        world.clock.advance(INTERVAL * 2);
        let session = world.session().await;
        assert_eq!(groups(&session), ["ml-risk"]);
        assert_eq!(session.provider_session.as_deref(), Some("provider-session"));
        let claim = |name: &str| session.principal.claims.get(name).cloned();
        assert_eq!(claim("iss"), Some(json!(world.provider.issuer)), "what no refresh changes is kept");
        assert_eq!(world.provider.refresh_calls(), round);
        assert_eq!(world.provider.now_says().user_info_calls, round);
    }
}

#[tokio::test]
async fn without_an_id_token_user_info_must_tell_all_that_rules_read() {
    for (what, over, reason) in [
        ("no groups", json!({"groups": null}), "answer-incomplete"),
        ("another person's address", json!({"email": "eve@corp.example"}), "user-changed"),
        ("an address of no domain of ours", json!({"email": "ada@evil.example"}), "email-domain"),
        ("an unverified address", json!({"email_verified": false}), "email-unverified"),
        ("no address", json!({"email": null}), "user-missing"),
        ("another subject", json!({"sub": "u2"}), "wrong-subject"),
    ] {
        let world = World::new().await;
        world.provider.now_says().refresh = TokenAnswer::Altered(json!({"id_token": null}));
        world.provider.now_says().user_info = Some(altered(ada(), &over));
        world.clock.advance(INTERVAL * 2);
        assert_eq!(refused(world.open().await), Unusable::Withdrawn, "{what}");
        assert_eq!(world.audited()[0]["reason"], reason, "{what}");
    }
}

#[tokio::test]
async fn without_an_id_token_and_user_info_the_person_signs_in_again() {
    for (discovery, tokens) in [
        (json!({"userinfo_endpoint": null}), json!({"id_token": null})),
        (json!({}), json!({"id_token": null, "access_token": null})),
    ] {
        let world = World::with(|provider| {
            provider.now_says().refresh_tokens = true;
            provider.now_says().discovery = discovery;
        })
        .await;
        world.provider.now_says().refresh = TokenAnswer::Altered(tokens);
        world.clock.advance(INTERVAL);
        valid(world.open().await);
        world.until(|world| world.counted("withdrawn")).await;
        assert_eq!(refused(world.open().await), Unusable::Revoked);
        assert_eq!(world.audited()[0]["reason"], "nothing-said");
    }
}

/// What our client may not do says nothing of the person, and is mended by an admin, not by signing in.
#[tokio::test]
async fn sessions_outlive_a_refused_client_that_is_mended_in_time() {
    let mut world = World::new().await;
    world.provider.now_says().refresh = TokenAnswer::Raw(401, json!({"error": "invalid_client"}).to_string());
    world.clock.advance(INTERVAL * 2);
    for _ in 0..3 {
        assert_eq!(groups(&world.session().await), ["ml-users"]);
    }
    assert_eq!(world.provider.refresh_calls(), 1, "tries keep their distance");
    assert!(world.counted("revalidation-refused") && world.counted("revalidation-failed"));
    world.provider.now_says().refresh = TokenAnswer::Good;
    world.provider.now_says().claims = json!({"groups": ["ml-risk"]});
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(
        groups(&world.session().await),
        ["ml-risk"],
        "the provider answers, so its answer is waited for"
    );
    world.clock.advance(UNCONFIRMED - Duration::from_secs(60));
    assert_eq!(groups(&world.session().await), ["ml-risk"]);
    let events: Vec<_> = world.audited().into_iter().map(|record| record["event"].clone()).collect();
    assert_eq!(events, ["unchecked"]);
}

/// The end does not wait for the next question to the provider.
#[tokio::test]
async fn a_session_ends_between_two_questions() {
    let mut world = World::new().await;
    world.provider.now_says().refresh = TokenAnswer::Raw(401, json!({"error": "invalid_client"}).to_string());
    world.clock.advance(UNCONFIRMED - Duration::from_secs(1));
    world.session().await;
    let asked = world.provider.refresh_calls();
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(refused(world.open().await), Unusable::Withdrawn);
    assert_eq!(world.provider.refresh_calls(), asked);
    assert_eq!(world.audited().last().unwrap()["reason"], "unconfirmed");
}

/// A provider that is away may come back as one that refuses us: what it did not confirm for so long has ended then.
#[tokio::test]
async fn an_outage_does_not_lengthen_what_follows_it() {
    let mut world = World::new().await;
    world.provider.now_says().refresh = TokenAnswer::Raw(503, String::new());
    world.clock.advance(UNCONFIRMED - Duration::from_secs(60));
    world.session().await;
    world.provider.now_says().refresh = TokenAnswer::Raw(401, json!({"error": "invalid_client"}).to_string());
    world.clock.advance(Duration::from_secs(60));
    valid(world.open().await);
    world.until(|world| world.counted("withdrawn")).await;
    assert_eq!(refused(world.open().await), Unusable::Revoked);
    assert_eq!(world.audited().last().unwrap()["reason"], "unconfirmed");
}
