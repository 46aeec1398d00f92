//! The reason why a call to AWS failed, by AWS's error code and never by its HTTP status alone: throttling, for one,
//! arrives as a 400.

use std::fmt;
use std::time::Duration;

/// A call that failed. Everything here may be logged; nothing here can hold a URL or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    pub kind: AwsErrorKind,
    /// The `__type` (SageMaker) or `Code` (STS) of AWS's answer, if there was one.
    pub code: Option<String>,
    pub request_id: Option<String>,
    /// For the admin's log only: the name of the call, and AWS's message.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AwsErrorKind {
    /// The resource that the call names does not exist.
    NotFound,
    /// Several resources carry the name that is asked for.
    Ambiguous,
    /// AWS refused the call: permissions, the domain's mode, an input it does not accept.
    Refused,
    /// A quota of the account is used up.
    Quota,
    /// AWS has no machine of the needed type free at the moment.
    Capacity,
    /// The gateway's own credentials, or the role's, are missing or not accepted.
    Credentials,
    /// AWS asked to slow down.
    Throttled { retry_after: Duration },
    /// AWS failed, could not be reached, or too many calls to it already wait.
    Unavailable,
    /// The deadline passed.
    OutOfTime,
    /// AWS said yes, but its answer cannot be used.
    BadAnswer(BadAnswer),
}

/// The defect of an answer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAnswer {
    /// The connection ended inside the answer.
    CutOff,
    Unparseable,
    TooLong,
}

impl AwsError {
    pub(crate) fn new(kind: AwsErrorKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, request_id: None, message: message.into() }
    }

    /// Whether AWS found the signature, or the time in it, wrong.
    ///
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>
    pub(super) fn is_about_the_signature(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        matches!(
            code.strip_suffix("Exception").unwrap_or(code),
            "InvalidSignature" | "SignatureDoesNotMatch" | "RequestExpired" | "RequestTimeTooSkewed"
        )
    }

    /// AWS denied a permission. Its code says so, not its status.
    pub(crate) fn is_denial(&self) -> bool {
        self.code.as_deref().is_some_and(|code| code.starts_with("AccessDenied"))
    }

    /// A resource of this name exists.
    pub(crate) fn is_in_use(&self) -> bool {
        self.code.as_deref().is_some_and(|code| code.starts_with("ResourceInUse"))
    }

    /// AWS's own words, without the call and the code before them: one line, bounded, without URLs.
    pub(crate) fn said(&self) -> &str {
        let after_code = self.code.as_deref().and_then(|code| self.message.split_once(code));
        after_code.and_then(|(_, rest)| rest.split_once(": ")).map_or(&self.message, |(_, said)| said)
    }

    pub(crate) fn out_of_time(doing: &str) -> Self {
        Self::new(AwsErrorKind::OutOfTime, format!("{doing}: the deadline passed"))
    }
}

impl AwsErrorKind {
    /// The meaning of an error code of AWS's. `status` decides only if the code is unknown.
    ///
    /// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html>,
    /// <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>
    pub(super) fn of_code(code: &str, status: u16) -> Self {
        // `ThrottlingException` of one service is `Throttling` of another.
        match code.strip_suffix("Exception").unwrap_or(code) {
            "Throttling"
            | "Throttled"
            | "RequestThrottled"
            | "TooManyRequests"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "PriorRequestNotComplete"
            | "SlowDown" => Self::throttled(),
            "ExpiredToken"
            | "TokenRefreshRequired"
            | "UnrecognizedClient"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "InvalidSignature"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "InvalidToken"
            | "RequestExpired"
            | "RequestTimeTooSkewed" => Self::Credentials,
            "ResourceNotFound" => Self::NotFound,
            "ResourceLimitExceeded" | "ServiceQuotaExceeded" | "LimitExceeded" => Self::Quota,
            "InsufficientCapacity" | "InsufficientInstanceCapacity" => Self::Capacity,
            "InternalFailure"
            | "InternalError"
            | "InternalServer"
            | "InternalServerError"
            | "InternalService"
            | "InternalServiceError"
            | "ServiceUnavailable"
            | "Unavailable"
            | "RequestTimeout" => Self::Unavailable,
            "AccessDenied" | "Validation" | "ValidationError" => Self::Refused,
            _ => Self::of_status(status),
        }
    }

    /// The kind for an answer without an error code, as intermediaries send them.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            429 => Self::throttled(),
            500.. => Self::Unavailable,
            _ => Self::Refused,
        }
    }

    fn throttled() -> Self {
        Self::Throttled { retry_after: Duration::from_secs(2) }
    }

    /// The stable word for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotFound => "not-ready",
            Self::Ambiguous => "ambiguous-name",
            Self::Refused => "refused-by-aws",
            Self::Quota => "quota-exceeded",
            Self::Capacity => "no-capacity",
            Self::Credentials => "aws-credentials",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable => "aws-unavailable",
            Self::OutOfTime => "out-of-time",
            Self::BadAnswer(_) => "bad-answer",
        }
    }
}

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutOff => "the connection ended inside the answer",
            Self::Unparseable => "the answer cannot be parsed",
            Self::TooLong => "the answer is longer than any that was asked for",
        })
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.message)
    }
}

impl std::error::Error for AwsError {}

/// A text of AWS's made safe for the log: one line, bounded, and without any word that could be a URL or a token.
pub(crate) fn for_log(text: &str) -> String {
    const LONGEST_TEXT: usize = 600;
    const LONGEST_WORD: usize = 200;
    let mut safe = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        let folded = word.to_ascii_lowercase();
        let suspect = word.len() > LONGEST_WORD || folded.contains("://") || folded.contains("token=");
        let word = if suspect { "[left-out]" } else { word };
        if safe.len() + word.len() > LONGEST_TEXT {
            safe.push_str(" …");
            break;
        }
        if !safe.is_empty() {
            safe.push(' ');
        }
        safe.push_str(word);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_known_with_and_without_the_word_exception() {
        for code in ["Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown"] {
            assert!(matches!(AwsErrorKind::of_code(code, 400), AwsErrorKind::Throttled { .. }), "{code}");
        }
        for code in ["ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException"] {
            assert_eq!(AwsErrorKind::of_code(code, 400), AwsErrorKind::Credentials, "{code}");
        }
    }

    #[test]
    fn the_status_decides_only_for_codes_that_are_not_known() {
        assert_eq!(AwsErrorKind::of_code("AccessDeniedException", 503), AwsErrorKind::Refused);
        assert_eq!(AwsErrorKind::of_code("SomethingNew", 503), AwsErrorKind::Unavailable);
        assert_eq!(AwsErrorKind::of_code("SomethingNew", 400), AwsErrorKind::Refused);
    }

    #[test]
    fn a_text_for_the_log_holds_no_url_and_no_token() {
        let text =
            "User x may not\nopen https://d-1.studio.eu-west-1.sagemaker.aws/auth?token=abc or authToken=abc";
        assert_eq!(for_log(text), "User x may not open [left-out] or [left-out]");
        assert_eq!(for_log(&"a".repeat(4000)), "[left-out]");
        assert!(for_log(&"word ".repeat(4000)).len() < 700);
    }
}
