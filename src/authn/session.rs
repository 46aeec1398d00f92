//! The session of a signed-in browser: sealed into one cookie, so that replicas are interchangeable.
//!
//! The cookie says who signed in and when, never what that person may do: rules are judged per request.

use super::cookie::{Cookie, Found};
use super::principal::{Groups, Principal};
use super::revocation::{Ended, Marks, Revocations};
use super::seal::{Purpose, Sealer, random};
use crate::clock::{Clock, UnixSeconds};
use crate::config::{IssuerConfig, SessionConfig};
use crate::state::{Away, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Browsers keep 4096 bytes of name, value and attributes (RFC 6265bis, section 5.6); proxies are content with this.
const LONGEST_SET_COOKIE: usize = 3800;
const SHORTEST_RENEWAL: Duration = Duration::from_secs(60);
/// What an ID token says about itself and not about a person.
const PROTOCOL_CLAIMS: [&str; 8] = ["nonce", "at_hash", "c_hash", "s_hash", "iat", "nbf", "exp", "jti"];

#[derive(Debug)]
pub struct Sessions {
    sealer: Arc<Sealer>,
    cookie: Cookie,
    realms: HashMap<Arc<str>, Arc<str>>,
    lifetime: Duration,
    idle: Duration,
    claims_kept: Option<BTreeSet<String>>,
    revocations: Revocations,
    state: State,
    clock: Clock,
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
    pub provider_session: Option<String>,
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
pub struct SessionId(String);

/// Why a session cookie does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Several cookies of the name.
    Duplicate,
    /// Not sealed by our keys, for this use, or damaged.
    Unreadable,
    /// Its issuer is no longer configured.
    UnknownIssuer,
    /// Older than the lifetime.
    Expired,
    /// Not used for the idle time.
    Idle,
    Revoked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// What must be kept does not fit into a cookie. `bytes` is what it would take.
    TooBig { bytes: usize },
}

impl Sessions {
    /// Sessions for browsers at `public_url`. Claims outside `claims_kept` are not carried: what the policy never reads
    /// need not fill the cookie. The realm of a session is that of its issuer in `issuers`, at each opening.
    pub fn new(
        sealer: Arc<Sealer>,
        config: &SessionConfig,
        public_url: &Url,
        issuers: &[IssuerConfig],
        claims_kept: Option<BTreeSet<String>>,
        state: State,
        clock: Clock,
    ) -> Self {
        let realms = issuers.iter().map(|issuer| (issuer.name.clone(), issuer.realm.clone())).collect();
        let cookie = Cookie::session(public_url);
        let (lifetime, idle) = (config.lifetime, config.idle);
        let revocations = Revocations::new(state.clone(), lifetime);
        Self { sealer, cookie, realms, lifetime, idle, claims_kept, revocations, state, clock }
    }

    /// A new session: the `Set-Cookie` that carries it. `provider_session` is the ID token's `sid`.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooBig`] where the groups and claims are too many for a cookie.
    pub fn establish(
        &self,
        principal: &Principal,
        provider_session: Option<&str>,
    ) -> Result<HeaderValue, SessionError> {
        let now = self.clock.now();
        let id = SessionId(URL_SAFE_NO_PAD.encode(random::<16>()));
        self.seal(&Content::of(principal, id, provider_session, now, self.claims_kept.as_ref()))
    }

    /// The session of a request, judged now. Never an error: a cookie that does not count makes the browser anonymous.
    pub async fn open(&self, headers: &HeaderMap) -> Opened {
        let content = match self.cookie.find(headers) {
            Found::Absent => return Opened::None,
            Found::Duplicate => Err(Unusable::Duplicate),
            Found::One(value) => self.read(value),
        };
        let (content, home) = match content {
            Ok(read) => read,
            Err(reason) => return self.invalid(reason),
        };
        match self.revocations.concern(&content.marks()).await {
            Ok(false) => Opened::Valid(self.resume(content, home)),
            Ok(true) => self.invalid(Unusable::Revoked),
            Err(Away) => Opened::Unknown,
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
    /// [`Away`]: it may not have ended everywhere. The same holds for the two that follow.
    pub async fn revoke(&self, session: &SessionId) -> Result<(), Away> {
        self.end(Ended::Session(session.as_str())).await
    }

    /// Ends the sessions that came from one session at the provider (`sid` of a logout token).
    pub async fn revoke_provider_session(&self, issuer: &str, sid: &str) -> Result<(), Away> {
        self.end(Ended::ProviderSession { issuer, sid }).await
    }

    /// Ends all sessions that a subject has now (`sub` of a logout token without `sid`).
    pub async fn revoke_subject(&self, issuer: &str, subject: &str) -> Result<(), Away> {
        self.end(Ended::Subject { issuer, subject }).await
    }

    /// Ends all sessions that a subject has now of which is not known from which session at the provider they came.
    pub async fn revoke_unattributed(&self, issuer: &str, subject: &str) -> Result<(), Away> {
        self.end(Ended::Unattributed { issuer, subject }).await
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Ends the session of a request: its cookie no longer counts, wherever copies of it are. `None` where there is none.
    pub async fn sign_out(&self, headers: &HeaderMap) -> Option<SignedOut> {
        let Found::One(value) = self.cookie.find(headers) else { return None };
        let (content, home) = self.read(value).ok()?;
        let everywhere = self.revoke(&content.id).await.is_ok();
        let until = content.established.plus(self.lifetime);
        Some(SignedOut { session: content.into_session(home, None), everywhere, until })
    }

    async fn end(&self, ended: Ended<'_>) -> Result<(), Away> {
        self.revocations.end(ended, self.clock.now()).await
    }

    fn invalid(&self, reason: Unusable) -> Opened {
        Opened::Invalid { reason, clear: self.clear() }
    }

    /// What the cookie says, where it is ours and in its time.
    fn read(&self, value: &[u8]) -> Result<(Content, Home), Unusable> {
        let text = self.sealer.open(Purpose::Session, value).ok_or(Unusable::Unreadable)?;
        let content: Content = serde_json::from_slice(&text).map_err(|_| Unusable::Unreadable)?;
        let (issuer, realm) =
            self.realms.get_key_value(content.issuer.as_str()).ok_or(Unusable::UnknownIssuer)?;
        let home = Home { issuer: issuer.clone(), realm: realm.clone() };
        let now = self.clock.now();
        if now.since(content.established) >= self.lifetime {
            return Err(Unusable::Expired);
        }
        if now.since(content.last_seen) >= self.idle {
            return Err(Unusable::Idle);
        }
        Ok((content, home))
    }

    /// The session, with its idle time moved on where that is due.
    fn resume(&self, mut content: Content, home: Home) -> Session {
        let now = self.clock.now();
        let renewal = (self.idle / 10).max(SHORTEST_RENEWAL).min(self.idle / 2);
        let renewed = if now.since(content.last_seen) >= renewal {
            content.last_seen = now;
            self.seal(&content).ok()
        } else {
            None
        };
        content.into_session(home, renewed)
    }

    /// The browser forgets the cookie when the session would no longer count anyway.
    fn seal(&self, content: &Content) -> Result<HeaderValue, SessionError> {
        let left = self.lifetime.saturating_sub(content.last_seen.since(content.established));
        let text = serde_json::to_vec(content).unwrap_or_default();
        let value = self.sealer.seal(Purpose::Session, &text);
        match self.cookie.set(&value, self.idle.min(left)) {
            Some(header) if header.len() <= LONGEST_SET_COOKIE => Ok(header),
            Some(header) => Err(SessionError::TooBig { bytes: header.len() }),
            None => Err(SessionError::TooBig { bytes: value.len() }),
        }
    }
}

/// The issuer of a session as it is configured now, and its realm.
struct Home {
    issuer: Arc<str>,
    realm: Arc<str>,
}

/// What is sealed. Short names: every byte is sent with every request.
#[derive(Serialize, Deserialize)]
struct Content {
    #[serde(rename = "i")]
    id: SessionId,
    #[serde(rename = "o")]
    issuer: String,
    #[serde(rename = "s")]
    subject: String,
    #[serde(rename = "u")]
    user: String,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Absent where the provider left them out.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    groups: Option<Arc<[Arc<str>]>>,
    /// The claim that holds exactly the groups, and is not repeated in `claims`.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    groups_claim: Option<String>,
    #[serde(rename = "c", default, skip_serializing_if = "Map::is_empty")]
    claims: Map<String, Value>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    provider_session: Option<String>,
    #[serde(rename = "e")]
    established: UnixSeconds,
    #[serde(rename = "l")]
    last_seen: UnixSeconds,
}

impl Content {
    fn of(
        principal: &Principal,
        id: SessionId,
        provider_session: Option<&str>,
        now: UnixSeconds,
        claims_kept: Option<&BTreeSet<String>>,
    ) -> Self {
        let groups = match &principal.groups {
            Groups::Known(groups) => Some(groups.clone()),
            Groups::LeftOut => None,
        };
        let mut claims: Map<String, Value> = principal
            .claims
            .iter()
            .filter(|(name, _)| !PROTOCOL_CLAIMS.contains(&name.as_str()))
            .filter(|(name, _)| claims_kept.is_none_or(|kept| kept.contains(*name)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let groups_claim = groups.as_ref().and_then(|groups| {
            claims.iter().find(|(_, value)| is_list_of(value, groups)).map(|(name, _)| name.clone())
        });
        if let Some(name) = &groups_claim {
            claims.remove(name);
        }
        Self {
            id,
            issuer: principal.issuer.to_string(),
            subject: principal.subject.clone(),
            user: principal.user.clone(),
            name: principal.name.clone(),
            groups,
            groups_claim,
            claims,
            provider_session: provider_session.map(str::to_owned),
            established: now,
            last_seen: now,
        }
    }

    fn marks(&self) -> Marks<'_> {
        Marks {
            issuer: &self.issuer,
            subject: &self.subject,
            session: self.id.as_str(),
            provider_session: self.provider_session.as_deref(),
            established: self.established,
        }
    }

    fn into_session(self, home: Home, renewed: Option<HeaderValue>) -> Session {
        let mut claims = self.claims;
        if let (Some(name), Some(groups)) = (self.groups_claim, &self.groups) {
            claims.insert(name, groups.iter().map(|group| Value::from(&**group)).collect());
        }
        let principal = Principal {
            realm: home.realm,
            user: self.user,
            issuer: home.issuer,
            subject: self.subject,
            name: self.name,
            groups: self.groups.map_or(Groups::LeftOut, Groups::Known),
            claims: Arc::new(claims),
        };
        Session {
            principal: Arc::new(principal),
            id: self.id,
            provider_session: self.provider_session,
            established: self.established,
            renewed,
        }
    }
}

fn is_list_of(value: &Value, groups: &[Arc<str>]) -> bool {
    value.as_array().is_some_and(|list| {
        list.len() == groups.len()
            && list.iter().zip(groups).all(|(item, group)| item.as_str() == Some(group))
    })
}

impl Unusable {
    /// The stable word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate-cookie",
            Self::Unreadable => "unreadable",
            Self::UnknownIssuer => "unknown-issuer",
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
        }
    }
}

impl SessionId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::TooBig { bytes } = self;
        write!(
            f,
            "the session takes {bytes} bytes, and a cookie holds {LONGEST_SET_COOKIE}: the provider sends too many groups or claims"
        )
    }
}

impl std::error::Error for SessionError {}
