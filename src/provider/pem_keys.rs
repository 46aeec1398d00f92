//! Keys that are published one by one, each as PEM under its own id, as AWS's load balancers do.

use crate::clock::{Clock, UnixSeconds};
use crate::http_client::HttpClient;
use crate::http_client::document::{self, FetchError};
use crate::metrics::series::IssuerSeries;
use crate::provider::single_flight::{Flight, PATIENCE, SPACING, UnderWay, passed};
use crate::tokens::error::TokenError;
use crate::tokens::jwks::KeySet;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use url::Url;

const MOST_KEYS: usize = 64;
/// A key id names one key for good, so a key is kept; but not for ever.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// At most one fetch at a time and one in vain per 30 seconds; a flood of invented ids costs no more.
#[derive(Clone, Debug)]
pub(crate) struct PemKeys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    http: HttpClient,
    clock: Clock,
    base: Url,
    series: IssuerSeries,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: HashMap<String, (Arc<KeySet>, UnixSeconds)>,
    /// The last fetch that brought no key: when, and what it says of every key not held.
    in_vain: Option<(UnixSeconds, TokenError)>,
    under_way: UnderWay,
}

impl PemKeys {
    pub(crate) fn new(base: Url, http: HttpClient, clock: Clock, series: IssuerSeries) -> Self {
        Self(Arc::new(Shared { http, clock, base, series, state: Mutex::default() }))
    }

    /// # Errors
    ///
    /// [`TokenError::UnknownKey`] for an id that cannot be one or that the source does not have,
    /// [`TokenError::KeysUnavailable`] where the source is out of reach.
    pub(crate) async fn key(&self, id: &str) -> Result<Arc<KeySet>, TokenError> {
        let location = self.0.location(id).ok_or(TokenError::UnknownKey)?;
        let found = async {
            loop {
                let fetch = {
                    let mut state = self.0.lock();
                    let now = self.0.clock.now();
                    if let Some((key, at)) = state.keys.get(id)
                        && !passed(KEPT, Some(*at), now)
                    {
                        return Ok(Arc::clone(key));
                    }
                    match (state.under_way.flight(), &state.in_vain) {
                        (Some(fetch), _) => fetch,
                        (None, Some((at, error))) if !passed(SPACING, Some(*at), now) => {
                            return Err(error.clone());
                        }
                        (None, _) => self.0.begin(&mut state, id.to_owned(), location.clone(), now),
                    }
                };
                fetch.ended().await;
            }
        };
        let unfinished = TokenError::KeysUnavailable(FetchError::Unfinished);
        tokio::time::timeout(PATIENCE, found).await.unwrap_or(Err(unfinished))
    }
}

impl Shared {
    /// Only an id that is one harmless path segment.
    fn location(&self, id: &str) -> Option<Url> {
        let safe = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let base = self.base.as_str().trim_end_matches('/');
        safe.then(|| Url::parse(&format!("{base}/{id}")).ok()).flatten()
    }

    fn begin(self: &Arc<Self>, state: &mut State, id: String, location: Url, now: UnixSeconds) -> Flight {
        let (fetch, ends) = state.under_way.begin();
        // Should the task die, its fetch was in vain.
        state.in_vain = Some((now, TokenError::KeysUnavailable(FetchError::Unfinished)));
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let fetched = shared.series.keys_fetched(shared.fetch(&id, &location).await);
            let mut state = shared.lock();
            match fetched {
                Ok(key) => {
                    state.in_vain = None;
                    state.keep(id, Arc::new(key), now);
                }
                Err(error) => {
                    tracing::warn!(id, %error, "key.not_fetched");
                    state.in_vain = Some((now, error));
                }
            }
            drop(ends);
        });
        fetch
    }

    async fn fetch(&self, id: &str, location: &Url) -> Result<KeySet, TokenError> {
        match document::fetch(&self.http, location).await {
            Ok(answer) => KeySet::from_pem(id, &answer.body).map_err(TokenError::KeysUnavailable),
            Err(FetchError::Status { status: 403 | 404, .. }) => Err(TokenError::UnknownKey),
            Err(error) => Err(TokenError::KeysUnavailable(error)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Holds one more key; the oldest goes where there is no room.
    fn keep(&mut self, id: String, key: Arc<KeySet>, now: UnixSeconds) {
        if self.keys.len() >= MOST_KEYS
            && let Some(oldest) = self.keys.iter().min_by_key(|(_, (_, at))| *at).map(|(id, _)| id.clone())
        {
            self.keys.remove(&oldest);
        }
        self.keys.insert(id, (key, now));
    }
}
