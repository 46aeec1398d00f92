//! The session of a signed-in browser: sealed into one cookie, so that replicas are interchangeable.
//!
//! The cookie says who signed in and when, never what that person may do: rules are judged per request.

mod content;
pub mod cookie;
mod error;
mod opened;
mod record;
mod revalidation;
mod revocation;
pub mod seal;
mod selection;

pub use error::{SessionError, Unusable};
pub use revalidation::Revalidation;

use self::content::{Content, Home};
use self::opened::{OpenedCookies, Reading};
use self::record::{Record, Records};
use self::revalidation::Current;
use self::selection::Questions;
use crate::clock::{Clock, UnixSeconds};
use crate::config::{IssuerConfig, SessionConfig};
use crate::provider::policy_inputs::PolicyInputs;
use crate::provider::principal::{Groups, Principal, is_of};
use crate::secret::random;
use crate::sessions::cookie::{Cookie, Found};
pub use crate::sessions::revocation::Seen;
use crate::sessions::revocation::{Ended, Revocations};
use crate::sessions::seal::{Purpose, Sealer};
use crate::state::{State, Unavailable};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Browsers keep 4096 bytes of name, value and attributes (RFC 6265bis, section 5.6); proxies are content with this.
const LONGEST_SET_COOKIE: usize = 3800;
/// Up to here all groups and claims are kept, whatever the rules ask: then no change of them ever asks for more.
const COMFORTABLE_SET_COOKIE: usize = 2048;
/// A session that is refused so soon after the sign-in would be refused after the next one too. Half of it is for clocks
/// that differ.
const JUST_ESTABLISHED: Duration = Duration::from_secs(60);
const SHORTEST_RENEWAL: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Sessions {
    sealer: Arc<Sealer>,
    cookie: Cookie,
    opened: OpenedCookies,
    home: Home,
    user_domains: Option<Vec<String>>,
    lifetime: Duration,
    idle: Duration,
    questions: Questions,
    revocations: Revocations,
    records: Records,
    revalidation: Option<Revalidation>,
    state: State,
    clock: Clock,
}

/// What a sign-in brings.
#[derive(Debug)]
pub struct Arrival<'a> {
    pub principal: &'a Principal,
    /// `sid` of the ID token.
    pub provider_session: Option<&'a str>,
    /// What had ended before: [`Sessions::seen`], asked for as soon as it was known whose session it will be.
    pub seen: Seen,
    pub tokens: ProviderTokens,
}

/// What is kept of the provider's answer, and never goes into a cookie.
#[derive(Clone, Default)]
pub struct ProviderTokens {
    pub refresh_token: Option<String>,
    /// Of the ID token.
    pub nonce: Option<String>,
}

/// A session that has just begun.
#[derive(Debug)]
pub struct Established {
    pub id: SessionId,
    /// The `Set-Cookie` that carries it.
    pub cookie: HeaderValue,
}

/// What a request says about its session.
#[derive(Debug)]
pub enum Opened {
    None,
    Valid(Session),
    /// The browser is anonymous; `clear` is a `Set-Cookie` that makes it forget the cookie.
    Invalid {
        reason: Unusable,
        clear: HeaderValue,
    },
    /// Whether the session was ended cannot be told now.
    Unknown,
}

#[derive(Debug)]
pub struct Session {
    pub principal: Arc<Principal>,
    pub id: SessionId,
    /// `sid` of the ID token: the provider's own session, for logout from its side.
    pub provider_session: Option<Arc<str>>,
    pub established: UnixSeconds,
    /// A `Set-Cookie` that moves the idle time on, when it is due.
    pub renewed: Option<HeaderValue>,
}

/// A session that was ended by the person.
#[derive(Debug)]
pub struct SignedOut {
    pub session: Session,
    /// False where the state is away: other replicas may accept copies of the cookie `until` then.
    pub everywhere: bool,
    pub until: UnixSeconds,
}

/// Names a session; opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Arc<str>);

impl Sessions {
    /// Sessions for browsers at `public_url`. Where a person has too many groups and claims for a cookie, only what the
    /// policy `reads` is kept. Sessions are of the `issuer` that people sign in at, as it is configured now: their realm is its
    /// realm, and an address that it may no longer speak for counts no longer.
    pub fn new(
        sealer: Arc<Sealer>,
        config: &SessionConfig,
        public_url: &Url,
        issuer: &IssuerConfig,
        reads: &PolicyInputs,
        state: State,
        clock: Clock,
    ) -> Self {
        let home = Home { issuer: issuer.name.clone(), realm: issuer.realm.clone() };
        let cookie = Cookie::session(public_url);
        let (lifetime, idle) = (config.lifetime, config.idle);
        let revocations = Revocations::new(state.clone());
        let questions = Questions::new(reads);
        let records = Records::new(Arc::clone(&sealer), state.clone());
        let revalidation = None;
        Self {
            sealer,
            cookie,
            opened: OpenedCookies::new(),
            home,
            user_domains: issuer.user_domains.clone(),
            lifetime,
            idle,
            questions,
            revocations,
            records,
            revalidation,
            state,
            clock,
        }
    }

