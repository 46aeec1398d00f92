//! Small bodies of requests, whole: bounded in size and time.

use crate::config::Limits;
use http_body_util::{BodyExt, Limited};
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::http::request;
use tokio::time::timeout;

/// The reason why a body cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadBody {
    /// The body has another type, is too large, or broke off.
    Malformed,
    Overdue,
}

impl BadBody {
    pub(super) fn outcome(self) -> &'static str {
        match self {
            Self::Malformed => "malformed-request",
            Self::Overdue => "body-overdue",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Overdue => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

pub(super) const FORM: &str = "application/x-www-form-urlencoded";
pub(super) const JSON: &str = "application/json";

/// The whole body of this media type.
pub(super) async fn whole(
    head: &request::Parts,
    body: Incoming,
    media_type: &str,
    limits: &Limits,
) -> Result<Bytes, BadBody> {
    let stated = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let stated = stated.split(';').next().unwrap_or_default().trim();
    if !stated.eq_ignore_ascii_case(media_type) {
        return Err(BadBody::Malformed);
    }
    let body = Limited::new(body, limits.body_size).collect();
    let body = timeout(limits.deadlines.request_body, body).await.map_err(|_| BadBody::Overdue)?;
    Ok(body.map_err(|_| BadBody::Malformed)?.to_bytes())
}
