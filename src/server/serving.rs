//! The settings of a listener, and the handler of its requests.

use super::body::Body;
use super::peer::Peer;
use super::readiness::Readiness;
use super::settings::ListenerSettings;
use crate::metrics::series::Refusals;
use arc_swap::ArcSwap;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use prometheus_client::metrics::gauge::Gauge;
use std::future::{Future, ready};
use std::sync::Arc;

/// Answers what a listener receives.
pub trait Answers: Send + Sync + 'static {
    /// The answer to one request. Never fails: a failure is an answer, too.
    fn answer(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;

    /// A malformed or too large request was answered with `status` without a call of [`answer`](Self::answer).
    fn refused(&self, _peer: Peer, _status: StatusCode) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

/// The settings and the handler of a listener.
#[derive(Debug)]
pub struct Serving<Handler> {
    pub handler: Handler,
    /// For new connections. `limits.connections` is read when serving begins.
    pub settings: Arc<ArcSwap<ListenerSettings>>,
    pub when_full: WhenFull,
    pub readiness: Readiness,
    /// Open connections.
    pub open: Gauge,
    /// Open connections with a request under way.
    pub active: Gauge,
    /// Connections that ended before a request was complete.
    pub refused: Refusals,
}

/// The treatment of connections beyond `limits.connections`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// They wait in the kernel's queue.
    Wait,
    /// Each closes the oldest open one.
    CloseOldest,
}
