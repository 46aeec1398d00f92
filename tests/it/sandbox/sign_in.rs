//! The sandbox's identity provider, driven by a client of a few lines.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use postern::clock::{Clock, UnixSeconds};
use postern::sandbox::{IdentityProviderFaults, Sandbox, SandboxOptions, Token, TokenKey};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;
use url::form_urlencoded::Serializer;

const CALLBACK: &str = "http://127.0.0.1:9/-/callback";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";

struct Answer {
    status: StatusCode,
    location: Option<Url>,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn returned(&self) -> BTreeMap<String, String> {
        self.location.as_ref().expect("a redirect").query_pairs().into_owned().collect()
    }
}

async fn send(request: Request<Full<Bytes>>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.unwrap();
    let location = response.headers().get("location").map(|value| value.to_str().unwrap().parse().unwrap());
    let status = response.status();
    Answer { status, location, body: response.into_body().collect().await.unwrap().to_bytes() }
}

async fn get(url: &str) -> Answer {
    send(Request::get(url).body(Full::default()).unwrap()).await
}

async fn start() -> Sandbox {
    let options = SandboxOptions { redirect_uris: vec![CALLBACK.to_owned()], ..Default::default() };
    Sandbox::start(options).await.unwrap()
}

/// A good authorization request for Ada, with changes: an empty value removes.
fn authorization(sandbox: &Sandbox, changes: &[(&str, &str)]) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()));
    let mut parameters = BTreeMap::from([
        ("response_type", "code"),
        ("client_id", "postern"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile email"),
        ("state", "a state"),
        ("nonce", "a-nonce"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("login_hint", "ada"),
    ]);
    parameters.extend(changes.iter().copied());
    parameters.retain(|_, value| !value.is_empty());
    let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{}/authorize?{query}", sandbox.issuer_text())
}

async fn code(sandbox: &Sandbox, changes: &[(&str, &str)]) -> String {
    get(&authorization(sandbox, changes)).await.returned().remove("code").expect("a code")
}

async fn post_token(sandbox: &Sandbox, form: &[(&str, &str)], basic: bool) -> Answer {
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    let mut request = Request::post(format!("{}/token", sandbox.issuer_text()))
        .header("content-type", "application/x-www-form-urlencoded");
    if basic {
        let (id, secret) = sandbox.client();
        let secret = String::from_utf8(secret.expose().to_vec()).unwrap();
        let credentials = STANDARD.encode(format!("{id}:{secret}"));
        request = request.header("authorization", format!("Basic {credentials}"));
    }
    send(request.body(Full::from(body)).unwrap()).await
}

async fn redeem(sandbox: &Sandbox, code: &str, changes: &[(&str, &str)]) -> Answer {
    let mut form = BTreeMap::from([
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]);
    form.extend(changes.iter().copied());
    post_token(sandbox, &form.into_iter().collect::<Vec<_>>(), true).await
}

async fn refresh(sandbox: &Sandbox, token: &str) -> Answer {
    post_token(sandbox, &[("grant_type", "refresh_token"), ("refresh_token", token)], true).await
}

/// The claims of a token, verified by an independent library against the published keys.
fn verified(sandbox: &Sandbox, token: &str, audience: &str) -> Map<String, Value> {
    let header = jsonwebtoken::decode_header(token).unwrap();
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(sandbox.jwks()).unwrap();
    let key = keys.find(header.kid.as_deref().unwrap()).expect("a published key");
    let mut validation = jsonwebtoken::Validation::new(header.alg);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[sandbox.issuer_text()]);
    validation.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    jsonwebtoken::decode(token, &key, &validation).unwrap().claims
}

#[tokio::test]
async fn discovery_names_this_issuer_and_its_keys() {
    let sandbox = start().await;
    let url = format!("{}/.well-known/openid-configuration", sandbox.issuer_text());
    let discovery = get(&url).await.json();
    assert_eq!(discovery["issuer"], sandbox.issuer_text());
    assert_eq!(get(discovery["jwks_uri"].as_str().unwrap()).await.json(), sandbox.jwks());
}

#[tokio::test]
async fn the_code_flow_ends_in_tokens_that_verify() {
    let sandbox = start().await;
    let answer = get(&authorization(&sandbox, &[])).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let returned = answer.returned();
    assert_eq!(returned["state"], "a state");
    assert_eq!(returned["iss"], sandbox.issuer_text());
    let tokens = redeem(&sandbox, &returned["code"], &[]).await.json();
    let id = verified(&sandbox, tokens["id_token"].as_str().unwrap(), "postern");
    assert_eq!(id["email"], "ada@corp.example");
    assert_eq!(id["nonce"], "a-nonce");
    assert_eq!(id["groups"], json!(["ml-users", "ml-risk"]));
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(verified(&sandbox, access, "postern-api")["sub"], id["sub"]);
    let request = Request::get(format!("{}/userinfo", sandbox.issuer_text()))
        .header("authorization", format!("Bearer {access}"));
    let user_info = send(request.body(Full::default()).unwrap()).await.json();
    assert_eq!(user_info["sub"], id["sub"]);
}

