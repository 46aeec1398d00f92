//! Why a token does not count.

pub use crate::tokens::evidence::Evidence;
pub use crate::tokens::mapping_error::MappingError;

use crate::http_client::document::FetchError;
use std::fmt;

/// The check that a token failed. `Display` shows nothing of the token; [`internal`](Self::internal) does, for logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    Malformed(&'static str),
    UnsupportedAlgorithm(Evidence),
    RefusedParameter(Evidence),
    AlgorithmNotAllowed(Evidence),
    UnknownKey(Evidence),
    BadSignature(Evidence),
    WrongType(Evidence),
    WrongIssuer(Evidence),
    WrongSigner(Evidence),
    WrongAudience(Evidence),
    WrongAuthorizedParty(Evidence),
    /// Its value is a secret of the sign-in.
    WrongNonce,
    /// Its value names another person.
    WrongSubject,
    MissingClaim(&'static str),
    InvalidClaim(&'static str, Evidence),
    Expired(Evidence),
    NotYetValid(Evidence),
    IssuedInFuture(Evidence),
    LifetimeTooLong(Evidence),
    Mapping(MappingError),
    KeysUnavailable(FetchError),
}

impl TokenError {
    /// The stable word for programs, logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed-token",
            Self::UnsupportedAlgorithm(_) => "unsupported-algorithm",
            Self::RefusedParameter(_) => "refused-parameter",
            Self::AlgorithmNotAllowed(_) => "algorithm-not-allowed",
            Self::UnknownKey(_) => "unknown-key",
            Self::BadSignature(_) => "bad-signature",
            Self::WrongType(_) => "wrong-type",
            Self::WrongIssuer(_) => "wrong-issuer",
            Self::WrongSigner(_) => "wrong-signer",
            Self::WrongAudience(_) => "wrong-audience",
            Self::WrongAuthorizedParty(_) => "wrong-authorized-party",
            Self::WrongNonce => "wrong-nonce",
            Self::WrongSubject => "wrong-subject",
            Self::MissingClaim(_) => "missing-claim",
            Self::InvalidClaim(..) => "invalid-claim",
            Self::Expired(_) => "expired",
            Self::NotYetValid(_) => "not-yet-valid",
            Self::IssuedInFuture(_) => "issued-in-future",
            Self::LifetimeTooLong(_) => "lifetime-too-long",
            Self::Mapping(error) => error.reason(),
            Self::KeysUnavailable(_) => "keys-unavailable",
        }
    }

    /// The error for logs, with the token's content where that is no secret. Never for the sender of the token.
    pub fn internal(&self) -> String {
        match (self, self.evidence()) {
            (Self::Mapping(error), _) => error.with_type(),
            (error, Some(evidence)) => format!("{error}: {}", evidence.as_str()),
            (error, None) => error.to_string(),
        }
    }

    fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::UnsupportedAlgorithm(evidence)
            | Self::RefusedParameter(evidence)
            | Self::AlgorithmNotAllowed(evidence)
            | Self::UnknownKey(evidence)
            | Self::BadSignature(evidence)
            | Self::WrongType(evidence)
            | Self::WrongIssuer(evidence)
            | Self::WrongSigner(evidence)
            | Self::WrongAudience(evidence)
            | Self::WrongAuthorizedParty(evidence)
            | Self::InvalidClaim(_, evidence)
            | Self::Expired(evidence)
            | Self::NotYetValid(evidence)
            | Self::IssuedInFuture(evidence)
            | Self::LifetimeTooLong(evidence) => Some(evidence),
            Self::Malformed(_)
            | Self::WrongNonce
            | Self::WrongSubject
            | Self::MissingClaim(_)
            | Self::Mapping(_)
            | Self::KeysUnavailable(_) => None,
        }
    }

    /// Whether the token is from the future. If the issuer gave it to us just now, our clock is behind.
    pub fn is_from_the_future(&self) -> bool {
        matches!(self, Self::NotYetValid(_) | Self::IssuedInFuture(_))
    }

    /// Whether the keys to judge the token are out of reach: the answer is then 503, not 401, for the token may be good.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::KeysUnavailable(_))
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "the token is not a compact JWS: {why}"),
            Self::UnsupportedAlgorithm(_) => {
                f.write_str("the token's algorithm is not an asymmetric one we know")
            }
            Self::RefusedParameter(_) => {
                f.write_str("the token's header says that the token is not a plain signed one")
            }
            Self::AlgorithmNotAllowed(_) => {
                f.write_str("the token's algorithm is not allowed for its issuer or its key")
            }
            Self::UnknownKey(_) => f.write_str("the issuer has no key of the token's `kid`"),
            Self::BadSignature(_) => f.write_str("the token's signature does not verify"),
            Self::WrongType(_) => f.write_str("a token of this type cannot be used here"),
            Self::WrongIssuer(_) => f.write_str("`iss` is not the configured issuer"),
            Self::WrongSigner(_) => {
                f.write_str("the token was made by another load balancer or for another client")
            }
            Self::WrongAudience(_) => f.write_str("`aud` does not name this service"),
            Self::WrongAuthorizedParty(_) => f.write_str("`azp` is not our client"),
            Self::WrongNonce => f.write_str("`nonce` is not the one of this sign-in"),
            Self::WrongSubject => f.write_str("the provider's answer is about someone else"),
            Self::MissingClaim(name) => write!(f, "`{name}` is missing"),
            Self::InvalidClaim(name, _) => write!(f, "`{name}` is not of the form it must have"),
            Self::Expired(_) => f.write_str("the token has expired"),
            Self::NotYetValid(_) => f.write_str("the token is not valid yet (`nbf`)"),
            Self::IssuedInFuture(_) => f.write_str("the token was issued in the future (`iat`)"),
            Self::LifetimeTooLong(_) => f.write_str("the token is valid for longer than is accepted"),
            Self::Mapping(error) => error.fmt(f),
            Self::KeysUnavailable(error) => write!(f, "the issuer's keys are out of reach: {error}"),
        }
    }
}

impl std::error::Error for TokenError {}
