//! Why a token does not count.

pub use crate::tokens::mapping_error::MappingError;

use crate::http_client::document::FetchError;
use std::fmt;

/// Which check a token failed. Says nothing of what stood in the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    Malformed(&'static str),
    UnsupportedAlgorithm,
    RefusedParameter,
    AlgorithmNotAllowed,
    UnknownKey,
    BadSignature,
    WrongType,
    WrongIssuer,
    WrongSigner,
    WrongAudience,
    WrongAuthorizedParty,
    WrongNonce,
    WrongSubject,
    MissingClaim(&'static str),
    InvalidClaim(&'static str),
    Expired,
    NotYetValid,
    IssuedInFuture,
    LifetimeTooLong,
    Mapping(MappingError),
    KeysUnavailable(FetchError),
}

impl TokenError {
    /// The stable word for programs, logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed-token",
            Self::UnsupportedAlgorithm => "unsupported-algorithm",
            Self::RefusedParameter => "refused-parameter",
            Self::AlgorithmNotAllowed => "algorithm-not-allowed",
            Self::UnknownKey => "unknown-key",
            Self::BadSignature => "bad-signature",
            Self::WrongType => "wrong-type",
            Self::WrongIssuer => "wrong-issuer",
            Self::WrongSigner => "wrong-signer",
            Self::WrongAudience => "wrong-audience",
            Self::WrongAuthorizedParty => "wrong-authorized-party",
            Self::WrongNonce => "wrong-nonce",
            Self::WrongSubject => "wrong-subject",
            Self::MissingClaim(_) => "missing-claim",
            Self::InvalidClaim(_) => "invalid-claim",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::IssuedInFuture => "issued-in-future",
            Self::LifetimeTooLong => "lifetime-too-long",
            Self::Mapping(error) => error.reason(),
            Self::KeysUnavailable(_) => "keys-unavailable",
        }
    }

    /// The same for logs, with what stood in the token where that is no secret. Never for the one who sent the token.
    pub fn internal(&self) -> String {
        match self {
            Self::Mapping(error) => error.with_type(),
            error => error.to_string(),
        }
    }

    /// The token is from the future. Where the issuer gave it to us just now, it is our clock that is behind.
    pub fn is_from_the_future(&self) -> bool {
        matches!(self, Self::NotYetValid | Self::IssuedInFuture)
    }

    /// The token may be good: the keys to tell are out of reach. To be answered 503, not 401.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::KeysUnavailable(_))
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "the token is not a compact JWS: {why}"),
            Self::UnsupportedAlgorithm => {
                f.write_str("the token's algorithm is not an asymmetric one we know")
            }
            Self::RefusedParameter => {
                f.write_str("the token's header has an extension or brings its own key")
            }
            Self::AlgorithmNotAllowed => {
                f.write_str("the token's algorithm is not allowed for its issuer or its key")
            }
            Self::UnknownKey => f.write_str("the issuer has no key of the token's `kid`"),
            Self::BadSignature => f.write_str("the token's signature does not verify"),
            Self::WrongType => f.write_str("a token of this type cannot be used here"),
            Self::WrongIssuer => f.write_str("`iss` is not the configured issuer"),
            Self::WrongSigner => {
                f.write_str("the token was made by another load balancer or for another client")
            }
            Self::WrongAudience => f.write_str("`aud` does not name this service"),
            Self::WrongAuthorizedParty => f.write_str("`azp` is not our client"),
            Self::WrongNonce => f.write_str("`nonce` is not the one of this sign-in"),
            Self::WrongSubject => f.write_str("the provider's answer is about someone else"),
            Self::MissingClaim(name) => write!(f, "`{name}` is missing"),
            Self::InvalidClaim(name) => write!(f, "`{name}` is not of the form it must have"),
            Self::Expired => f.write_str("the token has expired"),
            Self::NotYetValid => f.write_str("the token is not valid yet (`nbf`)"),
            Self::IssuedInFuture => f.write_str("the token was issued in the future (`iat`)"),
            Self::LifetimeTooLong => f.write_str("the token is valid for longer than is accepted"),
            Self::Mapping(error) => error.fmt(f),
            Self::KeysUnavailable(error) => write!(f, "the issuer's keys are out of reach: {error}"),
        }
    }
}

impl std::error::Error for TokenError {}
