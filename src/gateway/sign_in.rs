//! Sign-in and sign-out in the browser.

use super::Gateway;
use super::context::{Audience, Navigation, RequestContext};
use super::error::Error;
use super::launch::person;
use super::respond::{self, Body};
use super::route::{Route, route};
use crate::audit::{Event, Record};
use crate::authn::AuthnError;
use crate::authn::login::{Finished, SignIn, SignInError, Started};
use crate::authn::principal::Principal;
use crate::authn::return_to::ReturnTo;
use crate::authn::session::Opened;
use crate::state::Away;
use hyper::header::{ACCEPT, HeaderValue, SET_COOKIE};
use hyper::http::request;
use hyper::{Method, Response, StatusCode};
use std::sync::Arc;

impl Gateway {
    /// To the provider, and back to `return_to` afterwards.
    pub(super) async fn send_to_sign_in(
        &self,
        return_to: &ReturnTo,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let sign_in = self.sign_in.as_ref().ok_or(Error::NoSignIn)?;
        let deliberate = context.navigation == Navigation::Deliberate;
        let started = sign_in.start(return_to, deliberate, &head.headers).await?;
        self.metrics.session("sign-in-started");
        Ok(to_provider(started))
    }

    /// `GET /-/login?return_to=/PATH`
    pub(super) async fn begin_sign_in(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        // A program that takes JSON only has no use for a sign-in page; one that takes anything asked for it by name.
        if context.audience == Audience::Program
            && head.headers.get(ACCEPT).is_some_and(|accept| accept != "*/*")
        {
            return Err(AuthnError::NoCredential.into());
        }
        let return_to = ReturnTo::from_query(head.uri.query());
        if self.has_session(head).await {
            return Ok(respond::redirect(return_to.to_location()));
        }
        self.send_to_sign_in(&return_to, head, context).await
    }

    /// `GET /-/callback`
    pub(super) async fn finish_sign_in(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let sign_in = self.sign_in.as_ref().ok_or(Error::NotFound)?;
        match sign_in.finish(head.uri.query().unwrap_or_default(), &head.headers).await {
            Ok(Finished::SignedIn { principal, session, return_to, deliberate }) => {
                self.metrics.session("signed-in");
                self.audit.record(&Record {
                    outcome: Some("opened"),
                    ..person(Event::SignIn, &principal, context)
                });
                if deliberate {
                    self.prewarm(&principal, &return_to, context);
                }
                Ok(with_cookie(self.arrive(&return_to, deliberate, context, Some(&principal)), session))
            }
            Ok(Finished::Kept { return_to }) => {
                let person = self.session_of(head).await;
                Ok(self.arrive(&return_to, false, context, person.as_deref()))
            }
            Ok(Finished::Restart { return_to, automatic: true }) => restart(sign_in, &return_to, head).await,
            Ok(Finished::Restart { return_to, .. }) => Err(Error::SignInAstray { return_to }),
            Ok(Finished::Refused { error, return_to }) => {
                let error = Error::SignInRefused { error, return_to };
                self.sign_in_failed(error, "sign-in-refused", head, context).await
            }
            // Anybody can send this; nothing was decided.
            Err(error) if error == SignInError::MalformedCallback && !self.has_session(head).await => {
                Err(error.into())
            }
            Err(error) => {
                let reason = error.reason();
                self.sign_in_failed(error.into(), reason, head, context).await
            }
        }
    }

    /// A sign-in that failed is on record, and hurts nobody who is signed in already.
    async fn sign_in_failed(
        &self,
        error: Error,
        reason: &'static str,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        self.audit.record(&Record {
            request_id: Some(&context.request_id),
            reason: Some(reason),
            outcome: Some("refused"),
            client_ip: context.client_ip,
            user_agent: context.user_agent.as_deref(),
            ..Record::new(Event::SignIn)
        });
        if self.has_session(head).await {
            error.failure(head).log(context);
            return Ok(respond::redirect(HeaderValue::from_static("/")));
        }
        Err(error)
    }

    /// `POST /-/logout`: only from our own form, for a foreign one could sign people out at will.
    pub(super) async fn sign_out(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        if !self.is_own_form(head) {
            return Err(Error::ForeignForm);
        }
        let Some(sessions) = &self.sessions else { return Err(Error::NotFound) };
        if let Opened::Valid(session) = sessions.open(&head.headers).await {
            sessions.revoke(&session.id).await.map_err(|Away| AuthnError::StateAway)?;
            self.presigner.forget(&session.principal.realm, &session.principal.user);
            self.metrics.session("signed-out");
            self.audit.record(&person(Event::SignOut, &session.principal, context));
        }
        let page = respond::html(StatusCode::OK, self.pages.signed_out(), &self.pages);
        Ok(with_cookie(page, sessions.clear()))
    }

    /// Where a signed-in browser goes on to. What another site began ends before a page that asks. What a person began
    /// goes through: where this navigation carries no click (a restored tab), by a page of ours, because a redirect
    /// would still count as sent from the provider's site.
    fn arrive(
        &self,
        return_to: &ReturnTo,
        deliberate: bool,
        context: &RequestContext,
        person: Option<&Principal>,
    ) -> Response<Body> {
        let title = self.destination_title(return_to);
        match (title, deliberate, context.navigation) {
            (Some(title), false, _) => {
                let page = self.pages.ask_to_continue(title, return_to.as_str(), person);
                respond::html(StatusCode::OK, page, &self.pages)
            }
            (Some(_), true, Navigation::Unasked) => {
                respond::html(StatusCode::OK, self.pages.signed_in(return_to.as_str()), &self.pages)
            }
            _ => respond::redirect(return_to.to_location()),
        }
    }

    fn destination_title(&self, return_to: &ReturnTo) -> Option<&str> {
        match route(&Method::GET, return_to.path()) {
            // A name that is not configured is treated alike: what exists is not told here.
            Route::Destination { name, .. } => {
                Some(self.policy.destination(name).map_or("this destination", |found| found.title()))
            }
            _ => None,
        }
    }

    /// `GET /-/logout` only asks, and only where there is something to end.
    pub(super) async fn ask_to_sign_out(&self, head: &request::Parts) -> Response<Body> {
        let page =
            if self.has_session(head).await { self.pages.ask_to_sign_out() } else { self.pages.signed_out() };
        respond::html(StatusCode::OK, page, &self.pages)
    }

    pub(super) async fn has_session(&self, head: &request::Parts) -> bool {
        self.session_of(head).await.is_some()
    }

    async fn session_of(&self, head: &request::Parts) -> Option<Arc<Principal>> {
        match self.sessions.as_ref()?.open(&head.headers).await {
            Opened::Valid(session) => Some(session.principal),
            Opened::Invalid { .. } | Opened::Unknown | Opened::None => None,
        }
    }
}

async fn restart(
    sign_in: &SignIn,
    return_to: &ReturnTo,
    head: &request::Parts,
) -> Result<Response<Body>, Error> {
    Ok(to_provider(sign_in.restart(return_to, &head.headers).await?))
}

fn to_provider(started: Started) -> Response<Body> {
    let response = respond::redirect(started.location);
    match started.set_cookie {
        Some(cookie) => with_cookie(response, cookie),
        None => response,
    }
}

fn with_cookie(mut response: Response<Body>, cookie: HeaderValue) -> Response<Body> {
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}
