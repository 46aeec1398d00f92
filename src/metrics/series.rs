//! The names of series, and handles on those that are known beforehand: they exist from the start, at zero.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use std::sync::Arc;
use tokio::time::Instant;

/// The label's value if there is no destination or issuer.
pub const NONE: &str = "-";
/// The outcome of a health probe.
pub const PROBE: &str = "probe";
/// The client went away before it was answered.
pub const GONE: &str = "client-gone";

/// A page that asks whether to go on was shown in place of a launch.
pub const ASKED: &str = "asked";

/// The outcomes of a request for which AWS is asked.
pub(super) const MINT_OUTCOMES: [&str; 13] = [
    "ok",
    "not-ready",
    "profile-of-another",
    "sso-domain",
    "sso-app",
    "ambiguous-name",
    "refused-by-aws",
    "aws-credentials",
    "throttled",
    "aws-unavailable",
    "out-of-time",
    "bad-answer",
    GONE,
];

/// The outcome of a request that needs the identity provider while it is away. Its series has no
/// destination, as the person is not known.
pub(super) const PROVIDER_UNAVAILABLE: &str = "provider-unavailable";

/// The outcomes of a request that names a destination.
pub(super) const LAUNCH_OUTCOMES: [&str; 20] = [
    "profile-of-another",
    "sso-domain",
    "sso-app",
    "ok",
    ASKED,
    "rule-denied",
    "no-rule",
    "rule-error",
    "groups-overage",
    "no-such-path",
    "too-many-launches",
    "not-ready",
    "ambiguous-name",
    "refused-by-aws",
    "aws-credentials",
    "throttled",
    "aws-unavailable",
    "out-of-time",
    "bad-answer",
    GONE,
];

/// The reasons why a connection ends before a request is complete.
const REFUSALS: [&str; 8] = [
    "silent",
    GONE,
    "peer-not-listed",
    "proxy-header",
    "proxy-header-overdue",
    "tls-handshake",
    "tls-handshake-overdue",
    "head-overdue",
];

