//! Forms that are sent here: small, and in time.

use crate::config::Limits;
use http_body_util::{BodyExt, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::http::request;
use tokio::time::timeout;
use url::form_urlencoded;

/// The reason why a body is no form.
pub(super) enum BadForm {
    Malformed,
    Overdue,
}

impl BadForm {
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed-request",
            Self::Overdue => "body-overdue",
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Overdue => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

/// The fields of a form, in order.
pub(super) async fn fields(
    head: &request::Parts,
    body: Incoming,
    limits: &Limits,
) -> Result<Vec<(String, String)>, BadForm> {
    let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(BadForm::Malformed);
    }
    let form = Limited::new(body, limits.body_size).collect();
    let form = timeout(limits.deadlines.request_body, form).await.map_err(|_| BadForm::Overdue)?;
    let form = form.map_err(|_| BadForm::Malformed)?.to_bytes();
    Ok(form_urlencoded::parse(&form).into_owned().collect())
}
