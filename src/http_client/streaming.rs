//! The client for calls with streamed bodies: the same ways and authorities, but connections of its own, so that slow
//! servers do not hold up other requests.

use super::{Cause, Clients, HttpClient, HttpError, HttpErrorKind};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use std::error::Error;
use std::sync::Arc;

/// The body of a request.
pub(crate) type Outgoing = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

#[derive(Clone, Debug)]
pub(crate) struct StreamingClient(Arc<Clients<Outgoing>>);

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
        let clients = Clients::new(clients.egress.clone(), clients.authorities.clone())?;
        Ok(Self(Arc::new(clients)))
    }

    /// Sends a request and waits for the head of its answer. The caller has the deadline; dropping the answer's body ends the
    /// connection.
    ///
    /// # Errors
    ///
    /// There is no answer.
    pub(crate) async fn send(&self, request: Request<Outgoing>) -> Result<Response<Incoming>, NoAnswer> {
        let uri = request.uri().clone();
        let way = self.0.egress.way(&uri);
        self.0.exchange(request, &way).await.map_err(|unreachable| NoAnswer {
            is_unsent: unreachable.is_unsent,
            error: HttpError::new(&uri, &way, HttpErrorKind::Unreachable(unreachable.cause)),
        })
    }
}

/// The reason why an exchange gave no answer.
#[derive(Debug)]
pub(super) struct Unreachable {
    pub(super) cause: Cause,
    pub(super) is_unsent: bool,
}
