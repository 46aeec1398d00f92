//! Sign-in at a real OpenID provider: `oidc-provider`, installed by `tests/peers/install`.

use crate::support::browser::Browser;
use crate::support::elsewhere::peers;
use crate::support::provider::CLIENT_ID;
use crate::support::sign_in::{PUBLIC_URL, Stack, issuer};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{COOKIE, LOCATION, SET_COOKIE};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use postern::clock::Clock;
use postern::config::{Algorithm, ClientAuthentication, IssuerConfig, SecretSource};
use postern::provider::error::ProviderError;
use postern::provider::principal::Groups;
use postern::sign_in::SignInError;
use postern::sign_in::return_to::ReturnTo;
use postern::sign_in::{Finished, Prompt};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use url::Url;

/// Printable ASCII alone, as the peer wants it, with what form-encoding changes.
pub(crate) const SECRET: &str = "s3cret: +/%&=~\"\\";
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Peer {
    process: Child,
    lines: mpsc::Receiver<String>,
    pub(crate) issuer: String,
}

impl Peer {
    /// `None`, said aloud, where no peers are installed; a peer that is there and does not start is a failure.
    pub(crate) fn start(options: &Value) -> Option<Self> {
        let peers = peers("oidc-provider")?;
        let mut process = Command::new("node")
            .arg(peers.join("oidc-provider/server.mjs"))
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut peer = Self { process, lines, issuer: String::new() };
        peer.issuer = peer.told("READY ");
        Some(peer)
    }

    fn told(&self, prefix: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("the peer answers");
            if let Some(rest) = line.strip_prefix(prefix) {
                return rest.to_owned();
            }
        }
    }

    fn rotate(&self) -> String {
        let signal = format!("kill -HUP {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &signal]).status().unwrap().success());
        self.told("ROTATED ")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn client(authentication: &str) -> Value {
    json!({
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "redirect_uris": [format!("{PUBLIC_URL}/-/callback")],
        "token_endpoint_auth_method": authentication,
    })
}

fn file(text: &str) -> (tempfile::NamedTempFile, SecretSource) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let source = SecretSource::File(file.path().to_owned());
    (file, source)
}

fn stack(peer: &Peer, algorithm: Algorithm, authentication: ClientAuthentication) -> Stack {
    let issuer = IssuerConfig { algorithms: vec![algorithm], ..issuer(&peer.issuer) };
    Stack::new(issuer, authentication, &Clock::system()).unwrap()
}

/// Follows the provider's redirects, with its cookies, until one leaves it: the callback's query.
async fn visit(location: &str) -> String {
    let http = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut at = Url::parse(location).unwrap();
    let mut jar = Browser::default();
    for _ in 0..10 {
        let mut request = Request::get(at.as_str()).body(Empty::new()).unwrap();
        if let Some(cookie) = jar.headers().get(COOKIE) {
            request.headers_mut().insert(COOKIE, cookie.clone());
        }
        let response = tokio::time::timeout(PATIENCE, http.request(request)).await.unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "at {}", at.path());
        for cookie in response.headers().get_all(SET_COOKIE) {
            jar.keep(cookie);
        }
        at = at.join(response.headers()[LOCATION].to_str().unwrap()).unwrap();
        if at.as_str().starts_with(PUBLIC_URL) {
            assert_eq!(at.path(), "/-/callback");
            return at.query().unwrap().to_owned();
        }
    }
    panic!("too many redirects")
}

async fn sign_in(stack: &Stack) -> Result<Finished, SignInError> {
    let mut browser = Browser::default();
    let started =
        stack.sign_in.start(&ReturnTo::parse("/studio"), true, Prompt::Default, &browser.headers()).await?;
    browser.keep_all(&started.cookies);
    let query = visit(started.location.to_str().unwrap()).await;
    stack.sign_in.finish(&query, &browser.headers()).await.map_err(|failed| failed.error)
}

#[track_caller]
fn is_ada(finished: Result<Finished, SignInError>) {
    let Ok(Finished::SignedIn { principal, .. }) = finished else { panic!("{finished:?}") };
    assert_eq!(
        (principal.user.as_str(), principal.name.as_deref()),
        ("ada@corp.example", Some("Ada Lovelace"))
    );
    assert_eq!(principal.groups, Groups::Known(["ml-users", "ml-risk"].map(Into::into).into()));
}

