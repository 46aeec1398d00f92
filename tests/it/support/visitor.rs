//! A visitor with a browser: cookies by origin, one hop at a time, and the headers that a real one sends when a person clicks.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeMap;
use url::Url;

/// Response headers that the gateway may send. Any other fails the test that sees it.
const ALLOWED_HEADERS: &[&str] = &[
    "accept-ranges",
    "allow",
    "cache-control",
    "connection",
    "content-disposition",
    "content-length",
    "content-range",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "location",
    "referrer-policy",
    "refresh",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "www-authenticate",
    "x-content-type-options",
    "x-request-id",
];

#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    client: Client<HttpConnector, Full<Bytes>>,
    /// By host and port, then name.
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    /// Sent with every request: what tells a click from a program.
    pub headers: HeaderMap,
}

#[must_use]
#[derive(Debug)]
pub(crate) struct Answer {
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Visitor {
    /// A person who clicks.
    pub(crate) fn person() -> Self {
        let mut visitor = Self::program();
        for (name, value) in [
            ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "none"),
            ("sec-fetch-user", "?1"),
            ("user-agent", "Mozilla/5.0 (test)"),
        ] {
            visitor.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        visitor
    }

    /// A client that says nothing of itself.
    pub(crate) fn program() -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, cookies: BTreeMap::new(), headers: HeaderMap::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), value.parse().expect("a header value"));
        self
    }

    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    /// The same browser after the server was replaced: its connections are gone.
    pub(crate) fn reconnected(self) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), ..self }
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// Sends the cookies of one origin to another, too.
    pub(crate) fn carry_cookies(&mut self, from: &Url, to: &Url) {
        let cookies = self.cookies.get(&origin(from)).cloned().unwrap_or_default();
        self.cookies.insert(origin(to), cookies);
    }

    pub(crate) async fn get(&mut self, url: &Url) -> Answer {
        self.send(Method::GET, url, None).await
    }

    pub(crate) async fn post(&mut self, url: &Url, form: &str) -> Answer {
        self.send(Method::POST, url, Some(form)).await
    }

    pub(crate) async fn send(&mut self, method: Method, url: &Url, form: Option<&str>) -> Answer {
        let form = form.map(|form| ("application/x-www-form-urlencoded", form.to_owned()));
        self.exchange(method, url, form).await
    }

    /// As MLflow's client does it; null is no body.
    pub(crate) async fn call(&mut self, method: &str, url: &Url, body: &serde_json::Value) -> Answer {
        let body = (!body.is_null()).then(|| ("application/json", body.to_string()));
        self.exchange(method.parse().expect("a method"), url, body).await
    }

    /// Stores a file.
    pub(crate) async fn put(&mut self, url: &Url, file: &str) -> Answer {
        self.exchange(Method::PUT, url, Some(("text/plain", file.to_owned()))).await
    }

    async fn exchange(&mut self, method: Method, url: &Url, body: Option<(&'static str, String)>) -> Answer {
        let mut request = Request::builder().method(method).uri(url.as_str());
        let headers = request.headers_mut().expect("a request");
        *headers = self.headers.clone();
        let origin = origin(url);
        if let Some(cookies) = self.cookies.get(&origin).filter(|cookies| !cookies.is_empty()) {
            let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.insert(COOKIE, pairs.join("; ").parse().expect("a cookie header"));
        }
        let body = match body {
            Some((content_type, body)) => {
                headers.insert("content-type", HeaderValue::from_static(content_type));
                Full::new(Bytes::from(body))
            }
            None => Full::default(),
        };
        let response = self.client.request(request.body(body).expect("a request")).await.expect("an answer");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let answer = Answer {
            url: url.clone(),
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).expect("UTF-8"),
        };
        self.keep(&answer);
        answer
    }

    /// Holds a cookie that no answer has set.
    pub(crate) fn hold(&mut self, url: &Url, cookie: &str) {
        self.store(&origin(url), cookie);
    }

    /// Takes the cookies of an answer, which may have been another tab's.
    pub(crate) fn keep(&mut self, answer: &Answer) {
        for cookie in answer.headers.get_all(SET_COOKIE) {
            self.store(&origin(&answer.url), cookie.to_str().expect("an ASCII cookie"));
        }
    }

    pub(crate) fn cookies(&self, url: &Url) -> BTreeMap<String, String> {
        self.cookies.get(&origin(url)).cloned().unwrap_or_default()
    }

    fn store(&mut self, origin: &str, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let (name, value) = pair.split_once('=').expect("a cookie pair");
        let jar = self.cookies.entry(origin.to_owned()).or_default();
        if attributes.to_ascii_lowercase().contains("max-age=0") {
            jar.remove(name);
        } else {
            jar.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Answer {
    /// Fails on a header that the gateway has no reason to send, and on one that it must send and did not.
    pub(crate) fn checked(self) -> Self {
        for name in self.headers.keys() {
            assert!(ALLOWED_HEADERS.contains(&name.as_str()), "unexpected header {name} from {}", self.url);
        }
        assert_eq!(self.header("cache-control"), "no-store", "{}", self.url);
        assert_eq!(self.header("referrer-policy"), "no-referrer", "{}", self.url);
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{}", self.url);
        assert!(self.header("content-security-policy").contains("frame-ancestors 'none'"), "{}", self.url);
        assert_eq!(self.header("x-request-id").len(), 32, "{}", self.url);
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn next(&self) -> Option<Url> {
        let is_redirect = self.status.is_redirection() && !self.location().is_empty();
        is_redirect.then(|| self.url.join(self.location()).expect("a URL"))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// `reason` of problem details.
    pub(crate) fn reason(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.body);
        self.json()["reason"].as_str().expect("a reason").to_owned()
    }
}

fn origin(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}
