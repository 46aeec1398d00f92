//! One configured issuer: its keys prove its tokens and no others.

use crate::clock::{Clock, UnixSeconds};
use crate::config::secrets::{SecretError, Secrets, key_set};
use crate::config::{Algorithm, IssuerConfig, KeySource};
use crate::digest::{Sha256, sha256};
use crate::http_client::HttpClient;
use crate::http_client::document::{self, FetchError};
use crate::metrics::Metrics;
use crate::metrics::series::IssuerSeries;
use crate::provider::discovery::{self, Metadata, Provider};
use crate::provider::pem_keys::PemKeys;
use crate::provider::principal::{self, Principal};
use crate::provider::refresh::{Current, Fetch, Refreshed, Search};
use crate::provider::token_cache::{CacheKey, CachedToken, TokenCache};
use crate::tokens::claims::{self, Claims, Expected};
use crate::tokens::error::{Evidence, TokenError};
use crate::tokens::jwks::{KeySet, SignedToken, Unproven};
use crate::tokens::jws::UnverifiedToken;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use url::Url;

/// Verifies the tokens of one party.
///
/// Keys are fetched when first needed, asked for again in the background after 5 minutes, and serve for up to 24 hours
/// while the party is out of reach.
#[derive(Debug)]
pub struct Issuer {
    config: IssuerConfig,
    http: HttpClient,
    clock: Clock,
    keys: Keys,
    /// `None` where the issuer's name is not a URL: it has nothing to sign in at.
    metadata: Option<Refreshed<Metadata>>,
    verified: TokenCache,
    series: IssuerSeries,
}

#[derive(Debug)]
enum Keys {
    Fetched(Refreshed<KeySet>),
    Fixed(Arc<KeySet>),
    OneByOne(PemKeys),
}

/// The place of a set of keys.
#[derive(Clone)]
enum Location {
    Known(Url),
    Discovered(Refreshed<Metadata>),
}

/// The provider's metadata as it is now, for an examination.
#[derive(Debug)]
pub struct Discovered {
    pub provider: Result<Arc<Provider>, FetchError>,
    /// The time by the provider's clock.
    pub date: Option<UnixSeconds>,
}

/// The keys of an issuer, for an examination.
#[derive(Debug)]
pub struct KeysFound {
    /// The number of keys that can prove a token.
    pub count: usize,
    /// The configured algorithms that some key is for.
    pub fitting: Vec<Algorithm>,
}

impl Issuer {
    /// # Errors
    ///
    /// A key file that was not read or holds no usable key, or an issuer that is not a URL where its keys are to be
    /// discovered.
    pub fn new(
        config: IssuerConfig,
        secrets: &Secrets,
        http: HttpClient,
        clock: Clock,
        metrics: &Metrics,
    ) -> Result<Arc<Self>, SecretError> {
        let series = metrics.issuer(&config.name);
        let metadata = discovery::metadata(&config, http.clone(), clock.clone());
        let name = format!("keys of {}", config.issuer);
        let fetched =
            |location| Keys::Fetched(keys_at(location, name, http.clone(), clock.clone(), series.clone()));
        let keys = match &config.keys {
            KeySource::Discovery => {
                let nowhere = || {
                    SecretError::unusable(
                        format!("issuers.{}.issuer", config.name),
                        discovery::none().to_string(),
                    )
                };
                fetched(Location::Discovered(metadata.clone().ok_or_else(nowhere)?))
            }
            KeySource::JwksUri(location) => fetched(Location::Known(location.clone())),
            KeySource::JwksFile(path) => Keys::Fixed(Arc::new(keys_on_disk(&config.name, path, secrets)?)),
            KeySource::PemPerKey(base) => {
                Keys::OneByOne(PemKeys::new(base.clone(), http.clone(), clock.clone(), series.clone()))
            }
        };
        let verified = TokenCache::new();
        Ok(Arc::new(Self { config, http, clock, keys, metadata, verified, series }))
    }

    /// The issuer's key in the config.
    pub fn name(&self) -> &Arc<str> {
        &self.config.name
    }

    pub fn config(&self) -> &IssuerConfig {
        &self.config
    }

