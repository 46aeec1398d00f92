//! `POST /-/start/NAME`: starts a stopped target for a person whom `start` of its destination lets.

use super::access::Exchange;
use super::context::{Audience, Navigation, RequestContext};
use super::error::Error;
use super::failure::Failure;
use super::launch::person;
use super::listed::Listed;
use super::request_body;
use super::respond::{self, with_cookies};
use super::route::{Route, route};
use super::service::Gateway;
use super::start_form::StartForm;
use crate::audit::facts::Facts;
use crate::audit::{Audit, Event, Record};
use crate::authn::{Authenticated, Via};
use crate::aws::error::AwsErrorKind;
use crate::aws::state::TargetState;
use crate::metrics::series::GONE;
use crate::policy::grant::Grant;
use crate::policy::start::NoStart;
use crate::policy::{Destination, Question, explain};
use crate::presign::error::PresignError;
use crate::server::Body;
use crate::sign_in::return_to::ReturnTo;
use crate::target::Kind;
use crate::wake::{WakeError, Woken, outcome};
use hyper::body::Incoming;
use hyper::http::request;
use hyper::{Method, Response, StatusCode};
use serde_json::json;
use std::borrow::Cow;
use std::time::Duration;
use tokio::time::Instant;
use url::form_urlencoded;

/// The first wait of a page for a profile, which AWS creates within a minute or so.
const OF_A_PROFILE: Duration = Duration::from_secs(5);
/// The first wait of a page that looks whether its target has been started.
const LOOK_AGAIN: Duration = Duration::from_secs(20);

