//! From an authenticated person to a grant and from there to an authorized URL, with the audit record of the decision.

use super::access::Exchange;
use super::context::RequestContext;
use super::error::Error;
use super::respond;
use super::service::Gateway;
use crate::audit::facts::Facts;
use crate::audit::{Audit, Event, Record};
use crate::aws::error::AwsErrorKind;
use crate::metrics::series::GONE;
use crate::policy::grant::Grant;
use crate::policy::link::decoded;
use crate::policy::{Destination, Question, Refusal, explain};
use crate::presign::authorized_url::AuthorizedUrl;
use crate::presign::error::PresignError;
use crate::presign::{MintFacts, Presigned};
use crate::provider::principal::Principal;
use crate::server::Body;
use crate::sessions::SessionId;
use hyper::http::request;
use hyper::{Response, StatusCode};
use std::sync::Arc;
use tokio::time::Instant;

/// The part of a URL below a destination, as it came.
#[derive(Clone, Copy)]
pub(super) struct DeepLink<'a> {
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl Gateway {
    /// Whether this person may open the destination, and with which target. A refusal is audited here, with the name of the run
    /// token that was presented, if it was one.
    pub(super) fn authorize(
        &self,
        principal: &Arc<Principal>,
        destination: &Destination,
        link: Option<DeepLink<'_>>,
        token_id: Option<&str>,
        context: &RequestContext,
    ) -> Result<Grant, Error> {
        let path = link.map(|link| decoded(link.path));
        let query = link.and_then(|link| link.query);
        let question = Question { principal, client_ip: context.client_ip, path: path.as_deref(), query };
        let refusal = match self.policy.authorize(destination, &question) {
            Ok(grant) => return Ok(grant),
            Err(refusal) => refusal,
        };
        let facts = self.settings.audit_facts.then(|| destination.facts(&question));
        self.audit.record(&Record {
            destination: Some(destination.name()),
            rule: refusal.trace().deciding().map(|step| &*step.rule),
            reason: Some(refusal.reason()),
            outcome: Some("refused"),
            trace: Some(explain::steps(refusal.trace())),
            facts_cut: facts.as_ref().is_some_and(Facts::is_cut),
            facts,
            token_id,
            ..person(Event::Deny, principal, context)
        });
        Err(match refusal {
            Refusal::Denied(denial) => Error::Denied(denial),
            Refusal::NoSuchPath(_) => Error::NoSuchPath,
        })
    }

    /// Counts against the person's rate and mints. The grant is audited here with one record, however the mint ends.
    pub(super) async fn presign(
        &self,
        grant: &Grant,
        session: Option<&SessionId>,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
    ) -> Result<AuthorizedUrl, Error> {
        let destination = self.policy.destination(grant.destination());
        let destination = destination.filter(|_| self.settings.audit_facts);
        let mut decision = Decision::of(grant, destination, &self.audit, context);
        if let Err(wait) = self.mint_rate.take(grant.principal()).await {
            decision.reason = Some("too-many-launches");
            return Err(Error::TooManyMints { wait });
        }
        let presigned = self.presigner.presign(grant, session, context.deadline).await;
        let outcome = presigned.as_ref().map_or_else(PresignError::as_str, |_| "ok");
        decision.reason = Some(outcome);
        exchange.outcome(outcome);
        match presigned {
            Ok(Presigned { url, facts }) => {
                decision.minted = Some(facts);
                self.last_opened.note(grant);
                Ok(url)
            }
            Err(error) => {
                decision.aws_request_id = error.aws_request_id().map(str::to_owned);
                Err(error.into())
            }
        }
    }

    pub(super) fn ask_to_continue(
        &self,
        destination: &Destination,
        head: &request::Parts,
        person: &Principal,
    ) -> Response<Body> {
        let here = head.uri.path_and_query().map_or("/", |here| here.as_str());
        respond::html(
            StatusCode::OK,
            self.pages.ask_to_continue(destination.title(), here, Some(person)),
            &self.pages,
        )
    }
}

/// A grant on its way to a URL. The record is written when this is dropped, so also for a request that is cut off.
struct Decision<'a> {
    audit: &'a Audit,
    grant: &'a Grant,
    /// `None` if the record leaves out the facts that its rules read.
    destination: Option<&'a Destination>,
    context: &'a RequestContext,
    minted: Option<MintFacts>,
    /// The request id of AWS's refusal.
    aws_request_id: Option<String>,
    /// `None` if the request was cut off.
    reason: Option<&'static str>,
}

impl<'a> Decision<'a> {
    fn of(
        grant: &'a Grant,
        destination: Option<&'a Destination>,
        audit: &'a Audit,
        context: &'a RequestContext,
    ) -> Self {
        Self { audit, grant, destination, context, minted: None, aws_request_id: None, reason: None }
    }
}

impl Drop for Decision<'_> {
    fn drop(&mut self) {
        let (grant, minted) = (self.grant, self.minted.as_ref());
        let is_overdue = self.context.deadline <= Instant::now();
        let dropped = if is_overdue { AwsErrorKind::OutOfTime.as_str() } else { GONE };
        let (principal, client_ip) = (grant.principal(), self.context.client_ip);
        let question = Question { principal, client_ip, path: grant.path(), query: None };
        let facts = self.destination.map(|destination| destination.facts(&question));
        self.audit.record(&Record {
            destination: Some(grant.destination()),
            rule: grant.trace().deciding().map(|step| &*step.rule),
            reason: Some(self.reason.unwrap_or(dropped)),
            outcome: Some(if minted.is_some() { "opened" } else { "failed" }),
            target: Some(explain::fields(grant.mint())),
            trace: Some(explain::steps(grant.trace())),
            role_session_name: minted.and_then(|minted| minted.role_session_name.as_deref()),
            aws_request_id: minted
                .and_then(|minted| minted.aws_request_id.as_deref())
                .or(self.aws_request_id.as_deref()),
            from_slot: minted.map(|minted| minted.from_slot),
            facts_cut: facts.as_ref().is_some_and(Facts::is_cut),
            facts,
            ..person(Event::Grant, grant.principal(), self.context)
        });
    }
}

/// The part of a record about the person.
pub(super) fn person<'a>(event: Event, principal: &'a Principal, context: &'a RequestContext) -> Record<'a> {
    Record {
        issuer: Some(&principal.issuer),
        subject: Some(&principal.subject),
        user: Some(&principal.user),
        ..asked(event, context)
    }
}

/// The part of a record about the request.
pub(super) fn asked(event: Event, context: &RequestContext) -> Record<'_> {
    Record {
        request_id: Some(&context.ids.request_id),
        trace_id: Some(&context.ids.trace_id),
        client_ip: context.client_ip,
        user_agent: context.user_agent.as_deref(),
        ..Record::new(event)
    }
}
