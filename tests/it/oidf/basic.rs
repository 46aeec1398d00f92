//! The code flow: what a relying party must notice in an ID token, a key set and an answer of `UserInfo`.

use super::{accepts, rejects};
use crate::support::browser::Browser;
use crate::support::provider::Signature;
use crate::support::sign_in::{DEEP, World};
use crate::support::signer::Signer;
use postern::provider::principal::Groups;
use postern::sign_in::Finished;
use serde_json::{Value, json};
use std::sync::Arc;

/// The suite signs with RS256 where a module says nothing else.
async fn suite() -> World {
    World::with(|setup| setup.signer = Some(Signer::rs256("k1"))).await
}

async fn with_claims(claims: Value) -> World {
    let world = suite().await;
    world.provider.now_says().claims = claims;
    world
}

#[tokio::test]
async fn oidcc_client_test() {
    let world = with_claims(json!({"name": null})).await;
    world.provider.now_says().user_info = Some(json!({"sub": "u1", "name": "Ada Lovelace"}));
    match world.sign_in().await {
        Ok(Finished::SignedIn { principal, .. }) => {
            assert_eq!(principal.name.as_deref(), Some("Ada Lovelace"));
        }
        other => panic!("{other:?}"),
    }
    let says = world.provider.now_says();
    assert_eq!((says.token_calls.len(), says.user_info_calls), (1, 1));
}

#[tokio::test]
async fn oidcc_client_test_invalid_iss() {
    let world = with_claims(json!({"iss": "https://sso.corp.example.evil.example"})).await;
    rejects(world.sign_in().await, "wrong-issuer");
}

#[tokio::test]
async fn oidcc_client_test_missing_sub() {
    rejects(with_claims(json!({"sub": null})).await.sign_in().await, "missing-claim");
}

#[tokio::test]
async fn oidcc_client_test_invalid_aud() {
    rejects(with_claims(json!({"aud": "another client"})).await.sign_in().await, "wrong-audience");
}

#[tokio::test]
async fn oidcc_client_test_missing_iat() {
    rejects(with_claims(json!({"iat": null})).await.sign_in().await, "missing-claim");
}

#[tokio::test]
async fn oidcc_client_test_kid_absent_single_jwks() {
    let world = suite().await;
    world.provider.now_says().header = json!({"kid": null});
    accepts(&world.sign_in().await);
}

/// The suite leaves the choice; the few keys that fit the algorithm are tried.
#[tokio::test]
async fn oidcc_client_test_kid_absent_multiple_jwks() {
    let world = suite().await;
    {
        let mut says = world.provider.now_says();
        says.header = json!({"kid": null});
        let others = [Signer::fresh_rs256("k0").jwk(), Signer::es256("k2").jwk()];
        says.published.splice(0..0, others);
    }
    accepts(&world.sign_in().await);
}

#[tokio::test]
async fn oidcc_client_test_idtoken_sig_rs256() {
    accepts(&suite().await.sign_in().await);
}

/// The suite leaves the choice; an unsigned token never counts.
#[tokio::test]
async fn oidcc_client_test_idtoken_sig_none() {
    let world = suite().await;
    world.provider.now_says().signature = Signature::None;
    rejects(world.sign_in().await, "unsupported-algorithm");
    assert_eq!(world.provider.now_says().user_info_calls, 0);
}

#[tokio::test]
async fn oidcc_client_test_invalid_sig_rs256() {
    let world = suite().await;
    world.provider.now_says().signature = Signature::Damaged;
    rejects(world.sign_in().await, "bad-signature");
}

#[tokio::test]
async fn oidcc_client_test_userinfo_invalid_sub() {
    let world = with_claims(json!({"groups": null})).await;
    world.provider.now_says().user_info = Some(json!({"sub": "u1, not", "groups": ["ml-admins"]}));
    rejects(world.sign_in().await, "wrong-subject");
    assert_eq!(world.provider.now_says().user_info_calls, 1);
}

#[tokio::test]
async fn oidcc_client_test_nonce_invalid() {
    rejects(with_claims(json!({"nonce": "another attempt's"})).await.sign_in().await, "wrong-nonce");
}

#[tokio::test]
async fn oidcc_client_test_scope_userinfo_claims() {
    let world =
        with_claims(json!({"email": null, "email_verified": null, "name": null, "groups": null})).await;
    world.provider.now_says().user_info = Some(json!({
        "sub": "u1", "email": "grace@corp.example", "email_verified": true, "name": "Grace", "groups": ["ml-risk"],
    }));
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let (_, scope) = location.query_pairs().find(|(name, _)| name == "scope").unwrap();
    assert_eq!(scope, "openid email profile groups");
    match world.finish(&browser, &world.provider.sign_in(&location)).await {
        Ok(Finished::SignedIn { principal, .. }) => {
            assert_eq!(principal.user, "grace@corp.example");
            assert_eq!(principal.name.as_deref(), Some("Grace"));
            assert_eq!(principal.groups, Groups::Known([Arc::from("ml-risk")].into()));
        }
        other => panic!("{other:?}"),
    }
}

/// The provider of these tests compares the whole header.
#[tokio::test]
async fn oidcc_client_test_client_secret_basic() {
    let world = suite().await;
    accepts(&world.sign_in().await);
    let call = world.provider.now_says().token_calls[0].clone();
    assert!(call.authorization.unwrap().starts_with("Basic "));
    assert!(!call.form.contains_key("client_id") && !call.form.contains_key("client_secret"));
}
