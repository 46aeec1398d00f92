//! Why a sign-in failed.

use crate::http_client::HttpError;
use crate::http_client::document::FetchError;
use crate::sessions::SessionError;
use crate::tokens::error::TokenError;
use std::fmt;

/// Why a sign-in failed. Carries no token, code or state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInError {
    /// The callback's query has a parameter twice, contradicts itself, or has neither `code` nor `error`.
    MalformedCallback,
    /// The callback's `iss` is not our issuer's, or is missing though the provider promises it (RFC 9207).
    WrongIssuer,
    /// The provider ended the sign-in: its error code, such as `access_denied`.
    Refused {
        error: String,
        /// Its own words, for operators.
        description: Option<String>,
    },
    /// The provider's metadata cannot be had.
    Provider(FetchError),
    /// The provider's authorization endpoint cannot stand in a header.
    UnusableEndpoint,
    /// The provider takes none of the ways in which we can authenticate.
    NoClientAuthentication,
    /// The client's key does not sign.
    UnusableClientKey,
    /// The token endpoint or `UserInfo` did not answer.
    Unreachable(HttpError),
    /// The token endpoint or `UserInfo` is out of order or overloaded: the status.
    ProviderFailed {
        status: u16,
    },
    /// Too many sign-ins wait for the provider already.
    Crowded,
    /// The token endpoint answered with an error: its code (RFC 6749, section 5.2).
    TokenRefused {
        error: String,
    },
    /// The token endpoint's answer is not one: what is wrong with it.
    MalformedTokens(&'static str),
    /// The ID token fails a check, or does not name a person of the issuer.
    Token(TokenError),
    /// `at_hash` of the ID token is another access token's.
    WrongAccessToken,
    /// `UserInfo` did not answer with claims: the status.
    UserInfo {
        status: u16,
    },
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
            Self::Provider(_) | Self::Unreachable(_) | Self::Crowded | Self::ProviderFailed { .. } => {
                "provider-unavailable"
            }
            Self::UnusableEndpoint => "unusable-endpoint",
            Self::NoClientAuthentication => "no-client-authentication",
            Self::UnusableClientKey => "unusable-client-key",
            Self::TokenRefused { .. } => "token-refused",
            Self::MalformedTokens(_) => "malformed-tokens",
            Self::Token(error) => error.reason(),
            Self::WrongAccessToken => "wrong-access-token",
            Self::UserInfo { .. } => "user-info-refused",
            Self::Session(SessionError::TooBig { .. }) => "session-too-big",
        }
    }

    /// The provider is out of reach: to be answered 503, and worth another try.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Provider(_) | Self::Unreachable(_) | Self::Crowded | Self::ProviderFailed { .. } => true,
            Self::Refused { error, .. } => error == "temporarily_unavailable",
            Self::Token(error) => error.is_unavailable(),
            _ => false,
        }
    }
}

/// An error code that someone else sent, fit to be shown: the characters and length of the registered ones, or `other`.
pub(crate) fn error_code(text: &str) -> String {
    let registered_form = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if registered_form { text.to_owned() } else { "other".to_owned() }
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
                description.as_ref().map_or(Ok(()), |description| write!(f, " ({description:?})"))
            }
            Self::Provider(error) => write!(f, "the provider's metadata cannot be had: {error}"),
            Self::UnusableEndpoint => f.write_str("the provider's authorization endpoint is not a plain URL"),
            Self::NoClientAuthentication => f.write_str(
                "the provider's token endpoint takes neither client_secret_basic nor client_secret_post",
            ),
            Self::UnusableClientKey => f.write_str("the client's private key does not sign"),
            Self::Unreachable(error) => error.fmt(f),
            Self::Crowded => f.write_str("too many sign-ins wait for the provider"),
            Self::ProviderFailed { status } => write!(f, "the provider answered {status}"),
            Self::TokenRefused { error } => write!(f, "the token endpoint refused the code: {error}"),
            Self::MalformedTokens(what) => write!(f, "the token endpoint's answer is unusable: {what}"),
            Self::Token(error) => write!(f, "the ID token is refused: {error}"),
            Self::WrongAccessToken => f.write_str("the ID token belongs to another access token"),
            Self::UserInfo { status } => write!(f, "the UserInfo endpoint answered {status} without claims"),
            Self::Session(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SignInError {}

impl From<FetchError> for SignInError {
    fn from(error: FetchError) -> Self {
        Self::Provider(error)
    }
}

impl From<HttpError> for SignInError {
    fn from(error: HttpError) -> Self {
        Self::Unreachable(error)
    }
}

impl From<TokenError> for SignInError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<SessionError> for SignInError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
