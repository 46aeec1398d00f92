//! Errors of the AWS JSON 1.1 protocol.

use crate::sandbox::callers::Refusal;
use crate::sandbox::http::{Reply, reply};
use crate::sandbox::sigv4::SignatureError;
use hyper::StatusCode;
use serde_json::json;

/// An error by the name that SDKs know. Most errors of this protocol are HTTP 400.
#[derive(Debug)]
pub(in crate::sandbox) struct Error {
    pub(in crate::sandbox) code: &'static str,
    status: StatusCode,
    message: Option<String>,
}

impl Error {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, status: StatusCode::BAD_REQUEST, message: Some(message.into()) }
    }

    pub(super) fn server(status: StatusCode, code: &'static str) -> Self {
        Self { code, status, message: None }
    }

    pub(super) fn throttled() -> Self {
        Self { code: "ThrottlingException", status: StatusCode::BAD_REQUEST, message: None }
    }

    pub(super) fn expired() -> Self {
        Self::new("ExpiredTokenException", "The security token included in the request is expired")
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new("ResourceNotFound", format!("{what} does not exist."))
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// The member is `message`, or `Message` in the errors that the service's model declares.
    pub(super) fn into_reply(self) -> Reply {
        let member = if matches!(self.code, "ResourceNotFound" | "ResourceLimitExceeded" | "ResourceInUse") {
            "Message"
        } else {
            "message"
        };
        let body = json!({"__type": self.code, member: self.message});
        reply(self.status, "application/x-amz-json-1.1", body.to_string())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let text = |error: &SignatureError| error.to_string();
        match refusal {
            Refusal::Signature(error @ SignatureError::Missing) => {
                Self::new("MissingAuthenticationTokenException", text(&error))
            }
            Refusal::Signature(error @ SignatureError::Incomplete(_)) => {
                Self::new("IncompleteSignatureException", text(&error))
            }
            Refusal::Signature(error @ SignatureError::Wrong(_)) => {
                Self::new("InvalidSignatureException", text(&error))
            }
            Refusal::UnknownToken => Self::new(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ),
            Refusal::ExpiredToken => Self::expired(),
        }
    }
}
