//! The session of a signed-in browser: sealed into one cookie, so that replicas are interchangeable. And the run tokens
//! of programs, which are sealed likewise.
//!
//! The cookie says who signed in and when, never what that person may do: rules are judged per request.

mod content;
pub mod cookie;
mod error;
mod opened;
mod record;
mod revalidation;
mod revocation;
mod root;
pub mod run_tokens;
pub mod seal;
mod selection;
mod session_id;
mod store;

pub use self::error::{SessionError, Unusable};
pub use self::record::ProviderTokens;
pub use self::revocation::Seen;
pub use self::root::Root;
pub use self::session_id::SessionId;

use self::content::{Content, Home};
use self::cookie::Found;
use self::opened::{Reading, Remembered};
use self::record::Record;
use self::revalidation::{Revalidation, Standing};
use self::revocation::Ended;
use self::run_tokens::RunTokenError;
use self::seal::{Purpose, Sealer};
use self::selection::Unanswered;
use self::store::SessionStore;
use crate::audit::Audit;
use crate::clock::{Clock, UnixSeconds};
use crate::config::{IssuerConfig, RevalidationConfig, SessionConfig};
use crate::metrics::Metrics;
use crate::provider::policy_inputs::PolicyInputs;
use crate::provider::principal::{Groups, Principal, is_of};
use crate::provider::relying_party::RelyingParty;
use crate::state::{State, Unavailable};
use hyper::header::{HeaderMap, HeaderValue};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The age below which a session has just begun, so that another sign-in would lead to the same answer. 30 seconds of
/// it allow for differing clocks.
const JUST_ESTABLISHED: Duration = Duration::from_secs(60);
const SHORTEST_RENEWAL: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Sessions {
    store: Arc<SessionStore>,
    opened: Remembered<Reading>,
    home: Home,
    user_domains: Option<Vec<String>>,
    /// `None` if a sign-in counts for the whole lifetime of its session.
    revalidation: Option<Arc<Revalidation>>,
}

/// The result of a sign-in.
#[derive(Debug)]
pub struct NewSession<'a> {
    pub principal: &'a Principal,
    /// `sid` of the ID token.
    pub provider_session: Option<&'a str>,
    /// The ends that were noted before: [`Sessions::seen`], called as soon as the person is known.
    pub seen: Seen,
    pub tokens: ProviderTokens,
}

/// A session that has just begun.
#[derive(Debug)]
pub struct Established {
    pub id: SessionId,
    /// The `Set-Cookie` that carries it.
    pub cookie: HeaderValue,
}

/// The session of a request.
#[derive(Debug)]
pub enum Opened {
    None,
    Valid(Session),
    /// The browser is anonymous; `clear` is a `Set-Cookie` that makes it forget the cookie.
    Invalid {
        reason: Unusable,
        clear: HeaderValue,
    },
    /// The shared state is away, so it is not known whether the session was ended.
    Unknown,
}

#[derive(Debug)]
pub struct Session {
    pub principal: Arc<Principal>,
    pub id: SessionId,
    /// `sid` of the ID token: the provider's own session, for logout from its side.
    pub provider_session: Option<Arc<str>>,
    pub established: UnixSeconds,
    pub root: Root,
    /// A `Set-Cookie` that extends the idle time, when due.
    pub renewed: Option<HeaderValue>,
}

/// A session that was ended by the person.
#[derive(Debug)]
pub struct SignedOut {
    pub session: Session,
    /// False if the state is away: other replicas may accept copies of the cookie until `until`.
    pub everywhere: bool,
    pub until: UnixSeconds,
}

impl Sessions {
    /// Sessions for browsers at `public_url`. If a person has too many groups and claims for a cookie, only those that
    /// the policy `reads` are kept. Sessions belong to the `issuer` at which people sign in, as it is configured now:
    /// they have its realm, and a user whose domain it may no longer speak for is refused.
    pub fn new(
        sealer: Arc<Sealer>,
        config: &SessionConfig,
        public_url: &Url,
        issuer: &IssuerConfig,
        reads: &PolicyInputs,
        state: State,
        clock: Clock,
    ) -> Self {
        let (name, iss, realm) = (issuer.name.clone(), issuer.issuer.as_str().into(), issuer.realm.clone());
        let home = Home { issuer: name, iss, realm };
        Self {
            store: Arc::new(SessionStore::new(sealer, config, public_url, reads, state, clock)),
            opened: Remembered::new(),
            home,
            user_domains: issuer.user_domains.clone(),
            revalidation: None,
        }
    }

