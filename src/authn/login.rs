//! Sign-in in the browser: the OIDC authorization code flow with PKCE.
//!
//! OpenID Connect Core 1.0, section 3.1; RFC 7636 (PKCE, S256 only); RFC 9207 (`iss` in the callback); RFC 9700.
//!
//! Nothing is kept for a sign-in under way: the attempt is sealed into `state` and bound to the browser by one cookie,
//! so that any number of tabs may sign in at once, at any replica, and abandoned attempts cost nothing.

mod attempt;
mod callback;
mod client;
mod error;
mod party;

pub use error::SignInError;
pub(super) use party::Identified;
pub use party::RelyingParty;

use self::attempt::{Attempt, LIFETIME};
use self::callback::Callback;
use super::claims::Expected;
use super::cookie::Cookie;
use super::discovery::Provider;
use super::principal::Principal;
use super::return_to::ReturnTo;
use super::seal::Sealer;
use super::session::{Arrival, Opened, ProviderTokens, Sessions};
use crate::clock::Clock;
use crate::config::SignInConfig;
use crate::state::{Key, Room};
use hyper::header::{HeaderMap, HeaderValue};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use url::Url;

/// Sign-ins at the provider's token endpoint at once.
const MOST_EXCHANGES: usize = 64;
/// Longer than a browser's session with the provider; a sign-in on its last minutes merely starts over.
const BROWSER_COOKIE_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug)]
pub struct SignIn {
    party: Arc<RelyingParty>,
    sessions: Arc<Sessions>,
    sealer: Arc<Sealer>,
    scope: String,
    redirect_uri: Url,
    browser_cookie: Cookie,
    /// Callbacks that wait for the provider, so that a slow one is not buried under everybody's.
    exchanges: Semaphore,
    clock: Clock,
}

/// The way to the provider.
#[derive(Debug)]
pub struct Started {
    pub location: HeaderValue,
    /// Binds the attempt to this browser, where it is not bound already.
    pub set_cookie: Option<HeaderValue>,
}

/// How a callback ends when nothing went wrong on the way.
#[derive(Debug)]
pub enum Finished {
    SignedIn {
        principal: Arc<Principal>,
        session: HeaderValue,
        return_to: ReturnTo,
        /// Whether a person started this visit, as its first hop was judged.
        deliberate: bool,
    },
    /// The callback is no good (stale, replayed, or another browser's), but this browser has a session, which wins.
    /// Go there, as to a visit that no person started.
    Kept { return_to: ReturnTo },
    /// The callback is no good, and this browser has no session. `automatic` is true once per visit: then
    /// [`SignIn::restart`] may follow at once. Otherwise a person has to press a button, so that a browser without
    /// cookies goes round once and not for ever.
    Restart { return_to: ReturnTo, automatic: bool },
    /// The provider said no: its error code, such as `access_denied`.
    Refused { error: String, return_to: ReturnTo },
}

impl SignIn {
    /// The callback is `public_url` and `/-/callback`, whatever a request says.
    pub fn new(
        config: &SignInConfig,
        public_url: &Url,
        party: Arc<RelyingParty>,
        sessions: Arc<Sessions>,
        sealer: Arc<Sealer>,
        clock: Clock,
    ) -> Self {
        let mut redirect_uri = public_url.clone();
        redirect_uri.set_path("/-/callback");
        redirect_uri.set_query(None);
        redirect_uri.set_fragment(None);
        Self {
            scope: config.scopes.join(" "),
            browser_cookie: Cookie::browser(public_url),
            exchanges: Semaphore::new(MOST_EXCHANGES),
            party,
            sessions,
            sealer,
            redirect_uri,
            clock,
        }
    }

    /// Begins a sign-in that comes back to `return_to`. `deliberate` says whether a person started this visit.
    ///
    /// # Errors
    ///
    /// [`SignInError::Provider`] where the provider's endpoints are not known.
    pub async fn start(
        &self,
        return_to: &ReturnTo,
        deliberate: bool,
        headers: &HeaderMap,
    ) -> Result<Started, SignInError> {
        self.begin(return_to, deliberate, false, headers).await
    }

    /// Begins again after [`Finished::Restart`]. Whoever made the first callback may have chosen `return_to`, so the visit
    /// counts as one that no person started: it ends before a page with a button, not in a presigned URL.
    ///
    /// # Errors
    ///
    /// As [`SignIn::start`].
    pub async fn restart(&self, return_to: &ReturnTo, headers: &HeaderMap) -> Result<Started, SignInError> {
        self.begin(return_to, false, true, headers).await
    }

