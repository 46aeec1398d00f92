//! The client for identity providers: bounded in time and size, follows no redirect, speaks TLS unless the URL is `http`.

pub mod document;
pub mod egress;

use crate::clock::UnixSeconds;
use crate::secret::Secret;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::fmt;
use std::time::Duration;
use url::Url;

/// No answer of an identity provider needs more.
const LARGEST_ANSWER: usize = 256 * 1024;
const DEADLINE: Duration = Duration::from_secs(5);
/// How much of a `Content-Type` is told.
const LONGEST_CONTENT_TYPE: usize = 100;

#[derive(Clone, Debug)]
pub struct HttpClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
    /// What time it is there.
    pub date: Option<UnixSeconds>,
    /// The `Content-Type` as it came, fit to be shown.
    pub content_type: Option<String>,
    /// Where the answer sends a browser.
    pub location: Option<String>,
}

/// Why there is no answer. Carries the host asked, never a query or a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    TimedOut { host: String },
    Unreachable { host: String, cause: String },
    TooLarge { host: String },
}

impl HttpClient {
    /// # Errors
    ///
    /// The machine's certificate store cannot be read.
    pub fn new() -> Result<Self, String> {
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_native_roots()
            .map_err(|error| format!("no certificate authorities on this machine: {error}"))?
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(8)
            .build(connector);
        Ok(Self(client))
    }

    /// # Errors
    ///
    /// [`HttpError`] where no complete answer came in time and size.
    pub async fn get(&self, url: &Url) -> Result<Answer, HttpError> {
        self.send(Method::GET, url, None, None, Bytes::new()).await
    }

    /// Asks with a bearer token (`UserInfo`, whose answer may be signed: OpenID Connect Core 1.0, section 5.3.2).
    ///
    /// # Errors
    ///
    /// As [`HttpClient::get`].
    pub async fn get_authorized(&self, url: &Url, authorization: &Secret) -> Result<Answer, HttpError> {
        self.send(Method::GET, url, Some(authorization), None, Bytes::new()).await
    }

    /// Sends `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    ///
    /// As [`HttpClient::get`].
    pub async fn post_form(
        &self,
        url: &Url,
        authorization: Option<&Secret>,
        form: String,
    ) -> Result<Answer, HttpError> {
        let content_type = "application/x-www-form-urlencoded";
        self.send(Method::POST, url, authorization, Some(content_type), Bytes::from(form)).await
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        authorization: Option<&Secret>,
        content_type: Option<&'static str>,
        body: Bytes,
    ) -> Result<Answer, HttpError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let unreachable = |cause: String| HttpError::Unreachable { host: host.clone(), cause };
        let asks_user_info = method == Method::GET && authorization.is_some();
        let accept = if asks_user_info { "application/json, application/jwt" } else { "application/json" };
        let mut request = Request::builder().method(method).uri(url.as_str()).header(ACCEPT, accept);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::from_bytes(authorization.expose())
                .map_err(|_| unreachable("the credential cannot stand in a header".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| unreachable(error.to_string()))?;
        let exchange = async {
            let response = self.0.request(request).await.map_err(|error| unreachable(causes(&error)))?;
            let (head, body) = response.into_parts();
            match Limited::new(body, LARGEST_ANSWER).collect().await {
                Ok(body) => Ok(Answer {
                    status: head.status,
                    body: body.to_bytes(),
                    date: date(&head.headers),
                    content_type: kind(&head.headers),
                    location: text(&head.headers, &LOCATION).map(str::to_owned),
                }),
                Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                    Err(HttpError::TooLarge { host: host.clone() })
                }
                Err(error) => Err(unreachable(error.to_string())),
            }
        };
        match tokio::time::timeout(DEADLINE, exchange).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::TimedOut { host: host.clone() }),
        }
    }
}

/// RFC 9110, section 6.6.1.
fn date(headers: &HeaderMap) -> Option<UnixSeconds> {
    UnixSeconds::of_http_date(text(headers, &DATE)?)
}

fn kind(headers: &HeaderMap) -> Option<String> {
    Some(text(headers, &CONTENT_TYPE)?.chars().take(LONGEST_CONTENT_TYPE).collect())
}

/// A header that is visible ASCII.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// An error with its causes: the outermost of hyper's says only that the client failed, and the AWS SDK's only that a
/// dispatch did.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl HttpError {
    /// The other side is out of reach or too slow. An answer that is too long is an answer.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Unreachable { .. } => true,
            Self::TooLarge { .. } => false,
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { host } => write!(f, "{host} did not answer within {} s", DEADLINE.as_secs()),
            Self::Unreachable { host, cause } => write!(f, "{host} cannot be reached: {cause}"),
            Self::TooLarge { host } => {
                write!(f, "{host} answered with more than {} KiB", LARGEST_ANSWER / 1024)
            }
        }
    }
}

impl std::error::Error for HttpError {}
