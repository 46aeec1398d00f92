//! A client of a load balancer: TLS, either version of HTTP, an address of its own, and a connection for each request.

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

/// Where the client comes from; load balancers connect from 127.0.0.1.
pub(super) const ADDRESS: &str = "127.0.0.5";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

pub(super) type Answer = Response<Bytes>;

#[derive(Debug)]
pub(super) struct Client {
    port: u16,
    certificate: CertificateDer<'static>,
    token: String,
}

impl Client {
    /// Asks `https://localhost:PORT`, whose certificate is the one in this file, with a bearer token.
    pub(super) fn new(port: u16, certificate: &Path, token: String) -> Self {
        let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
        Self { port, certificate, token }
    }

    /// `GET`, with a client's lie about where it comes from.
    pub(super) async fn get(&self, version: Version, path: &str) -> Answer {
        let authority = format!("localhost:{}", self.port);
        let request = Request::get(match version {
            Version::Http1 => path.to_owned(),
            Version::Http2 => format!("https://{authority}{path}"),
        });
        let request = match version {
            Version::Http1 => request.header("host", &authority),
            Version::Http2 => request,
        };
        let request = request
            .header("authorization", format!("Bearer {}", self.token))
            .header("x-forwarded-for", "203.0.113.7")
            .body(Empty::<Bytes>::new())
            .expect("a request");
        let stream = TokioIo::new(self.connect(version).await);
        let response = match version {
            Version::Http1 => {
                let (mut sender, connection) = http1::handshake(stream).await.expect("HTTP/1.1");
                tokio::spawn(connection);
                sender.send_request(request).await
            }
            Version::Http2 => {
                let (mut sender, connection) =
                    http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2");
                tokio::spawn(connection);
                sender.send_request(request).await
            }
        };
        let (head, body) = response.expect("an answer").into_parts();
        Response::from_parts(head, body.collect().await.expect("a whole body").to_bytes())
    }

    async fn connect(&self, version: Version) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(format!("{ADDRESS}:0").parse().expect("an address")).expect("an address of its own");
        let balancer = SocketAddr::from(([127, 0, 0, 1], self.port));
        let stream = socket.connect(balancer).await.expect("a connection");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let protocol: &[u8] = if version == Version::Http2 { b"h2" } else { b"http/1.1" };
        tls.alpn_protocols = vec![protocol.to_vec()];
        let name = "localhost".try_into().expect("a name");
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await.expect("TLS");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        stream
    }
}
