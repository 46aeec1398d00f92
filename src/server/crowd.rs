//! How many connections hold room for requests at the same time.
//!
//! One costs some 30 KiB then, and gives most of it back when it rests. Where many hold it, somebody may be holding it on
//! purpose, and those who take their time are hurried.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// 30 MiB.
const LARGE: usize = 1024;

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

    pub(super) fn is_large(&self) -> bool {
        self.0.load(Ordering::Relaxed) > LARGE
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
