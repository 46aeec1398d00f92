//! Logout at both sides, through the front door: the provider tells the gateway, and the gateway sends people on to it.

use crate::support::stage::Stage;
use crate::support::visitor::{Answer, Visitor};
use hyper::Method;
use postern::sandbox::{IdentityProviderFaults, SandboxOptions, Token, TokenKey};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::time::Duration;
use url::form_urlencoded::Serializer;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn logout_token(stage: &Stage, change: impl FnOnce(Token) -> Token) -> String {
    let token = Token::new(stage.sandbox.logout_claims("grace")).header("typ", "logout+jwt");
    stage.sandbox.token(&change(token)).unwrap()
}

fn form(token: &str) -> String {
    Serializer::new(String::new()).append_pair("logout_token", token).finish()
}

async fn tell(stage: &Stage, token: &str) -> Answer {
    Visitor::program().post(&stage.postern.at("/-/backchannel-logout"), &form(token)).await.checked()
}

async fn is_signed_in(stage: &Stage, visitor: &Visitor) -> bool {
    let answer = visitor.clone().get(&stage.postern.at("/")).await.checked();
    assert!(answer.status == 200 || answer.status == 302, "{}", answer.body);
    answer.status == 200
}

/// Signs in and returns the ID token's `sid`, too.
async fn person_with_sid(stage: &Stage) -> (Visitor, String) {
    let grace = stage.person("grace").await;
    let who = grace.clone().with("sec-fetch-site", "same-origin");
    let onward = who.clone().post(&stage.postern.at("/-/logout"), "").await.checked().next().unwrap();
    let hint = onward.query_pairs().find(|(name, _)| name == "id_token_hint").unwrap().1.into_owned();
    (stage.person("grace").await, claims_of(&hint)["sid"].as_str().unwrap().to_owned())
}

