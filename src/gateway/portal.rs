//! The pages that answer "what may I open?" and "why not?".

use super::Gateway;
use super::context::{Audience, RequestContext};
use super::error::Error;
use super::launch::decoded;
use super::pages::{Access, Card};
use super::respond::{self, Body};
use super::route::{Route, route};
use crate::authn::principal::{Groups, Principal};
use crate::authn::return_to::ReturnTo;
use crate::policy::grant::DenialReason;
use crate::policy::{Kind, Question, Refusal};
use hyper::header::SET_COOKIE;
use hyper::http::request;
use hyper::{Method, Response, StatusCode};
use serde_json::json;
use std::sync::Arc;

impl Gateway {
    /// `GET /`
    pub(super) async fn portal(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let caller = self.authenticate(head, context).await?;
        let access = self.access(&caller.principal, context);
        let mut response = match context.audience {
            Audience::Program => respond::json(StatusCode::OK, &destinations_json(&access)),
            Audience::Person => {
                let cards: Vec<Card<'_>> = access
                    .iter()
                    .filter(|row| row.allowed)
                    .map(|row| Card {
                        name: row.name,
                        title: row.title,
                        description: row.description,
                        kind: row.kind,
                    })
                    .collect();
                respond::html(StatusCode::OK, self.pages.portal(&caller.principal, &cards), &self.pages)
            }
        };
        if let Some(cookie) = caller.set_cookie {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// `GET /-/whoami`
    pub(super) async fn who_am_i(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let caller = self.authenticate(head, context).await?;
        let person = &caller.principal;
        let access = self.access(person, context);
        let mut response = match context.audience {
            Audience::Person => {
                let page = self.pages.who_am_i(person, &access, &context.request_id);
                respond::html(StatusCode::OK, page, &self.pages)
            }
            Audience::Program => respond::json(StatusCode::OK, &who_am_i_json(person, &access)),
        };
        if let Some(cookie) = caller.set_cookie {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// Every destination and whether this person may open it, by the same decision that a launch would get.
    pub(super) fn access(&self, principal: &Arc<Principal>, context: &RequestContext) -> Vec<Access<'_>> {
        let question = Question { principal, client_ip: context.client_ip, path: None };
        let row = |destination| {
            let (allowed, trace, denial) = match self.policy.authorize(destination, &question) {
                Ok(grant) => (true, Some(grant.trace().clone()), None),
                Err(Refusal::Denied(denial)) => {
                    (false, Some(denial.trace), Some((denial.reason, denial.remedy)))
                }
                Err(Refusal::NoSuchPath(trace)) => (false, Some(trace), None),
            };
            Access {
                name: destination.name(),
                title: destination.title(),
                description: destination.description(),
                kind: kind(destination.kind()),
                allowed,
                rule: trace.as_ref().and_then(|trace| trace.deciding()).map(|step| Arc::clone(&step.rule)),
                reason: denial.as_ref().map(|(reason, _)| *reason),
                remedy: denial.and_then(|(_, remedy)| remedy),
            }
        };
        self.policy.destinations().map(row).collect()
    }

    /// Fills the slot of the destination that a browser is about to come back to, where its config says so.
    pub(super) fn prewarm(&self, principal: &Arc<Principal>, return_to: &ReturnTo, context: &RequestContext) {
        let Route::Destination { name, path } = route(&Method::GET, return_to.path()) else { return };
        let Some(destination) = self.policy.destination(name).filter(|found| found.prewarm()) else { return };
        let path = match path.map(decoded) {
            Some(None) => return,
            path => path.flatten(),
        };
        let question = Question { principal, client_ip: context.client_ip, path: path.as_deref() };
        if let Ok(grant) = self.policy.authorize(destination, &question)
            && self.mint_rate.take(principal).is_ok()
        {
            self.presigner.prewarm(grant);
        }
    }
}

pub(super) fn destinations_json(access: &[Access<'_>]) -> serde_json::Value {
    let open = access.iter().filter(|row| row.allowed).map(|row| {
        json!({"name": row.name, "title": row.title, "description": row.description, "kind": row.kind, "path": format!("/{}", row.name)})
    });
    json!({"destinations": open.collect::<Vec<_>>()})
}

fn who_am_i_json(person: &Principal, access: &[Access<'_>]) -> serde_json::Value {
    let rows = access
        .iter()
        .map(|row| json!({"name": row.name, "allowed": row.allowed, "rule": row.rule, "reason": row.reason.map(DenialReason::as_str), "remedy": row.remedy}));
    let groups = match &person.groups {
        Groups::Known(groups) => json!(groups),
        Groups::LeftOut => serde_json::Value::Null,
    };
    json!({
        "user": person.user,
        "name": person.name,
        "realm": person.realm,
        "issuer": person.issuer,
        "subject": person.subject,
        "groups": groups,
        "groups_left_out": person.groups == Groups::LeftOut,
        // How many there are, where `groups` are only those that rules here ask for.
        "groups_total": person.groups_total,
        "destinations": rows.collect::<Vec<_>>(),
    })
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::StudioDomain => "SageMaker Studio",
        Kind::MlflowTrackingServer => "MLflow tracking server",
        Kind::MlflowApp => "MLflow App",
        Kind::NotebookInstance => "Notebook instance",
        Kind::PartnerApp => "Partner AI App",
    }
}
