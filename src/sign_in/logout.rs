//! Logout at both sides: the provider ends sessions here (OpenID Connect Back-Channel Logout 1.0), and a sign-out here goes
//! on to the provider (OpenID Connect RP-Initiated Logout 1.0).

mod hint;

pub use self::hint::Hints;

use crate::clock::Clock;
use crate::provider::issuer::Issuer;
use crate::secret::random;
use crate::sessions::{Session, Sessions};
use crate::state::{Key, Namespace, Unavailable};
use crate::tokens::claims::{Claims, Expected, LEEWAY};
use crate::tokens::error::TokenError;
use crate::tokens::jws::UnverifiedToken;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::HeaderValue;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use url::Url;

/// The most logout tokens under verification at once. Anybody may send one.
const MOST_VERIFIED: usize = 16;
/// The longest wait of a token for its turn among them.
const TURN: Duration = Duration::from_secs(3);
/// The longest wait of a person who signs out for the provider's metadata.
const PROVIDER_DEADLINE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Logout {
    issuer: Arc<Issuer>,
    sessions: Arc<Sessions>,
    client_id: String,
    /// `None` if a sign-out does not go on to the provider.
    onward: Option<Onward>,
    verifications: Semaphore,
    clock: Clock,
}

/// The parts of a sign-out at the provider.
#[derive(Debug)]
struct Onward {
    /// The address to which the provider sends the browser back.
    back_to: Url,
    hints: Hints,
}

/// The person whom a logout token named.
#[derive(Debug)]
pub struct LoggedOut {
    /// The issuer's key in the config.
    pub issuer: Arc<str>,
    pub subject: Option<String>,
    /// Whether one session at the provider was named, not all of the subject's.
    pub one_session: bool,
}

/// The reason why a logout token ended nothing, or perhaps not everywhere. `Display` shows no content of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutError {
    Token(TokenError),
    /// The token's `jti` was seen before.
    Replayed,
    /// Too many are being verified.
    Crowded,
    /// The token is good, and the sessions at this replica have ended; others learn of it when the state is back.
    StateAway,
}

impl Logout {
    /// `hints` is set if a sign-out goes on to the provider.
    pub fn new(
        client_id: &str,
        public_url: &Url,
        issuer: Arc<Issuer>,
        sessions: Arc<Sessions>,
        hints: Option<Hints>,
        clock: Clock,
    ) -> Self {
        let onward = hints.map(|hints| {
            let mut back_to = public_url.clone();
            back_to.set_path("/-/logout");
            Onward { back_to, hints }
        });
        let verifications = Semaphore::new(MOST_VERIFIED);
        Self { issuer, sessions, client_id: client_id.to_owned(), onward, verifications, clock }
    }

    /// Ends the sessions that a logout token names. With `sid`: those that came from this session at the provider, and
    /// the subject's sessions whose session at the provider is not known. Without `sid`: all of the subject's sessions.
    ///
    /// # Errors
    ///
    /// [`LogoutError`]; a token works once.
    pub async fn back_channel(&self, token: &str) -> Result<LoggedOut, LogoutError> {
        let verification = tokio::time::timeout(TURN, self.verifications.acquire()).await;
        let _verification = verification.ok().and_then(Result::ok).ok_or(LogoutError::Crowded)?;
        let token = UnverifiedToken::parse(token)?;
        let claims = self.issuer.verify(&token, Expected::LogoutToken { client_id: &self.client_id }).await?;
        let key = self.use_of(&claims);
        let state = self.sessions.state();
        if state.value(&key).await.is_ok_and(|noted| noted.is_some()) {
            return Err(LogoutError::Replayed);
        }
        let text = |name| claims.get(name).and_then(Value::as_str);
        let (issuer, subject) = (&self.issuer.config().issuer, claims.subject());
        let ended = match (text("sid"), subject) {
            (Some(sid), None) => self.sessions.revoke_provider_session(issuer, sid).await,
            (Some(sid), Some(subject)) => {
                let one = self.sessions.revoke_provider_session(issuer, sid).await;
                one.and(self.sessions.revoke_unattributed(issuer, subject).await)
            }
            (None, Some(subject)) => self.sessions.revoke_subject(issuer, subject).await,
            (None, None) => return Err(TokenError::MissingClaim("sub").into()),
        };
        ended?;
        // Last, so that a token which did not end everything may be sent again. If a token arrives twice at once, only
        // one answer reports success.
        let keep = claims.expires_at().plus(2 * LEEWAY).since(self.clock.now());
        if !state.put_new(&key, b"", keep).await? {
            return Err(LogoutError::Replayed);
        }
        Ok(LoggedOut {
            issuer: Arc::clone(self.issuer.name()),
            subject: subject.map(str::to_owned),
            one_session: text("sid").is_some(),
        })
    }

