//! One connection of a client that never tries anything twice: what it has sent is answered, or it is lost and counted.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::header::{HOST, HeaderMap, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error as _;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use url::Url;

/// Longer than the gateway may ever take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is connected to.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    /// What a browser's address line says.
    pub(crate) url: Url,
    /// For HTTP/1.1 and HTTP/2, as they differ in what they ask for.
    tls: Option<[TlsConnector; 2]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// HTTP/1.1, one request after the other.
    KeepAlive,
    /// HTTP/1.1, a connection for each request.
    Fresh,
    Http2,
}

pub(crate) struct Connection {
    front: Front,
    style: Style,
    sender: Option<Sender>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) took: Duration,
}

/// A request that has no whole answer.
#[derive(Debug)]
pub(crate) enum Lost {
    NotConnected(String),
    /// It went out, or a part of it.
    Unanswered(String),
    Late,
}

impl Front {
    pub(crate) fn plain(address: SocketAddr, url: Url) -> Self {
        Self { address, url, tls: None }
    }

    /// By TLS, with a certificate of this authority.
    pub(crate) fn tls(address: SocketAddr, url: Url, authority: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).expect("a certificate")).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ["http/1.1", "h2"].map(|protocol| {
            let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
            let builder = builder.with_safe_default_protocol_versions().expect("protocol versions");
            let mut config = builder.with_root_certificates(roots.clone()).with_no_client_auth();
            config.alpn_protocols = vec![protocol.into()];
            TlsConnector::from(Arc::new(config))
        });
        Self { address, url, tls: Some(tls) }
    }

    /// The same site under the same name, at another address.
    pub(crate) fn at(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    pub(crate) fn connect(&self, style: Style) -> Connection {
        Connection { front: self.clone(), style, sender: None }
    }
}

impl Connection {
    pub(crate) async fn get(&mut self, path: &str, headers: &HeaderMap) -> Result<Answer, Lost> {
        self.send(Method::GET, path, headers, "").await
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: &str,
    ) -> Result<Answer, Lost> {
        let began = Instant::now();
        let request = self.request(method, path, headers, body);
        match timeout(PATIENCE, self.exchange(request)).await {
            Ok(Ok((head, body))) => {
                let (status, headers) = (head.status, head.headers);
                Ok(Answer { status, headers, body, took: began.elapsed() })
            }
            Ok(Err(lost)) => Err(lost),
            Err(_) => {
                self.sender = None;
                Err(Lost::Late)
            }
        }
    }

    fn request(&self, method: Method, path: &str, headers: &HeaderMap, body: &str) -> Request<Full<Bytes>> {
        let url = &self.front.url;
        let authority = url.authority();
        let uri = match self.style {
            Style::Http2 => format!("{}://{authority}{path}", url.scheme()),
            Style::KeepAlive | Style::Fresh => path.to_owned(),
        };
        let mut request = Request::new(Full::new(Bytes::from(body.to_owned())));
        *request.method_mut() = method;
        *request.uri_mut() = uri.parse().expect("a path");
        *request.headers_mut() = headers.clone();
        if self.style != Style::Http2 {
            request.headers_mut().insert(HOST, authority.parse().expect("a host"));
        }
        request
    }

    /// A request that was not written yet when its connection turned out to be closed, or that the server has said it did not
    /// take, goes out on another one, as every client does; nothing else is sent again.
    async fn exchange(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(hyper::http::response::Parts, Bytes), Lost> {
        loop {
            let is_new = self.sender.is_none();
            let mut sender = match self.sender.take() {
                Some(sender) => sender,
                None => self.open().await?,
            };
            let again = (self.style == Style::Http2).then(|| request.clone());
            let response = match sender.try_send(request).await {
                Ok(response) => response,
                Err(mut error) => {
                    match error.take_message().or(again.filter(|_| was_not_taken(error.error()))) {
                        Some(unsent) if !is_new => {
                            request = unsent;
                            continue;
                        }
                        Some(_) => return Err(Lost::NotConnected(causes(error.error()))),
                        None => return Err(Lost::Unanswered(causes(error.error()))),
                    }
                }
            };
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| Lost::Unanswered(causes(&error)))?.to_bytes();
            if self.style != Style::Fresh {
                self.sender = Some(sender);
            }
            return Ok((head, body));
        }
    }

    async fn open(&self) -> Result<Sender, Lost> {
        let refused = |error: std::io::Error| Lost::NotConnected(error.to_string());
        let stream = TcpStream::connect(self.front.address).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let Some(tls) = &self.front.tls else { return self.speak(stream).await };
        let tls = &tls[usize::from(self.style == Style::Http2)];
        let host = self.front.url.host_str().expect("a host").to_owned();
        let host = ServerName::try_from(host).expect("a server's name");
        self.speak(tls.connect(host, stream).await.map_err(refused)?).await
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Sender, Lost> {
        let refused = |error: hyper::Error| Lost::NotConnected(causes(&error));
        let stream = TokioIo::new(stream);
        if self.style == Style::Http2 {
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), stream).await.map_err(refused)?;
            tokio::spawn(connection);
            return Ok(Sender::Http2(sender));
        }
        let (sender, connection) = http1::handshake(stream).await.map_err(refused)?;
        tokio::spawn(connection);
        Ok(Sender::Http1(sender))
    }
}

impl Sender {
    async fn try_send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        // Where this fails, so does sending, which gives the request back.
        match self {
            Self::Http1(sender) => {
                _ = sender.ready().await;
                sender.try_send_request(request).await
            }
            Self::Http2(sender) => {
                _ = sender.ready().await;
                sender.try_send_request(request).await
            }
        }
    }
}

impl Answer {
    pub(crate) fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or("(not UTF-8)")
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(why) => write!(f, "not connected: {why}"),
            Self::Unanswered(why) => write!(f, "sent and not answered: {why}"),
            Self::Late => write!(f, "no answer within {PATIENCE:?}"),
        }
    }
}

/// Whether the connection was ending in peace, and the stream was none of those that are still answered (RFC 9113, section
/// 6.8).
fn was_not_taken(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        cause.is_go_away() && cause.is_remote() && cause.reason() == Some(h2::Reason::NO_ERROR)
    })
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