#[tokio::test]
async fn id_tokens_can_be_signed_with_es256() {
    let options = SandboxOptions {
        redirect_uris: vec![CALLBACK.to_owned()],
        id_token_key: TokenKey::Es256,
        ..Default::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let tokens = redeem(&sandbox, &code(&sandbox, &[]).await, &[]).await.json();
    verified(&sandbox, tokens["id_token"].as_str().unwrap(), "postern");
}

#[tokio::test]
async fn a_person_is_chosen_on_a_page_without_script() {
    let sandbox = start().await;
    let url = authorization(&sandbox, &[("login_hint", ""), ("state", "\"><script>")]);
    let page = get(&url).await;
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert_eq!(page.status, StatusCode::OK);
    assert!(text.contains("Grace Hopper") && text.contains("sandbox") && !text.contains("<script"));
    let choose = |body: &'static str| send(Request::post(&url).body(Full::from(body)).unwrap());
    let tokens = redeem(&sandbox, &choose("person=grace").await.returned()["code"], &[]).await.json();
    let id = verified(&sandbox, tokens["id_token"].as_str().unwrap(), "postern");
    assert_eq!(id["email"], "grace@corp.example");
    assert_eq!(choose("").await.returned()["error"], "access_denied");
}

#[tokio::test]
async fn too_many_groups_are_pointed_to() {
    let sandbox = start().await;
    let tokens = redeem(&sandbox, &code(&sandbox, &[("login_hint", "bob")]).await, &[]).await.json();
    let id = verified(&sandbox, tokens["id_token"].as_str().unwrap(), "postern");
    assert!(!id.contains_key("groups"));
    assert_eq!(id["_claim_names"]["groups"], "src1");
}

#[tokio::test]
async fn nothing_is_sent_to_an_unregistered_place() {
    let sandbox = start().await;
    for change in
        [("client_id", "other"), ("redirect_uri", "http://127.0.0.1:9/-/callback/"), ("redirect_uri", "")]
    {
        let answer = get(&authorization(&sandbox, &[change])).await;
        assert_eq!((answer.status, answer.location), (StatusCode::BAD_REQUEST, None), "{change:?}");
    }
}

#[tokio::test]
async fn a_wrong_request_is_answered_with_its_error() {
    let sandbox = start().await;
    for (change, error) in [
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "profile"), "invalid_scope"),
        (("request", "x"), "request_not_supported"),
    ] {
        assert_eq!(get(&authorization(&sandbox, &[change])).await.returned()["error"], error, "{change:?}");
    }
    let nobody = get(&authorization(&sandbox, &[("login_hint", ""), ("prompt", "none")])).await;
    assert_eq!(nobody.returned()["error"], "login_required");
}

#[tokio::test]
async fn a_code_is_bound_to_its_verifier_and_its_redirect_uri() {
    let sandbox = start().await;
    let wrong_verifier = "another-verifier-of-forty-three-characters-or-more";
    for change in [("code_verifier", wrong_verifier), ("redirect_uri", "http://127.0.0.1:9/")] {
        let answer = redeem(&sandbox, &code(&sandbox, &[]).await, &[change]).await;
        assert_eq!(answer.json()["error"], "invalid_grant", "{change:?}");
    }
}

