//! A bearer token: nobody gets in by a text that was not signed for them, and what was signed is read in one way only.

use super::marks::written_out;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use postern::authn::credential::Presented;
use postern::authn::{Authenticator, AuthnError};
use postern::clock::{Clock, UnixSeconds};
use postern::config::secrets::{self, Form, Named, Secrets};
use postern::config::{Algorithm, ClaimPaths, Credentials, IssuerConfig, KeySource, SecretSource};
use postern::files::Files;
use postern::http_client::HttpClient;
use postern::metrics::Metrics;
use postern::provider::issuer::Issuer;
use postern::provider::principal::Principal;
use postern::tokens::claims::Expected;
use postern::tokens::jws::UnverifiedToken;
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;

pub(super) const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://sso.corp.example";
const AUDIENCE: &str = "postern-api";
const CLIENT: &str = "postern";
const NONCE: &str = "n-0S6";
const LEEWAY: u64 = 30;
/// Header parameters with which no token counts.
const REFUSED: [&str; 7] = ["crit", "b64", "zip", "jku", "jwk", "x5u", "x5c"];

/// A private key that signs tokens.
pub(super) struct Signer {
    kid: String,
    key: Ed25519KeyPair,
}

impl Signer {
    pub(super) fn new(kid: &str) -> Self {
        Self { kid: kid.to_owned(), key: Ed25519KeyPair::generate().unwrap() }
    }

    pub(super) fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "use": "sig", "x": x})
    }

    /// Signs whatever stands there.
    pub(super) fn raw(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(message.as_bytes())))
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        self.raw(json!({"alg": "EdDSA", "kid": self.kid}).to_string(), claims.to_string())
    }
}

struct World {
    runtime: Runtime,
    signer: Signer,
    issuer: Arc<Issuer>,
    authenticator: Authenticator,
    /// What stands for each mark of an input.
    marks: Vec<(&'static str, String)>,
    /// The signed part of each token that counts, and whom it names.
    messages: Vec<(String, &'static str)>,
    _keys: tempfile::NamedTempFile,
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

/// After `sign:` stand a header and, from the next line on, a payload that the issuer's own key signs. Everything else is
/// what a request says in `Authorization`, a line for each.
pub(super) fn check(input: &[u8]) {
    match input.strip_prefix(b"sign:") {
        Some(input) => WORLD.signed(input),
        None => WORLD.presented(input),
    }
}

impl World {
    fn new() -> Self {
        let signer = Signer::new("k1");
        let mut keys = tempfile::NamedTempFile::new().unwrap();
        keys.write_all(json!({"keys": [signer.jwk()]}).to_string().as_bytes()).unwrap();
        let config = issuer(ISSUER, KeySource::JwksFile(keys.path().to_owned()));
        let clock = Clock::manual(UnixSeconds(NOW));
        let key_file = Named {
            key: secrets::key_set(&config.name),
            source: SecretSource::File(keys.path().to_owned()),
            form: Form::Public(64 * 1024),
        };
        let secrets = Secrets::read([key_file], &Files::default());
        let http = HttpClient::new().unwrap();
        let issuer = Issuer::new(config, &secrets, http, clock, &Metrics::default()).unwrap();
        let credentials = Credentials { bearer: true, session: false, signed_header: false };
        let authenticator = Authenticator::new(&[Arc::clone(&issuer)], &credentials, None, Arc::default());
        let (mut marks, mut messages) = (Vec::new(), Vec::new());
        let expired = changed(claims("ada"), "exp", (NOW - 3600).into());
        let tokens = [
            (["ada.header", "ada.claims", "ada.signature"], signer.token(&claims("ada"))),
            (["eve.header", "eve.claims", "eve.signature"], signer.token(&claims("eve"))),
            (["old.header", "old.claims", "old.signature"], signer.token(&expired)),
            (["forged.header", "forged.claims", "forged.signature"], Signer::new("k1").token(&claims("ada"))),
        ];
        for (names, token) in &tokens {
            marks.extend(names.iter().copied().zip(token.split('.').map(str::to_owned)));
        }
        for ((_, token), user) in tokens.iter().zip(["ada@corp.example", "eve@corp.example"]) {
            messages.push((token.rsplit_once('.').unwrap().0.to_owned(), user));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = Self { runtime, signer, issuer, authenticator, marks, messages, _keys: keys };
        assert!(
            world.authenticate(&[format!("Bearer {}", tokens[0].1).as_bytes()]).is_some_and(|it| it.is_ok())
        );
        world
    }

    /// `None` where no header can say that.
    fn authenticate(&self, fields: &[&[u8]]) -> Option<Result<Arc<Principal>, AuthnError>> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(field).ok()?);
        }
        let presented = Presented { headers: &headers, from_trusted_proxy: false, client_ip: None };
        let authenticated = self.runtime.block_on(self.authenticator.authenticate(&presented));
        Some(authenticated.map(|authenticated| authenticated.principal))
    }

    fn presented(&self, input: &[u8]) {
        let marks: Vec<(&str, &str)> =
            self.marks.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let text = written_out(input, &marks);
        let fields: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        match self.authenticate(&fields) {
            Some(Ok(principal)) => {
                let [field] = fields.as_slice() else { panic!("two headers with a token") };
                let field = std::str::from_utf8(field).unwrap();
                let (scheme, token) = field.split_once(' ').unwrap();
                assert!(scheme.eq_ignore_ascii_case("bearer"));
                let (message, _) = token.trim_start().rsplit_once('.').unwrap();
                let signed_for = self.messages.iter().find(|(signed, _)| signed == message);
                assert_eq!(signed_for.map(|(_, user)| *user), Some(principal.user.as_str()));
            }
            Some(Err(error)) => {
                assert!(!error.is_unavailable(), "the keys are at hand: {error}");
                assert!(!error.to_string().is_empty() && !error.reason().is_empty());
            }
            None => {}
        }
    }

    fn signed(&self, input: &[u8]) {
        let mut parts = input.splitn(2, |byte| *byte == b'\n');
        let (header, payload) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let token = self.signer.raw(header, payload);
        let accepted = self.authenticate(&[format!("Bearer {token}").as_bytes()]).unwrap();
        let Ok(parsed) = UnverifiedToken::parse(&token) else {
            assert!(accepted.is_err(), "what does not parse says nothing");
            return;
        };
        let header = read_strictly(header);
        let payload = read_strictly(payload);
        if let Ok(principal) = accepted {
            header_is_plain(&header);
            is_for_bearer(&payload);
            names(&payload, &principal);
        }
        let verify = |expected| self.runtime.block_on(self.issuer.verify(&parsed, expected));
        let id_token = verify(Expected::IdToken { client_id: CLIENT, nonce: NONCE });
        let logout = verify(Expected::LogoutToken { client_id: CLIENT });
        let bearer = verify(Expected::Bearer);
        if let Ok(claims) = &id_token {
            header_is_plain(&header);
            assert_eq!(payload["nonce"], NONCE);
            assert!(payload["iat"].as_f64().is_some_and(|issued| issued <= (NOW + LEEWAY) as f64 + 1.0));
            assert!(audiences(&payload).contains(&CLIENT));
            assert_eq!(claims.subject(), payload["sub"].as_str());
        }
        if logout.is_ok() {
            header_is_plain(&header);
            assert!(bearer.is_err() && id_token.is_err(), "a logout token is nothing else");
            assert!(payload.get("nonce").is_none() && payload["events"].is_object());
            assert!(payload.get("sub").is_some() || payload.get("sid").is_some());
        }
        for claims in [bearer, id_token, logout].into_iter().flatten() {
            assert_eq!(payload["iss"], ISSUER);
            assert!(claims.expires_at().0 + LEEWAY > NOW);
            for (name, value) in &payload {
                assert_eq!(claims.get(name), Some(value), "{name} is as it was signed");
            }
        }
    }
}

/// An object as an independent reader has it. A member that stands twice leaves fewer texts than were written.
fn read_strictly(text: &[u8]) -> Map<String, Value> {
    let parsed: Value = serde_json::from_slice(text).unwrap();
    assert_eq!(texts(parsed.to_string().as_bytes()), texts(text), "a member stands twice");
    parsed.as_object().unwrap().clone()
}

/// How many texts in quotes some JSON has.
fn texts(json: &[u8]) -> usize {
    let (mut quotes, mut escaped) = (0, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quotes += 1,
            _ => {}
        }
    }
    quotes / 2
}