impl Gateway {
    /// Starts the target once, whoever else asks at the same time, and leads back to the page that was asked for.
    pub(super) async fn start(
        &self,
        head: &request::Parts,
        body: Incoming,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
        name: &str,
    ) -> Result<Response<Body>, Error> {
        let caller = self.authenticate(head, context).await?;
        let destination = self.policy.destination(name).ok_or(Error::NoSuchDestination)?;
        exchange.opens(destination.name(), &caller.principal);
        let return_to = if caller.via == Via::Bearer {
            format!("/{name}")
        } else {
            self.own_form(head, body, context, &caller, name).await?
        };
        let grant = self.authorize(&caller.principal, destination, None, None, context)?;
        let start = self.policy.may_start(grant.clone(), context.client_ip);
        let start = start.map_err(|no| self.refused(&grant, no, context))?;
        let facts_of = self.facts_of(start.grant());
        let mut record = WakeRecord::of(start.grant(), Event::Wake, facts_of, &self.audit, context);
        if let Err(wait) = self.mint_rate.take(&caller.principal).await {
            record.ended("too-many-launches", "refused");
            return Err(Error::TooManyMints { wait });
        }
        let woken = self.waker.start(&start, context.deadline).await;
        exchange.outcome(outcome(&woken));
        let state = match woken {
            Ok(Woken::Started { role_session_name, aws_request_id }) => {
                record.ended("ok", "started");
                (record.role_session_name, record.aws_request_id) = (role_session_name, aws_request_id);
                TargetState::Starting { since: None }
            }
            Ok(Woken::Already(state)) => {
                record.ended("already", "unchanged");
                state
            }
            Err(error) => {
                record.ended(error.as_str(), "failed");
                record.aws_request_id = error.aws_request_id().map(str::to_owned);
                return Err(Error::Wake { error, return_to });
            }
        };
        let response = match context.audience {
            Audience::Person => {
                let page = self.pages.starting(destination.title(), &return_to, &caller.principal.user);
                respond::html(StatusCode::OK, page, &self.pages)
            }
            Audience::Program | Audience::MlflowClient => {
                let is_ready = state == TargetState::Ready;
                let (status, word) =
                    if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::ACCEPTED, "starting") };
                respond::json(status, &json!({"destination": name, "state": word}))
            }
        };
        Ok(with_cookies(response, caller.set_cookie))
    }

    /// The page to return to, by a form of one of our pages that was made for this caller.
    async fn own_form(
        &self,
        head: &request::Parts,
        body: Incoming,
        context: &RequestContext,
        caller: &Authenticated,
        name: &str,
    ) -> Result<String, Error> {
        if context.navigation == Navigation::Not || !self.is_own_form(head) {
            return Err(Error::ForeignForm);
        }
        let form = request_body::whole(head, body, request_body::FORM, &self.settings.limits).await;
        let form = form.map_err(Error::Body)?;
        let field = |name: &str| {
            form_urlencoded::parse(&form).find(|(known, _)| known == name).map(|(_, value)| value)
        };
        let is_ours = |token: Cow<'_, str>| self.opened_form(&token, caller, &purpose(name)).is_some();
        if self.sealer.is_some() && !field("token").is_some_and(is_ours) {
            return Err(Error::ForeignForm);
        }
        Ok(same_destination(&field("return_to").unwrap_or_default(), name))
    }

    /// Creates the person's profile, and returns the page that waits for it. Only a person's own visit creates one.
    pub(super) async fn create_profile(
        &self,
        grant: &Grant,
        missing: PresignError,
        context: &RequestContext,
    ) -> Error {
        if context.audience != Audience::Person {
            return missing.into();
        }
        let facts_of = self.facts_of(grant);
        let mut record = WakeRecord::of(grant, Event::CreateProfile, facts_of, &self.audit, context);
        let pending = |state| PresignError::NotReady {
            state,
            message: "the profile is being created".to_owned(),
            aws_request_id: None,
        };
        match self.waker.create_profile(grant, context.deadline).await {
            Ok(Woken::Started { role_session_name, aws_request_id }) => {
                record.ended("ok", "created");
                (record.role_session_name, record.aws_request_id) = (role_session_name, aws_request_id);
                pending(TargetState::Pending("Pending".to_owned())).into()
            }
            Ok(Woken::Already(state)) => {
                record.ended("already", "unchanged");
                let is_there = matches!(state, TargetState::Ready | TargetState::Unknown);
                pending(if is_there { TargetState::Pending("Pending".to_owned()) } else { state }).into()
            }
            Err(WakeError::NotStartable(state)) => {
                record.ended("not-ready", "failed");
                pending(state).into()
            }
            Err(WakeError::Aws(error)) => {
                record.ended(error.kind.as_str(), "failed");
                record.aws_request_id.clone_from(&error.request_id);
                PresignError::Aws(error).into()
            }
        }
    }

    fn refused(&self, grant: &Grant, no: NoStart, context: &RequestContext) -> Error {
        self.metrics.wakes.ended(grant.destination(), "start-denied");
        let mut record = WakeRecord::of(grant, Event::Wake, self.facts_of(grant), &self.audit, context);
        record.ended(no.as_str(), "refused");
        Error::MayNotStart(no)
    }

    /// The destination whose facts are recorded; `None` if none are.
    fn facts_of(&self, grant: &Grant) -> Option<&Destination> {
        self.policy.destination(grant.destination()).filter(|_| self.settings.audit_facts)
    }

    /// Adds to the page of a target that is not ready: a button, the person to ask, and the usual course of a start.
    pub(super) async fn offer_start(
        &self,
        failure: &mut Failure,
        state: &TargetState,
        destination: &Destination,
        head: &request::Parts,
        context: &RequestContext,
    ) {
        if context.audience != Audience::Person {
            return;
        }
        let kind = destination.kind();
        if kind == Kind::StudioDomain && matches!(state, TargetState::Pending(_)) {
            failure.retry_after = Some(OF_A_PROFILE);
        }
        if matches!(state, TargetState::Starting { .. }) {
            failure.advice = usual_course(kind);
        }
        if kind.start_operation().is_some() {
            failure.waits_for_a_start();
        }
        if !destination.can_be_started() || *state == TargetState::Missing {
            return;
        }
        // Somebody else may start it.
        failure.retry_after.get_or_insert(LOOK_AGAIN);
        if !state.can_be_started(kind) {
            return;
        }
        let Ok(caller) = self.authenticate(head, context).await else { return };
        let question =
            Question { principal: &caller.principal, client_ip: context.client_ip, path: None, query: None };
        let Ok(grant) = self.policy.authorize(destination, &question) else { return };
        if self.policy.may_start(grant, context.client_ip).is_ok() {
            let return_to = failure.again.clone().unwrap_or_else(|| format!("/{}", destination.name()));
            failure.start = Some(self.start_form(&caller, destination.name(), return_to));
            failure.advice = "You may start it. It costs money while it runs, also when nobody uses it.";
        } else {
            failure.advice = "Ask your platform team, or somebody who may start it. This page opens it when it has started.";
        }
    }

    /// Adds the buttons to a person's list.
    pub(super) fn offer_starts(&self, caller: &Authenticated, access: &mut [Listed<'_>]) {
        for row in access {
            let Some(state) = row.state.as_ref().filter(|_| row.may_start) else { continue };
            if state.can_be_started(row.target_kind) {
                row.start = Some(self.start_form(caller, row.name, format!("/{}", row.name)));
            }
        }
    }

    fn start_form(&self, caller: &Authenticated, name: &str, return_to: String) -> StartForm {
        StartForm { name: name.to_owned(), return_to, token: self.form_token(caller, &purpose(name)) }
    }
}

