//! Whether the redirect URI is registered, by what authorization endpoints answer: those of real providers differ.

use super::Clinic;
use crate::support::jwks_server::JwksServer;
use crate::support::signer::Signer;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use postern::sandbox::SandboxOptions;
use serde_json::json;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

const OURS: &str = "http://localhost:8080/-/callback";

/// A status and a body; with `true`, the browser is sent to the redirect URI that was asked with.
type Said = (u16, bool, &'static str);

/// An authorization endpoint: what it says to our redirect URI, and to any other.
struct Endpoint {
    url: String,
    said: Arc<Mutex<(Said, Said)>>,
}

impl Endpoint {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/authorize?tenant=1", listener.local_addr().unwrap());
        let said = Arc::new(Mutex::new(((200, false, ""), (200, false, ""))));
        let served = said.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let said = served.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = answer(&request, *said.lock().unwrap());
                    async move { Ok::<_, Infallible>(answer) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, said }
    }
}

fn answer(request: &Request<Incoming>, (ours, other): (Said, Said)) -> Response<Full<Bytes>> {
    let query = request.uri().query().unwrap_or_default();
    let asked: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let one = |name: &str| {
        let mut values = asked.iter().filter(|(known, _)| known == name);
        let (_, value) = values.next().unwrap_or_else(|| panic!("no {name}: {query}"));
        assert!(values.next().is_none(), "{name} twice: {query}");
        value.clone()
    };
    assert_eq!(
        (one("prompt"), one("response_type"), one("tenant")),
        ("none".into(), "code".into(), "1".into())
    );
    let redirect_uri = one("redirect_uri");
    let (status, back, body) = if redirect_uri == OURS { ours } else { other };
    let to = if back { redirect_uri } else { "https://sso.corp.example/error?redirect_uri=x".to_owned() };
    let mut location = Url::parse(&to).unwrap();
    location.query_pairs_mut().append_pair("error", "login_required").append_pair("state", &one("state"));
    let response = Response::builder().status(status);
    let response =
        if (300..400).contains(&status) { response.header("location", location.as_str()) } else { response };
    response.body(Full::from(body)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_certain_is_reported() {
    let clinic = Clinic::new().await;
    let endpoint = Endpoint::start().await;
    let documents = JwksServer::start().await;
    let base = documents.base.clone();
    documents.serve("/keys", json!({"keys": [Signer::rs256("k").jwk()]}));
    let document = json!({
        "issuer": base, "jwks_uri": format!("{base}/keys"), "token_endpoint": format!("{base}/token"),
        "authorization_endpoint": endpoint.url, "response_types_supported": ["code"],
    });
    documents.serve("/.well-known/openid-configuration", document);
    clinic.configure(|text| text.replace(clinic.sandbox.issuer_text(), &base));
    let page = "<h1>Invalid parameter: redirect_uri</h1>";
    for (what, ours, other, outcome, found) in [
        ("Canaille, registered", (302, true, ""), (400, false, page), "ok", "answers at"),
        ("Glewlwyd, registered", (302, true, ""), (403, false, ""), "ok", "answers at"),
        ("django-oauth-toolkit, registered", (500, false, ""), (400, false, page), "ok", "500 against 400"),
        ("a page to sign in, registered", (200, false, ""), (400, false, ""), "ok", "200 against 400"),
        (
            "Keycloak, not registered",
            (400, false, page),
            (400, false, page),
            "failed",
            "refuses the redirect URI",
        ),
        ("Auth0, not registered", (403, false, "Callback URL mismatch."), (403, false, ""), "failed", OURS),
        (
            "an error about something else",
            (400, false, "no cookies"),
            (400, false, "no cookies"),
            "skipped",
            "400",
        ),
        (
            "LemonLDAP::NG, whatever is registered",
            (200, false, page),
            (200, false, page),
            "skipped",
            "does not tell",
        ),
        ("an error page by redirect", (302, false, ""), (302, false, ""), "skipped", "302 against 302"),
        ("out of order", (503, false, page), (503, false, page), "skipped", "503 against 503"),
        ("any address will do", (302, true, ""), (302, true, ""), "warning", "at any redirect URI"),
    ] {
        *endpoint.said.lock().unwrap() = (ours, other);
        let examined = clinic.examine(&[]);
        let told = examined.check("sign_in", "redirect-uri");
        assert_eq!(told["outcome"], outcome, "{what}: {told}");
        assert!(told["found"].as_str().unwrap().contains(found), "{what}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_uri_that_is_not_registered_is_named() {
    let options = SandboxOptions { redirect_uris: vec![format!("{OURS}/")], ..SandboxOptions::default() };
    let clinic = Clinic::of(options, |text| text).await;
    let examined = clinic.examine(&[]);
    assert_eq!(examined.status, 1, "{}", examined.text);
    assert_eq!(examined.with_outcome("failed"), ["sign_in, redirect-uri"], "{}", examined.text);
    let told = examined.check("sign_in", "redirect-uri");
    assert!(told["remedy"].as_str().unwrap().contains(&format!("register `{OURS}`")), "{told}");
}
