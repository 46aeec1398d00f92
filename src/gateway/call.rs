//! A call of MLflow's client: from a bearer token or a run token to an answer of the data plane, with the audit record of
//! the decision.

use super::access::{Exchange, known};
use super::context::RequestContext;
use super::error::Error;
use super::launch::person;
use super::service::Gateway;
use super::told::{Alike, Told};
use crate::audit::facts::Facts;
use crate::audit::{Audit, Event, Record};
use crate::authn::Caller;
use crate::authn::credential::Presented;
use crate::aws::error::AwsErrorKind;
use crate::metrics::series::GONE;
use crate::mlflow::{self, Answered, Asked, CallError, MadeAs};
use crate::policy::grant::Grant;
use crate::policy::{Destination, Question, explain};
use crate::server::Body;
use crate::target::Access;
use hyper::body::Incoming;
use hyper::http::request;
use hyper::{Method, Response};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

impl Gateway {
    /// Answers `/NAME/api/…` and the other paths of MLflow's client.
    pub(super) async fn call(
        &self,
        head: &request::Parts,
        body: Incoming,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
        name: &str,
        path: &str,
    ) -> Result<Response<Body>, Error> {
        let (from_trusted_proxy, client_ip) = (context.from_trusted_proxy, context.client_ip);
        let presented = Presented { headers: &head.headers, from_trusted_proxy, client_ip };
        let caller = timeout_at(context.deadline, self.authenticator.authenticate_call(&presented, name));
        let caller = caller.await.map_err(|_| Error::OutOfTime)?;
        let Caller { principal, token } = caller.inspect_err(|error| self.note_refused(error, context))?;
        let destination = self.policy.destination(name).ok_or(Error::NoSuchDestination)?;
        exchange.opens(destination.name(), &principal);
        let token_id = token.as_ref().map(|token| token.about.id.as_str());
        let grant = self.authorize(&principal, destination, None, token_id, context)?;
        let given = grant.mint().access;
        let grant = match &token {
            Some(token) => grant.narrowed(token.access),
            None => grant,
        };
        let facts_of = self.settings.audit_facts.then_some(destination);
        let mut decision = Decision::of(&grant, facts_of, (&self.audit, &self.told), context, &head.method);
        decision.given = given;
        decision.token_id = token.map(|token| token.about.id);
        let asked =
            if grant.api().is_some() { Asked::read(&head.method, path) } else { Err(CallError::NoApi) };
        decision.asked(asked.as_ref().ok());
        decision.until += mlflow::patience(&head.method, path);
        let answered = match asked {
            Ok(asked) => {
                self.bridge.call(&grant, asked, head, body, context.deadline, &decision.made_as).await
            }
            Err(error) => Err(error),
        };
        decision.ended(&answered);
        let Answered { response, outcome, .. } = answered?;
        exchange.outcome(outcome);
        Ok(response)
    }
}

/// A granted call on its way. A record is written when this is dropped, so also for a call that is cut off: for each call
/// that was refused, has no answer or needs `write`, and of others that are alike for the first in a minute.
struct Decision<'a> {
    audit: &'a Audit,
    told: &'a Told,
    grant: &'a Grant,
    /// `None` if the record leaves out the facts that its rules read.
    facts_of: Option<&'a Destination>,
    context: &'a RequestContext,
    /// The end of the call's time.
    until: Instant,
    method: &'static str,
    endpoint: Option<&'static str>,
    /// The access by the rule, of which a run token may leave less.
    given: Option<Access>,
    token_id: Option<String>,
    /// The class of access that the endpoint needs.
    needs: Option<Access>,
    /// `None` if the request was cut off.
    reason: Option<&'static str>,
    outcome: &'static str,
    made_as: MadeAs,
    aws_request_id: Option<String>,
}

impl<'a> Decision<'a> {
    fn of(
        grant: &'a Grant,
        facts_of: Option<&'a Destination>,
        (audit, told): (&'a Audit, &'a Told),
        context: &'a RequestContext,
        method: &Method,
    ) -> Self {
        Self {
            audit,
            told,
            grant,
            facts_of,
            context,
            until: context.deadline,
            method: known(method),
            endpoint: None,
            given: grant.mint().access,
            token_id: None,
            needs: None,
            reason: None,
            outcome: "failed",
            made_as: MadeAs::default(),
            aws_request_id: None,
        }
    }

    fn alike(&self) -> Alike {
        let person = self.grant.principal();
        Alike {
            destination: Arc::clone(self.grant.destination()),
            realm: Arc::clone(&person.realm),
            user: person.user.clone(),
            token: self.token_id.clone(),
            rule: self.grant.trace().deciding().map(|step| Arc::clone(&step.rule)),
            needs: self.needs,
            outcome: self.reason,
        }
    }

    fn asked(&mut self, asked: Option<&Asked<'_>>) {
        self.endpoint = asked.map(Asked::endpoint);
        self.needs = asked.and_then(Asked::access);
    }

    fn ended(&mut self, answered: &Result<Answered, CallError>) {
        match answered {
            Ok(answered) => {
                self.reason = Some(answered.outcome);
                self.outcome = "forwarded";
                self.aws_request_id.clone_from(&answered.aws_request_id);
            }
            Err(error) => {
                self.reason = Some(error.as_str());
                self.outcome = if error.is_refusal() { "refused" } else { "failed" };
                self.aws_request_id = error.aws_request_id().map(str::to_owned);
            }
        }
    }
}

impl Drop for Decision<'_> {
    fn drop(&mut self) {
        if self.outcome == "forwarded"
            && self.needs != Some(Access::Write)
            && !self.told.is_first(self.alike())
        {
            return;
        }
        let is_overdue = self.until <= Instant::now();
        let dropped = if is_overdue { AwsErrorKind::OutOfTime.as_str() } else { GONE };
        let grant = self.grant;
        let (principal, client_ip) = (grant.principal(), self.context.client_ip);
        let question = Question { principal, client_ip, path: None, query: None };
        let facts = self.facts_of.map(|destination| destination.facts(&question));
        let mut target = explain::fields(grant.mint());
        if let Some(given) = self.given {
            target.insert("access".to_owned(), given.as_str().into());
        }
        self.audit.record(&Record {
            destination: Some(grant.destination()),
            rule: grant.trace().deciding().map(|step| &*step.rule),
            reason: Some(self.reason.unwrap_or(dropped)),
            outcome: Some(self.outcome),
            target: Some(target),
            trace: Some(explain::steps(grant.trace())),
            token_id: self.token_id.as_deref(),
            access: grant.mint().access.map(Access::as_str),
            method: Some(self.method),
            endpoint: self.endpoint,
            role_session_name: self.made_as.as_str(),
            aws_request_id: self.aws_request_id.as_deref(),
            facts_cut: facts.as_ref().is_some_and(Facts::is_cut),
            facts,
            ..person(Event::Call, grant.principal(), self.context)
        });
    }
}
