//! One fetch at a time: requests that come meanwhile wait for its end.

use crate::clock::UnixSeconds;
use std::time::Duration;
use tokio::sync::watch;

/// How long a request waits for a fetch.
pub(crate) const PATIENCE: Duration = Duration::from_secs(6);
/// The least time between a fetch that failed and the next one for the same thing, so that a source that comes up is
/// noticed soon.
pub(crate) const SPACING_AFTER_FAILURE: Duration = Duration::from_secs(3);

/// The fetch under way, if there is one.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Option<Flight>);

/// A fetch that can be waited for.
#[derive(Clone, Debug)]
pub(crate) struct Flight(watch::Receiver<()>);

impl UnderWay {
    /// A fetch, which ends when the returned sender is dropped.
    pub(crate) fn begin(&mut self) -> (Flight, watch::Sender<()>) {
        let (ends, flight) = watch::channel(());
        let flight = Flight(flight);
        self.0 = Some(flight.clone());
        (flight, ends)
    }

    /// The fetch under way; one whose task died counts as none.
    pub(crate) fn flight(&self) -> Option<Flight> {
        self.0.clone().filter(|flight| flight.0.has_changed().is_ok())
    }
}

impl Flight {
    /// Nothing is ever sent: the channel closes.
    pub(crate) async fn ended(mut self) {
        let _ = self.0.changed().await;
    }
}

/// Whether so much time has passed. A clock that was set back says yes: better one fetch too many than none for hours.
pub(crate) fn passed(duration: Duration, then: Option<UnixSeconds>, now: UnixSeconds) -> bool {
    then.is_none_or(|then| now < then || now.since(then) >= duration)
}