    /// Sessions about which `party` is asked again: an answer of the provider counts for the interval of `config`.
    #[must_use]
    pub fn with_revalidation(
        self,
        config: RevalidationConfig,
        party: Arc<RelyingParty>,
        metrics: Arc<Metrics>,
        audit: Audit,
    ) -> Self {
        let store = Arc::clone(&self.store);
        let revalidation = Arc::new(Revalidation::new(store, config, party, metrics, audit));
        Self { revalidation: Some(revalidation), ..self }
    }

    /// The ends noted so far that could concern a subject's new session. Later ends will end that session, too.
    pub async fn seen(&self, issuer: &str, subject: &str, provider_session: Option<&str>) -> Seen {
        self.store.revocations.seen(issuer, subject, provider_session).await
    }

    /// A new session.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooBig`] if even the part that the policy reads is too much for a cookie.
    pub async fn establish(&self, arrival: NewSession<'_>) -> Result<Established, SessionError> {
        let NewSession { principal, provider_session, seen, tokens } = arrival;
        let now = self.store.clock.now();
        let id = SessionId::random();
        let (_, cookie) = self.store.fit(Content::of(principal, id.clone(), provider_session, seen, now))?;
        if let Some(revalidation) = &self.revalidation {
            revalidation.expects(tokens.refresh_token.is_some());
            let record = Record::new(id.clone(), tokens);
            // Without a record, the session ends when the provider is to be asked again. That is no reason to refuse
            // the sign-in.
            if self.store.records.store(&record, now.plus(self.store.lifetime), now).await.is_err() {
                tracing::warn!("session.record-lost: the shared state is away");
            }
        }
        Ok(Established { id, cookie })
    }

    /// The session of a request, judged now. Never an error: an invalid cookie makes the browser anonymous.
    pub async fn open(&self, headers: &HeaderMap) -> Opened {
        let reading = match self.store.cookie.find(headers) {
            Found::Absent => return Opened::None,
            Found::Duplicate => Err(Unusable::Duplicate),
            Found::One(value) => self.read(value),
        };
        let reading = match reading {
            Ok(reading) => reading,
            Err(reason) => return self.invalid(reason),
        };
        if self.user_domains.as_ref().is_some_and(|domains| !is_of(&reading.content.user, domains)) {
            return self.invalid(Unusable::ForeignDomain);
        }
        match self.store.revocations.is_revoked(&reading.watched).await {
            Ok(false) => {}
            Ok(true) => return self.invalid(Unusable::Revoked),
            Err(Unavailable) => return Opened::Unknown,
        }
        let standing = match &self.revalidation {
            Some(revalidation) => revalidation.standing(&reading.content).await,
            None => Standing::AsItIs,
        };
        let resumed = match standing {
            Standing::AsItIs => self.resume(&reading, false),
            Standing::Newer(content) => {
                // The provider may have renamed the person since.
                let newer = Arc::new(Reading::new(*content, reading.home.clone(), &self.store.questions));
                match self.store.revocations.is_revoked(&newer.watched).await {
                    Ok(false) => self.resume(&newer, true),
                    Ok(true) => Err(Unusable::Revoked),
                    Err(Unavailable) => return Opened::Unknown,
                }
            }
            Standing::Unusable(reason) => Err(reason),
            Standing::Unknown => return Opened::Unknown,
        };
        match resumed {
            Ok(session) => Opened::Valid(session),
            Err(reason) => self.invalid(reason),
        }
    }

    /// The `Set-Cookie` that deletes the session cookie.
    pub fn clear(&self) -> HeaderValue {
        self.store.cookie.clear()
    }

    /// Ends a session before its time: no copy of its cookie counts any more.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]: the session may not have ended everywhere. The same holds for the next functions.
    pub async fn revoke(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.store.end(Ended::Session(session.as_str())).await
    }

    /// The same, and ends the run tokens that were made in the session.
    pub async fn revoke_with_tokens(&self, session: &SessionId) -> Result<(), Unavailable> {
        let tokens = self.store.end(Ended::TokensOfSession(session.as_str())).await;
        self.revoke(session).await.and(tokens)
    }

    /// Ends the sessions that came from one session at the provider (`sid` of a logout token).
    pub async fn revoke_provider_session(&self, issuer: &str, sid: &str) -> Result<(), Unavailable> {
        self.store.end(Ended::ProviderSession { issuer, sid }).await
    }

    /// Ends all sessions that a subject has now (`sub` of a logout token without `sid`).
    pub async fn revoke_subject(&self, issuer: &str, subject: &str) -> Result<(), Unavailable> {
        self.store.end(Ended::Subject { issuer, subject }).await
    }

    /// Ends all of a subject's sessions whose session at the provider is not known.
    pub async fn revoke_unattributed(&self, issuer: &str, subject: &str) -> Result<(), Unavailable> {
        self.store.end(Ended::Unattributed { issuer, subject }).await
    }

