//! A document of an identity provider, kept in memory and asked for again in the background.

use crate::clock::{Clock, UnixSeconds};
use crate::http_client::document::FetchError;
use crate::provider::single_flight::{Flight, PATIENCE, SPACING, UnderWay, passed};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Older than this, a document is asked for again while the old one still serves.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// A provider may be out of reach this long before what it last said stops counting.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);
/// The least time between two fetches while there is no document at all: nobody can be let in, so a provider that comes up
/// is noticed soon.
const SPACING_WITHOUT_ANY: Duration = Duration::from_secs(3);
/// The end of a fetch itself, whatever it does. Longer than two exchanges of the HTTP client.
const LONGEST_FETCH: Duration = Duration::from_secs(12);

/// Serves the last good document at once, whatever its source does meanwhile.
///
/// - Fetches run in a task of their own, one at a time: whoever waits may leave without harm to the others.
/// - A document replaces the one before it only when it is complete; a failure replaces nothing.
/// - [`Refreshed::newer_than`], for what is missing in the document, starts a fetch once per 30 seconds at most, also
///   after failures.
pub(crate) struct Refreshed<T>(Arc<Shared<T>>);

pub(crate) type Fetch<T> = Pin<Box<dyn Future<Output = Result<T, FetchError>> + Send>>;

struct Shared<T> {
    /// What the document is and whose, for the log.
    name: String,
    clock: Clock,
    /// Is given the document before, to tell what changed.
    load: Box<dyn Fn(Option<Arc<T>>) -> Fetch<T> + Send + Sync>,
    state: Mutex<State<T>>,
}

struct State<T> {
    document: Option<Arc<T>>,
    /// When the fetch began that brought the document.
    loaded: Option<UnixSeconds>,
    /// Of the last fetch, if it failed.
    failure: Option<FetchError>,
    /// When the last fetch began, and the last that something missing caused.
    began: Option<UnixSeconds>,
    sought: Option<UnixSeconds>,
    under_way: UnderWay,
}

/// A document, and whether it came while the caller waited.
pub(crate) struct Current<T> {
    pub(crate) document: Arc<T>,
    pub(crate) just_fetched: bool,
}

impl<T: Send + Sync + 'static> Refreshed<T> {
    pub(crate) fn new(
        name: String,
        clock: Clock,
        load: impl Fn(Option<Arc<T>>) -> Fetch<T> + Send + Sync + 'static,
    ) -> Self {
        let under_way = UnderWay::default();
        let state =
            State { document: None, loaded: None, failure: None, began: None, sought: None, under_way };
        Self(Arc::new(Shared { name, clock, load: Box::new(load), state: Mutex::new(state) }))
    }

    /// The document: without waiting where there is a usable one.
    pub(crate) async fn current(&self) -> Result<Current<T>, FetchError> {
        let fetch = {
            let mut state = self.0.lock();
            let now = self.0.clock.now();
            if let Some(document) = state.usable(now) {
                if passed(FRESH, state.loaded, now)
                    && passed(SPACING, state.began, now)
                    && state.under_way.flight().is_none()
                {
                    self.0.begin(&mut state, now);
                }
                return Ok(Current { document, just_fetched: false });
            }
            match state.under_way.flight() {
                Some(fetch) => fetch,
                None if passed(SPACING_WITHOUT_ANY, state.began, now) => self.0.begin(&mut state, now),
                None => return Err(state.failure()),
            }
        };
        within_patience(async {
            fetch.ended().await;
            Ok(())
        })
        .await?;
        let state = self.0.lock();
        let document = state.usable(self.0.clock.now()).ok_or_else(|| state.failure())?;
        Ok(Current { document, just_fetched: true })
    }

    /// A document newer than `seen`, because something is missing there; `None` where the source was asked a moment ago.
    pub(crate) async fn newer_than(&self, seen: &Arc<T>) -> Result<Option<Arc<T>>, FetchError> {
        within_patience(async {
            loop {
                let fetch = {
                    let mut state = self.0.lock();
                    let now = self.0.clock.now();
                    if let Some(document) = state.document.as_ref().filter(|it| !Arc::ptr_eq(it, seen)) {
                        return Ok(Some(Arc::clone(document)));
                    }
                    match state.under_way.flight() {
                        Some(fetch) => fetch,
                        None if passed(SPACING, state.sought, now) => {
                            state.sought = Some(now);
                            self.0.begin(&mut state, now)
                        }
                        None => return state.failure.clone().map_or(Ok(None), Err),
                    }
                };
                fetch.ended().await;
            }
        })
        .await
    }
}

impl<T: Send + Sync + 'static> Shared<T> {
    fn begin(self: &Arc<Self>, state: &mut State<T>, now: UnixSeconds) -> Flight {
        let (fetch, ends) = state.under_way.begin();
        state.began = Some(now);
        let before = state.document.clone();
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let loaded = tokio::time::timeout(LONGEST_FETCH, (shared.load)(before)).await;
            let mut state = shared.lock();
            match loaded.unwrap_or_else(|_| Err(FetchError::Unfinished)) {
                Ok(document) => {
                    state.document = Some(Arc::new(document));
                    state.loaded = Some(now);
                    state.failure = None;
                }
                Err(error) => {
                    tracing::warn!(document = shared.name, %error, "document.not_fetched");
                    state.failure = Some(error);
                }
            }
            drop(ends);
        });
        fetch
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn usable(&self, now: UnixSeconds) -> Option<Arc<T>> {
        self.document.clone().filter(|_| !passed(USABLE, self.loaded, now))
    }

    fn failure(&self) -> FetchError {
        self.failure.clone().unwrap_or(FetchError::Unfinished)
    }
}

async fn within_patience<T>(work: impl Future<Output = Result<T, FetchError>>) -> Result<T, FetchError> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(FetchError::Unfinished))
}

impl<T> Clone for Refreshed<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Refreshed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refreshed(..)")
    }
}
