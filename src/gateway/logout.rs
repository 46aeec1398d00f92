//! `POST /-/backchannel-logout`: the provider says that a person is no longer signed in there.

use super::Gateway;
use super::access::Exchange;
use super::context::RequestContext;
use super::error::Error;
use super::launch::asked;
use super::respond::{self, Body};
use crate::audit::{Event, Record};
use crate::config::Limits;
use crate::sign_in::logout::{LoggedOut, LogoutError};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::http::request;
use hyper::{Response, StatusCode};
use serde_json::json;
use url::form_urlencoded;

const RETRY_SECONDS: u64 = 5;

impl Gateway {
    /// Answers as section 2.8 says: 200, or 400 with the reason; and 503 where the provider should send it again.
    pub(super) async fn back_channel_logout(
        &self,
        head: &request::Parts,
        body: Incoming,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
    ) -> Result<Response<Body>, Error> {
        let Some(logout) = &self.logout else { return Err(Error::NotFound) };
        let Some(token) = logout_token(head, body, &self.settings.limits).await else {
            exchange.outcome("malformed-request");
            return Ok(refused("a form with exactly one `logout_token` is needed, small and in time"));
        };
        let ended = logout.back_channel(&token).await;
        match ended {
            Ok(LoggedOut { issuer, subject, one_session }) => {
                self.metrics.sessions.back_channel_logout.inc();
                self.audit.record(&Record {
                    issuer: Some(&issuer),
                    subject: subject.as_deref(),
                    reason: Some(if one_session {
                        "back-channel-logout-session"
                    } else {
                        "back-channel-logout-subject"
                    }),
                    ..asked(Event::SignOut, context)
                });
                Ok(respond::text(StatusCode::OK, ""))
            }
            Err(error) => {
                self.metrics.sessions.back_channel_refused.inc();
                tracing::warn!(reason = error.reason(), error = %error, "logout.refused");
                exchange.outcome(error.reason());
                Ok(if error.is_unavailable() { later(&error) } else { refused(&error.to_string()) })
            }
        }
    }
}

/// Other fields are passed over, as the specification says.
async fn logout_token(head: &request::Parts, body: Incoming, limits: &Limits) -> Option<String> {
    let media_type = head.headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    let form =
        tokio::time::timeout(limits.deadlines.request_body, Limited::new(body, limits.body_size).collect());
    let form = form.await.ok()?.ok()?.to_bytes();
    let mut tokens = form_urlencoded::parse(&form).filter(|(name, _)| name == "logout_token");
    let token = tokens.next()?.1.into_owned();
    tokens.next().is_none().then_some(token)
}

fn refused(why: &str) -> Response<Body> {
    let body = json!({"error": "invalid_request", "error_description": why});
    respond::json(StatusCode::BAD_REQUEST, &body)
}

fn later(error: &LogoutError) -> Response<Body> {
    let body = json!({"error": "temporarily_unavailable", "error_description": error.to_string()});
    let mut response = respond::json(StatusCode::SERVICE_UNAVAILABLE, &body);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    response
}
