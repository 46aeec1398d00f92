//! Access tokens of Amazon Cognito: without `aud`, and of an issuer that says so alone.

use crate::support::issuer_fixture::{ISSUER, IssuerFixture, NOW, claims};
use crate::support::signer::Signer;
use postern::config::{AccessTokens, GroupsClaim, Programs};
use postern::provider::principal::principal_from_claims;
use serde_json::{Value, json};

const CLIENT: &str = "1example23456789abcdefghij";

async fn issuer_fixture(signer: &Signer, form: Option<AccessTokens>, user: &str) -> IssuerFixture {
    IssuerFixture::with(&[signer], |config, _| {
        config.access_tokens = form;
        config.audience = vec!["another-client".to_owned(), CLIENT.to_owned()];
        config.user_domains = None;
        config.claims.user = vec![user.into()];
    })
    .await
}

/// As Cognito makes it for a person.
fn of_a_person() -> Value {
    json!({
        "sub": "11111111-2222-3333-4444-555555555555", "cognito:groups": ["ml-users"], "iss": ISSUER,
        "client_id": CLIENT, "token_use": "access", "scope": "openid", "username": "ada",
        "exp": NOW + 300, "iat": NOW,
    })
}

/// As Cognito makes it for the client credentials grant.
fn of_a_program() -> Value {
    json!({
        "sub": CLIENT, "iss": ISSUER, "client_id": CLIENT, "token_use": "access", "scope": "ml/read", "version": 2,
        "exp": NOW + 300, "iat": NOW,
    })
}

/// Every neighbour of a good token. `None` leaves the member out.
#[tokio::test]
async fn an_access_token_is_for_one_of_our_clients_and_says_what_it_is() {
    let signer = Signer::es256("k");
    let cognito = issuer_fixture(&signer, Some(AccessTokens::Cognito), "username").await;
    let other = issuer_fixture(&signer, None, "username").await;
    let uses = [
        None,
        Some(json!(null)),
        Some(json!("access")),
        Some(json!("id")),
        Some(json!("Access")),
        Some(json!("refresh")),
        Some(json!("")),
        Some(json!(["access"])),
        Some(json!({"access": true})),
    ];
    let clients = [
        None,
        Some(json!(null)),
        Some(json!(CLIENT)),
        Some(json!("1example23456789abcdefghiJ")),
        Some(json!(format!("{CLIENT} "))),
        Some(json!("")),
        Some(json!([CLIENT])),
        Some(json!({CLIENT: CLIENT})),
        Some(json!(7)),
    ];
    let audiences = [
        None,
        Some(json!(null)),
        Some(json!(CLIENT)),
        Some(json!("elsewhere")),
        Some(json!(["elsewhere", CLIENT])),
        Some(json!([])),
        Some(json!([CLIENT, 5])),
        Some(json!("")),
        Some(json!({"0": CLIENT})),
    ];
    for token_use in &uses {
        for client in &clients {
            for audience in &audiences {
                let mut claims = of_a_person();
                for (name, value) in [("token_use", token_use), ("client_id", client), ("aud", audience)] {
                    match value {
                        Some(value) => claims[name] = value.clone(),
                        None => drop(claims.as_object_mut().unwrap().remove(name)),
                    }
                }
                let token = signer.token(&claims);
                let is_for_us = |audience: &Value| {
                    let listed = audience
                        .as_array()
                        .is_some_and(|all| all.iter().all(Value::is_string) && all.contains(&json!(CLIENT)));
                    *audience == CLIENT || listed
                };
                let is_access = *token_use == Some(json!("access"));
                let of_our_client = audience.is_none() && *client == Some(json!(CLIENT));
                let for_us = audience.as_ref().is_some_and(is_for_us);
                let good = is_access && (for_us || of_our_client);
                let reason = cognito.reason(&token).await;
                assert_eq!(reason == "accepted", good, "cognito: {reason}: {claims}");
                // Elsewhere `aud` alone counts, and an ID token of Cognito is none whatever its `aud` is.
                let good = for_us && *token_use != Some(json!("id"));
                let reason = other.reason(&token).await;
                assert_eq!(reason == "accepted", good, "elsewhere: {reason}: {claims}");
            }
        }
    }
}

