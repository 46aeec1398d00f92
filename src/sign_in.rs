//! Sign-in in the browser: the OIDC authorization code flow with PKCE.
//!
//! OpenID Connect Core 1.0, section 3.1; RFC 7636 (PKCE, S256 only); RFC 9207 (`iss` in the callback); RFC 9700.
//!
//! Nothing is stored for a sign-in under way: the attempt is sealed into `state` and bound to the browser by a cookie,
//! so that any number of tabs may sign in at once, at any replica, and abandoned attempts cost nothing.

mod attempt;
mod binding;
mod callback;
mod calls;
mod error;
pub mod logout;
pub(crate) mod request;
pub mod return_to;

pub use self::error::SignInError;

use self::attempt::{Attempt, LIFETIME};
use self::binding::Bindings;
use self::callback::Callback;
use self::calls::Calls;
use self::request::AuthorizationRequest;
use crate::clock::Clock;
use crate::config::SignInConfig;
use crate::provider::discovery::Provider;
use crate::provider::error::ProviderError;
use crate::provider::principal::Principal;
use crate::provider::relying_party::{Identified, RelyingParty};
use crate::provider::token_answer::Tokens;
use crate::sessions::seal::Sealer;
use crate::sessions::{Established, NewSession, Opened, ProviderTokens, Seen, Sessions};
use crate::sign_in::logout::Hints;
use crate::sign_in::return_to::ReturnTo;
use crate::state::{Key, Namespace};
use crate::tokens::claims::{Claims, Expected};
use crate::tokens::jws::UnverifiedToken;
use hyper::header::{HeaderMap, HeaderValue};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use url::{Url, form_urlencoded};

/// The most sign-ins at the provider's token endpoint at once.
const MOST_EXCHANGES: usize = 64;
/// The longest wait of a sign-in for its turn among them.
const TURN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct SignIn {
    party: Arc<RelyingParty>,
    sessions: Arc<Sessions>,
    sealer: Arc<Sealer>,
    scope: String,
    /// Further parameters of the authorization request.
    parameters: Vec<(String, String)>,
    redirect_uri: Url,
    bindings: Bindings,
    calls: Calls,
    /// Callbacks that wait for the provider: their number is bounded, so that a slow provider is not overrun.
    exchanges: Semaphore,
    /// Set if sign-outs go on to the provider.
    hints: Option<Hints>,
    clock: Clock,
}

/// The provider's question to the person (OpenID Connect Core 1.0, section 3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// The provider decides; as a rule, it asks nothing of a person who is signed in there.
    Default,
    /// The account to use.
    SelectAccount,
}

/// The redirect to the provider, with its cookies.
#[derive(Debug)]
pub struct Started {
    pub location: HeaderValue,
    /// `Set-Cookie` values: the cookie that binds the attempt to this browser, unless it is bound already, and
    /// deletions of cookies that earlier attempts left behind.
    pub cookies: Vec<HeaderValue>,
}

/// The end of a callback without a failure. `deliberate` says that a person of this browser started the visit, as
/// judged at its first hop.
#[derive(Debug)]
pub enum Finished {
    /// Replaces an earlier session, of the same person or of another: the latest sign-in at the provider counts.
    SignedIn { principal: Arc<Principal>, session: Established, return_to: ReturnTo, deliberate: bool },
    /// The callback signs nobody in (stale, replayed, or another browser's), but this browser has a session, which is
    /// kept.
    Kept { return_to: ReturnTo, deliberate: bool },
    /// The callback signs nobody in, and this browser has no session. `automatic` is true once per visit: then
    /// [`SignIn::restart`] may follow at once. Otherwise a person has to press a button, so that a browser without
    /// cookies goes round once and not for ever.
    Restart { return_to: ReturnTo, deliberate: bool, automatic: bool },
}

/// The end of a callback with a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub error: SignInError,
    /// The person whom a verified ID token named all the same, for the audit trail: the issuer's key in the config, and
    /// `sub`.
    pub subject: Option<(Arc<str>, String)>,
    /// The page that the visit was for, if known, and whether a person of this browser started it.
    pub return_to: ReturnTo,
    pub deliberate: bool,
}

/// A verified ID token for which a code was exchanged, while the sign-in has its turn at the provider.
struct Redeemed<'a> {
    claims: Claims,
    id_token: String,
    tokens: Tokens,
    /// The person's sign-outs that were noted before.
    seen: Seen,
    _turn: SemaphorePermit<'a>,
}

impl Prompt {
    pub fn from_query(query: Option<&str>) -> Self {
        let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        if pairs.any(|(name, value)| name == "prompt" && value == "select_account") {
            Self::SelectAccount
        } else {
            Self::Default
        }
    }
}

/// The address to which the provider sends people back.
pub fn redirect_uri(public_url: &Url) -> Url {
    let mut redirect_uri = public_url.clone();
    redirect_uri.set_path("/-/callback");
    redirect_uri.set_query(None);
    redirect_uri.set_fragment(None);
    redirect_uri
}

