//! The reasons why there is no URL.

use crate::aws::domains::NotForIam;
use crate::aws::error::{AwsError, AwsErrorKind};
use crate::aws::state::TargetState;
use std::fmt;

/// A mint that failed. Everything here may be logged; nothing here can hold a URL or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresignError {
    /// The target cannot be opened now (409).
    NotReady { state: TargetState, message: String, aws_request_id: Option<String> },
    /// AWS succeeded, but its URL may not be handed on (502).
    BadUrl { why: BadUrl, message: String, aws_request_id: Option<String> },
    /// The profile's tags name another person (403).
    ProfileOfAnother { message: String },
    /// No URL can be presigned for the domain or the partner app (409).
    NotForIam { why: NotForIam, message: String, aws_request_id: Option<String> },
    /// AWS refused or failed, or time ran out (502, 503, 504).
    Aws(AwsError),
}

/// The defect of a text that should be a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadUrl {
    Absent,
    Unparseable,
    TooLong,
    /// It holds a character that a URL has no place for.
    IllegalCharacter,
    NotHttps,
    Userinfo,
    ForeignHost,
    /// It has a fragment in the place of ours.
    Fragment,
}

impl PresignError {
    pub(super) fn out_of_time(doing: &str) -> Self {
        Self::Aws(AwsError::out_of_time(doing))
    }

    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::NotReady { state: TargetState::Missing, .. })
    }

    /// The stable word for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotReady { .. } => "not-ready",
            Self::BadUrl { .. } => "bad-answer",
            Self::ProfileOfAnother { .. } => "profile-of-another",
            Self::NotForIam { why, .. } => why.as_str(),
            Self::Aws(error) => error.kind.as_str(),
        }
    }

    /// For the admin's log only: the call, and AWS's message.
    pub fn message(&self) -> &str {
        match self {
            Self::NotReady { message, .. }
            | Self::BadUrl { message, .. }
            | Self::ProfileOfAnother { message }
            | Self::NotForIam { message, .. } => message,
            Self::Aws(error) => &error.message,
        }
    }

    pub fn aws_request_id(&self) -> Option<&str> {
        match self {
            Self::NotReady { aws_request_id, .. }
            | Self::BadUrl { aws_request_id, .. }
            | Self::NotForIam { aws_request_id, .. } => aws_request_id.as_deref(),
            Self::ProfileOfAnother { .. } => None,
            Self::Aws(error) => error.request_id.as_deref(),
        }
    }
}

impl From<AwsError> for PresignError {
    fn from(error: AwsError) -> Self {
        match error {
            AwsError { kind: AwsErrorKind::NotFound, message, request_id, .. } => {
                Self::NotReady { state: TargetState::Missing, message, aws_request_id: request_id }
            }
            error => Self::Aws(error),
        }
    }
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "the answer holds no URL",
            Self::Unparseable => "the URL cannot be parsed",
            Self::TooLong => "the URL is longer than any of AWS's",
            Self::IllegalCharacter => "the URL holds an illegal character",
            Self::NotHttps => "the URL is not `https`",
            Self::Userinfo => "the URL holds a user or password",
            Self::ForeignHost => "the URL's host is none of AWS's or of `authorized_url_hosts`",
            Self::Fragment => "the URL has a fragment already, so a deep link has no place in it",
        })
    }
}

impl fmt::Display for PresignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.as_str(), self.message())
    }
}

impl std::error::Error for PresignError {}
