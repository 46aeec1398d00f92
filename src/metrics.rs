//! Numbers for operators, in OpenMetrics. No label carries a user, a path or anything else a client can invent.

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A request is counted for the configured destination it named, or for `-`: unknown names make no series.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    destination: Arc<str>,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MintLabels {
    destination: Arc<str>,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EventLabels {
    event: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_duration: Histogram,
    mints: Family<MintLabels, Counter>,
    mint_duration: Histogram,
    sessions: Family<EventLabels, Counter>,
    reloads: Family<OutcomeLabels, Counter>,
    connections: Gauge,
    state_up: Gauge,
    audit_lost: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = || Histogram::new([0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
        let mut metrics = Self {
            registry: Registry::with_prefix("postern"),
            requests: Family::default(),
            request_duration: seconds(),
            mints: Family::default(),
            mint_duration: seconds(),
            sessions: Family::default(),
            reloads: Family::default(),
            connections: Gauge::default(),
            state_up: Gauge::default(),
            audit_lost: Counter::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "Answered requests", metrics.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "From the request's head to its answer",
            Unit::Seconds,
            metrics.request_duration.clone(),
        );
        registry.register("mints", "Presign operations and how they ended", metrics.mints.clone());
        registry.register_with_unit(
            "mint_duration",
            "State look-up, credentials and presign call together",
            Unit::Seconds,
            metrics.mint_duration.clone(),
        );
        registry.register("sessions", "What happened to browser sessions", metrics.sessions.clone());
        registry.register("reloads", "Attempts to load the configuration again", metrics.reloads.clone());
        registry.register(
            "connections",
            "Open connections of the main listener",
            metrics.connections.clone(),
        );
        registry.register(
            "state_up",
            "Whether the state answers: 1, or 0 while its server is away",
            metrics.state_up.clone(),
        );
        registry.register(
            "audit_lost",
            "Audit records that could not be written",
            metrics.audit_lost.clone(),
        );
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running program", version);
        metrics
    }
}

impl Metrics {
    pub fn request(&self, destination: Option<&Arc<str>>, outcome: &'static str, took: Duration) {
        let destination = destination.map_or_else(|| Arc::from("-"), Arc::clone);
        self.requests.get_or_create(&RequestLabels { destination, outcome }).inc();
        self.request_duration.observe(took.as_secs_f64());
    }

    pub fn mint(
        &self,
        destination: &Arc<str>,
        operation: &'static str,
        outcome: &'static str,
        took: Duration,
    ) {
        let labels = MintLabels { destination: Arc::clone(destination), operation, outcome };
        self.mints.get_or_create(&labels).inc();
        self.mint_duration.observe(took.as_secs_f64());
    }

    pub fn session(&self, event: &'static str) {
        self.sessions.get_or_create(&EventLabels { event }).inc();
    }

    pub fn reload(&self, outcome: &'static str) {
        self.reloads.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub fn connections(&self) -> &Gauge {
        &self.connections
    }

    pub fn state_up(&self) -> &Gauge {
        &self.state_up
    }

    /// The whole set in the OpenMetrics text format, version 1.0.0.
    pub fn render(&self, audit_lost: u64) -> String {
        self.audit_lost.inner().store(audit_lost, Ordering::Relaxed);
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a `String` does not fail; an empty exposition is the honest answer if it ever does.
            Err(std::fmt::Error) => String::from("# EOF\n"),
        }
    }
}
