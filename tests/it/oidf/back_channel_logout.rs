//! Logout tokens, sent while the browser is at the provider to sign out there.

use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::{Token, TokenKey};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Rejected,
}

/// Signs in, signs out up to the provider, takes the logout token there, and comes back. Another browser of the same
/// person shows what the token did.
async fn logout_token_is(verdict: Verdict, change: impl FnOnce(Token) -> Token) {
    let stage = Stage::new().await;
    let mut other = stage.person("grace").await;
    let mut grace = stage.person("grace").await.with("sec-fetch-site", "same-origin");
    let out = grace.post(&stage.postern.at("/-/logout"), "").await.checked();
    let end_session = out.next().expect("the provider's end_session_endpoint");

    let token = Token::new(stage.sandbox.logout_claims("grace")).header("typ", "logout+jwt");
    let token = stage.sandbox.token(&change(token)).unwrap();
    let form = Serializer::new(String::new()).append_pair("logout_token", &token).finish();
    let told = Visitor::program().post(&stage.postern.at("/-/backchannel-logout"), &form).await.checked();
    let (status, still_signed_in) = if verdict == Verdict::Accepted { (200, false) } else { (400, true) };
    assert_eq!(told.status, status, "{}", told.body);
    assert_eq!(other.get(&stage.postern.at("/")).await.checked().status == 200, still_signed_in);

    let back = grace.get(&end_session).await.next().expect("the provider sends back");
    let landed = grace.get(&back).await.checked();
    assert!(landed.body.contains("You are signed out"), "{}", landed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_client_test_rp_backchannel_rpinitlogout() {
    logout_token_is(Verdict::Accepted, |token| token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_client_test_rp_backchannel_rpinitlogout_alg_none() {
    logout_token_is(Verdict::Rejected, |token| token.key(TokenKey::Unsigned)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_client_test_rp_backchannel_rpinitlogout_no_event() {
    logout_token_is(Verdict::Rejected, |token| token.claim("events", Value::Null)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_client_test_rp_backchannel_rpinitlogout_with_nonce() {
    logout_token_is(Verdict::Rejected, |token| token.claim("nonce", "n")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_client_test_rp_backchannel_rpinitlogout_wrong_alg() {
    logout_token_is(Verdict::Rejected, |token| token.key(TokenKey::Es256)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_client_test_rp_backchannel_rpinitlogout_wrong_aud() {
    logout_token_is(Verdict::Rejected, |token| token.claim("aud", "another-client")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_client_test_rp_backchannel_rpinitlogout_wrong_event() {
    let other = json!({"http://schemas.openid.net/event/backchannel-logout-other": {}});
    logout_token_is(Verdict::Rejected, |token| token.claim("events", other)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_client_test_rp_backchannel_rpinitlogout_wrong_iss() {
    logout_token_is(Verdict::Rejected, |token| token.claim("iss", "https://sso.corp.example.evil.example"))
        .await;
}
