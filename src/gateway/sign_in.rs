//! Sign-in and sign-out in the browser.

use super::context::{Audience, Navigation, RequestContext};
use super::error::Error;
use super::launch::{asked, person};
use super::portal::the_only;
use super::request_body;
use super::respond::{self, with_cookies};
use super::route::{Route, route};
use super::service::Gateway;
use crate::audit::{Event, Record};
use crate::authn::AuthnError;
use crate::provider::principal::{Principal, Unbound};
use crate::server::Body;
use crate::sessions::{Opened, Session, SignedOut};
use crate::sign_in::SignInError;
use crate::sign_in::return_to::ReturnTo;
use crate::sign_in::{Failed, Finished, Prompt, Started};
use crate::state::Unavailable;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_SECURITY_POLICY, HeaderValue, ORIGIN};
use hyper::http::request;
use hyper::{Method, Response, StatusCode};
use std::sync::Arc;

impl Gateway {
    /// Sends the browser to the provider, to come back to `return_to`.
    pub(super) async fn send_to_sign_in(
        &self,
        return_to: &ReturnTo,
        prompt: Prompt,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let sign_in = self.sign_in.as_ref().ok_or(Error::NoSignIn)?;
        let deliberate = context.navigation == Navigation::Deliberate;
        let started = sign_in.start(return_to, deliberate, prompt, &head.headers).await;
        let started = started.map_err(|error| Error::SignIn { error, return_to: return_to.clone() })?;
        self.metrics.sessions.sign_in_started.inc();
        Ok(to_provider(started))
    }

