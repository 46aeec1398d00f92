//! The token endpoint.

use super::{Case, Says, bodies, content_types, duplicates, statuses};
use crate::support::provider::{Given, Provider, State, TokenAnswer, altered};
use crate::support::sign_in::World;
use serde_json::{Value, json};

fn with(over: Value) -> impl Fn(&State, Value) -> Given + Send + Sync {
    move |_, good| Given::new(200, altered(good, &over).to_string())
}

/// `null` put there, not taken away.
fn set(member: &'static str, value: Value) -> impl Fn(&State, Value) -> Given + Send + Sync {
    move |_, mut good| {
        good[member] = value.clone();
        Given::new(200, good.to_string())
    }
}

/// Each member, missing or of another type.
fn members() -> Vec<Case> {
    let mut cases = Vec::new();
    for member in ["access_token", "token_type", "id_token", "refresh_token", "expires_in", "scope"] {
        // An access token is needed where `UserInfo` is; nothing here needs the last two.
        let may_lack = matches!(member, "access_token" | "refresh_token" | "expires_in" | "scope");
        let may_be_anything = matches!(member, "expires_in" | "scope");
        // At a refresh, `UserInfo` is asked in place of the ID token, and refuses.
        let lacking = if may_lack { Says::Confirmed } else { Says::Nothing };
        cases.push(Case::new(format!("no {member}"), lacking, member, with(json!({member: null}))));
        for (name, empty) in [("null", json!(null)), ("empty", json!(""))] {
            cases.push(Case::new(format!("{member} {name}"), lacking, member, set(member, empty)));
        }
        let wrong = if may_be_anything { Says::Confirmed } else { Says::Nothing };
        for other in [json!(5), json!(true), json!([]), json!({}), json!(["x"]), json!("a\u{7}b"), json!("é")]
        {
            cases.push(Case::new(format!("{member} {other}"), wrong, member, set(member, other)));
        }
    }
    let long = "x".repeat(100 * 1024);
    for (member, names) in [
        ("access_token", "another access token"),
        ("token_type", "token_type"),
        ("id_token", "ID token"),
        ("refresh_token", "16 KiB"),
    ] {
        cases.push(Case::new(format!("long {member}"), Says::Nothing, names, set(member, json!(long))));
    }
    cases.push(Case::new("DPoP", Says::Nothing, "`DPoP`, not Bearer", set("token_type", json!("DPoP"))));
    cases.push(Case::new(
        "no access token and no type",
        Says::Confirmed,
        "",
        with(json!({"access_token": null, "token_type": null})),
    ));
    cases.push(Case::new("nothing", Says::Nothing, "id_token", |_, _| Given::new(200, "{}")));
    cases
}

/// RFC 6749, section 5.2, with whatever status, alone or beside tokens.
fn errors() -> Vec<Case> {
    let ours = ["invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"];
    let others = [
        "invalid_request",
        "access_denied",
        "interaction_required",
        "temporarily_unavailable",
        "server_error",
        "slow_down",
        "something_new",
    ];
    let ours = ours.map(|code| (json!(code), Says::ClientRefused, code.to_owned()));
    let others = others.map(|code| (json!(code), Says::Nothing, code.to_owned()));
    let strange = [
        json!("Invalid <b>Grant</b>"),
        json!(5),
        json!(true),
        json!([]),
        json!({}),
        json!(["invalid_client"]),
    ];
    let strange = strange.map(|code| (code, Says::Nothing, "refused: other".to_owned()));
    let mut cases = Vec::new();
    for (code, says, names) in ours.into_iter().chain(others).chain(strange) {
        for status in [200, 400, 401, 403] {
            let error = json!({"error": code, "error_description": "in its own words"});
            let body = error.to_string();
            let alone = move |_: &State, _| Given::new(status, body.clone());
            cases.push(Case::new(format!("{status} {code}"), says, &names, alone));
            let beside = move |_: &State, good| Given::new(status, altered(good, &error).to_string());
            cases.push(Case::new(format!("{status} {code} and tokens"), says, &names, beside));
        }
        let body = json!({"error": code}).to_string();
        let broken = move |_: &State, _| Given::new(500, body.clone());
        cases.push(Case::new(format!("500 {code}"), Says::Outage, "500", broken));
    }
    for none in [json!(null), json!("")] {
        cases.push(Case::new(format!("error {none}"), Says::Confirmed, "", set("error", none)));
    }
    cases
}

fn cases() -> Vec<Case> {
    // Those that stand nowhere yet are put there twice.
    let twice =
        ["access_token", "token_type", "id_token", "refresh_token", "error\":\"a\",\"error", "x\":1,\"x"];
    let twice = duplicates(&twice, "each member once");
    [statuses(), content_types(), bodies(), twice, members(), errors()].into_iter().flatten().collect()
}

#[tokio::test]
async fn at_a_sign_in() {
    let world = World::new().await;
    world.provider.now_says().refresh_tokens = true;
    for case in cases() {
        world.provider.now_says().token = TokenAnswer::Made(case.make.clone());
        case.at_sign_in(&world).await;
    }
}

#[tokio::test]
async fn at_a_refresh() {
    for case in cases() {
        let tell = |provider: &Provider, make| provider.now_says().refresh = TokenAnswer::Made(make);
        case.at_refresh(tell).await;
    }
}

/// What the provider says of its refusal is for the log: bounded, and without control characters.
#[tokio::test]
async fn a_description_is_told_and_bounded() {
    let world = World::new().await;
    let says = |description: Value| {
        let body = json!({"error": "invalid_client", "error_description": description});
        world.provider.now_says().token = TokenAnswer::Raw(401, body.to_string());
    };
    says(json!("this client is registered for client_secret_post"));
    let message = world.sign_in().await.unwrap_err().to_string();
    assert_eq!(
        message,
        "the token endpoint refused: invalid_client (\"this client is registered for client_secret_post\")"
    );
    says(json!(format!("\r\n\u{1b}[31m{}", "x".repeat(5000))));
    let message = world.sign_in().await.unwrap_err().to_string();
    assert!(message.len() < 400 && !message.contains(char::is_control), "{message}");
    says(json!({"a": 1}));
    assert_eq!(world.sign_in().await.unwrap_err().to_string(), "the token endpoint refused: invalid_client");
}
