//! A gateway's view of one identity provider: the configured issuer, and requests that carry its tokens.

use super::jwks_server::JwksServer;
use super::signer::Signer;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use postern::authn::credential::Presented;
use postern::authn::{Authenticated, Authenticator, AuthnError};
use postern::clock::{Clock, UnixSeconds};
use postern::config::secrets::{self, Form, Named, Secrets};
use postern::config::{Algorithm, ClaimPaths, Credentials, IssuerConfig, KeySource, SecretSource};
use postern::files::Files;
use postern::http_client::HttpClient;
use postern::metrics::Metrics;
use postern::provider::issuer::Issuer;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://sso.corp.example/realms/staff";

pub(crate) struct IssuerFixture {
    pub server: JwksServer,
    pub clock: Clock,
    pub issuer: Arc<Issuer>,
    pub authenticator: Arc<Authenticator>,
}

impl IssuerFixture {
    /// Believes in bearer tokens that these keys sign.
    pub(crate) async fn of(keys: &[&Signer]) -> Self {
        Self::with(keys, |_, _| {}).await
    }

    pub(crate) async fn with(keys: &[&Signer], change: impl FnOnce(&mut IssuerConfig, &JwksServer)) -> Self {
        let server = JwksServer::start().await;
        server.serve("/keys", key_set(keys));
        let mut config = issuer_config();
        config.keys = KeySource::JwksUri(Url::parse(&format!("{}/keys", server.base)).unwrap());
        change(&mut config, &server);
        let clock = Clock::manual(UnixSeconds(NOW));
        let metrics = Arc::<Metrics>::default();
        let secrets = Secrets::read(key_file(&config), &Files::default());
        let http = HttpClient::new().unwrap();
        let issuer = Issuer::new(config, &secrets, http, clock.clone(), &metrics).unwrap();
        let all = Credentials { bearer: true, session: true, signed_header: true };
        let authenticator = Authenticator::new(&[Arc::clone(&issuer)], &all, None, metrics);
        let authenticator = Arc::new(authenticator);
        Self { server, clock, issuer, authenticator }
    }

    pub(crate) async fn bearer(&self, token: &str) -> Result<Authenticated, AuthnError> {
        self.request(&[("authorization", &format!("Bearer {token}"))], false).await
    }

    /// Why a bearer token is refused; `"accepted"` where it is not.
    pub(crate) async fn reason(&self, token: &str) -> &'static str {
        reason(self.bearer(token).await)
    }

    pub(crate) async fn request(
        &self,
        headers: &[(&str, &str)],
        from_trusted_proxy: bool,
    ) -> Result<Authenticated, AuthnError> {
        self.request_from(None, headers, from_trusted_proxy).await
    }

    /// As [`request`](Self::request), from a client at an address.
    pub(crate) async fn request_from(
        &self,
        client_ip: Option<IpAddr>,
        headers: &[(&str, &str)],
        from_trusted_proxy: bool,
    ) -> Result<Authenticated, AuthnError> {
        let headers = header_map(headers);
        let presented = Presented { headers: &headers, from_trusted_proxy, client_ip };
        self.authenticator.authenticate(&presented).await
    }
}

/// The key file of an issuer that has one.
pub(crate) fn key_file(config: &IssuerConfig) -> Option<Named> {
    let KeySource::JwksFile(path) = &config.keys else { return None };
    let source = SecretSource::File(path.clone());
    Some(Named { key: secrets::key_set(&config.name), source, form: Form::Public(64 * 1024) })
}

#[track_caller]
pub(crate) fn reason(result: Result<Authenticated, AuthnError>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(error) => error.reason(),
    }
}

pub(crate) fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    map
}

pub(crate) fn key_set(keys: &[&Signer]) -> Value {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()})
}

pub(crate) fn issuer_config() -> IssuerConfig {
    IssuerConfig {
        name: Arc::from("corp"),
        issuer: ISSUER.to_owned(),
        realm: Arc::from("corp"),
        algorithms: vec![
            Algorithm::Rs256,
            Algorithm::Ps256,
            Algorithm::Es256,
            Algorithm::Es384,
            Algorithm::EdDsa,
        ],
        audience: vec!["postern-api".to_owned()],
        keys: KeySource::Discovery,
        discovery_url: None,
        insecure_http: true,
        claims: ClaimPaths { user: vec!["email".into()], groups: "groups".into(), name: "name".into() },
        user_domains: Some(vec!["corp.example".to_owned()]),
        programs: None,
        unmarked_email: false,
        access_tokens: None,
        signed_header: None,
    }
}

/// What a good bearer token says.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "postern-api", "sub": "u1", "exp": NOW + 300, "iat": NOW,
        "email": "ada@corp.example", "email_verified": true, "groups": ["ml-users"], "name": "Ada",
    })
}

/// The good claims with one of them changed, or left out where the value is `Value::Null` and so meant.
pub(crate) fn claims_with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

pub(crate) fn claims_without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

/// Waits for what another task is about to do.
pub(crate) async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within five seconds");
}
