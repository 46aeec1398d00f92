//! Keys that are published one by one, each as PEM under its own id, as AWS's load balancers do.

use crate::clock::{Clock, UnixSeconds};
use crate::http_client::HttpClient;
use crate::http_client::document::{self, FetchError};
use crate::metrics::series::IssuerSeries;
use crate::provider::budget::{Budget, one_address};
use crate::provider::single_flight::{Flight, PATIENCE, SPACING_AFTER_FAILURE, UnderWay, passed};
use crate::tokens::error::{Evidence, TokenError};
use crate::tokens::jwks::KeySet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

const MOST_KEYS: usize = 64;
/// A key id names one key for good, so a key is kept; but not for ever.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Ids that are being fetched or wait for it: in all, and because of one address.
const MOST_UNDER_WAY: usize = 4096;
const MOST_OF_ONE_ADDRESS: usize = 256;
/// Ids that are remembered because a fetch brought no key.
const MOST_IN_VAIN: usize = 1024;

/// Each id is fetched by itself: one that brings nothing delays no other, and is asked for again after 3 seconds at the
/// earliest. A [`Budget`] bounds the cost of invented ids.
#[derive(Clone, Debug)]
pub(crate) struct PemKeys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    http: HttpClient,
    clock: Clock,
    base: Url,
    series: IssuerSeries,
    budget: Budget,
    state: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    keys: HashMap<String, (Arc<KeySet>, UnixSeconds)>,
    /// By id, with the address that asked first.
    under_way: HashMap<String, (UnderWay, Option<IpAddr>)>,
    /// By id, the last fetch that brought no key: when it ended, and why.
    in_vain: HashMap<String, (Instant, TokenError)>,
}

impl PemKeys {
    pub(crate) fn new(base: Url, http: HttpClient, clock: Clock, series: IssuerSeries) -> Self {
        let (budget, state) = (Budget::new(), Mutex::default());
        Self(Arc::new(Shared { http, clock, base, series, budget, state }))
    }

    /// The key of this id, for a request of the client at `asker`.
    ///
    /// # Errors
    ///
    /// [`TokenError::UnknownKey`] for an id that cannot be one or that the source does not have,
    /// [`TokenError::KeysUnavailable`] where the source is out of reach or too many ids are being asked for.
    pub(crate) async fn key(&self, id: &str, asker: Option<IpAddr>) -> Result<Arc<KeySet>, TokenError> {
        let location = self.0.location(id).ok_or_else(|| unknown(id))?;
        let asker = asker.map(one_address);
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
                    match (state.flight(id), state.in_vain.get(id)) {
                        (Some(fetch), _) => fetch,
                        (None, Some((at, error))) if at.elapsed() < SPACING_AFTER_FAILURE => {
                            return Err(error.clone());
                        }
                        (None, _) if !state.has_room_for(asker) => return Err(unfinished()),
                        (None, _) => self.0.begin(&mut state, id.to_owned(), location.clone(), asker),
                    }
                };
                fetch.ended().await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| Err(unfinished()))
    }
}

impl Shared {
    /// `None` where the id is not one harmless path segment.
    fn location(&self, id: &str) -> Option<Url> {
        let safe = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let base = self.base.as_str().trim_end_matches('/');
        safe.then(|| Url::parse(&format!("{base}/{id}")).ok()).flatten()
    }

    fn begin(self: &Arc<Self>, state: &mut Keys, id: String, location: Url, asker: Option<IpAddr>) -> Flight {
        let mut under_way = UnderWay::default();
        let (fetch, ends) = under_way.begin();
        state.under_way.insert(id.clone(), (under_way, asker));
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            // The requests that wait give up after the same time, so a fetch that begins later is of no use to them.
            let place = tokio::time::timeout(PATIENCE, shared.budget.place(asker)).await.ok().flatten();
            let Some(place) = place else {
                shared.lock().under_way.remove(&id);
                return;
            };
            let fetched = shared.series.keys_fetched(shared.fetch(&id, &location).await);
            let is_in_vain = fetched.is_err();
            shared.lock().ended(id, fetched, shared.clock.now());
            drop(ends);
            if is_in_vain {
                place.leave_late().await;
            }
        });
        fetch
    }

    async fn fetch(&self, id: &str, location: &Url) -> Result<KeySet, TokenError> {
        match document::fetch(&self.http, location).await {
            Ok(answer) => KeySet::from_pem(id, &answer.body).map_err(TokenError::KeysUnavailable),
            Err(FetchError::Status { status: 403 | 404, .. }) => Err(unknown(id)),
            Err(error) => Err(TokenError::KeysUnavailable(error)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn flight(&self, id: &str) -> Option<Flight> {
        self.under_way.get(id).and_then(|(fetch, _)| fetch.flight())
    }

    fn has_room_for(&self, asker: Option<IpAddr>) -> bool {
        let of_asker = || self.under_way.values().filter(|(_, address)| *address == asker).count();
        self.under_way.len() < MOST_UNDER_WAY && of_asker() < MOST_OF_ONE_ADDRESS
    }

    fn ended(&mut self, id: String, fetched: Result<KeySet, TokenError>, now: UnixSeconds) {
        self.under_way.remove(&id);
        match fetched {
            Ok(key) => {
                self.in_vain.remove(&id);
                self.keep(id, Arc::new(key), now);
            }
            Err(error) => {
                // Anybody can invent an id, so one that the source does not know is not worth a warning.
                match &error {
                    TokenError::UnknownKey(_) => tracing::debug!(id, %error, "key.not_fetched"),
                    _ => tracing::warn!(id, %error, "key.not_fetched"),
                }
                if self.in_vain.len() >= MOST_IN_VAIN {
                    self.in_vain.retain(|_, (at, _)| at.elapsed() < SPACING_AFTER_FAILURE);
                }
                // An id that finds no room here is asked for again sooner.
                if self.in_vain.len() < MOST_IN_VAIN {
                    self.in_vain.insert(id, (Instant::now(), error));
                }
            }
        }
    }

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

fn unknown(id: &str) -> TokenError {
    TokenError::UnknownKey(Evidence::text("kid", Some(id)))
}

fn unfinished() -> TokenError {
    TokenError::KeysUnavailable(FetchError::Unfinished)
}
