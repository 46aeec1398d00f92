//! A small OpenID provider on loopback that lies when told to.

mod signed;

pub(crate) use self::signed::{Signature, header_of};

use super::signer::Signer;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, USER_AGENT};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use postern::clock::Clock;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

pub(crate) const CLIENT_ID: &str = "postern client";
pub(crate) const CLIENT_SECRET: &str = "s3cret: +/%&=é";
pub(crate) const ACCESS_TOKEN: &str = "opaque-access-token";

pub(crate) struct Provider {
    pub(crate) issuer: String,
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// What it says from now on. Every field has an honest default.
pub(crate) struct State {
    /// Put over the ID token's claims; `null` takes one away.
    pub(crate) claims: Value,
    /// Put over the ID token's header.
    pub(crate) header: Value,
    pub(crate) signature: Signature,
    /// The key that signs, and the JWK set.
    pub(crate) signer: Signer,
    pub(crate) published: Vec<Value>,
    /// Takes the place of `signer`, there and in the set, at the next call of the token endpoint.
    pub(crate) next_signer: Option<Signer>,
    /// What the token endpoint does.
    pub(crate) token: TokenAnswer,
    /// Whether a sign-in brings a refresh token; each refresh brings another one then, and the old one is void.
    pub(crate) refresh_tokens: bool,
    /// What the token endpoint does for a refresh token that is good.
    pub(crate) refresh: TokenAnswer,
    /// Put over the ID token's claims after a refresh, beside `claims`.
    pub(crate) refresh_claims: Value,
    /// `None` is refused.
    pub(crate) user_info: Option<Value>,
    /// The status of that, and of a wrong access token.
    pub(crate) user_info_refusal: u16,
    /// Made of what `user_info` says and the issuer, in place of it.
    pub(crate) user_info_made: Option<Maker>,
    /// Put over the discovery document.
    pub(crate) discovery: Value,
    /// `iss` of the callback.
    pub(crate) callback_issuer: Option<String>,
    pub(crate) token_calls: Vec<TokenCall>,
    pub(crate) user_info_calls: usize,
    /// By path and query, for the documents.
    pub(crate) fetched: HashMap<String, usize>,
    /// The `User-Agent` of each request, with its path.
    pub(crate) agents: Vec<(String, String)>,
    /// The client that it knows.
    pub(crate) client_id: String,
    codes: HashMap<String, HashMap<String, String>>,
    good_refresh_tokens: HashSet<String>,
    clock: Clock,
}

#[derive(Clone)]
pub(crate) enum TokenAnswer {
    Good,
    /// Put over the token response.
    Altered(Value),
    Raw(u16, String),
    /// Made of the token response.
    Made(Maker),
    Never,
}

/// An answer as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) status: u16,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Vec<u8>,
}

pub(crate) type Maker = Arc<dyn Fn(&State, Value) -> Given + Send + Sync>;

impl Given {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type: None, body: body.into() }
    }
}

impl TokenAnswer {
    fn given(self, state: &State, response: Value) -> Option<Given> {
        match self {
            Self::Good => Some(Given::new(200, response.to_string())),
            Self::Altered(over) => Some(Given::new(200, altered(response, &over).to_string())),
            Self::Raw(status, text) => Some(Given::new(status, text)),
            Self::Made(make) => Some(make(state, response)),
            Self::Never => None,
        }
    }
}

#[derive(Clone)]
pub(crate) struct TokenCall {
    pub(crate) authorization: Option<String>,
    pub(crate) form: HashMap<String, String>,
}

impl Provider {
    pub(crate) async fn start(clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        Self::at(listener, issuer, clock)
    }

    /// It calls itself `issuer`, wherever it can be reached.
    pub(crate) async fn named(issuer: &str, clock: Clock) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").await.unwrap(), issuer.to_owned(), clock)
    }

    fn at(listener: TcpListener, issuer: String, clock: Clock) -> Self {
        let address = listener.local_addr().unwrap();
        let signer = Signer::es256("k1");
        let state = Arc::new(Mutex::new(State {
            claims: json!({}),
            header: json!({}),
            signature: Signature::Good,
            published: vec![signer.jwk()],
            signer,
            next_signer: None,
            token: TokenAnswer::Good,
            refresh_tokens: false,
            refresh: TokenAnswer::Good,
            refresh_claims: json!({}),
            user_info: None,
            user_info_refusal: 401,
            user_info_made: None,
            discovery: json!({}),
            callback_issuer: Some(issuer.clone()),
            token_calls: Vec::new(),
            user_info_calls: 0,
            fetched: HashMap::new(),
            agents: Vec::new(),
            client_id: CLIENT_ID.to_owned(),
            codes: HashMap::new(),
            good_refresh_tokens: HashSet::new(),
            clock,
        }));
        let (served, at) = (state.clone(), issuer.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, issuer) = (served.clone(), at.clone());
                let service = service_fn(move |request| answer(state.clone(), issuer.clone(), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { issuer, address, state }
    }

    pub(crate) fn now_says(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn token_calls(&self) -> usize {
        self.now_says().token_calls.len()
    }

    pub(crate) fn refresh_calls(&self) -> usize {
        let state = self.now_says();
        state.token_calls.iter().filter(|call| call.form["grant_type"] == "refresh_token").count()
    }

    /// What the person does there: the query that their browser brings back.
    pub(crate) fn sign_in(&self, location: &Url) -> String {
        let asked: HashMap<String, String> = location.query_pairs().into_owned().collect();
        let mut state = self.now_says();
        let code = format!("code-{}", state.codes.len());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &code).append_pair("state", &asked["state"]);
        if let Some(issuer) = &state.callback_issuer {
            query.append_pair("iss", issuer);
        }
        state.codes.insert(code, asked);
        query.finish()
    }
}

type Answered = Result<Response<Full<Bytes>>, std::convert::Infallible>;

async fn answer(state: Arc<Mutex<State>>, issuer: String, request: Request<Incoming>) -> Answered {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let authorization =
        head.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default().to_owned());
    let agent = head.headers.get(USER_AGENT).map(|value| value.to_str().unwrap_or_default().to_owned());
    state.lock().unwrap().agents.push((head.uri.path().to_owned(), agent.unwrap_or_default()));
    // Below whatever path the discovery document names.
    let given = match head.uri.path().rsplit('/').next().unwrap() {
        "openid-configuration" => {
            Given::new(200, state.lock().unwrap().fetch(&head.uri, |state| state.discovery(&issuer)))
        }
        "jwks" => {
            let set = |state: &State| json!({"keys": state.published});
            Given::new(200, state.lock().unwrap().fetch(&head.uri, set))
        }
        "token" => {
            let form = form_urlencoded::parse(&body).into_owned().collect();
            let answer = state.lock().unwrap().token(&issuer, &TokenCall { authorization, form });
            match answer {
                Some(answer) => answer,
                None => {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    Given::new(500, "")
                }
            }
        }
        "userinfo" => state.lock().unwrap().user_info(authorization.as_deref()),
        _ => Given::new(404, ""),
    };
    let mut response = Response::builder().status(given.status);
    if let Some(kind) = given.content_type {
        response = response.header("content-type", kind);
    }
    Ok(response.body(Full::from(given.body)).unwrap())
}

