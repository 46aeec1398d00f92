//! Authentication: a request's head becomes a [`Principal`], or an error that says which check failed.
//!
//! A token is an [`UnverifiedToken`] until its [`Issuer`] has verified its signature and claims; only then may it name
//! a [`Principal`].

pub mod credential;
mod error;

pub use error::AuthnError;

use crate::config::Credentials;
use crate::metrics::Metrics;
use crate::provider::issuer::Issuer;
use crate::provider::principal::Principal;
use crate::provider::token_cache::{CacheKey, Presentation};
use crate::sessions::run_tokens::{RunToken, RunTokenError, RunTokens};
use crate::sessions::{Opened, Root, SessionId, Sessions};
use crate::tokens::error::Evidence;
use crate::tokens::jws::UnverifiedToken;
use crate::tokens::signed_header;
use credential::Presented;
use hyper::header::{HeaderName, HeaderValue};
use std::net::IpAddr;
use std::sync::Arc;

/// Turns the credentials of a request into a person.
///
/// Every kind that is enabled and present is verified, and all must name the same person; one that does not verify is an
/// error whatever else is there. A kind that is not enabled is not looked at: it neither lets in nor keeps out.
#[derive(Debug)]
pub struct Authenticator {
    bearer_issuers: Vec<Arc<Issuer>>,
    signed_headers: Vec<(HeaderName, Vec<Arc<Issuer>>)>,
    sessions: Option<Arc<Sessions>>,
    /// `None` if the gateway makes no run tokens.
    run_tokens: Option<Arc<RunTokens>>,
    metrics: Arc<Metrics>,
}

/// A person, and the credential that proves it.
#[derive(Clone, Debug)]
pub struct Authenticated {
    pub principal: Arc<Principal>,
    pub via: Via,
    /// The session that the request carries, also beside another credential.
    pub session: Option<SessionId>,
    /// The same session, as the root of run tokens.
    pub root: Option<Root>,
    /// A renewed session cookie to send with the answer.
    pub set_cookie: Option<HeaderValue>,
}

/// The caller of a destination's API.
#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Arc<Principal>,
    /// Set if the caller came with a run token.
    pub token: Option<RunToken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Bearer,
    SignedHeader,
    Session,
}

impl Authenticated {
    fn of(principal: Arc<Principal>, via: Via) -> Self {
        Self { principal, via, session: None, root: None, set_cookie: None }
    }
}

impl Authenticator {
    /// `sessions` is `None` if sessions do not count as a credential.
    pub fn new(
        issuers: &[Arc<Issuer>],
        credentials: &Credentials,
        sessions: Option<Arc<Sessions>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let bearer = issuers.iter().filter(|issuer| credentials.bearer && issuer.takes_bearer());
        let mut signed_headers: Vec<(HeaderName, Vec<Arc<Issuer>>)> = Vec::new();
        for issuer in issuers.iter().filter(|_| credentials.signed_header) {
            let Some(header) = &issuer.config().signed_header else { continue };
            match signed_headers.iter_mut().find(|(name, _)| *name == header.header) {
                Some((_, issuers)) => issuers.push(Arc::clone(issuer)),
                None => signed_headers.push((header.header.clone(), vec![Arc::clone(issuer)])),
            }
        }
        Self {
            bearer_issuers: bearer.cloned().collect(),
            signed_headers,
            sessions,
            run_tokens: None,
            metrics,
        }
    }

    /// Run tokens count, too, for calls.
    #[must_use]
    pub fn with_run_tokens(self, run_tokens: Option<Arc<RunTokens>>) -> Self {
        Self { run_tokens, ..self }
    }

    /// # Errors
    ///
    /// [`AuthnError`]: nothing presented, or something that does not verify, or two that disagree.
    pub async fn authenticate(&self, presented: &Presented<'_>) -> Result<Authenticated, AuthnError> {
        let mut agreed = None;
        if let Some(principal) = self.by_bearer(presented).await? {
            agree(&mut agreed, Authenticated::of(principal, Via::Bearer))?;
        }
        for (name, issuers) in &self.signed_headers {
            if let Some(principal) = self.by_signed_header(presented, name, issuers).await? {
                agree(&mut agreed, Authenticated::of(principal, Via::SignedHeader))?;
            }
        }
        let session = match &self.sessions {
            Some(sessions) => Some(sessions.open(presented.headers).await),
            None => None,
        };
        match session {
            Some(Opened::Valid(session)) => {
                let by_session = Authenticated {
                    set_cookie: session.renewed,
                    session: Some(session.id),
                    root: Some(session.root),
                    ..Authenticated::of(session.principal, Via::Session)
                };
                agree(&mut agreed, by_session)?;
            }
            // An invalid cookie does not contradict another credential.
            Some(Opened::Invalid { reason, clear }) if agreed.is_none() => {
                return Err(AuthnError::Session { reason, clear });
            }
            Some(Opened::Unknown) if agreed.is_none() => return Err(AuthnError::StateAway),
            Some(Opened::Invalid { .. } | Opened::Unknown | Opened::None) | None => {}
        }
        agreed.ok_or(AuthnError::NoCredential)
    }

