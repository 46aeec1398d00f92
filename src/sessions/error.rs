//! Why a session does not count, or cannot be made.

use super::cookie::LONGEST_SET_COOKIE;
use std::fmt;

/// Why a session cookie does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Several cookies of the name.
    Duplicate,
    /// Not sealed by our keys, for this use, or damaged.
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
    /// The rules read something that was not kept, because they did not when it was sealed.
    AsksForMore,
    /// The provider is to be asked about it again, and there is no refresh token to ask with.
    Unconfirmed,
    /// The provider no longer stands by it.
    Withdrawn,
    /// As [`Unusable::AsksForMore`], of a session that was established a moment ago, by a replica with other rules: signing in again does not
    /// help.
    RulesDiffer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// What must be kept does not fit into a cookie. `bytes` is what it would take.
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
