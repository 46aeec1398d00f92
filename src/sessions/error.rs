//! The reasons why a session does not count, or cannot be made.

use super::cookie::LONGEST_SET_COOKIE;
use std::fmt;

/// The reason why a session cookie does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Several cookies of the name.
    Duplicate,
    /// Damaged, or not sealed by our keys for this use.
    Unreadable,
    /// Its issuer is not the one that people sign in at.
    UnknownIssuer,
    /// The issuer may no longer speak for the user's domain.
    ForeignDomain,
    /// Older than the lifetime.
    Expired,
    /// Not used for the idle time.
    Idle,
    Revoked,
    /// The rules read a group or claim that they did not read when the cookie was sealed, so it was not kept.
    AsksForMore,
    /// The provider is to be asked again, and there is no refresh token.
    Unconfirmed,
    /// The provider no longer confirms the session.
    Withdrawn,
    /// As [`Unusable::AsksForMore`], for a session that a replica with other rules established a moment ago: signing in
    /// again does not help.
    RulesDiffer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// The required content does not fit into a cookie. `bytes` is its size.
    TooBig { bytes: usize },
}

impl Unusable {
    /// The stable word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate-cookie",
            Self::Unreadable => "unreadable",
            Self::UnknownIssuer => "unknown-issuer",
            Self::ForeignDomain => "foreign-domain",
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
            Self::AsksForMore => "asks-for-more",
            Self::Unconfirmed => "unconfirmed",
            Self::Withdrawn => "withdrawn",
            Self::RulesDiffer => "rules-differ",
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::TooBig { bytes } = self;
        write!(
            f,
            "the session takes {bytes} bytes, and a cookie holds {LONGEST_SET_COOKIE}: the provider sends too much of what the rules read"
        )
    }
}

impl std::error::Error for SessionError {}
