//! The query with which a browser comes back from the provider: it signs in who began, once, with the provider's own code,
//! and every other query ends in the one way that is meant for it.

use super::cookie::{PUBLIC_URL, sealed, sessions, values};
use super::marks::written_out;
use super::token::{NOW, Signer, issuer};
use hyper::header::{COOKIE, HeaderMap, HeaderValue};
use postern::clock::{Clock, UnixSeconds};
use postern::config::secrets::Secrets;
use postern::config::{ClientAuthentication, KeySource, SecretSource, SignInConfig};
use postern::files::Files;
use postern::http_client::HttpClient;
use postern::metrics::Metrics;
use postern::provider::issuer::Issuer;
use postern::provider::policy_inputs::PolicyInputs;
use postern::provider::relying_party::RelyingParty;
use postern::sessions::seal::{Sealer, SealingKey};
use postern::sign_in::return_to::ReturnTo;
use postern::sign_in::{Failed, Finished, Prompt, SignIn};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};
use tokio::runtime::Runtime;
use url::{Url, form_urlencoded};

const CLIENT: &str = "postern";
const CODE: &str = "SplxlOBeZQQYbYS6WxSbIA";
const SESSION: &str = "__Host-postern-session";
/// OpenID Connect Core 1.0, section 3.1.2.6: another try may do better.
const FOR_WANT_OF_INTERACTION: [&str; 4] =
    ["login_required", "interaction_required", "account_selection_required", "consent_required"];
const HOURS_LATER: u64 = 2 * 3600;

struct World {
    runtime: Runtime,
    issuer: String,
    sign_in: SignIn,
    /// The cookie of a session.
    session: String,
    /// The `nonce` of the provider's next ID token.
    nonce: Arc<Mutex<String>>,
    /// What somebody began two hours ago.
    stale: Begun,
    _secret: tempfile::NamedTempFile,
}

/// A sign-in under way.
struct Begun {
    return_to: &'static str,
    state: String,
    nonce: String,
    /// The name and value of the cookie that binds it.
    cookie: String,
}

/// How a callback ends: how, for which page, and whether a person of this browser started it.
#[derive(Debug, PartialEq, Eq)]
struct End {
    how: How,
    return_to: String,
    deliberate: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum How {
    SignedIn,
    Kept,
    Restart { automatic: bool },
    Failed(&'static str),
}

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::new()));

