//! What sign-in makes of a provider's answers, and how it says who it is.

use crate::support::provider::{CLIENT_ID, Signature, TokenAnswer, header_of};
use crate::support::sign_in::{Stack, World, issuer};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use postern::clock::Clock;
use postern::config::file::ClientAuth;
use postern::config::{ClientAuthentication, IssuerConfig, SecretSource};
use postern::provider::error::ProviderError;
use postern::provider::policy_inputs::Names;
use postern::provider::principal::Groups;
use postern::sign_in::Finished;
use postern::sign_in::SignInError;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;

#[tokio::test]
async fn an_id_token_that_fails_one_check_signs_nobody_in() {
    let world = World::new().await;
    let now = world.clock.now().0;
    let claims: [(&str, Value); 19] = [
        ("wrong nonce", json!({"nonce": "other"})),
        ("no nonce", json!({"nonce": null})),
        ("wrong iss", json!({"iss": "https://evil.example"})),
        ("no iss", json!({"iss": null})),
        ("iss is a list", json!({"iss": [world.provider.issuer]})),
        ("wrong aud", json!({"aud": "another client"})),
        ("no aud", json!({"aud": null})),
        ("aud is a number", json!({"aud": 5})),
        ("azp is another client", json!({"aud": [CLIENT_ID, "x"], "azp": "x"})),
        ("expired", json!({"exp": now - 120})),
        ("no exp", json!({"exp": null})),
        ("exp is text", json!({"exp": "9999999999"})),
        ("not yet valid", json!({"nbf": now + 600})),
        ("issued in the future", json!({"iat": now + 600})),
        ("no iat", json!({"iat": null})),
        ("no sub", json!({"sub": null})),
        ("empty sub", json!({"sub": ""})),
        ("at_hash of another token", json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"})),
        ("unverified address", json!({"email_verified": false})),
    ];
    for (what, claims) in claims {
        world.provider.now_says().claims = claims;
        let refused = world.sign_in().await;
        assert!(
            matches!(
                refused,
                Err(SignInError::Provider(ProviderError::Token(_) | ProviderError::WrongAccessToken))
            ),
            "{what}: {refused:?}"
        );
    }
    world.provider.now_says().claims = json!({"at_hash": null});
    assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })), "at_hash is optional");
}