    /// Sessions that the provider is asked about again and again.
    #[must_use]
    pub fn with_revalidation(self, revalidation: Revalidation) -> Self {
        Self { revalidation: Some(revalidation), ..self }
    }

    /// What has ended by now of what a subject's session could be ended by. What ends later ends that session, too.
    pub async fn seen(&self, issuer: &str, subject: &str, provider_session: Option<&str>) -> Seen {
        self.revocations.seen(issuer, subject, provider_session).await
    }

    /// A new session.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooBig`] where even what the policy reads is too much for a cookie.
    pub async fn establish(&self, arrival: Arrival<'_>) -> Result<Established, SessionError> {
        let Arrival { principal, provider_session, seen, tokens } = arrival;
        let now = self.clock.now();
        let id = SessionId(URL_SAFE_NO_PAD.encode(random::<16>()).into());
        let (_, cookie) = self.fit(Content::of(principal, id.clone(), provider_session, seen, now))?;
        if let Some(revalidation) = &self.revalidation {
            revalidation.expects(tokens.refresh_token.is_some());
            let record = Record::new(id.clone(), tokens);
            // Without it, the session ends when the provider is to be asked: a sign-in is not worth less than that.
            if self.records.store(&record, now.plus(self.lifetime), now).await.is_err() {
                tracing::warn!("session.record-lost: the shared state is away");
            }
        }
        Ok(Established { id, cookie })
    }

