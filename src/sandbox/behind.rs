//! A server behind the sandbox: it answers the calls that the sandbox has admitted, in place of the sandbox's own small one.

use super::http::{Reply, Request, reply};
use http_body_util::{BodyExt, Full};
use hyper::StatusCode;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// Its address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behind(SocketAddr);

impl Behind {
    /// # Errors
    ///
    /// The address is not loopback.
    pub(super) fn new(address: SocketAddr) -> io::Result<Self> {
        if address.ip().is_loopback() {
            return Ok(Self(address));
        }
        let why = format!("the sandbox asks servers on loopback only, and {address} is not");
        Err(io::Error::new(io::ErrorKind::InvalidInput, why))
    }

    /// Sends the request as it came, over a connection of its own, and returns the whole answer.
    pub(super) async fn answer(self, request: &Request) -> Reply {
        self.exchange(request).await.unwrap_or_else(|error| {
            let text = format!("The server behind the sandbox does not answer: {error}\n");
            reply(StatusCode::BAD_GATEWAY, "text/plain; charset=utf-8", text)
        })
    }

    async fn exchange(self, request: &Request) -> Result<Reply, Box<dyn Error + Send + Sync>> {
        let mark = if request.query.is_empty() { "" } else { "?" };
        let mut sent = hyper::Request::builder()
            .method(request.method.clone())
            .uri(format!("{}{mark}{}", request.path, request.query))
            .body(Full::new(request.body.clone()))?;
        *sent.headers_mut() = request.headers.clone();
        // These speak of the connection, and the body is whole by now.
        for name in [CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING] {
            sent.headers_mut().remove(name);
        }
        sent.headers_mut().insert(HOST, HeaderValue::try_from(self.0.to_string())?);
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(TcpStream::connect(self.0).await?)).await?;
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(sent).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        connection.abort();
        let mut answer = reply(head.status, "application/octet-stream", body);
        *answer.headers_mut() = head.headers;
        for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            answer.headers_mut().remove(name);
        }
        Ok(answer)
    }
}
