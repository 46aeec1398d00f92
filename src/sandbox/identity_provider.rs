//! An OpenID provider: discovery, keys, the code flow with PKCE, refresh, UserInfo, sign-out.
//!
//! OpenID Connect Core 1.0, Discovery 1.0, RP-Initiated Logout 1.0 and Back-Channel Logout 1.0; RFC 6749, 7636, 9068 and 9207. There is no single
//! sign-on session: each authorization asks who is there, unless `login_hint` names someone.

mod authorize;
mod chooser;
mod client;
mod logout;
mod sessions;
mod token;

use self::sessions::Sessions;
use super::faults::Faults;
use super::http::{self, Reply, Request};
use super::keys::{Keys, Token, TokenKey, put};
use super::people::{People, Person};
use crate::clock::Clock;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

const CODE_LIFETIME: Duration = Duration::from_secs(60);
const TOKEN_LIFETIME: Duration = Duration::from_secs(600);
const REFRESH_LIFETIME: Duration = Duration::from_secs(24 * 3600);

pub(super) struct IdentityProvider {
    /// Without a trailing slash in its text: the exact `iss`.
    pub(super) issuer: String,
    pub(super) client: Client,
    pub(super) keys: Arc<Keys>,
    pub(super) people: Arc<People>,
    pub(super) faults: Arc<Faults>,
    pub(super) clock: Clock,
    pub(super) sessions: Sessions,
    pub(super) id_token_key: TokenKey,
}

/// The one registered client.
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: String,
    /// `aud` of access tokens, beside the issuer itself.
    pub(super) audience: String,
    pub(super) redirect_uris: Mutex<BTreeSet<String>>,
    pub(super) post_logout_redirect_uris: Mutex<BTreeSet<String>>,
    pub(super) backchannel_logout_uri: Mutex<Option<Url>>,
}

/// The parameters of one query or form, in order, with repetitions.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    /// A parameter that stands once and is not empty.
    fn one(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next().filter(|value| !value.is_empty())?;
        values.next().is_none().then_some(value)
    }

    /// RFC 6749, section 3.1: no parameter stands twice.
    fn repeated(&self) -> bool {
        let names: BTreeSet<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.len() != self.0.len()
    }
}

impl IdentityProvider {
    pub(super) async fn answer(self: Arc<Self>, request: Request) -> Reply {
        let faults = self.faults.identity_provider();
        if !faults.slow.is_zero() {
            tokio::time::sleep(faults.slow).await;
        }
        if faults.unavailable {
            return http::text(StatusCode::SERVICE_UNAVAILABLE, "Unavailable by a fault.\n");
        }
        match (&request.method, request.path.as_str()) {
            (&Method::GET, "/.well-known/openid-configuration") => {
                http::json(StatusCode::OK, &self.discovery())
            }
            (&Method::GET, "/jwks") => http::json(StatusCode::OK, &self.keys.published()),
            (&Method::GET | &Method::POST, "/authorize") => self.authorize(&request),
            (&Method::POST, "/token") => self.token(&request),
            (&Method::GET | &Method::POST, "/userinfo") => self.user_info(&request),
            (&Method::GET | &Method::POST, "/end_session") => self.end_session(&request).await,
            _ => http::text(StatusCode::NOT_FOUND, "There is nothing here.\n"),
        }
    }

    fn discovery(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"),
            "jwks_uri": at("/jwks"),
            "end_session_endpoint": at("/end_session"),
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
            "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["sub", "name", "preferred_username", "email", "email_verified", "groups"],
            "authorization_response_iss_parameter_supported": true,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
        })
    }

    /// An access token for the API of the client (RFC 9068).
    pub(super) fn access_claims(&self, person: &Person) -> Map<String, Value> {
        let mut claims = self.dated(person.claims());
        put(&mut claims, "aud", json!(self.client.audience));
        put(&mut claims, "client_id", json!(self.client.id));
        put(&mut claims, "scope", json!("openid profile email groups"));
        claims
    }

    /// An ID token, before nonce and hashes.
    pub(super) fn id_claims(&self, person: &Person) -> Map<String, Value> {
        let mut claims = self.dated(person.claims());
        put(&mut claims, "aud", json!(self.client.id));
        claims
    }

    /// A logout token for all sessions of the subject.
    pub(super) fn logout_claims(&self, subject: &str) -> Map<String, Value> {
        let mut claims = self.dated(Map::new());
        put(&mut claims, "aud", json!(self.client.id));
        put(&mut claims, "sub", json!(subject));
        put(&mut claims, "events", json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
        claims
    }

    fn dated(&self, mut claims: Map<String, Value>) -> Map<String, Value> {
        let now = self.clock.now();
        put(&mut claims, "iss", json!(self.issuer));
        put(&mut claims, "iat", json!(now));
        put(&mut claims, "exp", json!(now.plus(TOKEN_LIFETIME)));
        put(&mut claims, "jti", json!(super::random::hex::<16>()));
        claims
    }

    /// `None` only where signing itself fails.
    fn sign_id_token(&self, mut claims: Map<String, Value>) -> Option<String> {
        for (name, value) in self.faults.identity_provider().id_token_claims {
            put(&mut claims, &name, value);
        }
        self.keys.sign(&Token::new(claims).key(self.id_token_key.clone()).header("typ", "JWT")).ok()
    }
}

/// An error that the standards name, as JSON.
fn failure(status: StatusCode, error: &str, description: &str) -> Reply {
    http::json(status, &json!({"error": error, "error_description": description}))
}

/// The same URL with further query parameters.
fn with_query(url: &str, parameters: &[(&str, &str)]) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    url.query_pairs_mut().extend_pairs(parameters);
    Some(url.into())
}
