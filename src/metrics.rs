//! Numbers for operators, in OpenMetrics. No label carries a user, a path or anything else that a client can invent.

pub mod calls;
mod exposition;
pub mod series;
pub mod wakes;

pub use exposition::Exposition;

use self::calls::Calls;
use self::series::{
    AwsCallLabels, ConfigLabels, IssuerLabels, IssuerSeries, MintLabels, MintUnderWay, NONE, Refusals,
    Reloads, RequestLabels, Sessions, Slots, Unlabelled,
};
use self::wakes::Wakes;
use crate::clock::UnixSeconds;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use std::sync::Arc;
use std::time::Duration;

/// In seconds. A decision takes less than a millisecond, a launch as long as AWS does, a request 45 s at most.
const REQUEST_BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0];
/// In seconds, up to the longest `aws.timeout`.
const MINT_BUCKETS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0, 30.0];

#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    none: Arc<str>,
    requests: Family<RequestLabels, Counter>,
    request_duration: Histogram,
    tokens: Family<IssuerLabels, Counter>,
    jwks_refreshes: Family<IssuerLabels, Counter>,
    mints: Family<MintLabels, Counter>,
    mint_duration: Histogram,
    aws_calls: Family<AwsCallLabels, Counter>,
    config: Family<ConfigLabels, Gauge>,
    config_loaded: Gauge,
    certificate_expires: Family<Unlabelled, Gauge>,
    pub aws_calls_running: Gauge,
    pub aws_calls_waiting: Gauge,
    pub aws_calls_limit: Gauge,
    pub calls: Calls,
    pub wakes: Wakes,
    pub slots: Slots,
    pub sessions: Sessions,
    pub tokens_issued: Counter,
    pub reloads: Reloads,
    pub config_changes: Counter,
    pub connections: Gauge,
    pub connections_active: Gauge,
    pub connections_limit: Gauge,
    pub connections_refused: Refusals,
    pub ready: Gauge,
    pub state_up: Gauge,
    pub audit_lost: Counter,
}

impl Metrics {
    /// All metrics. The log itself counts `log_lost`, as it starts earlier.
    pub fn new(log_lost: &Counter) -> Self {
        let mut new = New(Registry::with_prefix("postern"));
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        new.0.register("build", "The running program", version);
        new.0.register("log_lost", "Lines of the log that could not be written", log_lost.clone());
        let (requests, mints) = (Histogram::new(REQUEST_BUCKETS), Histogram::new(MINT_BUCKETS));
        let metrics = Self {
            none: NONE.into(),
            requests: new.one("requests", "Requests, by the destination they named and how they ended"),
            request_duration: new.seconds(
                "request_duration",
                "From head to answer; probes and what never was a whole request left out",
                requests,
            ),
            tokens: new.one("tokens", "Tokens that were presented, by issuer and what was found"),
            jwks_refreshes: new.one("jwks_refreshes", "Fetches of an issuer's keys"),
            mints: new.one("mints", "URLs asked of AWS, and how that ended"),
            mint_duration: new.seconds(
                "mint_duration",
                "State, credentials and presign call together",
                mints,
            ),
            aws_calls: new.one("aws_calls", "Single calls to AWS, retries included"),
            aws_calls_running: new.one("aws_calls_running", "Calls to AWS under way"),
            aws_calls_waiting: new.one("aws_calls_waiting", "Calls to AWS that wait for another to end"),
            aws_calls_limit: new.one("aws_calls_limit", "Calls to AWS that may be under way at once"),
            calls: Calls::of(
                new.one("calls", "Calls of programs to MLflow, by the access they need and how they ended"),
                new.seconds(
                    "call_duration",
                    "From a call's head to the end of its answer",
                    Calls::histogram(),
                ),
                &new.bytes("call", "Bodies of calls to MLflow and of their answers"),
            ),
            wakes: Wakes::of(new.one("wakes", "Requests to start a target, and how they ended")),
            slots: Slots::of(&new.one("slots", "What happened to URLs minted ahead")),
            sessions: Sessions::of(&new.one("sessions", "What happened to browser sessions")),
            tokens_issued: new.one("tokens_issued", "Run tokens that were made"),
            reloads: Reloads::of(
                &new.one("reloads", "Attempts to load the configuration again"),
                new.one("config_last_reload_successful", "Whether the last such attempt was applied"),
            ),
            config_changes: new.one("config_changes", "Reloads that changed the configuration in force"),
            config: new.one("config_info", "The configuration in force, by its digest"),
            config_loaded: new.since_1970("config_loaded", "When the configuration in force took over"),
            certificate_expires: new.since_1970("certificate_expires", "When the served certificate ends"),
            connections: new.one("connections", "Open connections of the main listener"),
            connections_active: new.one("connections_active", "Open connections with a request under way"),
            connections_limit: new.one("connections_limit", "Connections that may be open at once"),
            connections_refused: Refusals::of(
                new.one("connections_refused", "Connections that ended before a request was complete"),
            ),
            ready: new.one("ready", "Whether new requests should be sent here"),
            state_up: new.one("state_up", "Whether the state answers: 1, or 0 while its server is away"),
            audit_lost: new.one("audit_lost", "Audit records that could not be written"),
            registry: new.0,
        };
        let unavailable =
            RequestLabels { destination: Arc::clone(&metrics.none), outcome: series::PROVIDER_UNAVAILABLE };
        _ = metrics.requests.get_or_create(&unavailable);
        metrics
    }

