//! One access-log event and one count per request, however it ends.

use crate::metrics::Metrics;
use crate::metrics::series::{GONE, PROBE};
use crate::provider::principal::Principal;
use crate::server::Body;
use crate::telemetry::{self, request_ids::RequestIds};
use hyper::body::Body as _;
use hyper::http::request;
use hyper::{HeaderMap, Method, Response, StatusCode, Version};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::time::Instant;

/// A request under way. It is logged when it is dropped, so a request that is cut off is logged too. The path is not logged: it
/// may show what a person works on, and a callback's query holds a code.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    started: Instant,
    peer: SocketAddr,
    client: Option<IpAddr>,
    method: &'static str,
    version: &'static str,
    destination: Option<Arc<str>>,
    person: Option<Arc<Principal>>,
    /// The failure's reason, or another stable word.
    outcome: Option<&'static str>,
    status: Option<u16>,
    bytes: Option<u64>,
    metrics: &'a Metrics,
}

impl<'a> Exchange<'a> {
    pub(crate) fn begin(
        head: &request::Parts,
        peer: SocketAddr,
        client: Option<IpAddr>,
        metrics: &'a Metrics,
    ) -> Self {
        Self {
            started: Instant::now(),
            peer,
            client,
            method: known(&head.method),
            version: version(head.version),
            destination: None,
            person: None,
            outcome: None,
            status: None,
            bytes: None,
            metrics,
        }
    }

    /// Takes configured destinations only, never a name from the path: it becomes a metric's label.
    pub(crate) fn opens(&mut self, destination: &Arc<str>, person: &Arc<Principal>) {
        self.destination = Some(Arc::clone(destination));
        self.person = Some(Arc::clone(person));
    }

    /// The person who is answered, if a destination was asked for.
    pub(crate) fn person(&self) -> Option<&Principal> {
        self.person.as_deref()
    }

    pub(crate) fn destination(&self) -> Option<&str> {
        self.destination.as_deref()
    }

    pub(crate) fn outcome(&mut self, outcome: &'static str) {
        self.outcome = Some(outcome);
    }

    /// The answer to a health check.
    pub(crate) fn probed(&mut self, answer: Response<Body>) -> Response<Body> {
        self.outcome = Some(PROBE);
        answer
    }

    pub(crate) fn end(mut self, response: Response<Body>) -> Response<Body> {
        self.status = Some(response.status().as_u16());
        self.bytes = response.body().size_hint().exact();
        self.outcome.get_or_insert("ok");
        response
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let outcome = self.outcome.filter(|_| self.status.is_some()).unwrap_or(GONE);
        self.metrics.request(self.destination.as_ref(), outcome, Some(took));
        tracing::info!(
            target: "postern::access",
            outcome,
            http.method = self.method,
            http.version = self.version,
            http.status = self.status,
            http.response_bytes = self.bytes,
            peer.address = %self.peer.ip().to_canonical(),
            client.address = self.client.map(tracing::field::display),
            destination = self.destination.as_deref(),
            duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }
}

/// A malformed or too large request that the server answered before it came here.
pub(crate) async fn refused(peer: SocketAddr, status: StatusCode, metrics: &Metrics) {
    let outcome = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "head-too-large",
        StatusCode::NOT_IMPLEMENTED => "unknown-transfer-coding",
        _ => "malformed-request",
    };
    metrics.request(None, outcome, None);
    let event = async {
        tracing::info!(
            target: "postern::access",
            outcome,
            http.status = status.as_u16(),
            peer.address = %peer.ip().to_canonical(),
            duration_us = 0,
            "request"
        );
    };
    telemetry::within(RequestIds::of(&HeaderMap::new()), event).await;
}

/// Clients may invent methods of any length; the log names the registered ones.
pub(super) fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.into_iter().find(|known| method == known).unwrap_or("other")
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        _ => "other",
    }
}