#[tokio::test]
async fn an_id_token_that_the_provider_did_not_sign_signs_nobody_in() {
    let world = World::new().await;
    for (what, signature, header) in [
        ("alg none", Signature::None, json!({})),
        ("HS256 with the secret", Signature::ClientSecret, json!({})),
        ("HS256 that says ES256", Signature::ClientSecret, json!({"alg": "ES256"})),
        ("another key", Signature::OtherKey, json!({})),
        ("an access token", Signature::Good, json!({"typ": "at+jwt"})),
        ("a logout token", Signature::Good, json!({"typ": "logout+jwt"})),
        ("an unknown extension", Signature::Good, json!({"crit": ["x"], "x": 1})),
    ] {
        {
            let mut says = world.provider.now_says();
            says.signature = signature;
            says.header = header;
        }
        let refused = world.sign_in().await;
        assert!(
            matches!(refused, Err(SignInError::Provider(ProviderError::Token(_)))),
            "{what}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_token_answer_that_is_none_signs_nobody_in() {
    let world = World::new().await;
    let html = "<!doctype html><title>Sign in</title>".to_owned();
    for (what, answer, reason) in [
        ("500", TokenAnswer::Raw(500, html.clone()), "provider-unavailable"),
        ("HTML", TokenAnswer::Raw(200, html), "malformed-tokens"),
        ("an empty answer", TokenAnswer::Raw(200, String::new()), "malformed-tokens"),
        ("a redirect", TokenAnswer::Raw(302, String::new()), "token-refused"),
        ("300 KiB", TokenAnswer::Raw(200, " ".repeat(300 * 1024)), "provider-unavailable"),
        ("no id_token", TokenAnswer::Altered(json!({"id_token": null})), "malformed-tokens"),
        ("no token_type", TokenAnswer::Altered(json!({"token_type": null})), "malformed-tokens"),
        ("another token_type", TokenAnswer::Altered(json!({"token_type": "DPoP"})), "malformed-tokens"),
        ("another access token", TokenAnswer::Altered(json!({"access_token": "x"})), "wrong-access-token"),
        ("no answer", TokenAnswer::Never, "provider-unavailable"),
    ] {
        world.provider.now_says().token = answer;
        let refused = world.sign_in().await.unwrap_err();
        assert_eq!(refused.reason(), reason, "{what}");
        assert!(!refused.to_string().contains('<'), "{what}");
    }
    let refused = World::with(|setup| setup.secret = "wrong".to_owned()).await.sign_in().await.unwrap_err();
    let (error, description) = ("invalid_client".to_owned(), Some("no".to_owned()));
    assert_eq!(refused, SignInError::Provider(ProviderError::TokenRefused { error, description }));
}

#[tokio::test]
async fn user_info_fills_in_what_the_id_token_leaves_out() {
    let world = World::new().await;
    {
        let mut says = world.provider.now_says();
        says.claims = json!({"groups": null, "name": null});
        says.user_info = Some(json!({"sub": "u1", "groups": ["ml-risk"], "email": "eve@corp.example"}));
    }
    match world.sign_in().await.unwrap() {
        Finished::SignedIn { principal, .. } => {
            assert_eq!(principal.groups, Groups::Known([Arc::from("ml-risk")].into()));
            assert_eq!(principal.user, "ada@corp.example", "the ID token wins");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.provider.now_says().user_info_calls, 1);

    for wrong in [json!({"sub": "u2", "groups": []}), json!({"groups": []}), json!([])] {
        world.provider.now_says().user_info = Some(wrong.clone());
        assert!(world.sign_in().await.is_err(), "{wrong}");
    }
    world.provider.now_says().user_info = None;
    assert_eq!(world.sign_in().await.unwrap_err(), refused_by_user_info());
}

/// Azure AD B2C gives none for the scope `openid` alone.
#[tokio::test]
async fn an_access_token_is_needed_where_user_info_is() {
    let world = World::new().await;
    world.provider.now_says().token = TokenAnswer::Altered(
        json!({"access_token": null, "not_before": 1, "profile_info": "eyJ", "scope": "openid"}),
    );
    assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
    world.provider.now_says().claims = json!({"groups": null});
    world.provider.now_says().user_info = Some(json!({"sub": "u1", "groups": ["ml-risk"]}));
    let refused = world.sign_in().await.unwrap_err();
    assert_eq!((refused.reason(), world.provider.now_says().user_info_calls), ("no-access-token", 0));
    assert!(refused.to_string().contains("no access_token"), "{refused}");
    // A name is for pages only.
    let asked = Names::Only(["email", "groups"].map(str::to_owned).into());
    let world = World::with(|setup| setup.asked = asked).await;
    world.provider.now_says().claims = json!({"name": null});
    world.provider.now_says().token = TokenAnswer::Altered(json!({"access_token": null}));
    assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
}

/// A name is for pages only. What a rule asks for is not: without an answer, whoever has the claim would pass as one who has
/// not.
#[tokio::test]
async fn user_info_may_fail_where_no_rule_can_miss_it() {
    let asking = |names: &[&str]| {
        let asked = Names::Only(names.iter().map(|name| (*name).to_owned()).collect());
        World::with(|setup| setup.asked = asked)
    };
    for names in [&[][..], &["email", "groups"]] {
        let world = asking(names).await;
        world.provider.now_says().claims = json!({"name": null});
        assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })), "{names:?}");
        assert_eq!(world.provider.now_says().user_info_calls, 1);
    }
    let world = asking(&["email", "contractor"]).await;
    world.provider.now_says().claims = json!({"name": null});
    assert_eq!(world.sign_in().await.unwrap_err(), refused_by_user_info());
    world.provider.now_says().user_info = Some(json!({"sub": "u1"}));
    assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
}

/// `UserInfo` costs a call, so an ID token that holds everything is enough.
#[tokio::test]
async fn user_info_is_asked_for_a_claim_that_the_id_token_lacks_and_no_other() {
    let only = |name: &str| Names::Only([name.to_owned()].into());
    for (asked, calls) in [(only("email"), 0), (only("contractor"), 1), (Names::All, 0)] {
        let world = World::with(|setup| setup.asked = asked.clone()).await;
        world.provider.now_says().user_info = Some(json!({"sub": "u1"}));
        assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
        assert_eq!(world.provider.now_says().user_info_calls, calls, "{asked:?}");
    }
}

/// The mark of an address stands beside it, not at the top.
#[tokio::test]
async fn user_info_is_not_asked_for_a_mark_that_the_id_token_has() {
    let world = World::with(|setup| setup.user = Some("identity.email".into())).await;
    let identity = json!({"email": "ada@corp.example", "email_verified": true});
    world.provider.now_says().claims = json!({"email": null, "email_verified": null, "identity": identity});
    assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
    assert_eq!(world.provider.now_says().user_info_calls, 0);

    let unmarked = json!({"email": "ada@corp.example"});
    world.provider.now_says().claims = json!({"email_verified": true, "identity": unmarked});
    assert_eq!(world.sign_in().await.unwrap_err(), refused_by_user_info());
    assert_eq!(world.provider.now_says().user_info_calls, 1);
}

/// A user that is no address has no mark, and a configuration may do without.
#[tokio::test]
async fn user_info_is_not_asked_for_a_mark_that_nobody_reads() {
    let without_domains = |issuer: &mut IssuerConfig| issuer.user_domains = None;
    let without_marks = |issuer: &mut IssuerConfig| issuer.unmarked_email = true;
    for changed in [without_domains as fn(&mut IssuerConfig), without_marks] {
        let world = World::with(|setup| setup.issuer = Box::new(changed)).await;
        world.provider.now_says().claims = json!({"email_verified": null});
        assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
        assert_eq!(world.provider.now_says().user_info_calls, 0);
    }
}