    /// For calls to a destination's API, which take a bearer token or a run token: all other credentials in the head are
    /// ignored.
    ///
    /// # Errors
    ///
    /// [`AuthnError`]: none presented, or one that does not verify.
    pub async fn authenticate_call(
        &self,
        presented: &Presented<'_>,
        destination: &str,
    ) -> Result<Caller, AuthnError> {
        if let Some(text) = credential::run_token(presented) {
            let token = match &self.run_tokens {
                Some(run_tokens) => run_tokens.open(text, destination).await,
                None => Err(RunTokenError::Unreadable.into()),
            };
            let token = self.placed(token.map_err(AuthnError::RunToken))?;
            return Ok(Caller { principal: Arc::clone(&token.principal), token: Some(token) });
        }
        let principal = self.by_bearer(presented).await?.ok_or(AuthnError::NoCredential)?;
        Ok(Caller { principal, token: None })
    }

    /// The token names its issuer; only that issuer's keys may prove it. A run token does not count.
    async fn by_bearer(&self, presented: &Presented<'_>) -> Result<Option<Arc<Principal>>, AuthnError> {
        if let Some(text) = credential::run_token(presented) {
            let refused = match &self.run_tokens {
                Some(run_tokens) => run_tokens.misplaced(text),
                None => RunTokenError::NotHere.into(),
            };
            return self.placed(Err(AuthnError::RunToken(refused)));
        }
        if self.bearer_issuers.is_empty() {
            return Ok(None);
        }
        match self.placed(credential::bearer(presented))? {
            Some(text) => {
                let key = CacheKey::new(text, Presentation::Bearer);
                Ok(Some(
                    self.recognise(text, key, presented.client_ip, &self.bearer_issuers, bearer_token)
                        .await?,
                ))
            }
            None => Ok(None),
        }
    }

    async fn by_signed_header(
        &self,
        presented: &Presented<'_>,
        name: &HeaderName,
        issuers: &[Arc<Issuer>],
    ) -> Result<Option<Arc<Principal>>, AuthnError> {
        match self.placed(credential::signed_header(presented, name))? {
            Some(text) => {
                let key = CacheKey::new(text, Presentation::SignedHeader);
                Ok(Some(self.recognise(text, key, presented.client_ip, issuers, header_token).await?))
            }
            None => Ok(None),
        }
    }

    /// Recognises a token that was verified before, without parsing it again.
    async fn recognise<'a>(
        &self,
        text: &'a str,
        key: CacheKey,
        asker: Option<IpAddr>,
        issuers: &'a [Arc<Issuer>],
        stated: fn(&'a str, &'a [Arc<Issuer>]) -> Stated<'a>,
    ) -> Result<Arc<Principal>, AuthnError> {
        for issuer in issuers {
            if let Some(principal) = issuer.recall(&key, asker).await {
                return Ok(principal);
            }
        }
        let (token, issuer) = self.placed(stated(text, issuers))?;
        // Boxed: the future may wait for keys and is large, and most tokens are known already.
        Ok(Box::pin(issuer.recognise(&token, key, asker)).await?)
    }

    /// Counts a credential that no configured issuer can verify. The issuers count their own.
    fn placed<T>(&self, found: Result<T, AuthnError>) -> Result<T, AuthnError> {
        found.inspect_err(|error| self.metrics.token_of_nobody(error.reason()))
    }
}

/// The token, and the issuer that it names.
type Stated<'a> = Result<(UnverifiedToken<'a>, &'a Arc<Issuer>), AuthnError>;

fn bearer_token<'a>(text: &'a str, issuers: &'a [Arc<Issuer>]) -> Stated<'a> {
    let token = UnverifiedToken::parse(text)?;
    let stated = token.stated_issuer()?;
    let issuer = issuers.iter().find(|issuer| issuer.config().issuer == stated);
    let issuer = issuer.ok_or_else(|| {
        let ours = issuers.iter().map(|issuer| &*issuer.config().issuer);
        AuthnError::UnknownIssuer(Evidence::text("iss", Some(stated)).allowed(ours))
    })?;
    Ok((token, issuer))
}

/// Several issuers may share a header (two load balancers): the token names its issuer.
fn header_token<'a>(text: &'a str, issuers: &'a [Arc<Issuer>]) -> Stated<'a> {
    let mut refusal = None;
    for issuer in issuers {
        match signed_header::parse(text, issuer.config()) {
            Ok(token) => return Ok((token, issuer)),
            Err(error) => refusal = Some(error.into()),
        }
    }
    Err(refusal.unwrap_or_else(|| AuthnError::UnknownIssuer(Evidence::default())))
}

fn agree(agreed: &mut Option<Authenticated>, next: Authenticated) -> Result<(), AuthnError> {
    match agreed {
        Some(first)
            if (&first.principal.realm, &first.principal.user)
                != (&next.principal.realm, &next.principal.user) =>
        {
            Err(AuthnError::ConflictingCredentials)
        }
        Some(first) => {
            first.session = next.session;
            first.root = next.root;
            Ok(())
        }
        None => {
            *agreed = Some(next);
            Ok(())
        }
    }
}
