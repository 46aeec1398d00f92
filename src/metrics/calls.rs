//! Calls of programs to MLflow.

use super::series::GONE;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use std::sync::Arc;
use tokio::time::Instant;

/// In seconds. Reading a run takes some ten milliseconds, a search or a large answer as long as the server does.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct CallLabels {
    destination: Arc<str>,
    access: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct DirectionLabels {
    direction: &'static str,
}

#[derive(Clone, Debug)]
pub struct Calls {
    ended: Family<CallLabels, Counter>,
    duration: Histogram,
    sent: Counter,
    received: Counter,
}

/// The access label of a call that no class of access allows.
pub const NOBODY: &str = "nobody";

/// A call, counted and timed when it ends; one that is dropped before was given up by its client.
#[derive(Debug)]
pub struct CallUnderWay {
    calls: Calls,
    began: Instant,
    labels: CallLabels,
    /// The outcome, if the answer is whole.
    outcome: Option<&'static str>,
}

impl Calls {
    pub(super) fn of(
        ended: Family<CallLabels, Counter>,
        duration: Histogram,
        bytes: &Family<DirectionLabels, Counter>,
    ) -> Self {
        let bytes = |direction| bytes.get_or_create_owned(&DirectionLabels { direction });
        Self { ended, duration, sent: bytes("request"), received: bytes("answer") }
    }

    pub(super) fn histogram() -> Histogram {
        Histogram::new(BUCKETS)
    }

    /// Makes the series of a destination, so that the first failure is a rise from zero.
    pub fn expect(&self, destination: &Arc<str>, access: &'static str, outcomes: &[&'static str]) {
        for outcome in outcomes {
            let destination = Arc::clone(destination);
            _ = self.ended.get_or_create(&CallLabels { destination, access, outcome });
        }
    }

    pub fn begin(&self, destination: &Arc<str>, access: &'static str) -> CallUnderWay {
        let labels = CallLabels { destination: Arc::clone(destination), access, outcome: GONE };
        CallUnderWay { calls: self.clone(), began: Instant::now(), labels, outcome: None }
    }
}

impl CallUnderWay {
    /// Counts bytes that were sent on.
    pub fn sent(&self, bytes: u64) {
        self.calls.sent.inc_by(bytes);
    }

    /// Counts bytes of the answer that were passed back.
    pub fn answered(&self, bytes: u64) {
        self.calls.received.inc_by(bytes);
    }

    /// Sets the outcome for the time when the answer is whole.
    pub fn ends(&mut self, outcome: &'static str) {
        self.outcome = Some(outcome);
    }

    /// Notes that the answer is whole.
    pub fn whole(&mut self) {
        if let Some(outcome) = self.outcome {
            self.labels.outcome = outcome;
        }
    }

    pub fn ended(mut self, outcome: &'static str) {
        self.labels.outcome = outcome;
    }
}

impl Drop for CallUnderWay {
    fn drop(&mut self) {
        self.calls.ended.get_or_create(&self.labels).inc();
        self.calls.duration.observe(self.began.elapsed().as_secs_f64());
    }
}
