//! The client for identity providers, and of a terminal for its gateway: bounded in time and size, follows no redirect, speaks TLS unless the URL is `http`,
//! and goes through a proxy where the environment names one.

mod authorities;
mod connect;
pub mod document;
pub mod egress;
mod error;
mod streaming;

pub use authorities::Authorities;
pub(crate) use authorities::client_tls;
pub(crate) use error::causes;
pub use error::{Cause, HttpError, HttpErrorKind};
pub(crate) use streaming::{NoAnswer, StreamingClient};

use crate::clock::UnixSeconds;
use crate::files::Files;
use crate::secret::Secret;
use connect::{Direct, ToProxy, Tunnelled};
use egress::{Egress, Way};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION,
    PROXY_AUTHORIZATION, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// No answer of an identity provider needs more.
const LARGEST_ANSWER: usize = 256 * 1024;
const DEADLINE: Duration = Duration::from_secs(5);
/// Connections to one host that are kept for later requests: a provider is asked seldom.
const IDLE: usize = 8;
/// The longest `Content-Type` that is shown, in bytes.
const LONGEST_CONTENT_TYPE: usize = 100;
/// RFC 9110, section 10.1.5. Firewalls in front of providers refuse requests without it.
pub(crate) const USER_AGENT_VALUE: HeaderValue =
    HeaderValue::from_static(concat!("postern/", env!("CARGO_PKG_VERSION")));

/// Asks each host by the way that [`Egress`] chooses. TLS is with the server itself, by this machine's [`Authorities`].
#[derive(Clone, Debug)]
pub struct HttpClient(Arc<Clients<Full<Bytes>>>);

#[derive(Debug)]
struct Clients<Sent> {
    egress: Egress,
    authorities: Authorities,
    direct: Client<Direct, Sent>,
    /// Set if there is a proxy for `https`.
    tunnelled: Option<Client<Tunnelled, Sent>>,
    /// Set if there is a proxy for `http`.
    forwarded: Option<Client<ToProxy, Sent>>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
    /// The server's time.
    pub date: Option<UnixSeconds>,
    /// The `Content-Type` as it came, fit to be shown.
    pub content_type: Option<String>,
    /// The address to which the answer sends a browser.
    pub location: Option<String>,
}

impl HttpClient {
    /// Reads the environment and this machine's certificate authorities. Blocks.
    ///
    /// # Errors
    ///
    /// There are no authorities, or a variable that should name a proxy does not.
    pub fn new() -> Result<Self, String> {
        let (egress, authorities) = (Egress::from_environment()?, Authorities::load(&Files::default())?);
        Ok(Self(Arc::new(Clients::new(egress, authorities, IDLE)?)))
    }

    pub fn egress(&self) -> &Egress {
        &self.0.egress
    }

    pub fn authorities(&self) -> &Authorities {
        &self.0.authorities
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

    /// Sends JSON to a gateway.
    ///
    /// # Errors
    ///
    /// As [`HttpClient::get`].
    pub async fn post_json(
        &self,
        url: &Url,
        authorization: Option<&Secret>,
        body: Vec<u8>,
    ) -> Result<Answer, HttpError> {
        self.send(Method::POST, url, authorization, Some("application/json"), Bytes::from(body)).await
    }

    /// Takes back the credential that it presents.
    ///
    /// # Errors
    ///
    /// As [`HttpClient::get`].
    pub async fn delete(&self, url: &Url, authorization: &Secret) -> Result<Answer, HttpError> {
        self.send(Method::DELETE, url, Some(authorization), None, Bytes::new()).await
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        authorization: Option<&Secret>,
        content_type: Option<&'static str>,
        body: Bytes,
    ) -> Result<Answer, HttpError> {
        let uri: Uri =
            url.as_str().parse().map_err(|_| HttpError::unsendable(url, "the URL cannot be asked for"))?;
        let way = self.0.egress.way(&uri);
        let failed = |kind| HttpError::new(&uri, &way, kind);
        let asks_user_info = method == Method::GET && authorization.is_some();
        let accept = if asks_user_info { "application/json, application/jwt" } else { "application/json" };
        let mut request = Request::builder().method(method).uri(uri.clone());
        request = request.header(ACCEPT, accept).header(USER_AGENT, USER_AGENT_VALUE);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::from_bytes(authorization.expose())
                .map_err(|_| HttpError::unsendable(url, "the credential cannot stand in a header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|_| HttpError::unsendable(url, "the request cannot be written"))?;
        let exchange = async {
            let response = self
                .0
                .exchange(request, &way)
                .await
                .map_err(|unreachable| failed(HttpErrorKind::Unreachable(unreachable.cause)))?;
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
                    Err(failed(HttpErrorKind::TooLarge(LARGEST_ANSWER)))
                }
                Err(error) => Err(failed(HttpErrorKind::Unreachable(Cause::of(&*error, false)))),
            }
        };
        match tokio::time::timeout(DEADLINE, exchange).await {
            Ok(result) => result,
            Err(_) => Err(failed(HttpErrorKind::TimedOut(DEADLINE))),
        }
    }
}

/// The reason why an exchange gave no answer.
#[derive(Debug)]
struct Unreachable {
    cause: Cause,
    /// No connection was made, so nothing was sent.
    is_unsent: bool,
}

impl<Sent> Clients<Sent>
where
    Sent: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    /// Keeps so many idle connections to each host.
    ///
    /// # Errors
    ///
    /// TLS cannot be set up.
    fn new(egress: Egress, authorities: Authorities, idle: usize) -> Result<Self, String> {
        let tls = client_tls(authorities.roots())?;
        let [https, http] = egress.proxies();
        let tunnelled = https.map(|proxy| pooled(connect::tunnelled(proxy, &USER_AGENT_VALUE, &tls), idle));
        let forwarded = http.map(|proxy| pooled(ToProxy::new(proxy, &tls), idle));
        let direct = pooled(connect::direct(&tls), idle);
        Ok(Self { egress, authorities, direct, tunnelled, forwarded })
    }

    async fn exchange(
        &self,
        mut request: Request<Sent>,
        way: &Way,
    ) -> Result<Response<Incoming>, Unreachable> {
        let is_https = request.uri().scheme_str() == Some("https");
        let (response, is_forwarded) = match (way, &self.tunnelled, &self.forwarded) {
            (Way::Proxy(_), Some(tunnelled), _) if is_https => (tunnelled.request(request).await, false),
            (Way::Proxy(proxy), _, Some(forwarded)) if !is_https => {
                if let Some(credentials) = proxy.basic_auth() {
                    request.headers_mut().insert(PROXY_AUTHORIZATION, credentials.clone());
                }
                (forwarded.request(request).await, true)
            }
            (Way::Proxy(_), ..) => {
                let cause = Cause::Other("the proxy is not known".to_owned());
                return Err(Unreachable { cause, is_unsent: true });
            }
            (Way::Direct, ..) => (self.direct.request(request).await, false),
        };
        match response {
            Ok(response)
                if is_forwarded && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED =>
            {
                Err(Unreachable { cause: Cause::ProxyCredentials, is_unsent: true })
            }
            Ok(response) => Ok(response),
            Err(error) => Err(Unreachable {
                cause: Cause::of(&error, is_forwarded && error.is_connect()),
                is_unsent: error.is_connect(),
            }),
        }
    }
}

fn pooled<C: Connect + Clone, Sent: Body<Data: Send> + Send>(connector: C, idle: usize) -> Client<C, Sent> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(idle)
        .build(connector)
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
