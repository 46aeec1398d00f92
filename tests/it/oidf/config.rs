//! Configuration by discovery, and keys that change.

use super::{accepts, rejects};
use crate::support::browser::Browser;
use crate::support::provider::Signature;
use crate::support::sign_in::World;
use crate::support::signer::Signer;
use postern::sign_in::Prompt;
use postern::sign_in::return_to::ReturnTo;
use serde_json::json;

async fn suite() -> World {
    World::with(|setup| setup.signer = Some(Signer::rs256("k1"))).await
}

#[tokio::test]
async fn oidcc_client_test_discovery_openid_config() {
    let world = suite().await;
    let issuer = world.provider.issuer.clone();
    world.provider.now_says().discovery = json!({
        "authorization_endpoint": format!("{issuer}/a8/sign-in"),
        "token_endpoint": format!("{issuer}/a8/token"),
    });
    let mut browser = Browser::default();
    let location = world.start(&mut browser, "/").await;
    assert_eq!(location.path(), "/a8/sign-in");
    accepts(&world.finish(&browser, &world.provider.sign_in(&location)).await);
    let says = world.provider.now_says();
    assert_eq!(says.fetched["/.well-known/openid-configuration"], 1);
}

#[tokio::test]
async fn oidcc_client_test_discovery_jwks_uri_keys() {
    let world = suite().await;
    let jwks_uri = format!("{}/of-this-run/jwks", world.provider.issuer);
    world.provider.now_says().discovery = json!({"jwks_uri": jwks_uri});
    accepts(&world.sign_in().await);
    let fetched = world.provider.now_says().fetched.clone();
    assert_eq!((fetched.get("/of-this-run/jwks"), fetched.get("/jwks")), (Some(&1), None));
}

#[tokio::test]
async fn oidcc_client_test_discovery_issuer_mismatch() {
    let world = suite().await;
    let other = format!("{}/other", world.provider.issuer);
    world.provider.now_says().discovery = json!({"issuer": other});
    let headers = Browser::default().headers();
    let refused =
        world.sign_in.start(&ReturnTo::default(), true, Prompt::Default, &headers).await.unwrap_err();
    assert!(refused.to_string().contains("`issuer` in the discovery document"), "{refused}");
}

#[tokio::test]
async fn oidcc_client_test_idtoken_sig_none() {
    let world = suite().await;
    world.provider.now_says().signature = Signature::None;
    rejects(world.sign_in().await, "unsupported-algorithm");
}

#[tokio::test]
async fn oidcc_client_test_signing_key_rotation_just_before_signing() {
    let world = suite().await;
    accepts(&world.sign_in().await);
    world.provider.now_says().next_signer = Some(Signer::fresh_rs256("k2"));
    accepts(&world.sign_in().await);
    assert_eq!(world.provider.now_says().fetched["/jwks"], 2);
}

#[tokio::test]
async fn oidcc_client_test_signing_key_rotation() {
    let world = suite().await;
    accepts(&world.sign_in().await);
    accepts(&world.sign_in().await);
    assert_eq!(world.provider.now_says().fetched["/jwks"], 1);
    world.provider.now_says().rotate(Signer::fresh_rs256("k2"));
    accepts(&world.sign_in().await);
    assert_eq!(world.provider.now_says().fetched["/jwks"], 2);
}
