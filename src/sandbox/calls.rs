//! The calls to the sandbox's AWS, for tests to look at.

use super::callers::Caller;
use super::lock::lock;
use crate::clock::UnixSeconds;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls that are remembered; the oldest is forgotten first.
const CALLS: usize = 20_000;

/// One call whose signature was verified.
#[derive(Clone, Debug)]
pub struct Call {
    /// `sagemaker` or `sts`.
    pub service: &'static str,
    pub operation: String,
    /// The region of the signature's scope.
    pub region: String,
    /// The input as JSON; for STS, its form parameters as an object of texts.
    pub input: Value,
    pub caller: Caller,
    /// The error code of the answer; `None` if the call succeeded.
    pub error: Option<String>,
    pub at: UnixSeconds,
    pub user_agent: String,
}

#[derive(Debug, Default)]
pub(super) struct Calls {
    recent: Mutex<VecDeque<Call>>,
    count: AtomicU64,
}

impl Calls {
    pub(super) fn push(&self, call: Call) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut recent = lock(&self.recent);
        if recent.len() >= CALLS {
            recent.pop_front();
        }
        recent.push_back(call);
    }

    pub(super) fn recent(&self) -> Vec<Call> {
        lock(&self.recent).iter().cloned().collect()
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}