#[tokio::test]
async fn an_id_token_is_no_access_token_whatever_it_lacks() {
    let signer = Signer::es256("k");
    let cognito = issuer_fixture(&signer, Some(AccessTokens::Cognito), "username").await;
    let mut id_token = of_a_person();
    id_token["token_use"] = json!("id");
    id_token["aud"] = json!(CLIENT);
    id_token["cognito:username"] = json!("ada");
    assert_eq!(cognito.reason(&signer.token(&id_token)).await, "wrong-type");
    id_token.as_object_mut().unwrap().remove("aud");
    assert_eq!(cognito.reason(&signer.token(&id_token)).await, "wrong-type");
    id_token["token_use"] = json!("access");
    id_token["at_hash"] = json!("x");
    assert_eq!(cognito.reason(&signer.token(&id_token)).await, "wrong-type");
    // An access token of another kind does not say what it is.
    assert_eq!(cognito.reason(&signer.token(&claims())).await, "wrong-type");
    // Everything else is as strict as elsewhere.
    for (name, value, reason) in [
        ("iss", json!("https://evil.example"), "unknown-issuer"),
        ("exp", json!(NOW - 31), "expired"),
        ("exp", json!(NOW + 86_401), "lifetime-too-long"),
        ("sub", json!(""), "invalid-claim"),
    ] {
        let mut token = of_a_person();
        token[name] = value;
        assert_eq!(cognito.reason(&signer.token(&token)).await, reason, "{name}");
    }
    assert_eq!(cognito.reason(&Signer::es256("k").token(&of_a_person())).await, "bad-signature");
}

/// A program's token has no `username`, and its `sub` is its client.
#[tokio::test]
async fn a_programs_token_never_names_a_person() {
    let signer = Signer::es256("k");
    for user in ["username", "sub", "client_id"] {
        let cognito = issuer_fixture(&signer, Some(AccessTokens::Cognito), user).await;
        assert_eq!(cognito.reason(&signer.token(&of_a_person())).await, "accepted", "{user}");
        for odd in [json!(null), json!(""), json!(7), json!(["ada"]), json!({"ada": 1}), json!(true)] {
            let mut token = of_a_program();
            token["username"] = odd.clone();
            let reason = cognito.reason(&signer.token(&token)).await;
            assert_eq!(reason, "program-not-described", "{user}: {odd}");
        }
        assert_eq!(cognito.reason(&signer.token(&of_a_program())).await, "program-not-described", "{user}");
    }
    // Described programs, told by a claim that a trigger of the user pool adds, are of their own realm.
    let described = IssuerFixture::with(&[&signer], |config, _| {
        config.access_tokens = Some(AccessTokens::Cognito);
        config.audience = vec![CLIENT.to_owned()];
        config.user_domains = None;
        config.claims.user = vec!["sub".into()];
        config.programs = Some(Programs {
            claim: "program".into(),
            value: None,
            user: "client_id".into(),
            groups: GroupsClaim::from("cognito:groups"),
            realm: "corp-programs".into(),
        });
    })
    .await;
    let mut program = of_a_program();
    assert_eq!(described.reason(&signer.token(&program)).await, "program-not-described");
    program["program"] = json!("nightly");
    let named = described.bearer(&signer.token(&program)).await.unwrap().principal;
    assert_eq!((&*named.realm, named.user.as_str()), ("corp-programs", CLIENT));
    let person = described.bearer(&signer.token(&of_a_person())).await.unwrap().principal;
    assert_eq!((&*person.realm, person.user.as_str()), ("corp", "11111111-2222-3333-4444-555555555555"));
}

/// An ID token has `cognito:username` and no `username`. The person who signs in with it is no program.
#[tokio::test]
async fn an_id_token_without_the_access_tokens_user_names_a_person() {
    let signer = Signer::es256("k");
    let cognito = issuer_fixture(&signer, Some(AccessTokens::Cognito), "cognito:username").await;
    let mut claims = of_a_person();
    claims["cognito:username"] = claims.as_object_mut().unwrap().remove("username").unwrap();
    let named = |claims: &Value| {
        let named = principal_from_claims(cognito.issuer.config(), claims.as_object().unwrap());
        named.map(|principal| principal.user).map_err(|error| error.reason())
    };
    claims["token_use"] = json!("id");
    assert_eq!(named(&claims).as_deref(), Ok("ada"));
    claims["token_use"] = json!("access");
    assert_eq!(named(&claims), Err("program-not-described"));
}