    /// `GET /-/login?return_to=/PATH`; with `prompt=select_account`, a new sign-in also if there is a session.
    pub(super) async fn begin_sign_in(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        // A client that accepts JSON only has no use for a sign-in page; one that accepts anything asked for this page
        // by name.
        if context.audience == Audience::Program
            && head.headers.get(ACCEPT).is_some_and(|accept| accept != "*/*")
        {
            return Err(AuthnError::NoCredential.into());
        }
        let return_to = ReturnTo::from_query(head.uri.query());
        let prompt = Prompt::from_query(head.uri.query());
        if prompt == Prompt::Default && self.has_session(head).await {
            return Ok(respond::redirect(return_to.to_location()));
        }
        self.send_to_sign_in(&return_to, prompt, head, context).await
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
                self.end_session_before(&principal, head, context).await;
                self.metrics.sessions.signed_in.inc();
                let unbound = principal.groups.unbound().map(Unbound::as_str);
                if let Some(cause) = unbound {
                    let (issuer, subject) = (&principal.issuer, &principal.subject);
                    tracing::warn!(%issuer, subject, cause, "sign-in.groups-not-known");
                }
                self.audit.record(&Record {
                    outcome: Some("opened"),
                    groups_unbound: unbound,
                    ..person(Event::SignIn, &principal, context)
                });
                if deliberate {
                    self.prepare(&principal, &session.id, &return_to, context).await;
                }
                let arrived = self.arrive(&return_to, deliberate, context, Some(&principal));
                Ok(with_cookies(with_cookies(arrived, [session.cookie]), sign_in.tidy(&head.headers)))
            }
            Ok(Finished::Kept { return_to, deliberate }) => {
                let person = self.session_of(head).await.map(|session| session.principal);
                let arrived = self.arrive(&return_to, deliberate, context, person.as_ref());
                Ok(with_cookies(arrived, sign_in.tidy(&head.headers)))
            }
            Ok(Finished::Restart { return_to, deliberate, automatic: true }) => {
                let started = sign_in.restart(&return_to, deliberate, &head.headers).await;
                Ok(to_provider(started.map_err(|error| Error::SignIn { error, return_to })?))
            }
            Ok(Finished::Restart { return_to, .. }) => Err(Error::SignInAstray { return_to }),
            Err(failed) => self.sign_in_failed(failed, head, context).await,
        }
    }

    /// Ends the browser's earlier session after a sign-in. Another person's session must not stay for the person now at
    /// the keyboard, and a copy of the same person's old cookie must not stay valid. A session of the same person that
    /// has just begun is kept: another tab signed in at the same time.
    async fn end_session_before(
        &self,
        principal: &Principal,
        head: &request::Parts,
        context: &RequestContext,
    ) {
        let (Some(sessions), Some(before)) = (&self.sessions, self.session_of(head).await) else { return };
        let other = &before.principal;
        let is_same_person = (&other.realm, &other.user) == (&principal.realm, &principal.user);
        if is_same_person && sessions.has_just_begun(&before) {
            return;
        }
        let ended = match is_same_person {
            // Their run tokens go on.
            true => sessions.revoke(&before.id).await,
            false => sessions.revoke_with_tokens(&before.id).await,
        };
        if let Err(away) = ended {
            tracing::warn!(%away, "session.not_revoked");
        }
        if is_same_person {
            return;
        }
        self.presigner.forget(&before.id);
        self.metrics.sessions.replaced.inc();
        self.audit.record(&Record { reason: Some("replaced"), ..person(Event::SignOut, other, context) });
    }

    /// A failed sign-in is recorded, and leaves an existing session alone.
    async fn sign_in_failed(
        &self,
        failed: Failed,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let Failed { error, subject, return_to, deliberate } = failed;
        // Anybody can send a malformed callback, and nothing was decided: no record.
        if error != SignInError::MalformedCallback {
            self.metrics.sessions.sign_in_failed.inc();
            self.audit.record(&Record {
                issuer: subject.as_ref().map(|(issuer, _)| &**issuer),
                subject: subject.as_ref().map(|(_, subject)| subject.as_str()),
                reason: Some(error.reason()),
                outcome: Some("refused"),
                ..asked(Event::SignIn, context)
            });
        }
        let session = self.session_of(head).await;
        let arrived =
            session.map(|session| self.arrive(&return_to, deliberate, context, Some(&session.principal)));
        let error = Error::SignIn { error, return_to };
        let Some(arrived) = arrived else { return Err(error) };
        error.failure(head).log();
        Ok(arrived)
    }

    /// `POST /-/logout`: only from our own form. Otherwise another site could sign people out at will. With
    /// `everywhere=yes`, all sessions and run tokens of the person end.
    pub(super) async fn sign_out(
        &self,
        head: &request::Parts,
        body: Incoming,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        if !self.is_own_form(head) {
            return Err(Error::ForeignForm);
        }
        let Some(sessions) = &self.sessions else { return Err(Error::NotFound) };
        let form = request_body::whole(head, body, request_body::FORM, &self.settings.limits).await;
        let is_everywhere = form.is_ok_and(|form| &*form == b"everywhere=yes");
        let mut signed_out = sessions.sign_out(&head.headers).await;
        if let Some(signed_out) = signed_out.as_mut().filter(|_| is_everywhere) {
            signed_out.everywhere &= self.end_all(&signed_out.session.principal).await.is_ok();
        }
        if let Some(SignedOut { session, everywhere, .. }) = &signed_out {
            self.presigner.forget(&session.id);
            self.metrics.sessions.signed_out.inc();
            self.audit.record(&Record {
                reason: match (everywhere, is_everywhere) {
                    (false, _) => Some("state-away"),
                    (true, true) => Some("everywhere"),
                    (true, false) => None,
                },
                ..person(Event::SignOut, &session.principal, context)
            });
        }
        let onward = match (&signed_out, &self.logout) {
            (Some(signed_out), Some(logout)) => logout.at_provider(&signed_out.session).await,
            _ => None,
        };
        // If the session did not end everywhere, the person stays here to read that.
        let until = signed_out.filter(|signed_out| !signed_out.everywhere).map(|signed_out| signed_out.until);
        let response = match (onward, until) {
            (Some(provider), None) => respond::see_other(provider),
            (provider, until) => {
                let provider = provider.as_ref().and_then(|provider| provider.to_str().ok());
                respond::html(StatusCode::OK, self.pages.signed_out(until, provider), &self.pages)
            }
        };
        Ok(with_cookies(response, [sessions.clear()]))
    }

    /// Ends all sessions and run tokens of a person.
    async fn end_all(&self, person: &Principal) -> Result<(), Unavailable> {
        let sessions = match &self.sessions {
            Some(sessions) => sessions.revoke_subject(sessions.iss(), &person.subject).await,
            None => Ok(()),
        };
        match &self.run_tokens {
            Some(run_tokens) => run_tokens.take_back_all(person).await.and(sessions),
            None => sessions,
        }
    }

    /// Whether a form was sent from one of our own pages. Browsers say so: by `Sec-Fetch-Site`, and older ones by an
    /// `Origin`, which is `null` wherever a page's referrer policy is ours. A client that says nothing is no browser and
    /// has no session that somebody else could make it use.
    pub(super) fn is_own_form(&self, head: &request::Parts) -> bool {
        let says = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        match (says("sec-fetch-site"), says(ORIGIN.as_str())) {
            (Some(site), _) => matches!(site, "same-origin" | "none"),
            (None, Some(origin)) => {
                let host = origin
                    .split_once("://")
                    .filter(|(scheme, _)| *scheme == self.settings.public_url.scheme());
                host.is_some_and(|(_, host)| self.settings.answers_to(host))
            }
            (None, None) => true,
        }
    }

    /// The next page of a signed-in browser. A visit that another site began ends at a page that asks, also where `/`
    /// would open a destination by itself: a click at the provider does not count as one here, though the browser
    /// reports it. A visit that the person began goes on. Without a click (a restored tab), it goes on by a page of
    /// ours, because a redirect would still count as sent from the provider's site.
    fn arrive(
        &self,
        return_to: &ReturnTo,
        deliberate: bool,
        context: &RequestContext,
        person: Option<&Arc<Principal>>,
    ) -> Response<Body> {
        let title = self.destination_title(return_to);
        let skips = || return_to.path() == "/" && self.skips_the_list(return_to.query());
        let ask = |title: &str, address: &str| {
            let page = self.pages.ask_to_continue(title, address, person.map(|person| &**person));
            respond::html(StatusCode::OK, page, &self.pages)
        };
        match (title, deliberate, context.navigation) {
            (None, false, _) if skips() => {
                let access = person.map(|person| self.access(person, context)).unwrap_or_default();
                match the_only(&access) {
                    Some(only) => ask(only.title, &format!("/{}", only.name)),
                    None => respond::redirect(HeaderValue::from_static("/?show")),
                }
            }
            (Some(title), false, _) => ask(title, return_to.as_str()),
            (Some(_), true, Navigation::Unasked) => {
                let user = person.map(|person| person.user.as_str());
                respond::html(StatusCode::OK, self.pages.signed_in(return_to.as_str(), user), &self.pages)
            }
            _ => respond::redirect(return_to.to_location()),
        }
    }

    fn destination_title(&self, return_to: &ReturnTo) -> Option<&str> {
        match route(&Method::GET, return_to.path()) {
            // An unknown name is treated alike, so that the answer does not reveal which names exist.
            Route::Destination { name, .. } => {
                Some(self.policy.destination(name).map_or("this destination", |found| found.title()))
            }
            _ => None,
        }
    }

    /// `GET /-/logout` only asks, and only where there is something to end. The provider sends browsers back here, too.
    pub(super) async fn ask_to_sign_out(&self, head: &request::Parts) -> Result<Response<Body>, Error> {
        let user = match self.opened(head).await {
            Opened::Valid(session) => Some(session.principal.user.clone()),
            // The shared state is away, so there may be a session.
            Opened::Unknown => None,
            Opened::Invalid { .. } | Opened::None => {
                return Ok(respond::html(StatusCode::OK, self.pages.signed_out(None, None), &self.pages));
            }
        };
        let provider = match &self.logout {
            Some(logout) => logout.provider_origin().await,
            None => None,
        };
        let page = self.pages.ask_to_sign_out(user.as_deref(), provider.is_some());
        let mut response = respond::html(StatusCode::OK, page, &self.pages);
        if let Some(origin) = &provider {
            let policy = self.pages.content_security_policy_to(origin);
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        }
        Ok(response)
    }

    pub(super) async fn has_session(&self, head: &request::Parts) -> bool {
        self.session_of(head).await.is_some()
    }

    async fn session_of(&self, head: &request::Parts) -> Option<Session> {
        match self.opened(head).await {
            Opened::Valid(session) => Some(session),
            Opened::Invalid { .. } | Opened::Unknown | Opened::None => None,
        }
    }

    async fn opened(&self, head: &request::Parts) -> Opened {
        match &self.sessions {
            Some(sessions) => sessions.open(&head.headers).await,
            None => Opened::None,
        }
    }
}

fn to_provider(started: Started) -> Response<Body> {
    with_cookies(respond::redirect(started.location), started.cookies)
}
