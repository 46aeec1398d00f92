//! What a provider says of itself, and how much of it is believed.

use crate::support::issuer_fixture::{ISSUER, IssuerFixture, claims_with, until};
use crate::support::jwks_server::Answer;
use crate::support::signer::Signer;
use postern::config::KeySource;
use serde_json::{Value, json};
use std::time::Duration;

async fn discovering(document: impl FnOnce(&str) -> Value) -> (IssuerFixture, Signer) {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::with(&[&signer], |config, server| {
        config.issuer = format!("{}/realms/staff", server.base);
        config.keys = KeySource::Discovery;
        server.serve("/realms/staff/.well-known/openid-configuration", document(&server.base));
    })
    .await;
    (issuer_fixture, signer)
}

fn metadata(base: &str) -> Value {
    json!({
        "issuer": format!("{base}/realms/staff"), "jwks_uri": format!("{base}/keys"),
        "authorization_endpoint": format!("{base}/authorize"), "token_endpoint": format!("{base}/token"),
        "userinfo_endpoint": format!("{base}/userinfo"), "authorization_response_iss_parameter_supported": true,
    })
}

#[tokio::test]
async fn keys_and_endpoints_are_discovered_below_the_issuers_path() {
    let (issuer_fixture, signer) = discovering(metadata).await;
    let issuer = format!("{}/realms/staff", issuer_fixture.server.base);
    assert_eq!(issuer_fixture.reason(&signer.token(&claims_with("iss", issuer))).await, "accepted");
    let provider = issuer_fixture.issuer.provider().await.unwrap();
    assert_eq!(provider.token_endpoint.path(), "/token");
    assert_eq!(provider.token_endpoint_auth_methods, ["client_secret_basic"]);
    assert!(provider.iss_parameter_supported);
    assert_eq!(provider.end_session_endpoint, None);
    assert_eq!(issuer_fixture.server.requests("/realms/staff/.well-known/openid-configuration"), 1);
}

/// Only keys that are to be discovered need it.
#[tokio::test]
async fn where_the_keys_are_is_said_or_there_are_none() {
    for value in [json!(null), json!("ftp://127.0.0.1/keys"), json!("/keys"), json!(5), json!([])] {
        let (issuer_fixture, signer) = discovering(|base| {
            let mut document = metadata(base);
            document["jwks_uri"] = value.clone();
            document
        })
        .await;
        let error = issuer_fixture.issuer.keys_found().await.unwrap_err().to_string();
        assert!(error.contains("`jwks_uri`"), "{value}: {error}");
        let issuer = format!("{}/realms/staff", issuer_fixture.server.base);
        let reason = issuer_fixture.reason(&signer.token(&claims_with("iss", issuer))).await;
        assert_eq!(reason, "keys-unavailable", "{value}");
        assert!(issuer_fixture.issuer.provider().await.is_ok(), "{value}");
    }
}

/// B09: the error names the field.
#[tokio::test]
async fn a_discovery_document_is_exact_and_complete() {
    for (field, value) in [
        ("issuer", json!("http://127.0.0.1/realms/staff/")),
        ("issuer", json!(ISSUER)),
        ("issuer", json!(null)),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("token_endpoint", json!(null)),
        ("token_endpoint", json!(["https://a.example"])),
        ("userinfo_endpoint", json!("nowhere")),
    ] {
        let (issuer_fixture, _) = discovering(|base| {
            let mut document = metadata(base);
            document[field] = value.clone();
            document
        })
        .await;
        let error = issuer_fixture.issuer.provider().await.unwrap_err().to_string();
        assert!(error.contains(&format!("`{field}`")), "{field} {value}: {error}");
    }
    let (issuer_fixture, signer) = discovering(
        |base| json!({"issuer": format!("{base}/realms/staff"), "jwks_uri": format!("{base}/keys")}),
    )
    .await;
    let issuer = format!("{}/realms/staff", issuer_fixture.server.base);
    assert_eq!(issuer_fixture.reason(&signer.token(&claims_with("iss", issuer))).await, "accepted");
    assert!(
        issuer_fixture.issuer.provider().await.unwrap_err().to_string().contains("authorization_endpoint")
    );
}

#[tokio::test]
async fn metadata_survives_a_provider_that_is_out_of_reach() {
    let (issuer_fixture, _) = discovering(metadata).await;
    let before = issuer_fixture.issuer.provider().await.unwrap();
    let path = "/realms/staff/.well-known/openid-configuration";
    issuer_fixture.server.answer(path, Answer::Status(502));
    issuer_fixture.clock.advance(Duration::from_secs(600));
    assert_eq!(issuer_fixture.issuer.provider().await.unwrap(), before);
    until(|| issuer_fixture.server.requests(path) == 2).await;
    assert_eq!(issuer_fixture.issuer.provider().await.unwrap(), before);
}