fn purpose(name: &str) -> String {
    format!("start {name}")
}

/// The page that the form names, if it is one of the destination that was started.
fn same_destination(return_to: &str, name: &str) -> String {
    let page = ReturnTo::parse(return_to);
    match route(&Method::GET, page.path()) {
        Route::Destination { name: of_page, .. } if of_page == name => page.as_str().to_owned(),
        _ => format!("/{name}"),
    }
}

fn usual_course(kind: Kind) -> &'static str {
    match kind {
        Kind::MlflowTrackingServer => {
            "Tracking servers usually take 20 to 40 minutes to start. This page looks again by itself, less and less \
             often, and then opens what you asked for."
        }
        _ => {
            "Notebook instances usually start within some minutes; if AWS has few machines free, half an hour or more. \
             This page looks again by itself, less and less often, and then opens what you asked for."
        }
    }
}

/// A granted start or creation on its way. The record is written when this is dropped, so also for a request that is cut off.
struct WakeRecord<'a> {
    grant: &'a Grant,
    event: Event,
    /// `None` if the record leaves out the facts that the rules and `start` read.
    facts_of: Option<&'a Destination>,
    audit: &'a Audit,
    context: &'a RequestContext,
    /// `None` if the request was cut off: the start goes on.
    reason: Option<&'static str>,
    outcome: &'static str,
    role_session_name: Option<String>,
    aws_request_id: Option<String>,
}

impl<'a> WakeRecord<'a> {
    fn of(
        grant: &'a Grant,
        event: Event,
        facts_of: Option<&'a Destination>,
        audit: &'a Audit,
        context: &'a RequestContext,
    ) -> Self {
        Self {
            grant,
            event,
            facts_of,
            audit,
            context,
            reason: None,
            outcome: "failed",
            role_session_name: None,
            aws_request_id: None,
        }
    }

    fn ended(&mut self, reason: &'static str, outcome: &'static str) {
        (self.reason, self.outcome) = (Some(reason), outcome);
    }
}

impl Drop for WakeRecord<'_> {
    fn drop(&mut self) {
        let is_overdue = self.context.deadline <= Instant::now();
        let dropped = if is_overdue { AwsErrorKind::OutOfTime.as_str() } else { GONE };
        let grant = self.grant;
        let (principal, client_ip) = (grant.principal(), self.context.client_ip);
        let question = Question { principal, client_ip, path: grant.path(), query: None };
        let facts = self.facts_of.map(|destination| destination.facts(&question));
        self.audit.record(&Record {
            destination: Some(grant.destination()),
            rule: grant.trace().deciding().map(|step| &*step.rule),
            reason: Some(self.reason.unwrap_or(dropped)),
            outcome: Some(self.outcome),
            target: Some(explain::fields(grant.mint())),
            role_session_name: self.role_session_name.as_deref(),
            aws_request_id: self.aws_request_id.as_deref(),
            facts_cut: facts.as_ref().is_some_and(Facts::is_cut),
            facts,
            ..person(self.event, grant.principal(), self.context)
        });
    }
}