    /// The session of a request, judged now. Never an error: a cookie that does not count makes the browser anonymous.
    pub async fn open(self: &Arc<Self>, headers: &HeaderMap) -> Opened {
        let reading = match self.cookie.find(headers) {
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
        match self.revocations.is_revoked(&reading.watched).await {
            Ok(false) => {}
            Ok(true) => return self.invalid(Unusable::Revoked),
            Err(Unavailable) => return Opened::Unknown,
        }
        let resumed = match self.current(&reading.content).await {
            Current::AsItIs => self.resume(&reading, false),
            Current::Newer(content) => {
                // The provider may know it by another name since.
                let newer = Reading::new(*content, reading.home.clone(), &self.questions, 0);
                match self.revocations.is_revoked(&newer.watched).await {
                    Ok(false) => self.resume(&newer, true),
                    Ok(true) => Err(Unusable::Revoked),
                    Err(Unavailable) => return Opened::Unknown,
                }
            }
            Current::Unusable(reason) => Err(reason),
            Current::Away => return Opened::Unknown,
        };
        match resumed {
            Ok(session) => Opened::Valid(session),
            Err(reason) => self.invalid(reason),
        }
    }

    /// The `Set-Cookie` that deletes the session cookie.
    pub fn clear(&self) -> HeaderValue {
        self.cookie.clear()
    }

    /// Ends a session before its time: its cookie no longer counts, wherever copies of it are.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]: it may not have ended everywhere. The same holds for the two that follow.
    pub async fn revoke(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.end(Ended::Session(session.as_str())).await
    }

    /// Ends the sessions that came from one session at the provider (`sid` of a logout token).
    pub async fn revoke_provider_session(&self, issuer: &str, sid: &str) -> Result<(), Unavailable> {
        self.end(Ended::ProviderSession { issuer, sid }).await
    }

    /// Ends all sessions that a subject has now (`sub` of a logout token without `sid`).
    pub async fn revoke_subject(&self, issuer: &str, subject: &str) -> Result<(), Unavailable> {
        self.end(Ended::Subject { issuer, subject }).await
    }

    /// Ends all sessions that a subject has now of which is not known from which session at the provider they came.
    pub async fn revoke_unattributed(&self, issuer: &str, subject: &str) -> Result<(), Unavailable> {
        self.end(Ended::Unattributed { issuer, subject }).await
    }

    /// Whether it may be one of several sign-ins at once.
    pub fn has_just_begun(&self, session: &Session) -> bool {
        self.clock.now().since(session.established) < JUST_ESTABLISHED
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Ends the session of a request: its cookie no longer counts, wherever copies of it are. `None` where there is none.
    pub async fn sign_out(&self, headers: &HeaderMap) -> Option<SignedOut> {
        let Found::One(value) = self.cookie.find(headers) else { return None };
        let reading = self.read(value).ok()?;
        if self.revocations.is_revoked(&reading.watched).await == Ok(true) {
            return None;
        }
        let Reading { content, home, principal, .. } = &*reading;
        let everywhere = self.revoke(&content.id).await.is_ok();
        // At worst it ends by itself: the session no longer counts.
        let _ = self.records.remove(&content.id).await;
        let until = content.established.plus(self.lifetime);
        // Whether the rules ask for more groups than are known is no matter here.
        let principal =
            principal.clone().unwrap_or_else(|_| Arc::new(content.principal(home, Groups::LeftOut)));
        Some(SignedOut { session: Session::new(content, principal, None), everywhere, until })
    }

    async fn end(&self, ended: Ended<'_>) -> Result<(), Unavailable> {
        self.revocations.end(ended, self.clock.now()).await
    }

    fn invalid(&self, reason: Unusable) -> Opened {
        Opened::Invalid { reason, clear: self.clear() }
    }

    /// What the cookie says, where it is ours and in its time.
    fn read(&self, value: &[u8]) -> Result<Arc<Reading>, Unusable> {
        let reading = self.opened.read(value, || {
            let text = self.sealer.open(Purpose::Session, value).ok_or(Unusable::Unreadable)?;
            let content = Content::parse(&text).ok_or(Unusable::Unreadable)?;
            if content.issuer != *self.home.issuer {
                return Err(Unusable::UnknownIssuer);
            }
            Ok(Reading::new(content, self.home.clone(), &self.questions, text.len()))
        })?;
        let now = self.clock.now();
        if now.since(reading.content.established) >= self.lifetime {
            return Err(Unusable::Expired);
        }
        if now.since(reading.content.last_seen) >= self.idle {
            return Err(Unusable::Idle);
        }
        Ok(reading)
    }

    /// The session, with a new cookie where its content is newer than the browser's or its idle time is to be moved on.
    fn resume(&self, reading: &Reading, is_newer: bool) -> Result<Session, Unusable> {
        let content = &reading.content;
        let now = self.clock.now();
        let principal = reading.principal.clone().map_err(|_| {
            let is_new = now.since(content.established) < JUST_ESTABLISHED;
            if is_new { Unusable::RulesDiffer } else { Unusable::AsksForMore }
        })?;
        let renewal = (self.idle / 10).max(SHORTEST_RENEWAL).min(self.idle / 2);
        let renewed = if is_newer || now.since(content.last_seen) >= renewal {
            self.seal(&content.seen_at(now)).ok()
        } else {
            None
        };
        Ok(Session::new(content, principal, renewed))
    }

    /// With all that is known of the person where that is small, or else with what the policy reads.
    fn fit(&self, whole: Content) -> Result<(Content, HeaderValue), SessionError> {
        let everything = self.seal(&whole);
        if everything.as_ref().is_ok_and(|header| header.len() <= COMFORTABLE_SET_COOKIE) {
            return everything.map(|header| (whole, header));
        }
        let reduced = whole.clone().reduced(&self.questions);
        let selection = self.seal(&reduced);
        let length = |sealed: &Result<HeaderValue, SessionError>| match sealed {
            Ok(header) => header.len(),
            Err(SessionError::TooBig { bytes }) => *bytes,
        };
        if length(&selection) < length(&everything) {
            selection.map(|header| (reduced, header))
        } else {
            everything.map(|header| (whole, header))
        }
    }

    /// The browser forgets the cookie when the session would no longer count anyway.
    fn seal(&self, content: &Content) -> Result<HeaderValue, SessionError> {
        let left = self.lifetime.saturating_sub(content.last_seen.since(content.established));
        let value = self.sealer.seal(Purpose::Session, &content.to_text());
        match self.cookie.set(&value, self.idle.min(left)) {
            Some(header) if header.len() <= LONGEST_SET_COOKIE => Ok(header),
            Some(header) => Err(SessionError::TooBig { bytes: header.len() }),
            None => Err(SessionError::TooBig { bytes: value.len() }),
        }
    }
}

impl Session {
    fn new(content: &Content, principal: Arc<Principal>, renewed: Option<HeaderValue>) -> Self {
        Self {
            principal,
            id: content.id.clone(),
            provider_session: content.provider_session.clone(),
            established: content.established,
            renewed,
        }
    }
}

impl fmt::Debug for ProviderTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderTokens(..)")
    }
}

impl SessionId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
impl SessionId {
    pub(crate) fn for_tests(id: &str) -> Self {
        Self(id.into())
    }
}
