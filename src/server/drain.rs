//! Tells connections that the server is ending, and the server that they have ended.

use std::time::Duration;
use tokio::sync::watch;

/// The server's notice to its connections that it is ending.
#[derive(Debug)]
pub(super) struct Drain {
    closing: watch::Sender<bool>,
}

/// A connection's end; the server waits until all tickets are dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    closing: watch::Receiver<bool>,
}

impl Drain {
    pub(super) fn new() -> Self {
        Self { closing: watch::Sender::new(false) }
    }

    pub(super) fn ticket(&self) -> Ticket {
        Ticket { closing: self.closing.subscribe() }
    }

    /// Tells all connections, and waits for them for `grace` at most. True if all have ended.
    pub(super) async fn finish(self, grace: Duration) -> bool {
        _ = self.closing.send(true);
        tokio::time::timeout(grace, self.closing.closed()).await.is_ok()
    }
}

impl Ticket {
    /// Resolves once the listener is closed.
    pub(super) async fn closing(&mut self) {
        // The sender lives until all tickets are gone.
        _ = self.closing.wait_for(|closing| *closing).await;
    }
}