#[tokio::test]
async fn every_signature_algorithm_signs_in() {
    let (_secret, source) = file(SECRET);
    for (name, algorithm) in [
        ("RS256", Algorithm::Rs256),
        ("PS256", Algorithm::Ps256),
        ("ES256", Algorithm::Es256),
        ("ES384", Algorithm::Es384),
        ("EdDSA", Algorithm::EdDsa),
        ("Ed25519", Algorithm::EdDsa),
    ] {
        let options = json!({"algorithm": name, "client": client("client_secret_basic")});
        let Some(peer) = Peer::start(&options) else { return };
        is_ada(sign_in(&stack(&peer, algorithm, ClientAuthentication::Secret(source.clone()))).await);
    }
}

#[tokio::test]
async fn every_client_authentication_signs_in() {
    let (_secret, source) = file(SECRET);
    for method in ["client_secret_basic", "client_secret_post"] {
        let Some(peer) = Peer::start(&json!({"client": client(method)})) else { return };
        let authentication = ClientAuthentication::Secret(source.clone());
        is_ada(sign_in(&stack(&peer, Algorithm::Rs256, authentication)).await);
    }

    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &aws_lc_rs::rand::SystemRandom::new())
            .unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let mut client = client("private_key_jwt");
    client["jwks"] = json!({"keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    }]});
    let Some(peer) = Peer::start(&json!({ "client": client })) else { return };
    let (_key, source) = file(&format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(document.as_ref())
    ));
    is_ada(sign_in(&stack(&peer, Algorithm::Rs256, ClientAuthentication::PrivateKeyJwt(source))).await);
}

#[tokio::test]
async fn sign_in_goes_on_through_a_key_rotation() {
    let (_secret, source) = file(SECRET);
    let options = json!({"algorithm": "ES256", "client": client("client_secret_basic")});
    let Some(peer) = Peer::start(&options) else { return };
    let stack = stack(&peer, Algorithm::Es256, ClientAuthentication::Secret(source));
    is_ada(sign_in(&stack).await);
    assert_eq!(peer.rotate(), "key-2");
    is_ada(sign_in(&stack).await);
    is_ada(sign_in(&stack).await);
}

#[tokio::test]
async fn claims_that_only_user_info_has_are_fetched() {
    let (_secret, source) = file(SECRET);
    let options = json!({"claims_in_user_info": true, "client": client("client_secret_basic")});
    let Some(peer) = Peer::start(&options) else { return };
    is_ada(sign_in(&stack(&peer, Algorithm::Rs256, ClientAuthentication::Secret(source))).await);
}

#[tokio::test]
async fn the_provider_refuses_a_request_without_pkce() {
    let (_secret, source) = file(SECRET);
    let Some(peer) = Peer::start(&json!({"client": client("client_secret_basic")})) else { return };
    let stack = stack(&peer, Algorithm::Rs256, ClientAuthentication::Secret(source));
    let mut browser = Browser::default();
    let started =
        stack.sign_in.start(&ReturnTo::default(), true, Prompt::Default, &browser.headers()).await.unwrap();
    browser.keep_all(&started.cookies);
    let mut location = Url::parse(started.location.to_str().unwrap()).unwrap();
    let kept: Vec<(String, String)> =
        location.query_pairs().into_owned().filter(|(name, _)| !name.starts_with("code_challenge")).collect();
    location.query_pairs_mut().clear().extend_pairs(kept);
    let query = visit(location.as_str()).await;
    let refused = stack.sign_in.finish(&query, &browser.headers()).await.unwrap_err();
    assert!(
        matches!(&refused.error, SignInError::Refused { error, description: Some(_) } if error == "invalid_request"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let (_secret, source) = file("another secret");
    let Some(peer) = Peer::start(&json!({"client": client("client_secret_basic")})) else { return };
    let stack = stack(&peer, Algorithm::Rs256, ClientAuthentication::Secret(source));
    let refused = sign_in(&stack).await.unwrap_err();
    assert!(
        matches!(&refused, SignInError::Provider(ProviderError::TokenRefused { error, .. }) if error == "invalid_client"),
        "{refused}"
    );
}
