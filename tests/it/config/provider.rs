//! How the provider is found and asked.

use super::{Case, accepted, changed, each_is_refused, in_a_line};
use postern::config::file::ClientAuth;
use postern::config::{AccessTokens, KeySource};

#[test]
fn what_cannot_be_asked_is_refused() {
    each_is_refused(CASES);
}

const SCOPES: &str = "  scopes: [openid, email]";
const AUDIENCE: &str = "    audience: [postern-api]";

const CASES: &[Case] = &[
    (
        AUDIENCE,
        "    audience: [postern-api]\n    discovery_url: http://inner.example/x",
        &[
            "10:20 issuers.corp.discovery_url: found `http://inner.example/x`; allowed: an absolute `https` URL without user or fragment | `insecure_http: true` accepts `http`",
        ],
    ),
    (
        AUDIENCE,
        "    audience: [postern-api]\n    discovery_url: https://inner.example/x#y",
        &[
            "10:20 issuers.corp.discovery_url: found `https://inner.example/x#y`; allowed: an absolute `https` URL without user or fragment",
        ],
    ),
    (
        AUDIENCE,
        "    audience: [postern-api]\n    jwks_uri: https://u:p@inner.example/x?y",
        &[
            "10:15 issuers.corp.jwks_uri: found a URL with a user; allowed: an absolute `https` URL without user or fragment",
        ],
    ),
    (
        "    client_id: ml-balancer",
        "    client_id: ml-balancer\n    discovery_url: https://inner.example/x",
        &["18:20 issuers.balancer.discovery_url: `discovery_url` cannot be set beside `preset: aws_alb`"],
    ),
    (
        AUDIENCE,
        "    audience: [postern-api]\n    access_tokens: keycloak",
        &["10:20 issuers.corp.access_tokens: found `keycloak`; allowed: `cognito`"],
    ),
    (
        AUDIENCE,
        "    access_tokens: cognito",
        &[
            "9:20 issuers.corp.access_tokens: `access_tokens` says how bearer tokens are read, and this issuer has none: they need `audience`, and neither `header` nor `preset`",
            "19:15 credentials[0]: no issuer without `header` has an `audience` for this credential",
        ],
    ),
    (
        AUDIENCE,
        "    audience: [postern-api]\n    access_tokens: cognito\n    header: x-token",
        &[
            "10:20 issuers.corp.access_tokens: `access_tokens` says how bearer tokens are read, and this issuer has none: they need `audience`, and neither `header` nor `preset`",
            "21:15 credentials[0]: no issuer without `header` has an `audience` for this credential",
        ],
    ),
    (
        "    client_id: ml-balancer",
        "    client_id: ml-balancer\n    access_tokens: cognito",
        &[
            "18:20 issuers.balancer.access_tokens: `access_tokens` says how bearer tokens are read, and this issuer has none: they need `audience`, and neither `header` nor `preset`",
        ],
    ),
    (
        SCOPES,
        "  client_auth: private_key_jwt",
        &["24:16 sign_in.client_auth: found `private_key_jwt`; allowed: `basic`, `post`"],
    ),
    (
        "client_secret: {file: oidc-client}",
        "private_key_jwt: {file: oidc-client}\n  client_auth: post",
        &["24:16 sign_in.client_auth: it says how `client_secret` is sent, which is not given"],
    ),
    (
        SCOPES,
        "  parameters: {scope: openid, state: x, redirect_uri: 'https://a.example/', request_uri: x, response_mode: form_post, nonce: x}",
        &[
            "24:16 sign_in.parameters.scope: `scope` is set by Postern in every authorization request | `sign_in.scopes` says which are asked for",
            "24:31 sign_in.parameters.state: `state` is set by Postern in every authorization request",
            "24:41 sign_in.parameters.redirect_uri: `redirect_uri` is set by Postern in every authorization request | it is `public_url` and `/-/callback`",
            "24:77 sign_in.parameters.request_uri: `request_uri` would replace what Postern sets, such as `state` and `nonce`",
            "24:93 sign_in.parameters.response_mode: Postern takes the answer in the query, which is the default",
            "24:119 sign_in.parameters.nonce: `nonce` is set by Postern in every authorization request",
        ],
    ),
    (
        SCOPES,
        "  parameters: {prompt: none}",
        &[
            "24:24 sign_in.parameters.prompt: with `prompt: none` the provider may not ask anybody to sign in | allowed: `login`, `consent`, `select_account`, or several",
        ],
    ),
    (
        SCOPES,
        "  parameters: {a b: c, x: \"y\\tz\"}",
        &[
            "24:16 sign_in.parameters.a b: found `a b`; allowed: the name of a parameter: 1 to 64 letters, digits, `.`, `_`, `:` and `-`",
            "24:27 sign_in.parameters.x: a value is at most 1024 bytes long and without control characters",
        ],
    ),
];

