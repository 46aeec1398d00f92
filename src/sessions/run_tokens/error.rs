//! The reasons why a run token does not count, or cannot be made.

use crate::clock::UnixSeconds;
use crate::provider::principal::Principal;
use crate::state::Unavailable;
use std::fmt;
use std::sync::Arc;

/// The reason why a run token does not count. Shows no part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunTokenError {
    /// Damaged, sealed by another gateway, or by a key that is gone; or run tokens are switched off.
    Unreadable,
    /// Its issuer, realm or the domain of its user is no longer configured.
    UnknownIssuer,
    Expired,
    Revoked,
    /// Made for another destination.
    OtherDestination,
    /// Presented where run tokens do not count.
    NotHere,
    /// The rules read a group or claim that they did not read when it was made, so it was not kept.
    AsksForMore,
    /// The provider does not confirm any more the session in which the terminal was allowed.
    Unconfirmed,
    /// The shared state is away, so it is not known whether it was taken back.
    StateAway,
}

/// A refused run token whose seal is ours: its facts for the audit trail.
#[derive(Clone, Debug)]
pub struct Refused {
    pub error: RunTokenError,
    /// `None` where it cannot be read.
    pub about: Option<Box<About>>,
}

/// The person and the name of a run token.
#[derive(Clone, Debug)]
pub struct About {
    pub id: String,
    /// Without its groups.
    pub principal: Arc<Principal>,
    pub destination: Arc<str>,
    pub expires: UnixSeconds,
}

/// The reason why a run token is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotMade {
    /// The facts about the person that the rules read are too much for a header.
    TooBig {
        bytes: usize,
        most: usize,
    },
    StateAway,
}

impl RunTokenError {
    /// The stable word for programs, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "token-unreadable",
            Self::UnknownIssuer => "token-of-unknown-issuer",
            Self::Expired => "token-expired",
            Self::Revoked => "token-revoked",
            Self::OtherDestination => "token-of-another-destination",
            Self::NotHere => "token-not-for-this",
            Self::AsksForMore => "token-asks-for-more",
            Self::Unconfirmed => "token-unconfirmed",
            Self::StateAway => "state-away",
        }
    }
}

impl Refused {
    pub(super) fn unreadable() -> Self {
        Self { error: RunTokenError::Unreadable, about: None }
    }
}

/// Refusals are compared by their reason.
impl PartialEq for Refused {
    fn eq(&self, other: &Self) -> bool {
        self.error == other.error
    }
}

impl Eq for Refused {}

impl From<RunTokenError> for Refused {
    fn from(error: RunTokenError) -> Self {
        Self { error, about: None }
    }
}

impl From<Unavailable> for NotMade {
    fn from(_: Unavailable) -> Self {
        Self::StateAway
    }
}

impl fmt::Display for RunTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "the run token is damaged, or was not made here",
            Self::UnknownIssuer => "the run token is of an issuer or a domain that no longer counts here",
            Self::Expired => "the run token has expired",
            Self::Revoked => "the run token was taken back, or its person has signed out",
            Self::OtherDestination => "the run token was made for another destination",
            Self::NotHere => "a run token counts for calls to its destination's API alone",
            Self::AsksForMore => {
                "the rules were changed and ask for something that the run token does not tell"
            }
            Self::Unconfirmed => {
                "the identity provider does not confirm the sign-in any more in which the terminal was allowed"
            }
            Self::StateAway => "whether the run token was taken back cannot be told now",
        })
    }
}

impl std::error::Error for RunTokenError {}

impl fmt::Display for NotMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooBig { bytes, most } => write!(
                f,
                "the run token takes {bytes} bytes, and {most} are the most: the provider sends too much of what the rules read"
            ),
            Self::StateAway => f.write_str("the shared state does not answer"),
        }
    }
}

impl std::error::Error for NotMade {}
