//! Sign-in in the browser, against a provider that is honest, and against one that is not.

use crate::support::browser::Browser;
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, Provider, Signature, TokenAnswer, header_of};
use crate::support::sign_in::{Stack, issuer};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern::authn::login::{Finished, SignIn, SignInError};
use postern::authn::principal::Groups;
use postern::authn::return_to::ReturnTo;
use postern::authn::session::{Opened, Sessions};
use postern::clock::{Clock, UnixSeconds};
use postern::config::{ClientAuthentication, SecretSource};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use url::{Url, form_urlencoded};

const DEEP: &str = "/studio/lab/tree/a%20b?x=1&y=%2F";

struct World {
    provider: Provider,
    clock: Clock,
    sessions: Arc<Sessions>,
    sign_in: SignIn,
    _secret: tempfile::NamedTempFile,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let clock = Clock::manual(UnixSeconds(1_800_000_000));
        let provider = Provider::start(clock.clone()).await;
        let mut setup = Setup { secret: CLIENT_SECRET.to_owned(), private_key: false, discovery: json!({}) };
        change(&mut setup);
        provider.now_says().discovery = setup.discovery;
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        secret.write_all(setup.secret.as_bytes()).unwrap();
        let source = SecretSource::File(secret.path().to_owned());
        let authentication = if setup.private_key {
            ClientAuthentication::PrivateKeyJwt(source)
        } else {
            ClientAuthentication::Secret(source)
        };
        let Stack { sessions, sign_in } =
            Stack::new(issuer(&provider.issuer), authentication, &clock).unwrap();
        Self { provider, clock, sessions, sign_in, _secret: secret }
    }

    async fn start(&self, browser: &mut Browser, return_to: &str) -> Url {
        let started =
            self.sign_in.start(&ReturnTo::parse(return_to), true, &browser.headers()).await.unwrap();
        assert!(started.location.is_sensitive());
        if let Some(set_cookie) = &started.set_cookie {
            browser.keep(set_cookie);
        }
        Url::parse(started.location.to_str().unwrap()).unwrap()
    }

    async fn finish(&self, browser: &Browser, query: &str) -> Result<Finished, SignInError> {
        self.sign_in.finish(query, &browser.headers()).await
    }

    /// The whole way, from no cookie at all.
    async fn sign_in(&self) -> Result<Finished, SignInError> {
        let mut browser = Browser::default();
        let location = self.start(&mut browser, DEEP).await;
        self.finish(&browser, &self.provider.sign_in(&location)).await
    }
}

struct Setup {
    secret: String,
    private_key: bool,
    discovery: Value,
}

fn parameters(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

#[track_caller]
fn restart(finished: Result<Finished, SignInError>) -> (String, bool) {
    match finished {
        Ok(Finished::Restart { return_to, automatic }) => (return_to.as_str().to_owned(), automatic),
        other => panic!("not a restart: {other:?}"),
    }
}

#[tokio::test]
async fn signs_in_and_comes_back_to_the_exact_path_and_query() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let finished = world.finish(&browser, &world.provider.sign_in(&location)).await.unwrap();
    let Finished::SignedIn { principal, session, return_to, deliberate } = finished else {
        panic!("{finished:?}")
    };
    assert_eq!(return_to.as_str(), DEEP);
    assert!(deliberate);
    assert_eq!((&*principal.realm, principal.user.as_str()), ("staff", "ada@corp.example"));
    assert_eq!(principal.groups, Groups::Known([Arc::from("ml-users")].into()));
    browser.keep(&session);
    let Opened::Valid(opened) = world.sessions.open(&browser.headers()) else { panic!("no session") };
    assert_eq!(opened.principal.user, principal.user);
    assert_eq!(opened.provider_session.as_deref(), Some("provider-session"));
    assert_eq!(world.provider.now_says().user_info_calls, 0, "the ID token has all");
}

#[tokio::test]
async fn asks_for_a_code_with_pkce_state_and_nonce() {
    let world = World::new().await;
    let location = world.start(&mut Browser::default(), DEEP).await;
    let asked = parameters(&location);
    let mut names: Vec<&str> = asked.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "tenant",
    ];
    assert_eq!(names, expected);
    assert_eq!(asked["client_id"], CLIENT_ID);
    assert_eq!(asked["redirect_uri"], "https://ml.corp.example/-/callback");
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["scope"], "openid email profile groups");
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["code_challenge"].len(), 43);
    let again = parameters(&world.start(&mut Browser::default(), DEEP).await);
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(asked[name], again[name], "{name}");
    }
}