/// The first line is the query, the further ones are `Cookie` fields.
pub(super) fn check(input: &[u8]) {
    let world = WORLD.lock().unwrap();
    let (own, other) = (world.begin("/own"), world.begin("/other"));
    world.nonce.lock().unwrap().clone_from(&own.nonce);
    let issuer: String = form_urlencoded::byte_serialize(world.issuer.as_bytes()).collect();
    let text = written_out(
        input,
        &[
            ("own", &own.state),
            ("own-cookie", &own.cookie),
            ("other", &other.state),
            ("stale", &world.stale.state),
            ("stale-cookie", &world.stale.cookie),
            ("session", &world.session),
            ("code", CODE),
            ("issuer", &issuer),
        ],
    );
    let (query, cookies) = match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text.as_slice(), &[][..]),
    };
    let query = String::from_utf8_lossy(query);
    let mut headers = HeaderMap::new();
    for line in cookies.split(|byte| *byte == b'\n') {
        let Ok(field) = HeaderValue::from_bytes(line) else { return };
        headers.append(COOKIE, field);
    }
    let expected = world.expected(&query, cookies, [&own, &other, &world.stale]);
    let end = world.finish(&query, &headers);
    assert_eq!(end, expected, "{query:?}");
    if end.how == How::SignedIn {
        let again = world.finish(&query, &headers);
        assert!(matches!(again.how, How::Restart { .. } | How::Kept), "the same code twice: {again:?}");
    }
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let nonce = Arc::new(Mutex::new(String::new()));
        let url = provider(Arc::clone(&nonce));
        let public_url = Url::parse(PUBLIC_URL).unwrap();
        let sealer = Arc::new(Sealer::new(&SealingKey::random(), &[], &public_url, &url));
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        secret.write_all(b"secret of the client").unwrap();
        let config = SignInConfig {
            issuer: "corp".into(),
            client_id: CLIENT.to_owned(),
            client_authentication: ClientAuthentication::Secret(SecretSource::File(secret.path().to_owned())),
            scopes: vec!["openid".to_owned()],
            client_auth: None,
            parameters: Vec::new(),
            rp_initiated_logout: false,
        };
        let secrets = Secrets::read([config.named()], &Files::default());
        let sign_in = |now| {
            let clock = Clock::manual(UnixSeconds(now));
            let http = HttpClient::new().unwrap();
            let issuer = Issuer::new(
                issuer(&url, KeySource::Discovery),
                &secrets,
                http.clone(),
                clock.clone(),
                &Metrics::default(),
            )
            .unwrap();
            let party = Arc::new(
                RelyingParty::new(&config, &secrets, issuer, &PolicyInputs::default(), http, clock.clone())
                    .unwrap(),
            );
            let sessions = sessions(&sealer, &url, &clock);
            let session = sealed(&runtime, &sessions, "ada");
            (SignIn::new(&config, &public_url, party, sessions, Arc::clone(&sealer), clock), session)
        };
        let stale = begin(&runtime, &sign_in(NOW - HOURS_LATER).0, "/stale");
        let (sign_in, session) = sign_in(NOW);
        let session = format!("{SESSION}={session}");
        Self { runtime, issuer: url, sign_in, session, nonce, stale, _secret: secret }
    }

    fn begin(&self, return_to: &'static str) -> Begun {
        begin(&self.runtime, &self.sign_in, return_to)
    }

    fn finish(&self, query: &str, headers: &HeaderMap) -> End {
        let (how, return_to, deliberate) = match self.runtime.block_on(self.sign_in.finish(query, headers)) {
            Ok(Finished::SignedIn { principal, return_to, deliberate, .. }) => {
                assert_eq!(principal.user, "ada@corp.example");
                (How::SignedIn, return_to, deliberate)
            }
            Ok(Finished::Kept { return_to, deliberate }) => (How::Kept, return_to, deliberate),
            Ok(Finished::Restart { return_to, deliberate, automatic }) => {
                (How::Restart { automatic }, return_to, deliberate)
            }
            Err(Failed { error, return_to, deliberate, .. }) => {
                assert!(error.to_string().bytes().all(|byte| !byte.is_ascii_control()), "{error}");
                (How::Failed(error.reason()), return_to, deliberate)
            }
        };
        End { how, return_to: return_to.as_str().to_owned(), deliberate }
    }

    /// What has to happen, by the rules as they are written down and not as they are carried out.
    fn expected(&self, query: &str, cookies: &[u8], begun: [&Begun; 3]) -> End {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if parameters.insert(name, value).is_some() {
                return End::failed("malformed-callback", "/", false);
            }
        }
        let given = |name: &str| parameters.get(name).map(|value| &**value).filter(|value| !value.is_empty());
        if given("code").is_some() && given("error").is_some() {
            return End::failed("malformed-callback", "/", false);
        }
        let astray = |return_to: &str, deliberate, automatic| {
            let (name, value) = self.session.split_once('=').unwrap();
            let how = match values(cookies, name).as_slice() {
                [only] if *only == value.as_bytes() => How::Kept,
                _ => How::Restart { automatic },
            };
            End { how, return_to: return_to.to_owned(), deliberate }
        };
        let Some(attempt) = begun.into_iter().find(|begun| given("state") == Some(begun.state.as_str()))
        else {
            return astray("/", false, !began_something(cookies));
        };
        let (name, value) = attempt.cookie.split_once('=').unwrap();
        let bound = values(cookies, name) == [value.as_bytes()];
        let return_to = attempt.return_to;
        if !bound || attempt.return_to == "/stale" {
            return astray(return_to, bound, true);
        }
        match (given("iss"), given("error"), given("code")) {
            (Some(issuer), ..) if issuer != self.issuer => {
                End::failed("wrong-answering-issuer", return_to, true)
            }
            (_, Some(error), _) if FOR_WANT_OF_INTERACTION.contains(&error) => astray(return_to, true, true),
            (_, Some("temporarily_unavailable"), _) => End::failed("provider-unavailable", return_to, true),
            (_, Some(_), _) => End::failed("sign-in-refused", return_to, true),
            (_, None, None) => End::failed("malformed-callback", return_to, true),
            (_, None, Some(CODE)) => {
                End { how: How::SignedIn, return_to: return_to.to_owned(), deliberate: true }
            }
            (_, None, Some(_)) => astray(return_to, true, true),
        }
    }
}