impl SignIn {
    /// The callback is always `public_url` and `/-/callback`, and never taken from a request.
    pub fn new(
        config: &SignInConfig,
        public_url: &Url,
        party: Arc<RelyingParty>,
        sessions: Arc<Sessions>,
        sealer: Arc<Sealer>,
        clock: Clock,
    ) -> Self {
        Self {
            scope: config.scopes.join(" "),
            parameters: config.parameters.clone(),
            bindings: Bindings::new(public_url),
            calls: Calls::new(sessions.state().clone()),
            exchanges: Semaphore::new(MOST_EXCHANGES),
            party,
            sessions,
            sealer,
            hints: None,
            redirect_uri: redirect_uri(public_url),
            clock,
        }
    }

    /// Keeps ID tokens for sign-outs that go on to the provider.
    #[must_use]
    pub fn with_hints(self, hints: Option<Hints>) -> Self {
        Self { hints, ..self }
    }

    /// Begins a sign-in that comes back to `return_to`. `deliberate` says whether a person started this visit.
    ///
    /// # Errors
    ///
    /// [`SignInError::Provider`] if the provider's endpoints are not known.
    pub async fn start(
        &self,
        return_to: &ReturnTo,
        deliberate: bool,
        prompt: Prompt,
        headers: &HeaderMap,
    ) -> Result<Started, SignInError> {
        let (binding, set_cookie) = self.bindings.bind(headers, self.clock.now());
        let attempt = Attempt::new(return_to, deliberate, false, binding, self.clock.now());
        self.begin(&attempt, set_cookie, prompt, headers).await
    }

    /// Begins again after [`Finished::Restart`], with its values.
    ///
    /// # Errors
    ///
    /// As [`SignIn::start`].
    pub async fn restart(
        &self,
        return_to: &ReturnTo,
        deliberate: bool,
        headers: &HeaderMap,
    ) -> Result<Started, SignInError> {
        let (binding, set_cookie) = self.bindings.bind(headers, self.clock.now());
        let attempt = Attempt::new(return_to, deliberate, true, binding, self.clock.now());
        self.begin(&attempt, set_cookie, Prompt::Default, headers).await
    }

    /// Ends a sign-in; `query` is the callback's query.
    ///
    /// # Errors
    ///
    /// [`Failed`] if the callback is malformed, or the provider refuses, or its answer is missing, late or fails a
    /// check.
    pub async fn finish(&self, query: &str, headers: &HeaderMap) -> Result<Finished, Failed> {
        let Some(callback) = Callback::parse(query) else {
            let (return_to, deliberate) = (ReturnTo::default(), false);
            return Err(Failed {
                error: SignInError::MalformedCallback,
                subject: None,
                return_to,
                deliberate,
            });
        };
        let Some(attempt) = callback.state.as_deref().and_then(|state| Attempt::open(&self.sealer, state))
        else {
            // An unreadable `state` may follow a restart, so an automatic restart is only for a browser that began
            // nothing lately.
            let automatic = !self.bindings.any(headers);
            return Ok(self.astray(ReturnTo::default(), false, automatic, headers).await);
        };
        let is_of_browser = self.bindings.holds(&attempt.binding, headers);
        // Another browser's attempt has a destination that somebody else chose.
        let deliberate = attempt.is_deliberate && is_of_browser;
        let redeemed = if is_of_browser && attempt.is_fresh(self.clock.now()) {
            self.redeem(callback, &attempt).await
        } else {
            Ok(None)
        };
        let return_to = attempt.return_to();
        let redeemed = match redeemed {
            Ok(Some(redeemed)) => redeemed,
            Ok(None) => return Ok(self.astray(return_to, deliberate, !attempt.is_restart, headers).await),
            Err(error) => return Err(Failed { error, subject: None, return_to, deliberate }),
        };
        let subject = redeemed.claims.subject().map(str::to_owned);
        match self.establish(redeemed, attempt.nonce).await {
            Ok((principal, session)) => Ok(Finished::SignedIn { principal, session, return_to, deliberate }),
            Err(error) => {
                let subject = subject.map(|subject| (Arc::clone(self.party.issuer().name()), subject));
                Err(Failed { error, subject, return_to, deliberate })
            }
        }
    }

    /// `Set-Cookie` values for the answer to a callback: deletions of cookies that earlier attempts of this browser
    /// left behind.
    pub fn tidy(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        self.bindings.tidy(headers, self.clock.now())
    }