fn header_is_plain(header: &Map<String, Value>) {
    assert!(["EdDSA", "Ed25519"].iter().any(|ours| header["alg"] == *ours), "only the key's own algorithm");
    assert!(REFUSED.iter().all(|name| !header.contains_key(*name)), "nothing that changes what is signed");
    let names_no_key = |kid: &str| kid.len() > 256 || kid.chars().any(char::is_control);
    let is_ours = |kid: &Value| kid.as_str().is_some_and(|kid| kid == "k1" || names_no_key(kid));
    assert!(header.get("kid").is_none_or(is_ours), "only the key that is named");
}

fn is_for_bearer(payload: &Map<String, Value>) {
    assert!(audiences(payload).contains(&AUDIENCE));
    assert!(payload.get("events").is_none_or(Value::is_null), "no security event token");
    let seconds = |name: &str| payload.get(name).map(|value| value.as_f64().expect("dates are numbers"));
    let (now, leeway) = (NOW as f64, LEEWAY as f64);
    assert!(seconds("exp").expect("`exp` is there") + leeway >= now, "expired");
    assert!(seconds("nbf").is_none_or(|date| date < now + leeway + 1.0), "not yet valid");
    assert!(seconds("iat").is_none_or(|date| date < now + leeway + 1.0), "issued in the future");
}

fn names(payload: &Map<String, Value>, principal: &Principal) {
    let user = payload["email"].as_str().unwrap().to_ascii_lowercase();
    assert_eq!(principal.user, user);
    assert!(user.ends_with("@corp.example") && user.matches('@').count() == 1, "{user}");
    assert_eq!(payload["email_verified"], true);
    assert_eq!(payload["sub"], principal.subject.as_str());
    assert_eq!(*principal.claims, *payload);
    assert_eq!((&*principal.realm, &*principal.issuer), ("staff", "corp"));
}

fn audiences(payload: &Map<String, Value>) -> Vec<&str> {
    match &payload["aud"] {
        Value::String(audience) => vec![audience],
        Value::Array(audiences) => audiences.iter().map(|audience| audience.as_str().unwrap()).collect(),
        other => panic!("`aud` is {other}"),
    }
}

/// What a good bearer token says of somebody.
fn claims(user: &str) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": user, "exp": NOW + 300, "iat": NOW,
        "email": format!("{user}@corp.example"), "email_verified": true, "groups": ["ml-users"],
    })
}

fn changed(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

pub(super) fn issuer(url: &str, keys: KeySource) -> IssuerConfig {
    IssuerConfig {
        name: "corp".into(),
        issuer: url.to_owned(),
        realm: "staff".into(),
        algorithms: vec![Algorithm::Es256, Algorithm::EdDsa],
        audience: vec![AUDIENCE.to_owned()],
        keys,
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