#[tokio::test]
async fn the_secret_goes_where_the_provider_takes_it() {
    for (offered, in_header) in [
        (json!(null), true),
        (json!(["client_secret_post", "client_secret_basic"]), true),
        (json!(["private_key_jwt", "client_secret_post"]), false),
    ] {
        let discovery = json!({"token_endpoint_auth_methods_supported": offered});
        let world = World::with(|setup| setup.discovery = discovery).await;
        assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
        let call = world.provider.now_says().token_calls[0].clone();
        assert_eq!(call.authorization.is_some(), in_header, "{offered}");
        assert_eq!(call.form.contains_key("client_secret"), !in_header, "{offered}");
    }
    let discovery = json!({"token_endpoint_auth_methods_supported": ["tls_client_auth"]});
    let world = World::with(|setup| setup.discovery = discovery).await;
    assert_eq!(
        world.sign_in().await.unwrap_err(),
        SignInError::Provider(ProviderError::NoClientAuthentication)
    );
}

/// The method belongs to the client, not to the server (RFC 7591, section 2).
#[tokio::test]
async fn the_secret_goes_where_the_client_is_registered_for_it() {
    for (client_auth, offered) in [
        (ClientAuth::Post, json!(["client_secret_basic", "client_secret_post"])),
        (ClientAuth::Post, json!(null)),
        (ClientAuth::Basic, json!(["client_secret_post"])),
        (ClientAuth::Basic, json!(["private_key_jwt"])),
    ] {
        let discovery = json!({"token_endpoint_auth_methods_supported": offered});
        let world = World::with(|setup| {
            setup.discovery = discovery;
            setup.client_auth = Some(client_auth);
        })
        .await;
        assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
        let call = world.provider.now_says().token_calls[0].clone();
        let in_header = client_auth == ClientAuth::Basic;
        assert_eq!(call.authorization.is_some(), in_header, "{client_auth:?} {offered}");
        assert_eq!(call.form.contains_key("client_secret"), !in_header, "{client_auth:?} {offered}");
    }
}

#[tokio::test]
async fn a_private_key_signs_a_fresh_assertion_for_the_issuer() {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::signature as keys;
    let ec = |algorithm| {
        let pair = keys::EcdsaKeyPair::generate(algorithm).unwrap();
        pem(pair.to_pkcs8v1().unwrap().as_ref())
    };
    let rsa = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let rsa: aws_lc_rs::encoding::Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    for (key, algorithm) in [
        (pem(rsa.as_ref()), jsonwebtoken::Algorithm::RS256),
        (ec(&keys::ECDSA_P256_SHA256_FIXED_SIGNING), jsonwebtoken::Algorithm::ES256),
        (ec(&keys::ECDSA_P384_SHA384_FIXED_SIGNING), jsonwebtoken::Algorithm::ES384),
    ] {
        let world = World::with(|setup| {
            setup.private_key = true;
            setup.secret = key;
            setup.discovery = json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]});
        })
        .await;
        for _ in 0..2 {
            assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
        }
        let calls = world.provider.now_says().token_calls.clone();
        let assertions: Vec<&String> = calls.iter().map(|call| &call.form["client_assertion"]).collect();
        assert_eq!(header_of(assertions[0]).alg, algorithm);
        assert_eq!(
            calls[0].form["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        assert!(calls[0].authorization.is_none() && !calls[0].form.contains_key("client_secret"));
        let claims: Vec<Value> = assertions.iter().map(|assertion| claims_of(assertion)).collect();
        let now = world.clock.now().0;
        let jti = &claims[0]["jti"];
        let expected = json!({
            "iss": CLIENT_ID, "sub": CLIENT_ID, "aud": world.provider.issuer,
            "iat": now, "exp": now + 60, "jti": jti,
        });
        assert_eq!(claims[0], expected);
        assert_ne!(jti, &claims[1]["jti"]);
    }
}

#[tokio::test]
async fn a_key_that_does_not_sign_is_refused_at_the_start() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0LXRleHQ=\n-----END PRIVATE KEY-----\n").unwrap();
    let key = ClientAuthentication::PrivateKeyJwt(SecretSource::File(file.path().to_owned()));
    let error = Stack::new(issuer("http://127.0.0.1:1"), key, &Clock::system()).err().unwrap().to_string();
    assert!(error.contains("private_key_jwt") && !error.contains("c2Vj"), "{error}");
}

#[tokio::test]
async fn more_groups_than_a_cookie_holds_is_a_clear_error() {
    let world = World::new().await;
    let groups: Vec<String> = (0..400).map(|n| format!("group-{n}")).collect();
    world.provider.now_says().claims = json!({"groups": groups});
    assert_eq!(world.sign_in().await.unwrap_err().reason(), "session-too-big");
}

fn refused_by_user_info() -> SignInError {
    SignInError::Provider(ProviderError::UserInfo { status: 401, content_type: None })
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn pem(pkcs8: &[u8]) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(pkcs8))
}