#[tokio::test]
async fn the_browser_is_bound_by_one_cookie_for_all_its_attempts() {
    let world = World::new().await;
    let first = world.sign_in.start(&ReturnTo::default(), true, &Browser::default().headers()).await.unwrap();
    let set_cookie = first.set_cookie.unwrap();
    let (pair, attributes) = set_cookie.to_str().unwrap().split_once("; ").unwrap();
    assert!(pair.starts_with("__Host-postern-browser="));
    assert_eq!(attributes, "Path=/; Max-Age=86400; HttpOnly; SameSite=Lax; Secure");
    let mut browser = Browser::default();
    browser.keep(&set_cookie);
    let start = async |browser: &Browser| {
        world.sign_in.start(&ReturnTo::default(), true, &browser.headers()).await.unwrap().set_cookie
    };
    assert!(start(&browser).await.is_none(), "bound already");
    browser.set("__Host-postern-browser", "short");
    assert!(start(&browser).await.is_some(), "not of our making");
}

#[tokio::test]
async fn many_tabs_sign_in_at_once() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let mut callbacks = Vec::new();
    for tab in 0..20 {
        let path = format!("/tab-{tab}");
        let location = world.start(&mut browser, &path).await;
        callbacks.push((path, world.provider.sign_in(&location)));
    }
    for (path, query) in callbacks.into_iter().rev() {
        match world.finish(&browser, &query).await.unwrap() {
            Finished::SignedIn { return_to, .. } => assert_eq!(return_to.as_str(), path),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_code_of_one_tab_with_the_state_of_another_signs_nobody_in() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let (one, other) = (world.start(&mut browser, "/one").await, world.start(&mut browser, "/other").await);
    let code = parameters_of(&world.provider.sign_in(&one))["code"].clone();
    let mut mixed = parameters_of(&world.provider.sign_in(&other));
    mixed.insert("code".to_owned(), code);
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(mixed).finish();
    assert_eq!(restart(world.finish(&browser, &query).await), ("/other".to_owned(), true));
}

fn parameters_of(query: &str) -> HashMap<String, String> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[tokio::test]
async fn another_browser_s_callback_signs_nobody_in() {
    let world = World::new().await;
    let mut attacker = Browser::default();
    let location = world.start(&mut attacker, "/studio").await;
    let query = world.provider.sign_in(&location);
    let mut victim = Browser::default();
    assert_eq!(
        restart(world.finish(&victim, &query).await),
        ("/studio".to_owned(), true),
        "without a cookie"
    );
    world.start(&mut victim, "/").await;
    assert_eq!(restart(world.finish(&victim, &query).await), ("/studio".to_owned(), true), "with its own");
    let mut both = victim.headers();
    both.append("cookie", attacker.headers()["cookie"].clone());
    assert_eq!(restart(world.sign_in.finish(&query, &both).await), ("/studio".to_owned(), true), "with two");
    assert_eq!(world.provider.token_calls(), 0);
}

#[tokio::test]
async fn a_browser_without_cookies_goes_round_once() {
    let world = World::new().await;
    let nobody = Browser::default();
    let location = world.start(&mut Browser::default(), "/studio").await;
    let query = world.provider.sign_in(&location);
    assert_eq!(restart(world.finish(&nobody, &query).await), ("/studio".to_owned(), true));
    let again = world.sign_in.restart(&ReturnTo::parse("/studio"), &nobody.headers()).await.unwrap();
    let query = world.provider.sign_in(&Url::parse(again.location.to_str().unwrap()).unwrap());
    assert_eq!(restart(world.finish(&nobody, &query).await), ("/studio".to_owned(), false));
}

#[tokio::test]
async fn a_restarted_visit_is_not_one_that_a_person_started() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let started = world.sign_in.restart(&ReturnTo::parse("/studio"), &browser.headers()).await.unwrap();
    browser.keep(&started.set_cookie.unwrap());
    let query = world.provider.sign_in(&Url::parse(started.location.to_str().unwrap()).unwrap());
    let finished = world.finish(&browser, &query).await;
    assert!(matches!(finished, Ok(Finished::SignedIn { deliberate: false, .. })), "{finished:?}");
}