impl End {
    fn failed(reason: &'static str, return_to: &str, deliberate: bool) -> Self {
        Self { how: How::Failed(reason), return_to: return_to.to_owned(), deliberate }
    }
}

fn begin(runtime: &Runtime, sign_in: &SignIn, return_to: &'static str) -> Begun {
    let (return_path, headers) = (ReturnTo::parse(return_to), HeaderMap::new());
    let started = sign_in.start(&return_path, true, Prompt::Default, &headers);
    let started = runtime.block_on(started).unwrap();
    let location = Url::parse(started.location.to_str().unwrap()).unwrap();
    let parameter =
        |name: &str| location.query_pairs().find(|(named, _)| named == name).unwrap().1.into_owned();
    let cookie = started.cookies.first().unwrap().to_str().unwrap().split(';').next().unwrap().to_owned();
    Begun { return_to, state: parameter("state"), nonce: parameter("nonce"), cookie }
}

/// Whether the browser has any cookie of a sign-in.
fn began_something(cookies: &[u8]) -> bool {
    let pairs = cookies.split(|byte| matches!(byte, b'\n' | b';')).map(<[u8]>::trim_ascii);
    let mut named = pairs.filter_map(|pair| pair.strip_prefix(b"__Host-postern-browser-"));
    named.any(|named| named.contains(&b'='))
}

/// A provider that gives Ada's ID token for one code and refuses every other. Returns its URL.
fn provider(nonce: Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let issuer = url.clone();
    let signer = Arc::new(Signer::new("k1"));
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (issuer, signer, nonce) = (issuer.clone(), Arc::clone(&signer), Arc::clone(&nonce));
            // A connection that breaks is the other side's end.
            std::thread::spawn(move || connection.and_then(|it| serve(it, &issuer, &signer, &nonce)));
        }
    });
    url
}

fn serve(
    mut connection: TcpStream,
    issuer: &str,
    signer: &Signer,
    nonce: &Mutex<String>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    loop {
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(bytes) = line.strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let (status, answer) = answer(path, &body, issuer, signer, &nonce.lock().unwrap());
        let answer = answer.to_string();
        let length = answer.len();
        write!(
            connection,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{answer}"
        )?;
    }
}

fn answer(path: &str, form: &[u8], issuer: &str, signer: &Signer, nonce: &str) -> (&'static str, Value) {
    match path {
        "/.well-known/openid-configuration" => (
            "200 OK",
            json!({
                "issuer": issuer, "jwks_uri": format!("{issuer}/keys"),
                "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
            }),
        ),
        "/keys" => ("200 OK", json!({"keys": [signer.jwk()]})),
        "/token" if form_urlencoded::parse(form).any(|(name, value)| name == "code" && value == CODE) => {
            let id_token = signer.token(&json!({
                "iss": issuer, "aud": CLIENT, "sub": "u1", "nonce": nonce, "iat": NOW, "exp": NOW + 300,
                "email": "ada@corp.example", "email_verified": true,
            }));
            ("200 OK", json!({"token_type": "Bearer", "access_token": "a", "id_token": id_token}))
        }
        _ => ("400 Bad Request", json!({"error": "invalid_grant"})),
    }
}
