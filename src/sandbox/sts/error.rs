//! Errors of the AWS query protocol.

use crate::sandbox::callers::Refusal;
use crate::sandbox::http::{Reply, reply};
use crate::sandbox::random;
use crate::sandbox::sigv4::SignatureError;
use hyper::StatusCode;
use maud::html;

#[derive(Debug)]
pub(super) struct Error {
    pub(super) code: &'static str,
    status: StatusCode,
    message: String,
}

impl Error {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    pub(super) fn server(status: StatusCode, code: &'static str) -> Self {
        Self { code, status, message: String::new() }
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self { code: "AccessDenied", status: StatusCode::FORBIDDEN, message: message.into() }
    }

    pub(super) fn expired() -> Self {
        Self::forbidden("ExpiredToken", "The security token included in the request is expired")
    }

    fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, status: StatusCode::FORBIDDEN, message: message.into() }
    }

    pub(super) fn into_reply(self) -> Reply {
        let sender = if self.status.is_server_error() { "Receiver" } else { "Sender" };
        let error = html! { Type { (sender) } Code { (self.code) } Message { (self.message) } };
        let xml = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>{}</Error>\
             <RequestId>{}</RequestId></ErrorResponse>",
            error.0,
            random::uuid()
        );
        reply(self.status, "text/xml", xml)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Signature(error @ SignatureError::Missing) => {
                Self::forbidden("MissingAuthenticationToken", error.to_string())
            }
            Refusal::Signature(error @ SignatureError::Incomplete(_)) => {
                Self::new("IncompleteSignature", error.to_string())
            }
            Refusal::Signature(error @ SignatureError::Wrong(_)) => {
                Self::forbidden("SignatureDoesNotMatch", error.to_string())
            }
            Refusal::UnknownToken => Self::forbidden(
                "InvalidClientTokenId",
                "The security token included in the request is invalid.",
            ),
            Refusal::ExpiredToken => Self::expired(),
        }
    }
}
