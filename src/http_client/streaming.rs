//! The client for calls with streamed answers. It uses the proxies and authorities of [`HttpClient`], but its own
//! connections, so that slow servers do not hold up other requests.

use super::{Clients, HttpClient, HttpError, HttpErrorKind};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) struct StreamingClient(Arc<Clients>);

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
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, NoAnswer> {
        let uri = request.uri().clone();
        let way = self.0.egress.way(&uri);
        self.0.exchange(request, &way).await.map_err(|unreachable| NoAnswer {
            is_unsent: unreachable.is_unsent,
            error: HttpError::new(&uri, &way, HttpErrorKind::Unreachable(unreachable.cause)),
        })
    }
}
