//! The reasons why a call was not forwarded, or has no answer.

use crate::aws::error::AwsError;
use crate::aws::state::TargetState;
use crate::target::Access;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The destination has no `api`, or its region's endpoint is not known.
    NoApi,
    /// Two parsers could read the path differently, because of this part.
    Ambiguous(&'static str),
    NoSuchEndpoint,
    Administrative,
    TooLittleAccess {
        needs: Access,
        has: Access,
    },
    ArtifactsOff,
    BodyTooLarge,
    BodyOverdue,
    BodyBroken,
    /// Too many calls, or too many bytes, are under way.
    Busy,
    NotReady(TargetState),
    /// Nothing was sent: there are no credentials.
    Unsigned(AwsError),
    /// Nothing was sent: there is no connection, with the cause for the admin.
    Unreachable(String),
    /// The call was sent, and no answer came in time.
    OutOfTime,
    /// The call was sent, and the answer cannot be used, with the reason for the admin.
    BadAnswer(String),
}

impl CallError {
    /// The word for metrics and the audit trail, which is also the `reason` of the answer.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NoApi => "no-such-path",
            Self::Ambiguous(_) => "ambiguous-path",
            Self::NoSuchEndpoint => "no-such-endpoint",
            Self::Administrative => "administrative-endpoint",
            Self::TooLittleAccess { .. } => "access-too-low",
            Self::ArtifactsOff => "artifacts-off",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyOverdue => "body-overdue",
            Self::BodyBroken => "malformed-request",
            Self::Busy => "too-many-calls",
            Self::NotReady(_) => "not-ready",
            Self::Unsigned(error) => error.kind.as_str(),
            Self::Unreachable(_) => "mlflow-unreachable",
            Self::OutOfTime => "out-of-time",
            Self::BadAnswer(_) => "bad-answer",
        }
    }

    /// Whether a rule or the table refused the call, before AWS was asked for anything.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NoApi
                | Self::Ambiguous(_)
                | Self::NoSuchEndpoint
                | Self::Administrative
                | Self::TooLittleAccess { .. }
                | Self::ArtifactsOff
        )
    }
}

impl fmt::Display for CallError {
    /// For the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(error) => write!(f, "call to MLflow: {error}"),
            Self::Unreachable(why) | Self::BadAnswer(why) => write!(f, "call to MLflow: {why}"),
            Self::NotReady(state) => write!(f, "call to MLflow: the target is {state:?}"),
            other => write!(f, "call to MLflow: {}", other.as_str()),
        }
    }
}

impl std::error::Error for CallError {}