    /// Makes the series of a destination, so that the first failure is a rise from zero and not a series that begins.
    pub fn expect_destination(&self, destination: &Arc<str>, operation: &'static str) {
        for outcome in series::LAUNCH_OUTCOMES {
            let labels = RequestLabels { destination: Arc::clone(destination), outcome };
            _ = self.requests.get_or_create(&labels);
        }
        for outcome in series::MINT_OUTCOMES {
            let labels = MintLabels { destination: Arc::clone(destination), operation, outcome };
            _ = self.mints.get_or_create(&labels);
        }
    }

    /// Counts a request for a configured destination, or for none: unknown names make no series. Probes, which take no
    /// time, are not timed, nor are requests that were refused before they were complete.
    pub fn request(&self, destination: Option<&Arc<str>>, outcome: &'static str, took: Option<Duration>) {
        let destination = Arc::clone(destination.unwrap_or(&self.none));
        self.requests.get_or_create(&RequestLabels { destination, outcome }).inc();
        if let Some(took) = took.filter(|_| outcome != series::PROBE) {
            self.request_duration.observe(took.as_secs_f64());
        }
    }

    /// A mint that begins now.
    pub fn mint(&self, destination: &Arc<str>, operation: &'static str) -> MintUnderWay<'_> {
        MintUnderWay::begin(&self.mints, &self.mint_duration, destination, operation)
    }

    pub fn aws_call(&self, operation: &'static str, outcome: &'static str) {
        self.aws_calls.get_or_create(&AwsCallLabels { operation, outcome }).inc();
    }

    /// The series of one issuer.
    pub fn issuer(&self, issuer: &Arc<str>) -> IssuerSeries {
        IssuerSeries::of(&self.tokens, &self.jwks_refreshes, issuer)
    }

    /// Counts a credential that belongs to no configured issuer.
    pub fn token_of_nobody(&self, outcome: &'static str) {
        self.tokens.get_or_create(&IssuerLabels { issuer: Arc::clone(&self.none), outcome }).inc();
    }

    /// Notes that another configuration is in force from now on.
    pub fn config_in_force(&self, digest: &str, now: UnixSeconds) {
        self.config.clear();
        self.config.get_or_create(&ConfigLabels { digest: digest.to_owned() }).set(1);
        self.config_loaded.set(timestamp(now));
    }

    /// Sets the time at which the serving certificate expires. Without TLS, there is no such series.
    pub fn certificate_expires(&self, at: UnixSeconds) {
        self.certificate_expires.get_or_create(&[]).set(timestamp(at));
    }

    pub fn render(&self, exposition: Exposition) -> String {
        exposition.render(&self.registry)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(&Counter::default())
    }
}

/// Counts one in a gauge until it is dropped, also if its task panics.
#[derive(Debug)]
pub(crate) struct GaugeGuard(Gauge);

impl GaugeGuard {
    pub(crate) fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Registers metrics. The names of counters end in `_total`, those of metrics with a unit in the unit.
struct New(Registry);

impl New {
    fn one<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    fn seconds<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register_with_unit(name, help, Unit::Seconds, metric.clone());
        metric
    }

    fn bytes<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register_with_unit(name, help, Unit::Bytes, metric.clone());
        metric
    }

    fn since_1970<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.seconds(&format!("{name}_timestamp"), help, M::default())
    }
}

fn timestamp(at: UnixSeconds) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}
