//! A request whose body or answer goes on is not overdue.

use super::progress::Progress;
use super::stream_due::StreamDue;
use std::sync::Arc;

/// For a handler that reads a long body: the deadlines of its connection or stream begin anew with each part. Stands among the
/// request's extensions.
#[derive(Clone, Debug)]
pub struct GoesOn {
    progress: Arc<Progress>,
    due: Option<Arc<StreamDue>>,
}

impl GoesOn {
    pub(super) fn new(progress: Arc<Progress>, due: Option<Arc<StreamDue>>) -> Self {
        Self { progress, due }
    }

    /// A part of the body came.
    pub fn goes_on(&self) {
        self.progress.goes_on();
        self.due.iter().for_each(|due| due.goes_on());
    }
}