#[tokio::test]
async fn an_attempt_ends_after_ten_minutes() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let location = world.start(&mut browser, "/studio").await;
    let (in_time, late) = (world.provider.sign_in(&location), world.provider.sign_in(&location));
    world.clock.advance(Duration::from_secs(599));
    assert!(matches!(world.finish(&browser, &in_time).await, Ok(Finished::SignedIn { .. })));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(restart(world.finish(&browser, &late).await), ("/studio".to_owned(), true));
    assert_eq!(world.provider.token_calls(), 1);
}

#[tokio::test]
async fn a_replayed_callback_makes_no_token_call() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let query = world.provider.sign_in(&location);
    let Ok(Finished::SignedIn { session, .. }) = world.finish(&browser, &query).await else { panic!() };
    assert_eq!(restart(world.finish(&browser, &query).await), (DEEP.to_owned(), true), "without the session");
    browser.keep(&session);
    match world.finish(&browser, &query).await {
        Ok(Finished::Kept { return_to }) => assert_eq!(return_to.as_str(), DEEP),
        other => panic!("with the session: {other:?}"),
    }
    assert_eq!(world.provider.token_calls(), 1);
}

#[tokio::test]
async fn a_code_that_was_used_elsewhere_leads_to_one_more_sign_in() {
    let world = World::new().await;
    let answer = json!({"error": "invalid_grant"}).to_string();
    world.provider.now_says().token = TokenAnswer::Raw(400, answer);
    assert_eq!(restart(world.sign_in().await), (DEEP.to_owned(), true));
    let mut browser = Browser::default();
    let started = world.sign_in.restart(&ReturnTo::default(), &browser.headers()).await.unwrap();
    browser.keep(&started.set_cookie.unwrap());
    let query = world.provider.sign_in(&Url::parse(started.location.to_str().unwrap()).unwrap());
    let refused = world.finish(&browser, &query).await.unwrap_err();
    assert_eq!(refused, SignInError::TokenRefused { error: "invalid_grant".to_owned() });
}

#[tokio::test]
async fn a_callback_with_a_state_that_is_not_ours_needs_a_person() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let state = parameters(&location)["state"].clone();
    let foreign = Browser::default();
    for query in [
        String::new(),
        "code=a".to_owned(),
        "code=a&state=".to_owned(),
        "code=a&state=%00%ff".to_owned(),
        format!("code=a&state={}", &state[..state.len() - 1]),
        format!("code=a&state=A{state}"),
    ] {
        assert_eq!(restart(world.finish(&browser, &query).await), ("/".to_owned(), false), "{query}");
        assert_eq!(restart(world.finish(&foreign, &query).await), ("/".to_owned(), false), "{query}");
    }
    assert_eq!(world.provider.token_calls(), 0);
}

#[tokio::test]
async fn a_parameter_that_stands_twice_is_refused() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let query = world.provider.sign_in(&location);
    for extra in
        ["code=other", "state=other", "iss=https%3A%2F%2Fevil.example", "error=access_denied", "a=1&a=1"]
    {
        for query in [format!("{query}&{extra}"), format!("{extra}&{query}")] {
            let refused = world.finish(&browser, &query).await.unwrap_err();
            assert_eq!(refused, SignInError::MalformedCallback, "{extra}");
        }
    }
    let state = &parameters(&location)["state"];
    let without_code = format!("state={state}&iss={}", world.provider.issuer);
    assert_eq!(world.finish(&browser, &without_code).await.unwrap_err(), SignInError::MalformedCallback);
    assert_eq!(world.provider.token_calls(), 0);
}

