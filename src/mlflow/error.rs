//! The reasons why a call was not forwarded, or has no answer.

use crate::aws::NoStore;
use crate::aws::error::{AwsError, AwsErrorKind};
use crate::aws::s3::answer::{StoreError, StoreErrorKind};
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
    /// Files are carried whole, not in parts of the client's.
    MultipartOff,
    BodyTooLarge {
        most: u64,
    },
    BodyOverdue,
    BodyBroken,
    /// Too many calls, or too many bytes, are under way.
    Busy,
    NotReady(TargetState),
    /// Nothing was done: there are no credentials, or AWS does not accept them.
    Unsigned(AwsError),
    /// Nothing was sent: there is no connection, with the cause for the admin.
    Unreachable(String),
    /// Nothing was sent: the artifact store was not understood, with the reason.
    UnusableStore(String),
    /// The artifact store has refused or failed.
    Store(StoreError),
    /// A folder has more files than one answer lists.
    TooManyFiles,
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
            Self::MultipartOff => "multipart-off",
            Self::BodyTooLarge { .. } => "body-too-large",
            Self::BodyOverdue => "body-overdue",
            Self::BodyBroken => "malformed-request",
            Self::Busy => "too-many-calls",
            Self::NotReady(_) => "not-ready",
            Self::Unsigned(error) => error.kind.as_str(),
            Self::Unreachable(_) => "mlflow-unreachable",
            Self::UnusableStore(_) => "artifact-store-unusable",
            Self::Store(error) => of_store(error.kind),
            Self::TooManyFiles => "too-many-files",
            Self::OutOfTime => "out-of-time",
            Self::BadAnswer(_) => "bad-answer",
        }
    }

    /// There is no store to ask.
    pub(crate) fn no_store(why: NoStore) -> Self {
        match why {
            NoStore::Unknown(error) if error.kind == AwsErrorKind::NotFound => {
                Self::NotReady(TargetState::Missing)
            }
            NoStore::Unknown(error) => Self::Unsigned(error),
            NoStore::Unusable(why) => Self::UnusableStore(why.to_string()),
        }
    }

    /// AWS's name for the call that has failed, if there was one.
    pub fn aws_request_id(&self) -> Option<&str> {
        match self {
            Self::Unsigned(error) => error.request_id.as_deref(),
            Self::Store(error) => error.request_id.as_deref(),
            _ => None,
        }
    }

    /// AWS does not accept the credentials, and has done nothing: others may be tried.
    pub(super) fn is_about_credentials(&self) -> bool {
        matches!(self, Self::Store(error) if error.kind == StoreErrorKind::Credentials)
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
                | Self::MultipartOff
        )
    }
}

fn of_store(kind: StoreErrorKind) -> &'static str {
    use StoreErrorKind as K;
    match kind {
        K::NoSuchArtifact | K::NoSuchUpload => "no-such-artifact",
        K::NoSuchBucket => "no-such-store",
        K::Denied => "store-denied",
        K::KeyDenied => "store-key-denied",
        K::Elsewhere => "store-elsewhere",
        K::NoSuchRange => "no-such-range",
        K::TooLarge => "body-too-large",
        K::BodyBroken => "malformed-request",
        K::Throttled => "throttled",
        K::Unavailable | K::Unreachable => "aws-unavailable",
        K::Credentials | K::Signature => "aws-credentials",
        K::Refused => "refused-by-aws",
        K::BadAnswer => "bad-answer",
    }
}

impl fmt::Display for CallError {
    /// For the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(error) => write!(f, "call to MLflow: {error}"),
            Self::Unreachable(why) | Self::BadAnswer(why) => write!(f, "call to MLflow: {why}"),
            Self::UnusableStore(why) => write!(f, "the artifact store cannot be used: {why}"),
            Self::Store(error) => write!(f, "artifacts: {error}"),
            Self::NotReady(state) => write!(f, "call to MLflow: the target is {state:?}"),
            other => write!(f, "call to MLflow: {}", other.as_str()),
        }
    }
}

impl std::error::Error for CallError {}
