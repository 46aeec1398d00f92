//! A document of an identity provider, kept in memory and asked for again in the background.

use crate::clock::{Clock, UnixSeconds};
use crate::digest::Sha256;
use crate::http_client::document::FetchError;
use crate::provider::single_flight::{Flight, PATIENCE, SPACING_AFTER_FAILURE, UnderWay, passed};
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

/// Older than this, a document is asked for again while the old one still serves.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// How long the last answer of a provider counts while the provider is out of reach.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);
/// The least time between two fetches in the background.
const SPACING: Duration = Duration::from_secs(30);
/// The least time between two fetches because something is missing. Requests wait for it.
const SPACING_OF_SEARCHES: Duration = Duration::from_secs(2);
/// How long a name causes no further fetch after a document has come without it.
const KNOWN_MISSING: Duration = Duration::from_secs(30);
const MOST_KNOWN_MISSING: usize = 1024;
/// Requests that wait at one time because something is missing.
const MOST_SEARCHING: usize = 1000;
/// The end of a fetch itself, whatever it does. Longer than two exchanges of the HTTP client.
const LONGEST_FETCH: Duration = Duration::from_secs(12);

/// Serves the last good document at once, whatever its source does meanwhile.
///
/// - Fetches run in a task of their own, one at a time: a request that waits may leave without harm to the others.
/// - A document replaces the one before it only when it is complete; a failure replaces nothing.
/// - [`Refreshed::search`], for a name that is missing in the document, starts a fetch once per 2 seconds at most, and
///   for each name once per 30 seconds: invented names do not keep other people's names from being found.
pub(crate) struct Refreshed<T>(Arc<Shared<T>>);

pub(crate) type Fetch<T> = Pin<Box<dyn Future<Output = Result<T, FetchError>> + Send>>;

struct Shared<T> {
    /// The kind of document and the name of its issuer, for the log.
    name: String,
    clock: Clock,
    /// Takes the document before, to tell what changed.
    load: Box<dyn Fn(Option<Arc<T>>) -> Fetch<T> + Send + Sync>,
    state: Mutex<Held<T>>,
    searching: Semaphore,
}

struct Held<T> {
    document: Option<Arc<T>>,
    /// The start of the fetch that brought the document.
    loaded: Option<UnixSeconds>,
    /// The failure of the last fetch, if it failed.
    failure: Option<FetchError>,
    /// The start of the last fetch, by the provider's time and by ours; and that of the last one for a missing name.
    began: Option<UnixSeconds>,
    started: Option<Instant>,
    searched: Option<Instant>,
    /// Names that the document lacks, each with the time since which that is known.
    missing: HashMap<Sha256, UnixSeconds>,
    under_way: UnderWay,
}

/// A name that is looked for, by its digest, and the time at which the search began.
pub(crate) struct Search {
    name: Sha256,
    since: Instant,
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
        let (load, searching) = (Box::new(load), Semaphore::new(MOST_SEARCHING));
        Self(Arc::new(Shared { name, clock, load, state: Mutex::new(Held::new()), searching }))
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
                None if passed(SPACING_AFTER_FAILURE, state.began, now) => self.0.begin(&mut state, now),
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

    /// A document newer than `seen`, because a name is missing there; `None` where the name is not in the newest either.
    ///
    /// # Errors
    ///
    /// The source did not answer, or too many requests look for something already.
    pub(crate) async fn search(&self, search: &Search, seen: &Arc<T>) -> Result<Option<Arc<T>>, FetchError> {
        let Ok(_searching) = self.0.searching.try_acquire() else { return Err(FetchError::Unfinished) };
        within_patience(async {
            loop {
                let next = self.0.next_step(search, seen)?;
                match next {
                    Next::Found(document) => return Ok(Some(document)),
                    Next::Missing => return Ok(None),
                    Next::Await(fetch) => fetch.ended().await,
                    Next::Sleep(until) => sleep_until(until).await,
                }
            }
        })
        .await
    }
}

impl Search {
    pub(crate) fn of(name: Sha256) -> Self {
        Self { name, since: Instant::now() }
    }
}

/// The next step of a search.
enum Next<T> {
    Found(Arc<T>),
    Missing,
    Await(Flight),
    Sleep(Instant),
}

impl<T: Send + Sync + 'static> Shared<T> {
    fn next_step(self: &Arc<Self>, search: &Search, seen: &Arc<T>) -> Result<Next<T>, FetchError> {
        let mut state = self.lock();
        let now = self.clock.now();
        if let Some(document) = state.document.as_ref().filter(|document| !Arc::ptr_eq(document, seen)) {
            return Ok(Next::Found(Arc::clone(document)));
        }
        if let Some(fetch) = state.under_way.flight() {
            return Ok(Next::Await(fetch));
        }
        if state.is_missing(&search.name, now) {
            return Ok(Next::Missing);
        }
        // Only a fetch that began after the search did can tell that the name is missing.
        let is_newer = state.started.is_some_and(|started| started >= search.since);
        let has_just_failed = state.started.is_some_and(|started| started.elapsed() < SPACING_AFTER_FAILURE);
        match &state.failure {
            Some(failure) if is_newer || has_just_failed => return Err(failure.clone()),
            None if is_newer => {
                state.note_missing(search.name, now);
                return Ok(Next::Missing);
            }
            _ => {}
        }
        let allowed = state.searched.map(|searched| searched + SPACING_OF_SEARCHES);
        if let Some(allowed) = allowed.filter(|allowed| *allowed > Instant::now()) {
            return Ok(Next::Sleep(allowed));
        }
        state.searched = Some(Instant::now());
        Ok(Next::Await(self.begin(&mut state, now)))
    }

    fn begin(self: &Arc<Self>, state: &mut Held<T>, now: UnixSeconds) -> Flight {
        let (fetch, ends) = state.under_way.begin();
        (state.began, state.started) = (Some(now), Some(Instant::now()));
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

    fn lock(&self) -> MutexGuard<'_, Held<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Held<T> {
    fn new() -> Self {
        let (missing, under_way) = (HashMap::new(), UnderWay::default());
        let (document, loaded, failure) = (None, None, None);
        Self { document, loaded, failure, began: None, started: None, searched: None, missing, under_way }
    }

    fn is_missing(&self, name: &Sha256, now: UnixSeconds) -> bool {
        self.missing.get(name).is_some_and(|since| !passed(KNOWN_MISSING, Some(*since), now))
    }

    /// If there is no room to remember the name, it may cause another fetch sooner.
    fn note_missing(&mut self, name: Sha256, now: UnixSeconds) {
        if self.missing.len() >= MOST_KNOWN_MISSING {
            self.missing.retain(|_, since| !passed(KNOWN_MISSING, Some(*since), now));
        }
        if self.missing.len() < MOST_KNOWN_MISSING {
            self.missing.insert(name, now);
        }
    }

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
