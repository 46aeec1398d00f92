//! The listener for the platform: metrics and health, nothing for people.

use crate::config::Limits;
use crate::gateway::respond;
use crate::metrics::series::Refusals;
use crate::metrics::{Exposition, Metrics};
use crate::server::peer::Peer;
use crate::server::readiness::Readiness;
use crate::server::settings::ListenerSettings;
use crate::server::{self, Answers, Body, Serving, WhenFull};
use arc_swap::ArcSwap;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use prometheus_client::metrics::gauge::Gauge;
use serde_json::json;
use std::future::pending;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::net::TcpListener;

/// More than scrapers and probers need. A further connection closes the oldest, so silent ones cannot keep a probe out.
const MOST_CONNECTIONS: usize = 64;

/// The configuration in force, as this process reports it.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) digest: String,
    pub(crate) since: SystemTime,
    /// Set while the file on disk is refused: the time since when, and the differences; `None` where they cannot be
    /// read.
    pub(crate) refused: Option<(SystemTime, Option<Vec<String>>)>,
}

/// Serves for as long as the process lives: a draining gateway is still measured.
pub(crate) async fn serve(
    listener: TcpListener,
    limits: &Limits,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    in_force: Arc<ArcSwap<InForce>>,
) {
    let limits = Limits { connections: MOST_CONNECTIONS, ..limits.clone() };
    let serving = Serving {
        settings: Arc::new(ArcSwap::from_pointee(ListenerSettings::plain(limits))),
        when_full: WhenFull::CloseOldest,
        // This listener's connections stay open while the gateway's drain.
        readiness: Readiness::default(),
        open: Gauge::default(),
        refused: Refusals::default(),
        active: Gauge::default(),
        handler: Admin { metrics, readiness, in_force },
    };
    if let Err(error) = server::serve(listener, serving, pending()).await {
        tracing::error!(%error, "admin.ended");
    }
}

struct Admin {
    metrics: Arc<Metrics>,
    readiness: Readiness,
    in_force: Arc<ArcSwap<InForce>>,
}

impl Answers for Admin {
    async fn answer(&self, request: Request<Incoming>, _: Peer) -> Response<Body> {
        answer(&request, self)
    }
}

fn answer(request: &Request<Incoming>, admin: &Admin) -> Response<Body> {
    let Admin { metrics, readiness, in_force } = admin;
    if *request.method() != Method::GET && *request.method() != Method::HEAD {
        let mut response = respond::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/-/live" => respond::text(StatusCode::OK, "live\n"),
        "/-/ready" => respond::ready(readiness.is_ready()),
        "/-/config" => {
            let mut response = Response::new(Body::from(in_force.load().json()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        "/metrics" => {
            metrics.ready.set(readiness.is_ready().into());
            let exposition = Exposition::negotiated(request.headers());
            let mut response = Response::new(Body::from(metrics.render(exposition)));
            response.headers_mut().insert(CONTENT_TYPE, exposition.content_type());
            response
        }
        _ => respond::text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

impl InForce {
    fn json(&self) -> String {
        let time = |time: SystemTime| humantime::format_rfc3339_millis(time).to_string();
        let refused = self.refused.as_ref();
        let refused = refused.map(|(since, differs)| json!({"since": time(*since), "differs": differs}));
        let shown = json!({"config_digest": self.digest, "since": time(self.since), "refused": refused});
        format!("{shown:#}\n")
    }
}