#[test]
fn the_client_and_its_parameters_are_as_registered() {
    let sign_in = |written: &str| accepted(&changed(SCOPES, written)).gateway.sign_in.unwrap();
    assert_eq!(sign_in(SCOPES).client_auth, None);
    assert_eq!(sign_in("  client_auth: basic").client_auth, Some(ClientAuth::Basic));
    assert_eq!(sign_in("  client_auth: post").client_auth, Some(ClientAuth::Post));
    let parameters = sign_in("  parameters: {prompt: consent, access_type: offline}").parameters;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(parameters, [pair("prompt", "consent"), pair("access_type", "offline")]);
}

#[test]
fn access_tokens_may_be_of_cognitos_form() {
    let form = |written: &str| accepted(&changed(AUDIENCE, written)).gateway.issuers[0].access_tokens;
    assert_eq!(form(AUDIENCE), None);
    assert_eq!(form(&format!("{AUDIENCE}\n    access_tokens: cognito")), Some(AccessTokens::Cognito));
}

#[test]
fn keys_and_discovery_may_stand_at_addresses_of_their_own() {
    let keys = "https://login.example/keys?appid=1";
    let written = format!("{AUDIENCE}\n    jwks_uri: {keys}\n    discovery_url: https://inner.example/d?x=y");
    let loaded = accepted(&changed(AUDIENCE, &written));
    let issuer = &loaded.gateway.issuers[0];
    assert_eq!(issuer.keys, KeySource::JwksUri(keys.parse().unwrap()));
    assert_eq!(issuer.discovery().unwrap().as_str(), "https://inner.example/d?x=y");
    assert_eq!(issuer.issuer, "https://sso.corp.example/staff");
    let loaded = accepted(&changed(AUDIENCE, AUDIENCE));
    let discovered = loaded.gateway.issuers[0].discovery().unwrap();
    assert_eq!(discovered.as_str(), "https://sso.corp.example/staff/.well-known/openid-configuration");
}

/// ADFS names itself by `http` and publishes its keys by `https`.
#[test]
fn an_http_issuer_that_is_only_a_name_is_not_insecure() {
    let sign_in = "sign_in:\n  issuer: corp\n  client_id: postern\n  client_secret: {file: oidc-client}\n  scopes: [openid, email]\nsession:\n  keys: [{env: SESSION_KEY}]\n  lifetime: 8h\n  idle: 1h\n";
    let credentials = "credentials: [bearer, session, signed_header]";
    let named = |more: &str| {
        let written = "    issuer: https://sso.corp.example/staff\n    audience: [postern-api]";
        let name = format!(
            "    issuer: http://adfs.corp.example/adfs/services/trust\n    audience: [postern-api]\n{more}"
        );
        changed(written, &name)
    };
    let without_sign_in =
        |text: String| text.replace(sign_in, "").replace(credentials, "credentials: [bearer, signed_header]");
    let keys = "    jwks_uri: https://adfs.corp.example/adfs/discovery/keys";
    for more in [keys.to_owned(), format!("{keys}\n    insecure_http: true")] {
        let loaded = accepted(&without_sign_in(named(&more)));
        assert!(loaded.warnings.is_empty(), "{more}: {:?}", loaded.warnings);
    }
    let findings = super::refused(&named(keys));
    assert_eq!(
        findings,
        [
            "22:11 sign_in.issuer: issuer `corp` has no discovery, which sign-in takes its endpoints from | `http://adfs.corp.example/adfs/services/trust` is not fetched over `http`; `discovery_url` says where the document is"
        ]
    );
    let elsewhere = "    discovery_url: https://adfs.corp.example/adfs/.well-known/openid-configuration";
    let loaded = accepted(&named(&format!("{keys}\n{elsewhere}")));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    for more in ["    insecure_http: true".to_owned(), format!("{keys}\n    insecure_http: true")] {
        let loaded = accepted(&named(&more));
        let warnings: Vec<String> = loaded.warnings.iter().map(in_a_line).collect();
        assert!(
            warnings[0].contains("issuers.corp.insecure_http: keys are fetched unencrypted"),
            "{warnings:?}"
        );
    }
}