fn claims_of(token: &str) -> Map<String, Value> {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_ends_all_sessions_of_a_subject() {
    let stage = Stage::new().await;
    let (one, two, ada) =
        (stage.person("grace").await, stage.person("grace").await, stage.person("ada").await);
    let answer = tell(&stage, &logout_token(&stage, |token| token)).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.headers.get("set-cookie").is_none());
    assert!(!is_signed_in(&stage, &one).await);
    assert!(!is_signed_in(&stage, &two).await);
    assert!(is_signed_in(&stage, &ada).await, "nobody else");
    let fetch =
        one.clone().with("accept", "*/*").with("sec-fetch-mode", "cors").with("sec-fetch-dest", "empty");
    let refused = fetch.clone().get(&stage.postern.at("/-/api/destinations")).await.checked();
    assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (401, "revoked"));
    assert!(refused.header("set-cookie").contains("Max-Age=0"), "the browser is to forget it");
    let audit = stage.postern.audit(5);
    let record = audit.iter().find(|record| record["event"] == "sign-out").expect("a record");
    assert_eq!(record["reason"], "back-channel-logout-subject");
    assert_eq!(record["issuer"], "sandbox");
    assert_eq!(record["subject"], stage.sandbox.logout_claims("grace")["sub"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_at_the_provider_ends_what_came_from_it_alone() {
    let stage = Stage::new().await;
    let first = stage.person("grace").await;
    let (second, _) = person_with_sid(&stage).await;
    let hint = {
        let visitor = first.clone().with("sec-fetch-site", "same-origin");
        let onward = visitor.clone().post(&stage.postern.at("/-/logout"), "").await.checked().next().unwrap();
        onward.query_pairs().find(|(name, _)| name == "id_token_hint").unwrap().1.into_owned()
    };
    let sid = claims_of(&hint)["sid"].clone();
    for with_subject in [true, false] {
        let answer = tell(
            &stage,
            &logout_token(&stage, |token| {
                let token = token.claim("sid", sid.clone());
                if with_subject { token } else { token.claim("sub", Value::Null) }
            }),
        )
        .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert!(!is_signed_in(&stage, &first).await);
    assert!(is_signed_in(&stage, &second).await, "it came from another session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_which_the_origin_is_not_known_ends_with_any_of_its_subject() {
    let stage = Stage::new().await;
    let no_sid = json!({"sid": null}).as_object().unwrap().clone();
    let faults = IdentityProviderFaults { id_token_claims: no_sid, ..Default::default() };
    stage.sandbox.faults().set_identity_provider(faults);
    let grace = stage.person("grace").await;
    let other = |token: Token| token.claim("sid", "another session");
    assert_eq!(
        tell(&stage, &logout_token(&stage, |token| other(token).claim("sub", Value::Null))).await.status,
        200
    );
    assert!(is_signed_in(&stage, &grace).await, "nothing says that it is hers");
    assert_eq!(tell(&stage, &logout_token(&stage, other)).await.status, 200);
    assert!(!is_signed_in(&stage, &grace).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_that_fails_one_check_ends_nothing() {
    let stage = Stage::new().await;
    let grace = stage.person("grace").await;
    let now = stage.sandbox.logout_claims("grace")["iat"].as_u64().unwrap();
    type Change = Box<dyn FnOnce(Token) -> Token>;
    let claim =
        |name: &'static str, value: Value| -> Change { Box::new(move |token| token.claim(name, value)) };
    let cases: Vec<(Change, &str)> = vec![
        (Box::new(|token| token.key(TokenKey::Unsigned)), "unsupported-algorithm"),
        (Box::new(|token| token.key(TokenKey::Hs256(b"client-secret".to_vec()))), "unsupported-algorithm"),
        (Box::new(|token| token.key(TokenKey::Stranger)), "algorithm-not-allowed"),
        (Box::new(|token| token.header("kid", "nobody's")), "unknown-key"),
        (Box::new(|token| token.header("typ", "at+jwt")), "wrong-type"),
        (Box::new(|token| token.header("crit", json!(["exp"]))), "refused-parameter"),
        (claim("iss", json!("https://evil.example")), "wrong-issuer"),
        (claim("iss", Value::Null), "missing-claim"),
        (claim("aud", json!("another-client")), "wrong-audience"),
        (claim("aud", Value::Null), "missing-claim"),
        (claim("iat", json!(now + 600)), "issued-in-future"),
        (claim("iat", Value::Null), "missing-claim"),
        (claim("exp", json!(now - 60)), "expired"),
        (claim("exp", json!(now + 100 * 3600)), "lifetime-too-long"),
        (claim("events", Value::Null), "wrong-type"),
        (claim("events", json!({})), "wrong-type"),
        (claim("events", json!({"http://schemas.openid.net/event/other": {}})), "wrong-type"),
        (claim("events", json!({EVENT: "yes"})), "invalid-claim"),
        (claim("nonce", json!("n")), "invalid-claim"),
        (claim("jti", Value::Null), "missing-claim"),
        (claim("jti", json!("")), "invalid-claim"),
        (claim("sub", Value::Null), "missing-claim"),
        (claim("sub", json!(7)), "invalid-claim"),
        (claim("sid", json!("")), "invalid-claim"),
    ];
    for (number, (change, reason)) in cases.into_iter().enumerate() {
        let answer = tell(&stage, &logout_token(&stage, change)).await;
        assert_eq!(answer.status, 400, "{number}: {reason}: {}", answer.body);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.json()["error"], "invalid_request");
        assert!(answer.json()["error_description"].is_string());
        let last = refusal(&stage, number).await;
        assert!(last.contains(&format!("\"reason\":\"{reason}\"")), "{number}: {reason}: {last}");
    }
    assert!(is_signed_in(&stage, &grace).await);
    assert_eq!(
        tell(&stage, &logout_token(&stage, |token| token.header("typ", Value::Null))).await.status,
        200
    );
    assert!(!is_signed_in(&stage, &grace).await, "without a type it is one by what it says");
}

/// As drafts of the specification had it, and providers such as Glewlwyd still have: it counts for two minutes.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_without_an_end_is_soon_too_old() {
    let stage = Stage::new().await;
    let (grace, ada) = (stage.person("grace").await, stage.person("ada").await);
    let now = stage.sandbox.logout_claims("grace")["iat"].as_u64().unwrap();
    let issued = |at: u64| logout_token(&stage, |token| token.claim("exp", Value::Null).claim("iat", at));
    let late = tell(&stage, &issued(now - 150)).await;
    assert_eq!(late.status, 400, "two minutes and the leeway have passed: {}", late.body);
    let refused = refusal(&stage, 0).await;
    assert!(refused.contains("\"reason\":\"expired\""), "{refused}");
    assert!(is_signed_in(&stage, &grace).await);
    let undated = logout_token(&stage, |token| token.claim("exp", Value::Null).claim("iat", Value::Null));
    assert_eq!(tell(&stage, &undated).await.status, 400);
    assert!(is_signed_in(&stage, &grace).await);
    let token = issued(now - 110);
    assert_eq!(tell(&stage, &token).await.status, 200);
    assert!(!is_signed_in(&stage, &grace).await);
    assert!(is_signed_in(&stage, &ada).await, "nobody else");
    assert_eq!(tell(&stage, &token).await.status, 400, "it works once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_works_once() {
    let stage = Stage::new().await;
    let token = logout_token(&stage, |token| token);
    assert_eq!(tell(&stage, &token).await.status, 200);
    let again = tell(&stage, &token).await;
    assert_eq!(again.status, 400);
    assert!(again.body.contains("came before"), "{}", again.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tokens_are_no_logout_tokens_and_logout_tokens_no_others() {
    let stage = Stage::new().await;
    let grace = stage.person("grace").await;
    for claims in [stage.sandbox.id_claims("grace"), stage.sandbox.access_claims("grace")] {
        let token = stage.sandbox.token(&Token::new(claims).header("typ", "JWT")).unwrap();
        assert_eq!(tell(&stage, &token).await.status, 400);
    }
    assert!(is_signed_in(&stage, &grace).await);
    let token = logout_token(&stage, |token| token.claim("aud", "postern-api"));
    let answer =
        Visitor::program().bearer(&token).get(&stage.postern.at("/-/api/destinations")).await.checked();
    assert_eq!((answer.status.as_u16(), answer.reason()), (401, "wrong-type".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_small_form_with_one_token_is_read() {
    let stage = Stage::new().await;
    let url = stage.postern.at("/-/backchannel-logout");
    let token = logout_token(&stage, |token| token);
    let large = format!("{}&more={}", form(&token), "x".repeat(16 * 1024));
    let twice = format!("{0}&{0}", form(&token));
    for text in ["", "logout_token=", "logout_token=abc", "other=1", &large, &twice] {
        let answer = Visitor::program().post(&url, text).await.checked();
        assert_eq!(answer.status, 400, "{text}");
        assert_eq!(answer.json()["error"], "invalid_request");
    }
    let untyped = Visitor::program().send(Method::POST, &url, None).await.checked();
    assert_eq!(untyped.status, 400);
    let got = Visitor::program().get(&url).await.checked();
    assert_eq!((got.status.as_u16(), got.header("allow")), (405, "POST"));
    let elsewhere = Visitor::program().with("host", "evil.example").post(&url, &form(&token)).await.checked();
    assert_eq!(elsewhere.status, 421, "by our own name only");
    let more = format!("{}&further=1", form(&token));
    assert_eq!(
        Visitor::program().post(&url, &more).await.checked().status,
        200,
        "further fields are passed over"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_goes_on_to_the_provider_and_comes_back() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await.with("sec-fetch-site", "same-origin");
    let asked = grace.get(&stage.postern.at("/-/logout")).await.checked();
    assert!(asked.body.contains("at your company's sign-in"), "{}", asked.body);
    let provider = stage.sandbox.issuer_text();
    let policy = asked.header("content-security-policy");
    assert!(policy.contains(&format!("form-action 'self' https: {provider};")), "{policy}");
    let portal = grace.get(&stage.postern.at("/")).await.checked();
    assert!(portal.header("content-security-policy").contains("form-action 'self';"), "that page alone");

    let out = grace.post(&stage.postern.at("/-/logout"), "").await.checked();
    assert_eq!((out.status.as_u16(), out.body.as_str()), (303, ""));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    let onward = out.next().unwrap();
    assert!(onward.as_str().starts_with(&format!("{provider}/end_session?")), "{onward}");
    let said: HashMap<String, String> = onward.query_pairs().into_owned().collect();
    assert_eq!(said["client_id"], "postern");
    assert_eq!(said["post_logout_redirect_uri"], stage.postern.at("/-/logout").as_str());
    assert_eq!(said["logout_uri"], said["post_logout_redirect_uri"], "Amazon Cognito's name for it");
    assert_eq!(said["state"].len(), 22);
    assert_eq!(claims_of(&said["id_token_hint"])["email"], "grace@corp.example");

    let back = grace.get(&onward).await.next().expect("the provider sends back");
    assert_eq!(back.path(), "/-/logout");
    grace.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    grace.headers.remove("sec-fetch-user");
    for at in [back.as_str(), stage.postern.at("/-/logout").as_str(), &format!("{}x", back.as_str())] {
        let landed = grace.get(&at.parse().unwrap()).await.checked();
        assert_eq!(landed.status, 200);
        assert!(landed.body.contains("You are signed out"), "{}", landed.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_at_one_browser_reaches_the_others_by_the_back_channel() {
    let stage = Stage::new().await;
    stage.sandbox.register_backchannel_logout(stage.postern.at("/-/backchannel-logout"));
    let other = stage.person("grace").await;
    let mut grace = stage.person("grace").await.with("sec-fetch-site", "same-origin");
    let onward = grace.post(&stage.postern.at("/-/logout"), "").await.checked().next().unwrap();
    assert!(is_signed_in(&stage, &other).await);
    assert!(grace.get(&onward).await.next().is_some());
    assert!(!is_signed_in(&stage, &other).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_stays_here_where_the_configuration_says_so() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text.replace("  client_id: postern\n", "  client_id: postern\n  rp_initiated_logout: false\n")
    })
    .await;
    let mut grace = stage.person("grace").await.with("sec-fetch-site", "same-origin");
    let asked = grace.get(&stage.postern.at("/-/logout")).await.checked();
    assert!(!asked.body.contains("at your company's sign-in"));
    let out = grace.post(&stage.postern.at("/-/logout"), "").await.checked();
    assert_eq!(out.status, 200);
    assert!(out.body.contains("You are signed out"));
    assert!(!is_signed_in(&stage, &grace).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_nobody_is_sent_to_the_provider() {
    let stage = Stage::new().await;
    let mut nobody = Visitor::person().with("sec-fetch-site", "same-origin");
    let out = nobody.post(&stage.postern.at("/-/logout"), "").await.checked();
    assert_eq!(out.status, 200);
    assert!(out.body.contains("You are signed out"));
}

/// The log is written by a thread of its own: the line of an answer may come after it.
async fn refusal(stage: &Stage, number: usize) -> String {
    for _ in 0..500 {
        let log = stage.postern.log();
        if let Some(line) = log.lines().filter(|line| line.contains("logout.refused")).nth(number) {
            return line.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no line for refusal {number}");
}