    /// The session of a terminal, as the provider confirms it now: the terminal has no cookie that could be renewed.
    ///
    /// # Errors
    ///
    /// [`RunTokenError`]: the provider does not confirm the person any more, or that is not known now.
    pub async fn confirmed(&self, root: &Root) -> Result<Root, RunTokenError> {
        let Some(revalidation) = &self.revalidation else { return Ok(root.clone()) };
        match revalidation.standing(&root.reading.content).await {
            Standing::AsItIs => Ok(root.clone()),
            Standing::Newer(content) => {
                let newer = Reading::new(*content, root.reading.home.clone(), &self.store.questions);
                let principal = newer.principal.clone().map_err(|Unanswered| RunTokenError::AsksForMore)?;
                Ok(Root { reading: Arc::new(newer), principal })
            }
            Standing::Unusable(_) => Err(RunTokenError::Unconfirmed),
            Standing::Unknown => Err(RunTokenError::StateAway),
        }
    }

    /// Whether the session may be one of several sign-ins at the same time.
    pub fn has_just_begun(&self, session: &Session) -> bool {
        self.store.clock.now().since(session.established) < JUST_ESTABLISHED
    }

    /// The exact `iss` of the provider at which people sign in.
    pub fn iss(&self) -> &str {
        &self.home.iss
    }

    pub(crate) fn state(&self) -> &State {
        &self.store.state
    }

    /// Ends the session of a request: no copy of its cookie counts any more, and no run token made in it. `None` if there is
    /// no session.
    pub async fn sign_out(&self, headers: &HeaderMap) -> Option<SignedOut> {
        let Found::One(value) = self.store.cookie.find(headers) else { return None };
        let reading = self.read(value).ok()?;
        if self.store.revocations.is_revoked(&reading.watched).await == Ok(true) {
            return None;
        }
        let Reading { content, home, principal, .. } = &*reading;
        let everywhere = self.revoke_with_tokens(&content.id).await.is_ok();
        // A record that is not removed expires by itself, and its session no longer counts.
        let _ = self.store.records.remove(&content.id).await;
        let until = content.established.plus(self.store.lifetime);
        // A sign-out does not need the groups.
        let principal =
            principal.clone().unwrap_or_else(|_| Arc::new(content.principal(home, Groups::LeftOut)));
        Some(SignedOut { session: Session::new(&reading, principal, None), everywhere, until })
    }

    fn invalid(&self, reason: Unusable) -> Opened {
        Opened::Invalid { reason, clear: self.clear() }
    }

    /// The content of a cookie that is ours and has not expired.
    fn read(&self, value: &[u8]) -> Result<Arc<Reading>, Unusable> {
        let reading = self.opened.read(value, || {
            let text = self.store.sealer.open(Purpose::Session, value).ok_or(Unusable::Unreadable)?;
            let content = Content::parse(&text).ok_or(Unusable::Unreadable)?;
            if content.issuer != *self.home.issuer {
                return Err(Unusable::UnknownIssuer);
            }
            Ok((Reading::new(content, self.home.clone(), &self.store.questions), text.len()))
        })?;
        let now = self.store.clock.now();
        if now.since(reading.content.established) >= self.store.lifetime {
            return Err(Unusable::Expired);
        }
        if now.since(reading.content.last_seen) >= self.store.idle {
            return Err(Unusable::Idle);
        }
        Ok(reading)
    }

    /// The session, with a new cookie if its content is newer than the browser's or its idle time is to be extended.
    fn resume(&self, reading: &Arc<Reading>, is_newer: bool) -> Result<Session, Unusable> {
        let content = &reading.content;
        let now = self.store.clock.now();
        let principal = reading.principal.clone().map_err(|_| {
            let is_new = now.since(content.established) < JUST_ESTABLISHED;
            if is_new { Unusable::RulesDiffer } else { Unusable::AsksForMore }
        })?;
        let renewal = (self.store.idle / 10).max(SHORTEST_RENEWAL).min(self.store.idle / 2);
        let renewed = if is_newer || now.since(content.last_seen) >= renewal {
            self.store.set_cookie(&content.seen_at(now)).ok()
        } else {
            None
        };
        Ok(Session::new(reading, principal, renewed))
    }
}

impl Session {
    fn new(reading: &Arc<Reading>, principal: Arc<Principal>, renewed: Option<HeaderValue>) -> Self {
        let content = &reading.content;
        Self {
            root: Root { reading: Arc::clone(reading), principal: Arc::clone(&principal) },
            principal,
            id: content.id.clone(),
            provider_session: content.provider_session.clone(),
            established: content.established,
            renewed,
        }
    }
}
