//! The reasons why an identity provider does not say who somebody is.

use crate::http_client::HttpError;
use crate::http_client::document::FetchError;
use crate::tokens::error::TokenError;
use std::fmt;

/// A failure between this gateway and the identity provider. Carries no token, code or state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderError {
    /// The provider's metadata cannot be had.
    Metadata(FetchError),
    /// The provider takes none of the ways in which we can authenticate.
    NoClientAuthentication,
    /// The client's key does not sign.
    UnusableClientKey,
    /// The token endpoint or `UserInfo` did not answer.
    Unreachable(HttpError),
    /// The token endpoint or `UserInfo` is out of order or overloaded: the status.
    ProviderFailed { status: u16 },
    /// The token endpoint answered with an error: its code (RFC 6749, section 5.2).
    TokenRefused {
        error: String,
        /// The provider's own words, for operators.
        description: Option<String>,
    },
    /// The token endpoint answered by another status than 200 and without an error code.
    TokenStatus { status: u16, content_type: Option<String> },
    /// The token endpoint's answer holds no tokens that can be used; the text says what is wrong with it.
    MalformedTokens(String),
    /// `UserInfo` is needed, and the token endpoint gave no access token to ask it with.
    NoAccessToken,
    /// A refresh brought no ID token, and `UserInfo` cannot be asked instead; the text says what is missing.
    NothingSaid(&'static str),
    /// The ID token fails a check, or does not name a person of the issuer.
    Token(TokenError),
    /// `at_hash` of the ID token belongs to another access token.
    WrongAccessToken,
    /// `UserInfo` did not answer with claims.
    UserInfo { status: u16, content_type: Option<String> },
    /// A signed answer of `UserInfo` fails a check, or one that stands for an ID token does not name a person of the issuer.
    UserInfoToken(TokenError),
    /// `UserInfo` names no `sub`, or another one than was asked about (OpenID Connect Core 1.0, section 5.3.2).
    UserInfoSubject,
}

impl ProviderError {
    pub(super) fn malformed(what: impl Into<String>) -> Self {
        Self::MalformedTokens(what.into())
    }

    /// The stable word for programs, logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Metadata(_) | Self::Unreachable(_) | Self::ProviderFailed { .. } => "provider-unavailable",
            Self::NoClientAuthentication => "no-client-authentication",
            Self::UnusableClientKey => "unusable-client-key",
            Self::TokenRefused { .. } | Self::TokenStatus { .. } => "token-refused",
            Self::MalformedTokens(_) => "malformed-tokens",
            Self::NoAccessToken => "no-access-token",
            Self::NothingSaid(_) => "nothing-said",
            Self::Token(error) | Self::UserInfoToken(error) => error.reason(),
            Self::WrongAccessToken => "wrong-access-token",
            Self::UserInfoSubject => "wrong-subject",
            Self::UserInfo { .. } => "user-info-refused",
        }
    }

    /// Whether the provider is out of reach: the answer is then 503, and another try may succeed.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Metadata(_) | Self::Unreachable(_) | Self::ProviderFailed { .. } => true,
            Self::Token(error) | Self::UserInfoToken(error) => error.is_unavailable(),
            _ => false,
        }
    }

    /// Whether the provider is out of reach or out of order: no connection, no answer in time, 5xx or 429. Any other
    /// answer counts as one.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(error) => error.is_outage(),
            Self::ProviderFailed { .. } => true,
            Self::Metadata(error)
            | Self::Token(TokenError::KeysUnavailable(error))
            | Self::UserInfoToken(TokenError::KeysUnavailable(error)) => error.is_outage(),
            _ => false,
        }
    }

    /// Whether the error is about this gateway or the provider's documents, and not about the person.
    pub(crate) fn is_about_the_client(&self) -> bool {
        match self {
            Self::TokenRefused { error, .. } => matches!(
                error.as_str(),
                "invalid_client" | "unauthorized_client" | "unsupported_grant_type" | "invalid_scope"
            ),
            Self::NoClientAuthentication | Self::UnusableClientKey | Self::Metadata(_) => true,
            Self::Token(error) | Self::UserInfoToken(error) => {
                // One replica's clock that is behind must not end everybody's sessions at once.
                error.is_unavailable() || error.is_from_the_future()
            }
            _ => false,
        }
    }
}

/// Words that someone else sent, fit for the log: bounded, and without control characters.
pub(crate) fn described(text: &str) -> String {
    const LONGEST: usize = 300;
    text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An error code that someone else sent, fit to be shown: the characters and length of the registered ones, or `other`.
pub(crate) fn error_code(text: &str) -> String {
    let registered_form = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if registered_form { text.to_owned() } else { "other".to_owned() }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metadata(error) => write!(f, "the provider's metadata cannot be had: {error}"),
            Self::NoClientAuthentication => f.write_str(
                "the provider's token endpoint takes neither client_secret_basic nor client_secret_post",
            ),
            Self::UnusableClientKey => f.write_str("the client's private key does not sign"),
            Self::Unreachable(error) => error.fmt(f),
            Self::ProviderFailed { status } => write!(f, "the provider answered {status}"),
            Self::TokenRefused { error, description } => {
                write!(f, "the token endpoint refused: {error}")?;
                write_description(f, description.as_deref())
            }
            Self::TokenStatus { status, content_type } => {
                let kind = content_type.as_deref().unwrap_or("none");
                write!(f, "the token endpoint answered {status} without an error code (content type: {kind})")
            }
            Self::MalformedTokens(what) => write!(f, "the token endpoint's answer is unusable: {what}"),
            Self::NoAccessToken => f.write_str(
                "the ID token leaves out claims that UserInfo is asked for, and the token endpoint gave no access_token \
                 to ask with",
            ),
            Self::NothingSaid(want) => {
                write!(f, "the token endpoint gave no id_token, and UserInfo cannot be asked instead: {want}")
            }
            Self::Token(error) => write!(f, "the ID token is refused: {}", error.internal()),
            Self::WrongAccessToken => f.write_str("the ID token belongs to another access token"),
            Self::UserInfo { status, content_type } => {
                let kind = content_type.as_deref().unwrap_or("none");
                write!(f, "the UserInfo endpoint answered {status} without claims (content type: {kind})")
            }
            Self::UserInfoToken(error) => {
                write!(f, "the UserInfo endpoint's answer is refused: {}", error.internal())
            }
            Self::UserInfoSubject => f.write_str("the UserInfo endpoint's `sub` is missing or another one"),
        }
    }
}

pub(crate) fn write_description(f: &mut fmt::Formatter<'_>, description: Option<&str>) -> fmt::Result {
    description.map_or(Ok(()), |description| write!(f, " ({description:?})"))
}

impl std::error::Error for ProviderError {}

impl From<FetchError> for ProviderError {
    fn from(error: FetchError) -> Self {
        Self::Metadata(error)
    }
}

impl From<HttpError> for ProviderError {
    fn from(error: HttpError) -> Self {
        Self::Unreachable(error)
    }
}

impl From<TokenError> for ProviderError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}
