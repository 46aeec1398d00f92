//! The pages that answer "what may I open?" and "why not?".

use super::context::{Audience, Navigation, RequestContext};
use super::error::Error;
use super::listed::Listed;
use super::pages::who_am_i::Identity;
use super::respond::{self, with_cookies};
use super::service::Gateway;
use crate::config::file::Portal;
use crate::policy::grant::DenialReason;
use crate::provider::principal::{Groups, Principal, Unbound};
use crate::server::Body;
use hyper::header::HeaderValue;
use hyper::http::request;
use hyper::{Response, StatusCode};
use serde_json::json;
use url::form_urlencoded;

const LONGEST_SOUGHT: usize = 100;

impl Gateway {
    /// `GET /`
    pub(super) async fn portal(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let caller = self.authenticate(head, context).await?;
        let mut access = self.access(&caller.principal, context);
        if context.audience == Audience::Person
            && let Some(location) = self.only_choice(head, &access)
        {
            return Ok(with_cookies(respond::redirect(location), caller.set_cookie));
        }
        if context.audience == Audience::Person && context.navigation == Navigation::Deliberate {
            self.expect_a_launch(&caller.principal, &access);
        }
        self.look_up_states(&mut access).await;
        self.offer_starts(&caller, &mut access);
        let response = match context.audience {
            Audience::Program | Audience::MlflowClient => {
                respond::json(StatusCode::OK, &destinations_json(&access))
            }
            Audience::Person => {
                let sought = sought(head.uri.query());
                let page =
                    self.pages.portal(&caller.principal, &access, sought.as_deref(), &context.ids.request_id);
                respond::html(StatusCode::OK, page, &self.pages)
            }
        };
        Ok(with_cookies(response, caller.set_cookie))
    }

    /// The address of the only destination that may be opened, if the configuration skips the list. All rules of a
    /// launch apply there. `/?show` and a search always show the list.
    fn only_choice(&self, head: &request::Parts, access: &[Listed<'_>]) -> Option<HeaderValue> {
        let only = self.skips_the_list(head.uri.query()).then(|| the_only(access)).flatten()?;
        HeaderValue::try_from(format!("/{}", only.name)).ok()
    }

    /// Whether `/` with this query opens the destination if there is only one.
    pub(super) fn skips_the_list(&self, query: Option<&str>) -> bool {
        let is_asked_for = query
            .is_some_and(|query| query.split('&').any(|pair| pair == "show" || pair.starts_with("find=")));
        self.settings.portal == Portal::Skip && !is_asked_for
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
        let issuer = self.settings.issuers.iter().find(|issuer| issuer.name == person.issuer);
        let identity = Identity {
            person,
            issuer_url: issuer.map_or("", |issuer| issuer.issuer.as_str()),
            client_ip: context.client_ip,
            asked_for: &self.policy.reads().groups,
            request_id: &context.ids.request_id,
            config_digest: self.audit.config_digest(),
        };
        let response = match context.audience {
            Audience::Person => {
                respond::html(StatusCode::OK, self.pages.who_am_i(&identity, &access), &self.pages)
            }
            Audience::Program | Audience::MlflowClient => {
                respond::json(StatusCode::OK, &who_am_i_json(&identity, &access))
            }
        };
        Ok(with_cookies(response, caller.set_cookie))
    }
}

/// The text that the list is searched for.
fn sought(query: Option<&str>) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    let (_, text) = pairs.find(|(name, _)| name == "find")?;
    let text: String = text.trim().chars().take(LONGEST_SOUGHT).collect();
    (!text.is_empty()).then_some(text)
}

/// The destination that may be opened, if there is exactly one.
pub(super) fn the_only<'a>(access: &'a [Listed<'_>]) -> Option<&'a Listed<'a>> {
    let mut open = access.iter().filter(|row| row.allowed());
    let (only, None) = (open.next()?, open.next()) else { return None };
    Some(only)
}

pub(super) fn destinations_json(access: &[Listed<'_>]) -> serde_json::Value {
    let open = access.iter().filter(|row| row.allowed()).map(|row| {
        json!({
            "name": row.name,
            "title": row.title,
            "description": row.description,
            "kind": row.kind,
            "path": format!("/{}", row.name),
            // The value of `MLFLOW_TRACKING_URI`, if programs may call it.
            "tracking_uri": row.tracking_uri,
            "state": row.state_word(),
            // Whether the person may start it where it is stopped.
            "may_start": row.may_start,
        })
    });
    json!({"destinations": open.collect::<Vec<_>>()})
}

fn who_am_i_json(identity: &Identity<'_>, access: &[Listed<'_>]) -> serde_json::Value {
    let rows = access.iter().map(|row| {
        json!({
            "name": row.name,
            "title": row.title,
            "kind": row.kind,
            "allowed": row.allowed(),
            "may_start": row.may_start,
            "rule": row.rule,
            // The person's class of access through the API, if set.
            "access": row.grant.as_ref().and_then(|grant| grant.mint().access),
            "tracking_uri": row.tracking_uri,
            "reason": row.reason.map(DenialReason::as_str),
            "remedy": row.remedy,
        })
    });
    let Principal { user, name, realm, issuer, subject, groups, groups_total, .. } = identity.person;
    let known = match groups {
        Groups::Known(groups) => json!(groups),
        Groups::LeftOut | Groups::Unbound(_) => serde_json::Value::Null,
    };
    json!({
        "user": user,
        "name": name,
        "realm": realm,
        "issuer": issuer,
        "issuer_url": identity.issuer_url,
        "subject": subject,
        "groups": known,
        "groups_left_out": *groups == Groups::LeftOut,
        // The claim that should hold the groups, and the value that came in its place.
        "groups_unbound": groups.unbound().map(Unbound::as_str),
        // The number of all groups, if `groups` are only those that rules here ask for.
        "groups_total": groups_total,
        "groups_asked_for": identity.groups().map(|(asked_for, _)| asked_for),
        "client_ip": identity.client_ip,
        "destinations": rows.collect::<Vec<_>>(),
        "request_id": identity.request_id,
        "config_digest": identity.config_digest,
    })
}
