//! What a session makes of a provider's answer about its person.

use super::{INTERVAL, World, groups, refused, valid};
use crate::support::provider::TokenAnswer;
use postern::sessions::Unusable;
use serde_json::json;
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

/// The provider does not speak of everybody any more for whom it gives an access token. What the token may not ask at all is
/// about us.
#[tokio::test]
async fn a_person_whom_user_info_refuses_loses_the_session() {
    for (status, ends) in [(401, true), (403, false)] {
        let mut world = World::new().await;
        world.provider.now_says().claims = json!({"groups": null});
        world.provider.now_says().user_info_refusal = status;
        world.clock.advance(INTERVAL * 2);
        if ends {
            assert_eq!(refused(world.open().await), Unusable::Withdrawn);
            assert_eq!(world.audited()[0]["reason"], "user-info-refused");
        } else {
            assert_eq!(groups(&world.session().await), ["ml-users"]);
        }
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
async fn a_clock_that_is_behind_ends_no_session() {
    let future = u64::from(u32::MAX);
    for claims in [json!({"iat": future - 10, "exp": future}), json!({"nbf": future})] {
        let world = World::new().await;
        world.provider.now_says().refresh_claims = claims.clone();
        world.clock.advance(INTERVAL * 2);
        valid(world.open().await);
        assert!(world.audited().is_empty(), "{claims}");
    }
}

#[tokio::test]
async fn an_answer_without_an_id_token_confirms_what_is_known() {
    let mut world = World::new().await;
    world.provider.now_says().refresh = TokenAnswer::Altered(json!({"id_token": null}));
    world.provider.now_says().claims = json!({"groups": ["ml-risk"]});
    world.clock.advance(INTERVAL * 2);
    assert_eq!(groups(&world.session().await), ["ml-users"]);
    assert!(world.counted("revalidated"));
    world.session().await;
    assert_eq!(world.provider.refresh_calls(), 1);
}
