//! Refreshes that say nothing of the groups, of people who are in some and of people who are in none.

use super::{INTERVAL, World, groups, refused};
use postern::config::GroupsClaim;
use postern::config::file::Absent;
use postern::provider::policy_inputs::{Names, PolicyInputs};
use postern::provider::principal::Groups;
use postern::sessions::Unusable;
use serde_json::{Value, json};

/// The claims of the sign-in, the meaning of an absent claim, and the inputs of the rules.
async fn signed_in(claims: Value, absent: Absent, reads: PolicyInputs) -> World {
    let world = World::made(|provider, issuer, read| {
        let mut now = provider.now_says();
        now.refresh_tokens = true;
        now.claims = claims;
        now.user_info = Some(json!({"sub": "u1"}));
        issuer.claims.groups = GroupsClaim { absent, ..GroupsClaim::from("groups") };
        *read = reads;
    })
    .await;
    world.clock.advance(INTERVAL * 2);
    world
}

fn all() -> PolicyInputs {
    PolicyInputs { claims: Names::All, groups: Names::All }
}

fn some(groups: &[&str]) -> PolicyInputs {
    let named = |names: &[&str]| Names::Only(names.iter().map(|name| (*name).to_owned()).collect());
    PolicyInputs { claims: named(&["email"]), groups: named(groups) }
}

/// More than a comfortable cookie holds, so that only a selection of groups and claims is kept.
fn very_much(groups: usize) -> Value {
    let groups: Vec<String> = (0..groups).map(|n| format!("group-{n:04}")).collect();
    json!({"groups": groups, "biography": "x".repeat(3000)})
}

/// `absent: none` says what a sign-in without the claim means. A refresh may leave out what a sign-in says (OpenID
/// Connect Core 1.0, section 12.2), and a rule that denies a group must not open for that.
#[tokio::test]
async fn a_refresh_without_groups_takes_nobody_out_of_one() {
    for (claims, reads) in [(json!({}), all()), (very_much(100), some(&["group-0001"]))] {
        let world = signed_in(claims, Absent::None, reads).await;
        world.provider.now_says().claims = json!({"groups": null});
        assert_eq!(refused(world.open().await), Unusable::Withdrawn);
        assert_eq!(world.audited()[0]["reason"], "answer-incomplete");
    }
}

#[tokio::test]
async fn a_person_in_no_group_goes_on_without_groups() {
    for (claims, reads) in [
        (json!({"groups": null}), all()),
        (json!({"groups": []}), all()),
        (very_much(0), some(&["group-0001"])),
    ] {
        let mut world = signed_in(claims, Absent::None, reads).await;
        world.provider.now_says().claims = json!({"groups": null});
        assert_eq!(groups(&world.session().await), [""; 0]);
        assert_eq!(world.provider.refresh_calls(), 1);
    }
}

/// Without `absent: none`, an empty list is known, and an absent claim is not.
#[tokio::test]
async fn a_refresh_does_not_turn_no_groups_into_unknown_groups() {
    for (claims, reads) in [(json!({"groups": []}), all()), (very_much(0), some(&["group-0001"]))] {
        let world = signed_in(claims, Absent::Unknown, reads).await;
        world.provider.now_says().claims = json!({"groups": null});
        assert_eq!(refused(world.open().await), Unusable::Withdrawn);
        assert_eq!(world.audited()[0]["reason"], "answer-incomplete");
    }
}

/// A sign-in would not tell the groups either.
#[tokio::test]
async fn unknown_groups_stay_unknown_and_the_session_goes_on() {
    let mut world = signed_in(json!({"groups": null}), Absent::Unknown, all()).await;
    for _ in 0..2 {
        let session = world.session().await;
        assert!(matches!(session.principal.groups, Groups::Unbound(_)), "{:?}", session.principal.groups);
        world.clock.advance(INTERVAL * 2);
    }
}
