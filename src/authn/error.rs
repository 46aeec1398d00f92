//! The reasons why a request is not authenticated.

use crate::sessions::Unusable;
use crate::sessions::run_tokens::{Refused, RunTokenError};
use crate::tokens::error::{Evidence, TokenError};
use hyper::header::HeaderValue;
use std::fmt;

/// The reason why a request has no [`Principal`](crate::provider::principal::Principal). Shows no part of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthnError {
    NoCredential,
    MalformedCredential,
    DuplicateCredential,
    UntrustedHeader,
    UnknownIssuer(Evidence),
    ConflictingCredentials,
    Token(TokenError),
    RunToken(Refused),
    /// A session cookie that does not count, and the `Set-Cookie` that makes the browser forget it.
    Session {
        reason: Unusable,
        clear: HeaderValue,
    },
    /// The shared state is away, so it is not known whether the session was ended.
    StateAway,
}

impl AuthnError {
    /// The stable word for programs, logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoCredential => "no-credential",
            Self::MalformedCredential => "malformed-credential",
            Self::DuplicateCredential => "duplicate-credential",
            Self::UntrustedHeader => "untrusted-header",
            Self::UnknownIssuer(_) => "unknown-issuer",
            Self::ConflictingCredentials => "conflicting-credentials",
            Self::Token(error) => error.reason(),
            Self::RunToken(refused) => refused.error.as_str(),
            Self::Session { reason, .. } => reason.as_str(),
            Self::StateAway => "state-away",
        }
    }

    /// For logs: why a credential that was presented does not count.
    pub fn internal(&self) -> Option<String> {
        match self {
            Self::Token(error) => Some(error.internal()),
            Self::UnknownIssuer(evidence) => Some(format!("{self}: {}", evidence.as_str())),
            _ => None,
        }
    }

    /// No credential was presented: a browser in this state may be sent to sign in.
    pub fn is_anonymous(&self) -> bool {
        match self {
            Self::NoCredential => true,
            Self::Session { reason, .. } => *reason != Unusable::RulesDiffer,
            _ => false,
        }
    }

    /// A `Set-Cookie` for the answer.
    pub fn clear_cookie(&self) -> Option<&HeaderValue> {
        match self {
            // The session still counts at replicas with other rules.
            Self::Session { reason: Unusable::RulesDiffer, .. } => None,
            Self::Session { clear, .. } => Some(clear),
            _ => None,
        }
    }

    /// The credential may be good, but cannot be checked now. To be answered 503, not 401.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::StateAway | Self::Session { reason: Unusable::RulesDiffer, .. } => true,
            Self::Token(error) => error.is_unavailable(),
            Self::RunToken(refused) => refused.error == RunTokenError::StateAway,
            _ => false,
        }
    }
}

impl From<TokenError> for AuthnError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl fmt::Display for AuthnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCredential => f.write_str("the request carries no credential"),
            Self::MalformedCredential => f.write_str("the header does not hold exactly one token"),
            Self::DuplicateCredential => f.write_str("the header with the credential stands twice"),
            Self::UntrustedHeader => {
                f.write_str("the signed header comes from a peer that is not trusted to set it")
            }
            Self::UnknownIssuer(_) => f.write_str("the token is of an issuer that is not configured"),
            Self::ConflictingCredentials => f.write_str("the credentials name different people"),
            Self::Token(error) => error.fmt(f),
            Self::RunToken(refused) => refused.error.fmt(f),
            Self::Session { reason: Unusable::RulesDiffer, .. } => {
                f.write_str("the session was established by a replica with other rules")
            }
            Self::Session { reason, .. } => {
                write!(f, "the session does not count any more: {}", reason.as_str())
            }
            Self::StateAway => f.write_str("whether the session was ended cannot be told now"),
        }
    }
}

impl std::error::Error for AuthnError {}
