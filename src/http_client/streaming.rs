//! The client for calls with streamed bodies, in both directions. It uses the proxies and authorities of [`HttpClient`], but
//! its own connections, so that slow servers do not hold up other requests.

use super::{Clients, HttpClient, HttpError, HttpErrorKind};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::{Request, Response};
use std::error::Error;
use std::sync::Arc;

/// Connections to one host that are kept for later requests. With fewer than are busy at a time, calls begin with a handshake.
const IDLE: usize = 128;

#[derive(Clone, Debug)]
pub(crate) struct StreamingClient(Arc<Clients<SentBody>>);

/// The body of a request: whole bytes, or a stream.
type SentBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// The reason why there is no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    pub(crate) error: HttpError,
    /// No connection was made, so nothing was sent.
    pub(crate) is_unsent: bool,
}

impl StreamingClient {
    /// # Errors
    ///
    /// TLS cannot be set up.
    pub(crate) fn new(http: &HttpClient) -> Result<Self, String> {
        let HttpClient(clients) = http;
        let clients = Clients::new(clients.egress.clone(), clients.authorities.clone(), IDLE)?;
        Ok(Self(Arc::new(clients)))
    }

    /// Sends a request with a whole body and waits for the head of its answer. The caller has the deadline; dropping the
    /// answer's body ends the connection.
    ///
    /// # Errors
    ///
    /// There is no answer.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>, NoAnswer> {
        self.send_streamed(request.map(Full::new)).await
    }

    /// As [`StreamingClient::send`], with a body that is sent as it comes. An error of the body ends the connection, so that
    /// the server never takes a part for the whole.
    ///
    /// # Errors
    ///
    /// There is no answer.
    pub(crate) async fn send_streamed<Sent>(
        &self,
        request: Request<Sent>,
    ) -> Result<Response<Incoming>, NoAnswer>
    where
        Sent: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let uri = request.uri().clone();
        let way = self.0.egress.way(&uri);
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        self.0.exchange(request, &way).await.map_err(|unreachable| NoAnswer {
            is_unsent: unreachable.is_unsent,
            error: HttpError::new(&uri, &way, HttpErrorKind::Unreachable(unreachable.cause)),
        })
    }
}
