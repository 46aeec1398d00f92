//! How the provider is found, and how often and with what it is asked at a sign-in.

use crate::support::browser::Browser;
use crate::support::sign_in::{DEEP, World};
use postern::config::{IssuerConfig, KeySource};
use postern::sign_in::return_to::ReturnTo;
use postern::sign_in::{Finished, Prompt};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::JoinSet;
use url::Url;

fn parameters(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn further_parameters_stand_beside_our_own() {
    let configured: &[_] =
        &[("audience", "a b&c=d"), ("prompt", "consent"), ("resource", "https://a.example/")];
    let world = World::with(|setup| setup.parameters = configured).await;
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let asked = parameters(&location);
    for (name, value) in configured {
        assert_eq!(asked[*name], *value);
    }
    assert_eq!(location.query_pairs().count(), 12, "{location}");
    assert!(matches!(
        world.finish(&browser, &world.provider.sign_in(&location)).await,
        Ok(Finished::SignedIn { .. })
    ));

    for (prompt, expected) in [("consent", "consent select_account"), ("select_account", "select_account")] {
        let configured: &'static [(&str, &str)] = match prompt {
            "consent" => &[("prompt", "consent")],
            _ => &[("prompt", "select_account")],
        };
        let world = World::with(|setup| setup.parameters = configured).await;
        let headers = Browser::default().headers();
        let started = world.sign_in.start(&ReturnTo::default(), true, Prompt::SelectAccount, &headers).await;
        let location = Url::parse(started.unwrap().location.to_str().unwrap()).unwrap();
        let prompts: Vec<_> = location.query_pairs().filter(|(name, _)| name == "prompt").collect();
        assert_eq!(prompts.len(), 1, "{location}");
        assert_eq!(prompts[0].1, expected);
    }
}

/// The issuer keeps its name where its documents are served at an inner address.
#[tokio::test]
async fn the_documents_may_be_elsewhere() {
    let elsewhere = |issuer: &mut IssuerConfig| {
        let url = format!("{}/inner/openid-configuration?appid=1", issuer.issuer);
        issuer.discovery_url = Some(Url::parse(&url).unwrap());
    };
    let world = World::with(|setup| setup.issuer = Box::new(elsewhere)).await;
    assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
    let fetched = world.provider.now_says().fetched.clone();
    assert_eq!(fetched.get("/inner/openid-configuration?appid=1"), Some(&1), "{fetched:?}");
    assert_eq!(fetched.len(), 2, "{fetched:?}");

    let another = json!({"issuer": "https://sso.corp.example"});
    let world = World::with(|setup| {
        setup.issuer = Box::new(elsewhere);
        setup.discovery = another;
    })
    .await;
    let headers = Browser::default().headers();
    let refused =
        world.sign_in.start(&ReturnTo::default(), true, Prompt::Default, &headers).await.unwrap_err();
    assert!(refused.to_string().contains("`https://sso.corp.example`"), "{refused}");
}

/// An application of Entra ID with claims mapping has a key of its own, which only this address lists.
#[tokio::test]
async fn configured_keys_win_over_discovered_ones() {
    for discovery in [json!({"jwks_uri": "https://nowhere.invalid/keys"}), json!({"jwks_uri": null})] {
        let world = World::with(|setup| {
            setup.discovery = discovery;
            setup.issuer = Box::new(|issuer| {
                let keys = format!("{}/own/jwks?appid=1", issuer.issuer);
                issuer.keys = KeySource::JwksUri(Url::parse(&keys).unwrap());
            });
        })
        .await;
        assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
        assert_eq!(world.provider.now_says().fetched.get("/own/jwks?appid=1"), Some(&1));
    }
}

/// Each of two hundred copies of one callback may bring another code.
#[tokio::test]
async fn one_sign_in_asks_the_token_endpoint_a_few_times_at_most() {
    let world = Arc::new(World::new().await);
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let query = world.provider.sign_in(&location);
    let mut copies = JoinSet::new();
    for copy in 0..200 {
        let query = query.replace("code=code-0", &format!("code=invented-{copy}"));
        let (world, headers) = (world.clone(), browser.headers());
        copies.spawn(async move { world.sign_in.finish(&query, &headers).await });
    }
    for finished in copies.join_all().await {
        assert!(matches!(finished, Ok(Finished::Restart { .. })), "{finished:?}");
    }
    assert!((1..=8).contains(&world.provider.token_calls()), "{}", world.provider.token_calls());
    // Another sign-in of the same browser is not held up.
    let location = world.start(&mut browser, DEEP).await;
    let query = world.provider.sign_in(&location);
    assert!(matches!(world.finish(&browser, &query).await, Ok(Finished::SignedIn { .. })));
}

/// No other value of `prompt` asks for the account, and no other parameter does.
#[test]
fn the_account_is_asked_for_by_name() {
    for (query, expected) in [
        (Some("prompt=select_account"), Prompt::SelectAccount),
        (Some("return_to=%2Fstudio&prompt=select%5Faccount"), Prompt::SelectAccount),
        (Some("prompt=login"), Prompt::Default),
        (Some("return_to=select_account"), Prompt::Default),
        (Some("prompt"), Prompt::Default),
        (None, Prompt::Default),
    ] {
        assert_eq!(Prompt::from_query(query), expected, "{query:?}");
    }
}