    /// Proves the signature by this issuer's keys and checks what the token says.
    ///
    /// # Errors
    ///
    /// The first check that fails, or [`TokenError::KeysUnavailable`] where the keys to tell could not be had in time.
    pub async fn verify(
        &self,
        token: &UnverifiedToken<'_>,
        expected: Expected<'_>,
    ) -> Result<Claims, TokenError> {
        let checked = self.check(token, expected, None).await.map(|(claims, _)| claims);
        self.series.token(checked, TokenError::reason)
    }

    /// The person or program whom the claims name.
    ///
    /// # Errors
    ///
    /// [`TokenError::Mapping`] where they name nobody of this issuer.
    pub fn principal(&self, claims: Claims) -> Result<Principal, TokenError> {
        principal::map(&self.config, claims.into_all()).map_err(TokenError::Mapping)
    }

    /// The provider's metadata that sign-in needs, by discovery at the issuer's URL, cached as the keys are.
    ///
    /// # Errors
    ///
    /// The provider's metadata is out of reach, or names another issuer, or lacks what sign-in needs: the text names the field.
    pub async fn provider(&self) -> Result<Arc<Provider>, FetchError> {
        let metadata = self.metadata.as_ref();
        metadata.ok_or_else(discovery::none)?.current().await?.document.provider.clone()
    }

    /// Whether its keys are where its discovery document says.
    pub fn discovers_keys(&self) -> bool {
        self.config.keys == KeySource::Discovery
    }

    /// Asks for the discovery document anew.
    ///
    /// # Errors
    ///
    /// It cannot be had, or is another issuer's.
    pub async fn discover(&self) -> Result<Discovered, FetchError> {
        let (metadata, date) = discovery::ask(&self.config, &self.http).await?;
        Ok(Discovered { provider: metadata.provider, date })
    }

    /// The keys that tokens would be judged by; `None` where each is fetched when a token names it.
    ///
    /// # Errors
    ///
    /// They cannot be had, or none of them is usable.
    pub async fn keys_found(&self) -> Result<Option<KeysFound>, FetchError> {
        let keys = match &self.keys {
            Keys::Fetched(keys) => keys.current().await?.document,
            Keys::Fixed(keys) => Arc::clone(keys),
            Keys::OneByOne(_) => return Ok(None),
        };
        let fitting = self.config.algorithms.iter().copied();
        let fitting = fitting.filter(|algorithm| keys.has_key_for(*algorithm)).collect();
        Ok(Some(KeysFound { count: keys.count(), fitting }))
    }

    /// Whether bearer tokens of this issuer count.
    pub(crate) fn takes_bearer(&self) -> bool {
        self.config.signed_header.is_none() && !self.config.audience.is_empty()
    }

    /// The person that a token was found to stand for when it came before. It looks at the token's digest alone, so it
    /// is asked first; [`recognise`](Self::recognise) answers where it does not know the token.
    pub(crate) async fn recall(&self, key: &CacheKey, asker: Option<IpAddr>) -> Option<Arc<Principal>> {
        let known = self.verified.find(key)?;
        let keys = self.keys_named(known.key_id.as_deref(), asker).await.ok()?;
        let counts = known.keys == *keys.document.fingerprint() && known.counts.contains(&self.clock.now());
        counts.then(|| {
            self.series.accepted();
            Arc::clone(&known.principal)
        })
    }

    /// The person that a token stands for, which is remembered under `key`.
    pub(crate) async fn recognise(
        &self,
        token: &UnverifiedToken<'_>,
        key: CacheKey,
        asker: Option<IpAddr>,
    ) -> Result<Arc<Principal>, TokenError> {
        let now = self.clock.now();
        let named = self.check(token, key.expected(), asker).await.and_then(|(claims, keys)| {
            let counts = now..claims.expires_at();
            let principal = Arc::new(self.principal(claims)?);
            let (key_id, size) = (token.jws().key_id.clone(), token.jws().payload.len());
            let cached = CachedToken { principal: Arc::clone(&principal), keys, key_id, counts, size };
            self.verified.keep(key, cached);
            Ok(principal)
        });
        self.series.token(named, TokenError::reason)
    }