    /// Names the use of a logout token.
    fn use_of(&self, claims: &Claims) -> Key {
        let id = claims.get("jti").and_then(Value::as_str).unwrap_or_default();
        Key::new(Namespace::Once, &["logout-token", self.issuer.name(), id])
    }

    /// The address at which a sign-out goes on: the provider's `end_session_endpoint`, which ends its session and sends
    /// the browser back. `None` if the provider has none or is out of reach, or the configuration does not want it.
    pub async fn at_provider(&self, session: &Session) -> Option<HeaderValue> {
        let Onward { back_to, hints } = self.onward.as_ref()?;
        let mut location = self.end_session_endpoint().await?;
        let hint = hints.take(&session.principal, session.provider_session.as_deref()).await;
        let mut query = location.query_pairs_mut();
        if let Some(hint) = &hint {
            query.append_pair("id_token_hint", hint);
        }
        query
            .append_pair("client_id", &self.client_id)
            .append_pair("post_logout_redirect_uri", back_to.as_str())
            // Amazon Cognito's name for it; others ignore it (RP-Initiated Logout 1.0, section 2).
            // <https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html>
            .append_pair("logout_uri", back_to.as_str())
            // The returned value is ignored; some providers require the parameter.
            .append_pair("state", &URL_SAFE_NO_PAD.encode(random::<16>()));
        drop(query);
        let mut location = HeaderValue::from_str(location.as_str()).ok()?;
        location.set_sensitive(true);
        Some(location)
    }

    /// The origin of the provider's `end_session_endpoint`.
    pub async fn provider_origin(&self) -> Option<String> {
        Some(self.end_session_endpoint().await?.origin().ascii_serialization())
    }

    async fn end_session_endpoint(&self) -> Option<Url> {
        self.onward.as_ref()?;
        let provider = tokio::time::timeout(PROVIDER_DEADLINE, self.issuer.provider()).await.ok()?.ok()?;
        provider.end_session_endpoint.clone()
    }
}

impl LogoutError {
    /// The stable word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Token(error) => error.reason(),
            Self::Replayed => "replayed",
            Self::Crowded => "crowded",
            Self::StateAway => "state-away",
        }
    }

    /// The same for logs, with content of the token that is no secret.
    pub fn internal(&self) -> String {
        match self {
            Self::Token(error) => error.internal(),
            error => error.to_string(),
        }
    }

    /// The provider may try again: no fault in the token is known.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Token(error) => error.is_unavailable(),
            Self::Replayed => false,
            Self::Crowded | Self::StateAway => true,
        }
    }
}

impl From<Unavailable> for LogoutError {
    fn from(_: Unavailable) -> Self {
        Self::StateAway
    }
}

impl From<TokenError> for LogoutError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl fmt::Display for LogoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => error.fmt(f),
            Self::Replayed => f.write_str("a token with this `jti` came before"),
            Self::Crowded => f.write_str("too many logout tokens are being verified"),
            Self::StateAway => f.write_str("the sessions could not be ended everywhere yet"),
        }
    }
}

impl std::error::Error for LogoutError {}
