//! How many connections hold room for requests at the same time.
//!
//! Each costs some 25 KiB then, and gives most of it back when it rests. Where many hold it, somebody may be holding it on
//! purpose, and the more they are, the less they are waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// So many are waited for as usual.
const USUAL: usize = 512;

#[derive(Clone, Debug, Default)]
pub struct Crowd(Arc<AtomicUsize>);

/// One connection of the crowd, until it is dropped.
#[derive(Debug)]
pub(super) struct Member(Crowd);

impl Crowd {
    pub(super) fn join(&self) -> Member {
        self.0.fetch_add(1, Ordering::Relaxed);
        Member(self.clone())
    }

    /// A deadline as it is in a crowd of this size: each time it doubles, patience is quartered.
    pub(super) fn hurried(&self, deadline: Duration) -> Duration {
        let size = self.0.load(Ordering::Relaxed);
        let share = USUAL as f64 / size.max(USUAL) as f64;
        deadline.mul_f64(share * share)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
