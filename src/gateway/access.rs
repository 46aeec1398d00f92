//! One access-log event and one count per request, however it ends.

use super::respond::Body;
use crate::authn::principal::Principal;
use crate::metrics::Metrics;
use hyper::http::request;
use hyper::{Method, Response, StatusCode};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A request under way. It is logged when it is dropped, so a client that hangs up is logged too. The path is not:
/// it may hold what a person works on, and a callback's query holds a code.
#[derive(Debug)]
pub struct Exchange<'a> {
    request_id: String,
    started: Instant,
    peer: SocketAddr,
    method: &'static str,
    destination: Option<Arc<str>>,
    person: Option<String>,
    /// The failure's reason, or another word for how it went.
    outcome: Option<&'static str>,
    status: Option<u16>,
    metrics: &'a Metrics,
}

impl<'a> Exchange<'a> {
    pub fn begin(head: &request::Parts, peer: SocketAddr, metrics: &'a Metrics) -> Self {
        Self {
            request_id: request_id(),
            started: Instant::now(),
            peer,
            method: known(&head.method),
            destination: None,
            person: None,
            outcome: None,
            status: None,
            metrics,
        }
    }

    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// A configured destination, never a name that merely stood in the path: it becomes a metric's label.
    pub fn opens(&mut self, destination: &Arc<str>, person: &Principal) {
        self.destination = Some(Arc::clone(destination));
        self.person = Some(person.user.clone());
    }

    /// Who asked, for the page that answers them.
    pub fn person(&self) -> Option<&str> {
        self.person.as_deref()
    }

    pub fn destination(&self) -> Option<&str> {
        self.destination.as_deref()
    }

    pub fn outcome(&mut self, outcome: &'static str) {
        self.outcome = Some(outcome);
    }

    pub fn end(mut self, response: Response<Body>) -> Response<Body> {
        self.status = Some(response.status().as_u16());
        self.outcome.get_or_insert("ok");
        response
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let outcome = self.outcome.filter(|_| self.status.is_some()).unwrap_or("client-gone");
        self.metrics.request(self.destination.as_ref(), outcome, took);
        tracing::info!(
            target: "postern::access",
            request_id = %self.request_id,
            peer = %self.peer.ip(),
            method = self.method,
            destination = self.destination.as_deref(),
            status = self.status,
            outcome,
            duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }
}

/// A request that could not be understood, or whose head was too large, and was answered before it came here.
pub fn refused(peer: SocketAddr, status: StatusCode, metrics: &Metrics) {
    let is_large = status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    let outcome = if is_large { "head-too-large" } else { "malformed-request" };
    metrics.request(None, outcome, Duration::ZERO);
    tracing::info!(
        target: "postern::access",
        request_id = %request_id(),
        peer = %peer.ip(),
        status = status.as_u16(),
        outcome,
        duration_us = 0,
        "request"
    );
}

/// A client chooses its methods, and their length; a log wants the registered ones.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.into_iter().find(|known| method == known).unwrap_or("other")
}

/// 128 random bits in hexadecimal.
fn request_id() -> String {
    let mut bytes = [0_u8; 16];
    // Only a name for support to join records by: without randomness it is all zeroes, and the request goes on.
    _ = aws_lc_rs::rand::fill(&mut bytes);
    bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}
