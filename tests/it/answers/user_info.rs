//! `UserInfo`, where the ID token leaves out the groups or a refresh brings none.

use super::{Case, Says, bodies, content_types, duplicates, statuses};
use crate::support::provider::{CLIENT_ID, Given, Maker, Provider, Signature, State, TokenAnswer, altered};
use crate::support::sign_in::World;
use serde_json::{Value, json};

fn claims() -> Value {
    let groups = ["ml-users"];
    json!({"sub": "u1", "email": "ada@corp.example", "email_verified": true, "name": "Ada", "groups": groups})
}

fn with(member: &'static str, value: Option<Value>) -> impl Fn(&State, Value) -> Given + Send + Sync {
    move |_, mut good| {
        match &value {
            Some(value) => good[member] = value.clone(),
            None => _ = good.as_object_mut().unwrap().remove(member),
        }
        Given::new(200, good.to_string())
    }
}

fn members() -> Vec<Case> {
    let mut cases = Vec::new();
    let others =
        [json!(null), json!(5), json!(true), json!([]), json!({}), json!(""), json!("u2"), json!(["u1"])];
    for other in others {
        let make = with("sub", Some(other.clone()));
        cases.push(Case::new(format!("sub {other}"), Says::Nothing, "`sub`", make));
    }
    cases.push(Case::new("no sub", Says::Nothing, "`sub`", with("sub", None)));
    for alone in [true, false] {
        for error in [json!("invalid_token"), json!(5), json!({"code": "x"})] {
            let (name, error) = (format!("the error {error} in a 200, alone: {alone}"), error.clone());
            cases.push(Case::new(name, Says::Nothing, "without claims", move |_, good| {
                let mut answer = if alone { json!({}) } else { good };
                answer["error"] = error.clone();
                Given::new(200, answer.to_string())
            }));
        }
    }
    cases.push(Case::new("an empty error", Says::Confirmed, "", with("error", Some(json!("")))));
    cases.push(Case::new("sub twice as long", Says::Nothing, "`sub`", with("sub", Some(json!("u1u1")))));
    cases.push(Case::new("a blank behind sub", Says::Nothing, "`sub`", with("sub", Some(json!("u1 ")))));
    cases.push(Case::new("sub in capitals", Says::Nothing, "`sub`", with("sub", Some(json!("U1")))));
    cases
}

const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The good answer as a token.
fn token(over: Value, header: Value, signature: Signature) -> impl Fn(&State, Value) -> Given + Send + Sync {
    move |state, good| {
        let standard = json!({"iss": state.callback_issuer, "aud": CLIENT_ID});
        let claims = altered(altered(good, &standard), &over);
        let body = state.signed(&header, signature, &claims);
        Given { content_type: Some("application/jwt"), ..Given::new(200, body) }
    }
}

/// OpenID Connect Core 1.0, section 5.3.2: `iss` and `aud` as in any token, for it could be another one.
fn signed() -> Vec<Case> {
    let claims = [
        ("good", json!({}), Says::Confirmed, ""),
        ("several audiences", json!({"aud": ["x", CLIENT_ID]}), Says::Confirmed, ""),
        ("dated", json!({"exp": 4_000_000_000_u64, "iat": 1_700_000_000}), Says::Confirmed, ""),
        ("no iss", json!({"iss": null}), Says::Nothing, "`iss` is missing"),
        ("another iss", json!({"iss": "https://evil.example"}), Says::Nothing, "`iss`"),
        ("no aud", json!({"aud": null}), Says::Nothing, "`aud` is missing"),
        ("another aud", json!({"aud": "another client"}), Says::Nothing, "`aud`"),
        ("aud is a number", json!({"aud": 5}), Says::Nothing, "`aud`"),
        ("no sub", json!({"sub": null}), Says::Nothing, "`sub`"),
        ("another sub", json!({"sub": "u2"}), Says::Nothing, "`sub`"),
        ("expired", json!({"exp": 1_700_000_000}), Says::Nothing, "expired"),
        ("not yet valid", json!({"nbf": 4_000_000_000_u64}), Says::ClientRefused, "not valid yet"),
        ("a logout token", json!({"events": {LOGOUT: {}}}), Says::Nothing, "type"),
    ];
    let claims = claims.map(|(name, over, says, names)| {
        Case::new(name, says, names, token(over, json!({}), Signature::Good))
    });
    let forged = [
        ("an access token", json!({"typ": "at+jwt"}), Signature::Good, "type"),
        ("an extension", json!({"crit": ["x"], "x": 1}), Signature::Good, "`crit`"),
        ("alg none", json!({}), Signature::None, "algorithm"),
        ("the client's secret", json!({}), Signature::ClientSecret, "algorithm"),
        ("another key", json!({}), Signature::OtherKey, "signature"),
        ("damaged", json!({}), Signature::Damaged, "signature"),
    ];
    let forged = forged.map(|(name, header, signature, names)| {
        Case::new(name, Says::Nothing, names, token(json!({}), header, signature))
    });
    let mislabelled = {
        let make = token(json!({}), json!({}), Signature::Good);
        let make =
            move |state: &State, good| Given { content_type: Some("application/json"), ..make(state, good) };
        Case::new("a token as JSON", Says::Nothing, "content type: application/json", make)
    };
    let make = |_: &State, good: Value| Given {
        content_type: Some("application/jwt; charset=utf-8"),
        ..Given::new(200, good.to_string())
    };
    let no_token = Case::new("JSON as a token", Says::Nothing, "three parts", make);
    claims.into_iter().chain(forged).chain([mislabelled, no_token]).collect()
}

fn cases() -> Vec<Case> {
    let twice = duplicates(&["sub", "groups", "email", "x\":1,\"x"], "without claims");
    [statuses(), content_types(), bodies(), twice, members(), signed()].into_iter().flatten().collect()
}

#[tokio::test]
async fn at_a_sign_in() {
    let world = World::new().await;
    world.provider.now_says().claims = json!({"groups": null});
    world.provider.now_says().user_info = Some(claims());
    for case in cases() {
        world.provider.now_says().user_info_made = Some(case.make.clone());
        case.at_sign_in(&world).await;
    }
}

#[tokio::test]
async fn at_a_refresh_without_an_id_token() {
    for case in cases() {
        case.at_refresh(|provider, make| asks_user_info(provider, Some(make))).await;
    }
}

fn asks_user_info(provider: &Provider, make: Option<Maker>) {
    let mut says = provider.now_says();
    says.refresh = TokenAnswer::Altered(json!({"id_token": null}));
    says.user_info = Some(claims());
    says.user_info_made = make;
}
