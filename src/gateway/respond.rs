//! Answers, and the headers that every answer carries.

use super::context::{Audience, RequestContext};
use super::failure::Failure;
use super::pages::Pages;
use crate::presign::authorized_url::AuthorizedUrl;
use crate::server::Body;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, REFRESH, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use maud::Markup;
use serde::Serialize;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A redirect without a body. 302, because the method is `GET` before and after.
pub(crate) fn redirect(location: HeaderValue) -> Response<Body> {
    let mut response = new(StatusCode::FOUND, Body::default());
    response.headers_mut().insert(LOCATION, location);
    response
}

/// A redirect after a form, followed by `GET` (RFC 9110, section 15.4.4).
pub(crate) fn see_other(location: HeaderValue) -> Response<Body> {
    let mut response = redirect(location);
    *response.status_mut() = StatusCode::SEE_OTHER;
    response
}

/// The only way by which an authorized URL reaches a browser.
pub(crate) fn hand_out(url: AuthorizedUrl) -> Response<Body> {
    redirect(url.into_location())
}

pub(crate) fn html(status: StatusCode, page: Markup, pages: &Pages) -> Response<Body> {
    let mut response = with_body(status, HTML, page.into_string());
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, pages.content_security_policy().clone());
    response
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(body) => with_body(status, JSON, body),
        Err(_) => with_body(StatusCode::INTERNAL_SERVER_ERROR, JSON, "{}"),
    }
}

/// A text that is JSON already.
pub(crate) fn json_text(body: &'static str) -> Response<Body> {
    with_body(StatusCode::OK, JSON, Bytes::from_static(body.as_bytes()))
}

pub(crate) fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    with_body(status, TEXT, Bytes::from_static(body.as_bytes()))
}

pub(crate) fn no_content() -> Response<Body> {
    new(StatusCode::NO_CONTENT, Body::default())
}

/// Whether new requests should be sent here.
pub(crate) fn ready(ready: bool) -> Response<Body> {
    if ready { text(StatusCode::OK, "ready\n") } else { text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n") }
}

/// A failure for its reader: a page for a person, problem details (RFC 9457) for a program.
pub(crate) fn failure(failure: &Failure, context: &RequestContext, pages: &Pages) -> Response<Body> {
    let mut response = match context.audience {
        Audience::Person => {
            let mut response = html(failure.status, pages.failure(failure, &context.ids.request_id), pages);
            if let Some(refresh) = refresh(failure) {
                response.headers_mut().insert(REFRESH, refresh);
            }
            response
        }
        audience @ (Audience::Program | Audience::MlflowClient) => {
            let is_mlflow = audience == Audience::MlflowClient;
            let message = is_mlflow.then(|| failure.sentence());
            let problem = Problem {
                kind: "about:blank",
                title: failure.title,
                status: failure.status.as_u16(),
                detail: &failure.detail,
                request_id: &context.ids.request_id,
                reason: failure.reason,
                remedy: failure.remedy.as_deref(),
                error_code: is_mlflow.then(|| error_code(failure.status, failure.reason)),
                message: message.as_deref(),
            };
            let mut response = json(failure.status, &problem);
            response.headers_mut().insert(CONTENT_TYPE, PROBLEM);
            response
        }
    };
    let headers = response.headers_mut();
    if failure.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, challenge(failure));
    }
    if let Some(seconds) = failure.retry_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(allow) = failure.allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    with_cookies(response, failure.set_cookie.clone())
}

pub(crate) fn with_cookies(
    mut response: Response<Body>,
    cookies: impl IntoIterator<Item = HeaderValue>,
) -> Response<Body> {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// The header with which a page tries again by itself.
fn refresh(failure: &Failure) -> Option<HeaderValue> {
    let attempt = failure.next_attempt()?;
    HeaderValue::try_from(format!("{};url={}", attempt.seconds, attempt.address)).ok()
}

/// The body of an error answer, RFC 9457, section 3.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a str>,
    /// MLflow's own members, which its client shows: <https://mlflow.org/docs/latest/rest-api.html>.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// MLflow's word for a status. Its client warns of words that it does not know.
fn error_code(status: StatusCode, reason: &str) -> &'static str {
    match status {
        StatusCode::NOT_FOUND if reason == "no-such-artifact" => "RESOURCE_DOES_NOT_EXIST",
        StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
        StatusCode::FORBIDDEN => "PERMISSION_DENIED",
        StatusCode::NOT_FOUND => "ENDPOINT_NOT_FOUND",
        StatusCode::CONFLICT => "RESOURCE_CONFLICT",
        StatusCode::TOO_MANY_REQUESTS => "REQUEST_LIMIT_EXCEEDED",
        StatusCode::NOT_IMPLEMENTED => "NOT_IMPLEMENTED",
        StatusCode::SERVICE_UNAVAILABLE => "TEMPORARILY_UNAVAILABLE",
        StatusCode::GATEWAY_TIMEOUT => "DEADLINE_EXCEEDED",
        status if status.is_client_error() => "INVALID_PARAMETER_VALUE",
        _ => "INTERNAL_ERROR",
    }
}

/// RFC 6750, section 3: a request without a credential gets no error code.
fn challenge(failure: &Failure) -> HeaderValue {
    if failure.reason == "no-credential" {
        HeaderValue::from_static("Bearer realm=\"postern\"")
    } else {
        HeaderValue::from_static("Bearer realm=\"postern\", error=\"invalid_token\"")
    }
}

/// Adds the headers of every answer. A page that sets its own content security policy keeps it.
pub(super) fn finish(mut response: Response<Body>, request_id: &str, scheme: &str) -> Response<Body> {
    const FRAMES: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    const HSTS: HeaderName = HeaderName::from_static("strict-transport-security");
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(FRAMES);
    headers.insert(OPENER, HeaderValue::from_static("same-origin"));
    headers.insert(RESOURCE, HeaderValue::from_static("same-origin"));
    if scheme == "https" {
        headers.insert(HSTS, HeaderValue::from_static("max-age=31536000"));
    }
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, request_id);
    }
    response
}

fn with_body(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = new(status, Body::new(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn new(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