    /// Ends a sign-in: `query` is that of the callback.
    ///
    /// # Errors
    ///
    /// [`SignInError`] where the callback is malformed, or the provider's answer is missing, late or fails a check.
    pub async fn finish(&self, query: &str, headers: &HeaderMap) -> Result<Finished, SignInError> {
        let callback = Callback::parse(query).ok_or(SignInError::MalformedCallback)?;
        let Some(attempt) = callback.state.as_deref().and_then(|state| Attempt::open(&self.sealer, state))
        else {
            return Ok(self.astray(ReturnTo::default(), false, headers).await);
        };
        let again = |attempt: &Attempt| self.astray(attempt.return_to(), !attempt.is_restart, headers);
        if !attempt.is_of_browser(self.browser_cookie.find(headers)) || !attempt.is_fresh(self.clock.now()) {
            return Ok(again(&attempt).await);
        }
        let provider = self.party.issuer().provider().await?;
        self.check_answering_issuer(&callback, &provider)?;
        if let Some(error) = callback.error {
            return Ok(Finished::Refused { error, return_to: attempt.return_to() });
        }
        let code = callback.code.ok_or(SignInError::MalformedCallback)?;
        let _exchange = self.exchanges.try_acquire().map_err(|_| SignInError::Crowded)?;
        if !self.is_first_use(&attempt).await {
            return Ok(again(&attempt).await);
        }
        let exchange = self.party.exchange(&provider, &code, &self.redirect_uri, &attempt.verifier);
        let tokens = match exchange.await {
            // Another replica used the code, or it was left lying for too long.
            Err(SignInError::TokenRefused { error }) if error == "invalid_grant" && !attempt.is_restart => {
                return Ok(again(&attempt).await);
            }
            other => other?,
        };
        let expected = Expected::IdToken { client_id: self.party.client_id(), nonce: &attempt.nonce };
        let person = self.party.person(&tokens, expected).await?;
        let Identified { principal, provider_session } =
            person.ok_or(SignInError::MalformedTokens("it has no id_token"))?;
        let arrival = Arrival {
            principal: &principal,
            provider_session: provider_session.as_deref(),
            tokens: ProviderTokens {
                refresh_token: tokens.refresh_token,
                nonce: Some(attempt.nonce.clone()),
            },
        };
        let session = self.sessions.establish(arrival).await?;
        Ok(Finished::SignedIn {
            principal: Arc::new(principal),
            session,
            return_to: attempt.return_to(),
            deliberate: attempt.is_deliberate,
        })
    }

    async fn begin(
        &self,
        return_to: &ReturnTo,
        deliberate: bool,
        restart: bool,
        headers: &HeaderMap,
    ) -> Result<Started, SignInError> {
        let provider = self.party.issuer().provider().await?;
        let (browser, new) = attempt::browser(self.browser_cookie.find(headers));
        let attempt = Attempt::new(return_to, deliberate, restart, &browser, self.clock.now());
        let set_cookie = if new { self.browser_cookie.set(&browser, BROWSER_COOKIE_LIFETIME) } else { None };
        let mut location = provider.authorization_endpoint.clone();
        location
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", self.party.client_id())
            .append_pair("redirect_uri", self.redirect_uri.as_str())
            .append_pair("scope", &self.scope)
            .append_pair("state", &attempt.seal(&self.sealer))
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256");
        let mut location =
            HeaderValue::from_str(location.as_str()).map_err(|_| SignInError::UnusableEndpoint)?;
        location.set_sensitive(true);
        Ok(Started { location, set_cookie })
    }

    /// Whether nobody came back with this attempt before. Where the state is away, the provider refuses a used code.
    async fn is_first_use(&self, attempt: &Attempt) -> bool {
        let key = Key::new(Room::Once, &["attempt", &attempt.nonce]);
        self.sessions.state().put_new(&key, b"", LIFETIME).await.unwrap_or(true)
    }

    /// What becomes of a callback that cannot sign anyone in.
    async fn astray(&self, return_to: ReturnTo, automatic: bool, headers: &HeaderMap) -> Finished {
        match self.sessions.open(headers).await {
            Opened::Valid(_) => Finished::Kept { return_to },
            Opened::None | Opened::Invalid { .. } | Opened::Unknown => {
                Finished::Restart { return_to, automatic }
            }
        }
    }

    /// RFC 9207, section 2.4.
    fn check_answering_issuer(&self, callback: &Callback, provider: &Provider) -> Result<(), SignInError> {
        match &callback.issuer {
            Some(issuer) if *issuer == self.party.issuer().config().issuer => Ok(()),
            None if !provider.iss_parameter_supported => Ok(()),
            Some(_) | None => Err(SignInError::WrongIssuer),
        }
    }
}
