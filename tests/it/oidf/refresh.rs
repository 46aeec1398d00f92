//! Refresh tokens: what a relying party must notice in the ID token that comes with them.

use crate::revalidation::{INTERVAL, World, refused};
use postern::sessions::Unusable;
use serde_json::{Value, json};

/// Ada's session, long due, and a provider that says this of her.
async fn due(claims: Value) -> World {
    let world = World::new().await;
    world.provider.now_says().refresh_claims = claims;
    world.clock.advance(INTERVAL * 2);
    world
}

#[tokio::test]
async fn oidcc_client_test_refresh_token() {
    let mut world = due(json!({})).await;
    world.session().await;
    assert_eq!(world.provider.refresh_calls(), 1);
}

#[tokio::test]
async fn oidcc_client_test_refresh_token_invalid_issuer() {
    let world = due(json!({"iss": "https://sso.corp.example.evil.example"})).await;
    assert_eq!(refused(world.open().await), Unusable::Withdrawn);
}

#[tokio::test]
async fn oidcc_client_test_refresh_token_invalid_sub() {
    let world = due(json!({"sub": "someone-else"})).await;
    assert_eq!(refused(world.open().await), Unusable::Withdrawn);
}
