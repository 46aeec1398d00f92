//! Connections to servers. Through a proxy, an `https` URL is asked by a tunnel (RFC 9110, section 9.3.6), so that TLS is
//! with the server itself; an `http` URL is given to the proxy as it is (RFC 9112, section 3.2.2).

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Intercept;
use rustls::ClientConfig;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_service::Service;

pub(super) type Direct = HttpsConnector<HttpConnector>;
pub(super) type Tunnelled = HttpsConnector<Tunnel<Direct>>;

/// TCP, and TLS where the URL says `https`.
pub(super) fn direct(tls: &ClientConfig) -> Direct {
    HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http().enable_http1().build()
}

/// TLS to the server, inside a tunnel through the proxy.
pub(super) fn tunnelled(proxy: &Intercept, user_agent: &HeaderValue, tls: &ClientConfig) -> Tunnelled {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, user_agent.clone());
    if let Some(credentials) = proxy.basic_auth() {
        headers.insert(PROXY_AUTHORIZATION, credentials.clone());
    }
    let tunnel = Tunnel::new(proxy.uri().clone(), direct(tls)).with_headers(headers);
    HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_only()
        .enable_http1()
        .wrap_connector(tunnel)
}

/// Connects to the proxy, whatever is asked for.
#[derive(Clone, Debug)]
pub(super) struct ToProxy {
    proxy: Uri,
    inner: Direct,
}

impl ToProxy {
    pub(super) fn new(proxy: &Intercept, tls: &ClientConfig) -> Self {
        Self { proxy: proxy.uri().clone(), inner: direct(tls) }
    }
}

impl Service<Uri> for ToProxy {
    type Response = ProxyConnection;
    type Error = <Direct as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<ProxyConnection, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = self.inner.call(self.proxy.clone());
        Box::pin(async { connecting.await.map(ProxyConnection) })
    }
}

/// A connection on which requests carry the whole URL.
#[derive(Debug)]
pub(super) struct ProxyConnection(<Direct as Service<Uri>>::Response);

impl Connection for ProxyConnection {
    fn connected(&self) -> Connected {
        self.0.connected().proxy(true)
    }
}

impl Read for ProxyConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for ProxyConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