pub(super) type Unlabelled = [(&'static str, &'static str); 0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) destination: Arc<str>,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct IssuerLabels {
    pub(super) issuer: Arc<str>,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct MintLabels {
    pub(super) destination: Arc<str>,
    pub(super) operation: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct AwsCallLabels {
    pub(super) operation: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ConfigLabels {
    pub(super) digest: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct EventLabels {
    event: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    reason: &'static str,
}

/// Connections that ended before a request was complete.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Family<ReasonLabels, Counter>);

impl Refusals {
    pub(super) fn of(reasons: Family<ReasonLabels, Counter>) -> Self {
        for reason in REFUSALS {
            _ = reasons.get_or_create(&ReasonLabels { reason });
        }
        Self(reasons)
    }

    pub fn count(&self, reason: &'static str) {
        self.0.get_or_create(&ReasonLabels { reason }).inc();
    }
}

/// The events of browser sessions.
#[derive(Clone, Debug)]
pub struct Sessions {
    pub sign_in_started: Counter,
    pub signed_in: Counter,
    pub sign_in_failed: Counter,
    pub replaced: Counter,
    pub signed_out: Counter,
    pub back_channel_logout: Counter,
    pub back_channel_refused: Counter,
    pub revalidated: Counter,
    /// All failed revalidations.
    pub revalidation_failed: Counter,
    /// The failed revalidations in which the provider refused this gateway's client.
    pub revalidation_refused: Counter,
    pub withdrawn: Counter,
}

impl Sessions {
    pub(super) fn of(events: &Family<EventLabels, Counter>) -> Self {
        let of = |event| events.get_or_create_owned(&EventLabels { event });
        Self {
            sign_in_started: of("sign-in-started"),
            signed_in: of("signed-in"),
            sign_in_failed: of("sign-in-failed"),
            replaced: of("replaced"),
            signed_out: of("signed-out"),
            back_channel_logout: of("back-channel-logout"),
            back_channel_refused: of("back-channel-refused"),
            revalidated: of("revalidated"),
            revalidation_failed: of("revalidation-failed"),
            revalidation_refused: of("revalidation-refused"),
            withdrawn: of("withdrawn"),
        }
    }
}

/// The fates of URLs minted ahead.
#[derive(Clone, Debug)]
pub struct Slots {
    pub filled: Counter,
    /// A person took the URL.
    pub taken: Counter,
    /// The URL was too old before anybody came.
    pub expired: Counter,
    /// The person signed out.
    pub forgotten: Counter,
    /// AWS gave no URL.
    pub failed: Counter,
    /// There was no room for another slot.
    pub no_room: Counter,
}

impl Slots {
    pub(super) fn of(events: &Family<EventLabels, Counter>) -> Self {
        let of = |event| events.get_or_create_owned(&EventLabels { event });
        Self {
            filled: of("filled"),
            taken: of("taken"),
            expired: of("expired"),
            forgotten: of("forgotten"),
            failed: of("failed"),
            no_room: of("no-room"),
        }
    }
}

/// The outcomes of attempts to load the configuration again.
#[derive(Clone, Debug)]
pub struct Reloads {
    applied: Counter,
    refused: Counter,
    last_successful: Gauge,
}

impl Reloads {
    pub(super) fn of(outcomes: &Family<OutcomeLabels, Counter>, last_successful: Gauge) -> Self {
        let of = |outcome| outcomes.get_or_create_owned(&OutcomeLabels { outcome });
        last_successful.set(1);
        Self { applied: of("applied"), refused: of("refused"), last_successful }
    }

    pub fn applied(&self) {
        self.applied.inc();
        self.last_successful.set(1);
    }

    pub fn refused(&self) {
        self.refused.inc();
        self.last_successful.set(0);
    }
}

/// The series of one issuer.
#[derive(Clone, Debug)]
pub struct IssuerSeries {
    issuer: Arc<str>,
    tokens: Family<IssuerLabels, Counter>,
    accepted: Counter,
    keys_fetched: Counter,
    keys_not_fetched: Counter,
}

impl IssuerSeries {
    pub(super) fn of(
        tokens: &Family<IssuerLabels, Counter>,
        jwks_refreshes: &Family<IssuerLabels, Counter>,
        issuer: &Arc<str>,
    ) -> Self {
        let labels = |outcome| IssuerLabels { issuer: Arc::clone(issuer), outcome };
        for outcome in ["expired", "bad-signature", "unknown-key", "keys-unavailable"] {
            _ = tokens.get_or_create(&labels(outcome));
        }
        Self {
            issuer: Arc::clone(issuer),
            tokens: tokens.clone(),
            accepted: tokens.get_or_create_owned(&labels("ok")),
            keys_fetched: jwks_refreshes.get_or_create_owned(&labels("ok")),
            keys_not_fetched: jwks_refreshes.get_or_create_owned(&labels("failed")),
        }
    }

    /// Counts the outcome of checking a token, and passes it on.
    pub fn token<T, E>(&self, found: Result<T, E>, reason: impl Fn(&E) -> &'static str) -> Result<T, E> {
        match &found {
            Ok(_) => self.accepted.inc(),
            Err(error) => {
                let labels = IssuerLabels { issuer: Arc::clone(&self.issuer), outcome: reason(error) };
                self.tokens.get_or_create(&labels).inc()
            }
        };
        found
    }

    /// Counts a token that was accepted before and still is.
    pub fn accepted(&self) {
        self.accepted.inc();
    }

    /// Counts the outcome of fetching the issuer's keys, and passes it on.
    pub fn keys_fetched<T, E>(&self, fetched: Result<T, E>) -> Result<T, E> {
        if fetched.is_ok() { &self.keys_fetched } else { &self.keys_not_fetched }.inc();
        fetched
    }
}

/// A mint, counted and timed when it ends; one that is dropped before was given up by its client.
#[derive(Debug)]
pub struct MintUnderWay<'a> {
    mints: &'a Family<MintLabels, Counter>,
    duration: &'a Histogram,
    began: Instant,
    labels: MintLabels,
}

impl<'a> MintUnderWay<'a> {
    pub(super) fn begin(
        mints: &'a Family<MintLabels, Counter>,
        duration: &'a Histogram,
        destination: &Arc<str>,
        operation: &'static str,
    ) -> Self {
        let labels = MintLabels { destination: Arc::clone(destination), operation, outcome: GONE };
        Self { mints, duration, began: Instant::now(), labels }
    }

    pub fn ended(mut self, outcome: &'static str) {
        self.labels.outcome = outcome;
    }
}

impl Drop for MintUnderWay<'_> {
    fn drop(&mut self) {
        self.mints.get_or_create(&self.labels).inc();
        self.duration.observe(self.began.elapsed().as_secs_f64());
    }
}