#[tokio::test]
async fn the_answering_issuer_is_checked() {
    let world = World::new().await;
    for wrong in [None, Some("https://evil.example".to_owned()), Some(format!("{}/", world.provider.issuer))]
    {
        world.provider.now_says().callback_issuer = wrong;
        assert_eq!(world.sign_in().await.unwrap_err(), SignInError::WrongIssuer);
    }
    assert_eq!(world.provider.token_calls(), 0);

    let silent = json!({"authorization_response_iss_parameter_supported": null});
    let world = World::with(|setup| setup.discovery = silent).await;
    world.provider.now_says().callback_issuer = None;
    assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })));
    world.provider.now_says().callback_issuer = Some("https://evil.example".to_owned());
    assert_eq!(world.sign_in().await.unwrap_err(), SignInError::WrongIssuer);
}

#[tokio::test]
async fn a_refusal_by_the_provider_is_told_by_its_code_alone() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let location = world.start(&mut browser, DEEP).await;
    let state = &parameters(&location)["state"];
    for (sent, told) in [("access_denied", "access_denied"), ("%3Cscript%3E", "other")] {
        let query =
            format!("error={sent}&error_description=%3Cb%3E&state={state}&iss={}", world.provider.issuer);
        match world.finish(&browser, &query).await {
            Ok(Finished::Refused { error }) => assert_eq!(error, told),
            other => panic!("{other:?}"),
        }
        let stranger = world.finish(&Browser::default(), &query).await;
        assert_eq!(restart(stranger), (DEEP.to_owned(), true), "not this browser's");
    }
}

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
            matches!(refused, Err(SignInError::Token(_) | SignInError::WrongAccessToken)),
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
        assert!(matches!(refused, Err(SignInError::Token(_))), "{what}: {refused:?}");
    }
}

#[tokio::test]
async fn a_token_answer_that_is_none_signs_nobody_in() {
    let world = World::new().await;
    let html = "<!doctype html><title>Sign in</title>".to_owned();
    for (what, answer, reason) in [
        ("500", TokenAnswer::Raw(500, html.clone()), "token-refused"),
        ("HTML", TokenAnswer::Raw(200, html), "malformed-tokens"),
        ("an empty answer", TokenAnswer::Raw(200, String::new()), "malformed-tokens"),
        ("a redirect", TokenAnswer::Raw(302, String::new()), "token-refused"),
        ("300 KiB", TokenAnswer::Raw(200, " ".repeat(300 * 1024)), "provider-unavailable"),
        ("no id_token", TokenAnswer::Altered(json!({"id_token": null})), "malformed-tokens"),
        ("no access_token", TokenAnswer::Altered(json!({"access_token": null})), "malformed-tokens"),
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
    assert_eq!(refused, SignInError::TokenRefused { error: "invalid_client".to_owned() });
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
    assert_eq!(world.sign_in().await.unwrap_err(), SignInError::UserInfo { status: 401 });
    world.provider.now_says().claims = json!({"name": null});
    assert!(matches!(world.sign_in().await, Ok(Finished::SignedIn { .. })), "a name is for pages only");
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
    assert_eq!(world.sign_in().await.unwrap_err(), SignInError::NoClientAuthentication);
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
    let error = Stack::new(issuer("http://127.0.0.1:1"), key, &Clock::system()).err().unwrap();
    assert!(error.contains("private_key_jwt") && !error.contains("c2Vj"), "{error}");
}

#[tokio::test]
async fn more_groups_than_a_cookie_holds_is_a_clear_error() {
    let world = World::new().await;
    let groups: Vec<String> = (0..400).map(|n| format!("group-{n}")).collect();
    world.provider.now_says().claims = json!({"groups": groups});
    assert_eq!(world.sign_in().await.unwrap_err().reason(), "session-too-big");
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let started = world.sign_in.start(&ReturnTo::parse(DEEP), true, &browser.headers()).await.unwrap();
    browser.keep(started.set_cookie.as_ref().unwrap());
    let location = Url::parse(started.location.to_str().unwrap()).unwrap();
    let finished = world.finish(&browser, &world.provider.sign_in(&location)).await.unwrap();
    let shown = format!("{started:?} {finished:?} {:?} {:?}", world.sign_in, world.sessions);
    let state = &parameters(&location)["state"];
    for secret in [state.as_str(), CLIENT_SECRET, browser.cookie("__Host-postern-browser").unwrap(), "code-0"]
    {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn pem(pkcs8: &[u8]) -> String {
    use base64::engine::general_purpose::STANDARD;
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(pkcs8))
}
