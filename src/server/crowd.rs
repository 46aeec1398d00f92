//! How many connections hold room for requests at the same time.
//!
//! Each costs some 25 KiB then, and gives most of it back when it rests. Where many hold it, somebody may be holding it on
//! purpose, and the more they are, the less they are waited for.

use crate::metrics::OneMore;
use prometheus_client::metrics::gauge::Gauge;
use std::time::Duration;

/// So many are waited for as usual.
const USUAL: i64 = 512;

#[derive(Clone, Debug, Default)]
pub struct Crowd(Gauge);

impl Crowd {
    pub fn counted_by(gauge: Gauge) -> Self {
        Self(gauge)
    }

    /// One connection more, until it is dropped.
    pub(super) fn join(&self) -> OneMore {
        OneMore::of(&self.0)
    }

    /// A deadline as it is in a crowd of this size: each time it doubles, patience is quartered.
    pub(super) fn hurried(&self, deadline: Duration) -> Duration {
        let share = USUAL as f64 / self.0.get().max(USUAL) as f64;
        deadline.mul_f64(share * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_a_quarter_where_the_crowd_is_twice_as_large() {
        let crowd = Crowd::default();
        for (size, seconds) in [(0, 64), (512, 64), (1024, 16), (2048, 4), (4096, 1)] {
            crowd.0.set(size);
            assert_eq!(crowd.hurried(Duration::from_secs(64)), Duration::from_secs(seconds), "{size}");
        }
    }
}
