//! The provider itself: its client, its people and the claims of their tokens.

use super::sessions::Sessions;
use crate::clock::Clock;
use crate::sandbox::faults::Faults;
use crate::sandbox::http::{self, Reply};
use crate::sandbox::keys::{Keys, Token, TokenKey, put};
use crate::sandbox::people::{People, Person};
use crate::sandbox::random;
use hyper::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

pub(super) const CODE_LIFETIME: Duration = Duration::from_secs(60);
pub(super) const TOKEN_LIFETIME: Duration = Duration::from_secs(600);
pub(super) const REFRESH_LIFETIME: Duration = Duration::from_secs(24 * 3600);

pub(in crate::sandbox) struct IdentityProvider {
    /// Without a trailing slash in its text: the exact `iss`.
    pub(in crate::sandbox) issuer: String,
    pub(in crate::sandbox) client: Client,
    pub(in crate::sandbox) keys: Arc<Keys>,
    pub(in crate::sandbox) people: Arc<People>,
    pub(in crate::sandbox) faults: Arc<Faults>,
    pub(in crate::sandbox) clock: Clock,
    pub(in crate::sandbox) sessions: Sessions,
    pub(in crate::sandbox) id_token_key: TokenKey,
}

/// The one registered client.
pub(in crate::sandbox) struct Client {
    pub(in crate::sandbox) id: String,
    pub(in crate::sandbox) secret: String,
    /// `aud` of access tokens, beside the issuer itself.
    pub(in crate::sandbox) audience: String,
    pub(in crate::sandbox) redirect_uris: Mutex<BTreeSet<String>>,
    pub(in crate::sandbox) post_logout_redirect_uris: Mutex<BTreeSet<String>>,
    pub(in crate::sandbox) backchannel_logout_uri: Mutex<Option<Url>>,
}

/// The parameters of one query or form, in order, with repetitions.
pub(in crate::sandbox) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn read(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    /// A parameter that stands once and is not empty.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next().filter(|value| !value.is_empty())?;
        values.next().is_none().then_some(value)
    }

    /// RFC 6749, section 3.1: no parameter stands twice.
    pub(super) fn repeated(&self) -> bool {
        let names: BTreeSet<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.len() != self.0.len()
    }
}

impl IdentityProvider {
    /// An access token for the API of the client (RFC 9068).
    pub(in crate::sandbox) fn access_claims(&self, person: &Person) -> Map<String, Value> {
        let mut claims = self.dated(person.claims());
        put(&mut claims, "aud", json!(self.client.audience));
        put(&mut claims, "client_id", json!(self.client.id));
        put(&mut claims, "scope", json!("openid profile email groups"));
        claims
    }

    /// An ID token, before nonce and hashes.
    pub(in crate::sandbox) fn id_claims(&self, person: &Person) -> Map<String, Value> {
        let mut claims = self.dated(person.claims());
        put(&mut claims, "aud", json!(self.client.id));
        claims
    }

    /// A logout token for all sessions of the subject.
    pub(in crate::sandbox) fn logout_claims(&self, subject: &str) -> Map<String, Value> {
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
        put(&mut claims, "jti", json!(random::hex::<16>()));
        claims
    }

    /// `None` only where signing itself fails.
    pub(super) fn sign_id_token(&self, mut claims: Map<String, Value>) -> Option<String> {
        for (name, value) in self.faults.identity_provider().id_token_claims {
            put(&mut claims, &name, value);
        }
        self.keys.sign(&Token::new(claims).key(self.id_token_key.clone()).header("typ", "JWT")).ok()
    }
}

/// An error that the standards name, as JSON.
pub(super) fn failure(status: StatusCode, error: &str, description: &str) -> Reply {
    http::json(status, &json!({"error": error, "error_description": description}))
}

/// The same URL with further query parameters.
pub(super) fn with_query(url: &str, parameters: &[(&str, &str)]) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    url.query_pairs_mut().extend_pairs(parameters);
    Some(url.into())
}