#[tokio::test]
async fn a_code_works_once_and_its_second_use_ends_the_session() {
    let sandbox = start().await;
    let code = code(&sandbox, &[]).await;
    let tokens = redeem(&sandbox, &code, &[]).await.json();
    assert_eq!(redeem(&sandbox, &code, &[]).await.json()["error"], "invalid_grant");
    let refreshed = refresh(&sandbox, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_code_lives_for_a_minute() {
    let clock = Clock::manual(UnixSeconds(1_900_000_000));
    let options = SandboxOptions {
        clock: clock.clone(),
        redirect_uris: vec![CALLBACK.to_owned()],
        ..Default::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let (in_time, too_late) = (code(&sandbox, &[]).await, code(&sandbox, &[]).await);
    clock.advance(Duration::from_secs(59));
    assert_eq!(redeem(&sandbox, &in_time, &[]).await.status, StatusCode::OK);
    clock.advance(Duration::from_secs(1));
    assert_eq!(redeem(&sandbox, &too_late, &[]).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn the_client_proves_itself_in_one_way() {
    let sandbox = start().await;
    let secret = String::from_utf8(sandbox.client().1.expose().to_vec()).unwrap();
    let code = code(&sandbox, &[]).await;
    let form = |id: &'static str, secret: &'static str| {
        vec![("grant_type", "authorization_code"), ("client_id", id), ("client_secret", secret)]
    };
    let answer = post_token(&sandbox, &form("postern", "wrong"), false).await;
    assert_eq!(
        (answer.status, answer.json()["error"].clone()),
        (StatusCode::UNAUTHORIZED, json!("invalid_client"))
    );
    assert_eq!(post_token(&sandbox, &form("postern", "x"), true).await.json()["error"], "invalid_request");
    let mut posted =
        vec![("grant_type", "authorization_code"), ("client_id", "postern"), ("code", code.as_str())];
    posted.extend([
        ("client_secret", secret.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]);
    assert_eq!(post_token(&sandbox, &posted, false).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_token_works_once_and_follows_the_person() {
    let sandbox = start().await;
    let first = redeem(&sandbox, &code(&sandbox, &[]).await, &[]).await.json();
    let mut ada = sandbox.people().into_iter().find(|person| person.id == "ada").unwrap();
    ada.name = "Countess Lovelace".to_owned();
    sandbox.put_person(ada);
    let second = refresh(&sandbox, first["refresh_token"].as_str().unwrap()).await.json();
    let id = verified(&sandbox, second["id_token"].as_str().unwrap(), "postern");
    assert_eq!(id["name"], "Countess Lovelace");
    sandbox.remove_person("ada");
    let left = refresh(&sandbox, second["refresh_token"].as_str().unwrap()).await;
    assert_eq!(left.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_replayed_refresh_token_ends_the_session() {
    let sandbox = start().await;
    let first = redeem(&sandbox, &code(&sandbox, &[]).await, &[]).await.json();
    let second = refresh(&sandbox, first["refresh_token"].as_str().unwrap()).await.json();
    assert_eq!(
        refresh(&sandbox, first["refresh_token"].as_str().unwrap()).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        refresh(&sandbox, second["refresh_token"].as_str().unwrap()).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn sign_out_ends_refreshing_and_returns_to_a_registered_place() {
    let sandbox = start().await;
    sandbox.register_post_logout_redirect("http://127.0.0.1:9/bye");
    let tokens = redeem(&sandbox, &code(&sandbox, &[]).await, &[]).await.json();
    let out = |uri: &str| {
        let hint = tokens["id_token"].as_str().unwrap();
        let pairs = [("id_token_hint", hint), ("post_logout_redirect_uri", uri), ("state", "s")];
        let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
        format!("{}/end_session?{query}", sandbox.issuer_text())
    };
    assert_eq!(get(&out("http://evil.example/")).await.location, None);
    let answer = get(&out("http://127.0.0.1:9/bye")).await;
    assert_eq!(answer.location.unwrap().as_str(), "http://127.0.0.1:9/bye?state=s");
    assert_eq!(
        refresh(&sandbox, tokens["refresh_token"].as_str().unwrap()).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn faults_of_the_identity_provider_are_switched_at_run_time() {
    let sandbox = start().await;
    let jwks = format!("{}/jwks", sandbox.issuer_text());
    sandbox
        .faults()
        .set_identity_provider(IdentityProviderFaults { unavailable: true, ..Default::default() });
    assert_eq!(get(&jwks).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let id_token_claims =
        Map::from_iter([("nonce".to_owned(), json!("stale")), ("email".to_owned(), Value::Null)]);
    sandbox.faults().set_identity_provider(IdentityProviderFaults { id_token_claims, ..Default::default() });
    let tokens = redeem(&sandbox, &code(&sandbox, &[]).await, &[]).await.json();
    let id = verified(&sandbox, tokens["id_token"].as_str().unwrap(), "postern");
    assert_eq!((id["nonce"].as_str(), id.get("email")), (Some("stale"), None));
    sandbox.faults().clear();
    assert_eq!(get(&jwks).await.status, StatusCode::OK);
}

#[tokio::test]
async fn rotation_replaces_the_published_keys() {
    let sandbox = start().await;
    let before = sandbox.jwks();
    sandbox.rotate_keys().unwrap();
    assert_ne!(sandbox.jwks(), before);
    let token = sandbox.token(&Token::new(sandbox.access_claims("ada"))).unwrap();
    verified(&sandbox, &token, "postern-api");
}

#[tokio::test]
async fn any_token_can_be_minted() {
    let sandbox = start().await;
    let token = Token::new(sandbox.access_claims("ada")).key(TokenKey::Es256).claim("email", "x@y.example");
    let minted = sandbox.token(&token.clone().header("typ", "JWT")).unwrap();
    assert_eq!(jsonwebtoken::decode_header(&minted).unwrap().typ.as_deref(), Some("JWT"));
    assert_eq!(verified(&sandbox, &minted, "postern-api")["email"], "x@y.example");
    let unsigned = sandbox.token(&token.key(TokenKey::Unsigned)).unwrap();
    assert!(unsigned.ends_with('.'));
}
