//! `/-/tokens`: the page on which a person makes run tokens and takes them back.

use super::access::Exchange;
use super::context::RequestContext;
use super::error::Error;
use super::pages::tokens::{Choice, NewToken, TokensPage};
use super::request_body;
use super::respond::{self, with_cookies};
use super::service::Gateway;
use super::tokens::{Made, Wanted};
use crate::authn::{Authenticated, Via};
use crate::server::Body;
use crate::sessions::run_tokens::{Maker, NotMade, RunTokens};
use crate::target::Access;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::http::request;
use hyper::{Response, StatusCode};
use std::collections::HashMap;
use std::sync::Arc;
use url::form_urlencoded;

const PAGE: HeaderValue = HeaderValue::from_static("/-/tokens");
/// The purpose of the page's forms.
const PURPOSE: &str = "run tokens";

/// Everything that the page's forms send. A field that stands twice makes a form malformed.
pub(super) type Fields = HashMap<String, String>;

impl Gateway {
    /// `GET /-/tokens`; `?destination=NAME` chooses one.
    pub(super) async fn tokens_page(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let run_tokens = self.run_tokens.as_ref().ok_or(Error::NotFound)?;
        let caller = self.authenticate_person(head, context).await?;
        let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        let mut chosen = query.filter(|(key, _)| key == "destination").map(|(_, name)| name);
        let chosen = chosen.next().unwrap_or_default();
        let page = self.shown(run_tokens, &caller, &chosen, None, context).await?;
        Ok(with_cookies(page, caller.set_cookie))
    }

    /// `POST /-/tokens`
    pub(super) async fn change_tokens(
        &self,
        head: &request::Parts,
        body: Incoming,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
    ) -> Result<Response<Body>, Error> {
        let run_tokens = self.run_tokens.as_ref().ok_or(Error::NotFound)?;
        if !self.is_own_form(head) {
            return Err(Error::ForeignForm);
        }
        let caller = self.authenticate_person(head, context).await?;
        let body = request_body::whole(head, body, request_body::FORM, &self.settings.limits).await;
        let fields = fields(&body.map_err(Error::Body)?)?;
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let form = self.opened_form(field("form"), &caller, PURPOSE).ok_or(Error::StaleForm)?;
        let person = &caller.principal;
        let away = |_| Error::NotMade(NotMade::StateAway);
        match field("do") {
            "make" => {
                let wanted = wanted(&fields)?;
                if !self.is_first_use(&form).await.map_err(away)? {
                    return Err(Error::StaleForm);
                }
                let without_session = || Maker::WithoutSession(Arc::clone(person));
                let maker = caller.root.clone().map_or_else(without_session, Maker::Session);
                let made = self.make_token(&maker, &wanted, context, exchange).await?;
                let page = self.shown(run_tokens, &caller, &wanted.destination, Some(made), context).await?;
                return Ok(with_cookies(page, caller.set_cookie));
            }
            "take-back" => {
                if let Some(entry) = run_tokens.take_back(person, field("id")).await.map_err(away)? {
                    self.note_taken_back(person, Some((&entry.id, &entry.destination)), context);
                }
            }
            "take-back-all" => {
                run_tokens.take_back_all(person).await.map_err(away)?;
                self.note_taken_back(person, None, context);
            }
            _ => return Err(Error::Malformed),
        }
        Ok(with_cookies(respond::see_other(PAGE), caller.set_cookie))
    }

    /// A person in a browser: a bearer token is a program's, which has an API.
    pub(super) async fn authenticate_person(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Authenticated, Error> {
        let caller = self.authenticate(head, context).await?;
        if caller.via == Via::Bearer { Err(Error::NotANavigation) } else { Ok(caller) }
    }

    async fn shown(
        &self,
        run_tokens: &RunTokens,
        caller: &Authenticated,
        chosen: &str,
        made: Option<Made>,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let person = &caller.principal;
        let living = run_tokens.living(person).await.map_err(|_| Error::NotMade(NotMade::StateAway))?;
        let access = self.access(person, context);
        let choices = access.iter().filter_map(|row| {
            let given = row.grant.as_ref().filter(|grant| grant.api().is_some())?.mint().access?;
            Some(Choice { name: row.name, title: row.title, given, is_chosen: row.name == chosen })
        });
        let made = made.map(|made| NewToken {
            tracking_uri: self.address(&made.destination),
            text: made.text.into_answer(),
            access: made.access,
            expires: made.expires,
            is_listed: made.is_listed,
        });
        let page = TokensPage {
            person,
            choices: choices.collect(),
            living: &living,
            longest: run_tokens.lifetime(),
            made,
            form: self.form_token(caller, PURPOSE).unwrap_or_default(),
        };
        Ok(respond::html(StatusCode::OK, self.pages.tokens(&page), &self.pages))
    }
}

pub(super) fn fields(form: &[u8]) -> Result<Fields, Error> {
    let mut fields = Fields::new();
    for (name, value) in form_urlencoded::parse(form) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Error::Malformed);
        }
    }
    Ok(fields)
}

fn wanted(fields: &Fields) -> Result<Wanted, Error> {
    let field = |name: &str| fields.get(name).filter(|text| !text.is_empty());
    let access = match field("access") {
        None => None,
        Some(word) => {
            let access = Access::ALL.into_iter().find(|access| access.as_str() == word);
            Some(access.ok_or(Error::Malformed)?)
        }
    };
    let lifetime = field("lifetime").map(|text| humantime::parse_duration(text)).transpose();
    let lifetime = lifetime.map_err(|_| Error::Malformed)?;
    let destination = field("destination").cloned().unwrap_or_default();
    Wanted::new(destination, access, lifetime, field("name").cloned())
}
