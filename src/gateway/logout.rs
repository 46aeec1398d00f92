//! `POST /-/backchannel-logout`: the provider reports that a person has signed out.

use super::access::Exchange;
use super::context::RequestContext;
use super::error::Error;
use super::launch::asked;
use super::request_body::{self, BadBody};
use super::respond;
use super::service::Gateway;
use crate::audit::{Event, Record};
use crate::config::Limits;
use crate::server::Body;
use crate::sign_in::logout::{LoggedOut, LogoutError};
use hyper::body::Incoming;
use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::http::request;
use hyper::{Response, StatusCode};
use serde_json::json;
use url::form_urlencoded;

const RETRY_SECONDS: u64 = 5;

impl Gateway {
    /// Answers by OpenID Connect Back-Channel Logout 1.0, section 2.8: 200, or 400 with the reason; 408 for a body that does not
    /// come, and 503 if the provider should send it again.
    pub(super) async fn back_channel_logout(
        &self,
        head: &request::Parts,
        body: Incoming,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
    ) -> Result<Response<Body>, Error> {
        let Some(logout) = &self.logout else { return Err(Error::NotFound) };
        let token = match logout_token(head, body, &self.settings.limits).await {
            Ok(token) => token,
            Err(bad) => {
                exchange.outcome(bad.outcome());
                return Ok(refused(
                    bad.status(),
                    "a form with exactly one `logout_token` is needed, small and in time",
                ));
            }
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
                tracing::warn!(reason = error.reason(), error = error.internal(), "logout.refused");
                exchange.outcome(error.reason());
                Ok(if error.is_unavailable() {
                    later(&error)
                } else {
                    refused(StatusCode::BAD_REQUEST, &error.to_string())
                })
            }
        }
    }
}

/// Ignores other fields, as the specification says.
async fn logout_token(head: &request::Parts, body: Incoming, limits: &Limits) -> Result<String, BadBody> {
    let form = request_body::whole(head, body, request_body::FORM, limits).await?;
    let mut tokens = form_urlencoded::parse(&form).filter(|(name, _)| name == "logout_token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => Ok(token.into_owned()),
        _ => Err(BadBody::Malformed),
    }
}

fn refused(status: StatusCode, why: &str) -> Response<Body> {
    respond::json(status, &json!({"error": "invalid_request", "error_description": why}))
}

fn later(error: &LogoutError) -> Response<Body> {
    let body = json!({"error": "temporarily_unavailable", "error_description": error.to_string()});
    let mut response = respond::json(StatusCode::SERVICE_UNAVAILABLE, &body);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    response
}