    /// Exchanges the code of this browser's own attempt for a verified ID token; `None` if the code was used before, or
    /// if another try may succeed.
    async fn redeem(
        &self,
        callback: Callback,
        attempt: &Attempt,
    ) -> Result<Option<Redeemed<'_>>, SignInError> {
        let provider = self.party.issuer().provider().await?;
        self.check_answering_issuer(&callback, &provider)?;
        if let Some(error) = callback.error {
            let may_pass = callback::is_for_want_of_interaction(&error) && !attempt.is_restart;
            return if may_pass {
                Ok(None)
            } else {
                Err(SignInError::Refused { error, description: callback.description })
            };
        }
        let code = callback.code.ok_or(SignInError::MalformedCallback)?;
        let key = Key::new(Namespace::Once, &["attempt", &attempt.nonce]);
        if self.was_used(&key).await {
            return Ok(None);
        }
        let exchange = tokio::time::timeout(TURN, self.exchanges.acquire()).await;
        let turn = exchange.ok().and_then(Result::ok).ok_or(SignInError::Crowded)?;
        if !self.calls.may_call(&attempt.nonce).await {
            return Ok(None);
        }
        let exchange = self.party.exchange(&provider, &code, &self.redirect_uri, &attempt.verifier);
        let (id_token, tokens) = match exchange.await {
            // Another replica used the code, or the code has expired.
            Err(ProviderError::TokenRefused { error, .. })
                if error == "invalid_grant" && !attempt.is_restart =>
            {
                return Ok(None);
            }
            other => other?,
        };
        // The claims are not proven yet, but the code was this browser's: they only choose the entries to look up. Keys
        // and `UserInfo` may take their time.
        let seen = {
            let stated = UnverifiedToken::parse_id_token(&id_token)?;
            let text = |name| stated.claims().get(name).and_then(Value::as_str);
            let subject = text("sub").unwrap_or_default();
            self.sessions.seen(&self.party.issuer().config().issuer, subject, text("sid")).await
        };
        // Noted only now, so that a code which the provider does not accept leaves nothing behind.
        if !self.is_first_use(&key).await {
            return Ok(None);
        }
        let expected = Expected::IdToken { client_id: self.party.client_id(), nonce: &attempt.nonce };
        let claims = self.party.verify(&id_token, expected).await?;
        Ok(Some(Redeemed { claims, id_token, tokens, seen, _turn: turn }))
    }

    /// Makes a session for the person whom the ID token names.
    async fn establish(
        &self,
        redeemed: Redeemed<'_>,
        nonce: String,
    ) -> Result<(Arc<Principal>, Established), SignInError> {
        let Redeemed { claims, id_token, tokens, seen, _turn } = redeemed;
        let Identified { principal, provider_session } =
            self.party.person(claims, tokens.access_token.as_deref()).await?;
        if let Some(hints) = &self.hints {
            hints.keep(&principal, provider_session.as_deref(), &id_token).await;
        }
        let arrival = NewSession {
            principal: &principal,
            provider_session: provider_session.as_deref(),
            seen,
            tokens: ProviderTokens { refresh_token: tokens.refresh_token, nonce: Some(nonce) },
        };
        let session = self.sessions.establish(arrival).await?;
        Ok((Arc::new(principal), session))
    }

    async fn begin(
        &self,
        attempt: &Attempt,
        set_cookie: Option<HeaderValue>,
        prompt: Prompt,
        headers: &HeaderMap,
    ) -> Result<Started, SignInError> {
        let provider = self.party.issuer().provider().await?;
        let request = AuthorizationRequest {
            client_id: self.party.client_id(),
            redirect_uri: self.redirect_uri.as_str(),
            scope: &self.scope,
            state: &attempt.seal(&self.sealer),
            nonce: &attempt.nonce,
            code_challenge: &attempt.challenge(),
            further: &self.parameters,
        };
        let needed = (prompt == Prompt::SelectAccount).then_some("select_account");
        let prompt = request::prompt(&self.parameters, needed);
        let location = request.at(&provider.authorization_endpoint, prompt.as_deref());
        let mut location =
            HeaderValue::from_str(location.as_str()).map_err(|_| SignInError::UnusableEndpoint)?;
        location.set_sensitive(true);
        let cookies = set_cookie.into_iter().chain(self.tidy(headers)).collect();
        Ok(Started { location, cookies })
    }

    /// Whether this attempt has signed somebody in before. A provider that sees a code twice may revoke the tokens that
    /// it gave for it (RFC 6749, section 4.1.2), so it is not asked again. If the state is away, it has to be asked.
    async fn was_used(&self, key: &Key) -> bool {
        self.sessions.state().value(key).await.is_ok_and(|noted| noted.is_some())
    }

    async fn is_first_use(&self, key: &Key) -> bool {
        self.sessions.state().put_new(key, b"", LIFETIME).await.unwrap_or(true)
    }

    /// The end of a callback that signs nobody in.
    async fn astray(
        &self,
        return_to: ReturnTo,
        deliberate: bool,
        automatic: bool,
        headers: &HeaderMap,
    ) -> Finished {
        match self.sessions.open(headers).await {
            Opened::Valid(_) => Finished::Kept { return_to, deliberate },
            Opened::None | Opened::Invalid { .. } | Opened::Unknown => {
                Finished::Restart { return_to, deliberate, automatic }
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
