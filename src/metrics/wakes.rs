//! Targets that people start.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::Arc;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct WakeLabels {
    destination: Arc<str>,
    outcome: &'static str,
}

#[derive(Clone, Debug)]
pub struct Wakes(Family<WakeLabels, Counter>);

impl Wakes {
    pub(super) fn of(wakes: Family<WakeLabels, Counter>) -> Self {
        Self(wakes)
    }

    /// Makes the series of a destination, so that the first failure is a rise from zero.
    pub fn expect(&self, destination: &Arc<str>, outcomes: &[&'static str]) {
        for outcome in outcomes {
            _ = self.0.get_or_create(&WakeLabels { destination: Arc::clone(destination), outcome });
        }
    }

    pub fn ended(&self, destination: &Arc<str>, outcome: &'static str) {
        self.0.get_or_create(&WakeLabels { destination: Arc::clone(destination), outcome }).inc();
    }
}