    /// Checks the signature first, then the claims. Returns the claims with the set of keys that proves the token.
    async fn check(
        &self,
        token: &UnverifiedToken<'_>,
        expected: Expected<'_>,
        asker: Option<IpAddr>,
    ) -> Result<(Claims, Sha256), TokenError> {
        let keys = self.keys_for(token, asker).await?;
        let signed = self.prove(token, keys).await?;
        let claims = claims::check(&signed, expected, &self.config, self.clock.now())?;
        Ok((claims, *signed.keys()))
    }

    async fn keys_for(
        &self,
        token: &UnverifiedToken<'_>,
        asker: Option<IpAddr>,
    ) -> Result<Current<KeySet>, TokenError> {
        let jws = token.jws();
        if !self.config.algorithms.contains(&jws.algorithm) {
            let allowed = self.config.algorithms.iter().map(|algorithm| algorithm.as_str());
            let alg = jws.header.get("alg");
            return Err(TokenError::AlgorithmNotAllowed(Evidence::value("alg", alg).allowed(allowed)));
        }
        self.keys_named(jws.key_id.as_deref(), asker).await
    }

    /// The set in force; where keys are fetched one by one, the key of this `kid`.
    async fn keys_named(
        &self,
        key_id: Option<&str>,
        asker: Option<IpAddr>,
    ) -> Result<Current<KeySet>, TokenError> {
        match &self.keys {
            Keys::Fetched(keys) => keys.current().await.map_err(TokenError::KeysUnavailable),
            Keys::Fixed(keys) => Ok(Current { document: Arc::clone(keys), just_fetched: true }),
            Keys::OneByOne(keys) => {
                let id = key_id.ok_or_else(|| TokenError::UnknownKey(Evidence::text("kid", None)))?;
                Ok(Current { document: keys.key(id, asker).await?, just_fetched: true })
            }
        }
    }

    /// If no key fits, asks for a newer set, which may have one, unless the set at hand has just come.
    async fn prove<'t, 'a>(
        &self,
        token: &'t UnverifiedToken<'a>,
        keys: Current<KeySet>,
    ) -> Result<SignedToken<'t, 'a>, TokenError> {
        let mut set = keys.document;
        let mut search = None;
        loop {
            let unproven = match set.prove(token) {
                Ok(signed) => return Ok(signed),
                Err(unproven) => unproven,
            };
            let newer_may_fit = unproven == Unproven::NoKey || token.jws().key_id.is_none();
            let newer = match &self.keys {
                Keys::Fetched(fetched) if newer_may_fit && !keys.just_fetched => {
                    let search = search.get_or_insert_with(|| Search::of(sought_name(token)));
                    fetched.search(search, &set).await.map_err(TokenError::KeysUnavailable)?
                }
                _ => None,
            };
            set = newer.ok_or_else(|| unproven.error(token.jws()))?;
        }
    }
}

/// The name by which a token that no key proves is remembered: its `kid`, or the token itself where it has none.
fn sought_name(token: &UnverifiedToken<'_>) -> Sha256 {
    let jws = token.jws();
    sha256(jws.key_id.as_ref().map_or(jws.signature.as_slice(), |id| id.as_bytes()))
}

fn keys_at(
    location: Location,
    name: String,
    http: HttpClient,
    clock: Clock,
    series: IssuerSeries,
) -> Refreshed<KeySet> {
    Refreshed::new(name, clock, move |_| -> Fetch<KeySet> {
        let (location, http, series) = (location.clone(), http.clone(), series.clone());
        Box::pin(async move {
            let fetched = async {
                let location = match &location {
                    Location::Known(location) => location.clone(),
                    Location::Discovered(metadata) => metadata.current().await?.document.jwks_uri.clone()?,
                };
                KeySet::parse(&document::fetch(&http, &location).await?.body)
            };
            series.keys_fetched(fetched.await)
        })
    })
}

fn keys_on_disk(issuer: &str, path: &Path, secrets: &Secrets) -> Result<KeySet, SecretError> {
    let key = key_set(issuer);
    let document = secrets.get(&key)?;
    let refused = |error| SecretError::unusable(&key, format!("`{}`: {error}", path.display()));
    KeySet::parse(document.expose()).map_err(refused)
}
