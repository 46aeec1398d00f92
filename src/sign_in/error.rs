//! The reasons why a sign-in failed.

use crate::http_client::document::FetchError;
use crate::provider::error::{ProviderError, write_description};
use crate::sessions::SessionError;
use crate::tokens::error::TokenError;
use std::fmt;

/// The reason why a sign-in failed. Carries no token, code or state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInError {
    /// The callback's query has a parameter twice, contradicts itself, or has neither `code` nor `error`.
    MalformedCallback,
    /// The callback's `iss` is not our issuer's, or is missing though the provider promises it (RFC 9207).
    WrongIssuer,
    /// The provider ended the sign-in: its error code, such as `access_denied`.
    Refused {
        error: String,
        /// The provider's own words, for operators.
        description: Option<String>,
    },
    /// The provider's authorization endpoint cannot stand in a header.
    UnusableEndpoint,
    /// Too many sign-ins wait for the provider already.
    Crowded,
    /// The provider does not prove the person's identity.
    Provider(ProviderError),
    /// The person is known, but their session cannot be kept.
    Session(SessionError),
}

impl SignInError {
    /// The stable word for programs, logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MalformedCallback => "malformed-callback",
            Self::WrongIssuer => "wrong-answering-issuer",
            Self::Refused { .. } if self.is_unavailable() => "provider-unavailable",
            Self::Refused { .. } => "sign-in-refused",
            Self::UnusableEndpoint => "unusable-endpoint",
            Self::Crowded => "provider-unavailable",
            Self::Provider(error) => error.reason(),
            Self::Session(SessionError::TooBig { .. }) => "session-too-big",
        }
    }

    /// The provider is out of reach: to be answered 503, and worth another try.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Crowded => true,
            Self::Refused { error, .. } => error == "temporarily_unavailable",
            Self::Provider(error) => error.is_unavailable(),
            _ => false,
        }
    }
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MalformedCallback => {
                f.write_str("the callback's parameters are missing, repeated or contradictory")
            }
            Self::WrongIssuer => f.write_str("the callback does not come from the configured issuer"),
            Self::Refused { error, description } => {
                write!(f, "the provider refused the sign-in: {error}")?;
                write_description(f, description.as_deref())
            }
            Self::UnusableEndpoint => f.write_str("the provider's authorization endpoint is not a plain URL"),
            Self::Crowded => f.write_str("too many sign-ins wait for the provider"),
            Self::Provider(error) => error.fmt(f),
            Self::Session(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SignInError {}

impl From<ProviderError> for SignInError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl From<FetchError> for SignInError {
    fn from(error: FetchError) -> Self {
        Self::Provider(error.into())
    }
}

impl From<TokenError> for SignInError {
    fn from(error: TokenError) -> Self {
        Self::Provider(error.into())
    }
}

impl From<SessionError> for SignInError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