impl State {
    fn discovery(&self, issuer: &str) -> Value {
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize?tenant=1"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        });
        altered(document, &self.discovery)
    }

    fn fetch(&mut self, uri: &Uri, document: impl Fn(&Self) -> Value) -> String {
        let asked = uri.path_and_query().map_or("/", |asked| asked.as_str());
        *self.fetched.entry(asked.to_owned()).or_default() += 1;
        document(self).to_string()
    }

    /// From now on another key signs, and the set has no other.
    pub(crate) fn rotate(&mut self, signer: Signer) {
        self.published = vec![signer.jwk()];
        self.signer = signer;
    }

    fn token(&mut self, issuer: &str, call: &TokenCall) -> Option<Given> {
        let asked = call.form.get("code").and_then(|code| self.codes.remove(code));
        self.token_calls.push(call.clone());
        if let Some(signer) = self.next_signer.take() {
            self.rotate(signer);
        }
        let refused = |error: &str| {
            Some(Given::new(400, json!({"error": error, "error_description": "no"}).to_string()))
        };
        if !authenticated(call, &self.client_id) {
            return refused("invalid_client");
        }
        if call.form["grant_type"] == "refresh_token" {
            return self.refreshed(issuer, &call.form["refresh_token"]);
        }
        let Some(asked) = asked else { return refused("invalid_grant") };
        let verifier = call.form.get("code_verifier").cloned().unwrap_or_default();
        let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        let fits = asked["code_challenge"] == URL_SAFE_NO_PAD.encode(challenge)
            && asked["redirect_uri"] == call.form["redirect_uri"]
            && call.form["grant_type"] == "authorization_code";
        if !fits {
            return refused("invalid_grant");
        }
        let id_token = self.id_token(issuer, &json!({"nonce": asked["nonce"]}));
        let response = self.tokens(&id_token);
        self.token.clone().given(self, response)
    }

    fn refreshed(&mut self, issuer: &str, refresh_token: &str) -> Option<Given> {
        if !self.good_refresh_tokens.contains(refresh_token) {
            return Some(Given::new(400, json!({"error": "invalid_grant"}).to_string()));
        }
        let answer = self.refresh.clone();
        if let TokenAnswer::Good | TokenAnswer::Altered(_) = answer {
            self.good_refresh_tokens.remove(refresh_token);
        }
        let id_token = self.id_token(issuer, &self.refresh_claims.clone());
        let response = self.tokens(&id_token);
        answer.given(self, response)
    }

    fn tokens(&mut self, id_token: &str) -> Value {
        let response = json!({
            "access_token": ACCESS_TOKEN,
            "token_type": "bEARER",
            "expires_in": 300,
            "id_token": id_token,
        });
        if !self.refresh_tokens {
            return response;
        }
        let refresh_token = format!("refresh-token-{}", self.token_calls.len());
        self.good_refresh_tokens.insert(refresh_token.clone());
        altered(response, &json!({"refresh_token": refresh_token}))
    }

    fn user_info(&mut self, authorization: Option<&str>) -> Given {
        self.user_info_calls += 1;
        match (&self.user_info, &self.user_info_made) {
            (Some(claims), make) if authorization == Some("Bearer opaque-access-token") => match make {
                Some(make) => make(self, claims.clone()),
                None => Given::new(200, claims.to_string()),
            },
            _ => Given::new(self.user_info_refusal, ""),
        }
    }
}

/// By RFC 6749, section 2.3.1, in the header or in the form, but not both; assertions are left to the tests.
fn authenticated(call: &TokenCall, client_id: &str) -> bool {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic =
        format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(CLIENT_SECRET))));
    let in_form = call.form.get("client_id").map(String::as_str) == Some(client_id)
        && call.form.get("client_secret").map(String::as_str) == Some(CLIENT_SECRET);
    match &call.authorization {
        Some(authorization) => *authorization == basic && !call.form.contains_key("client_secret"),
        None => in_form || call.form.contains_key("client_assertion"),
    }
}

pub(crate) fn altered(mut base: Value, over: &Value) -> Value {
    let members = base.as_object_mut().unwrap();
    for (name, value) in over.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    base
}
