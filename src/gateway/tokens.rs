//! Run tokens for programs: `POST /-/api/tokens` and `DELETE /-/api/tokens/current`.

use super::access::Exchange;
use super::context::RequestContext;
use super::error::Error;
use super::launch::person;
use super::request_body;
use super::respond;
use super::service::Gateway;
use super::told::Alike;
use crate::audit::{Event, Record};
use crate::authn::AuthnError;
use crate::authn::credential::{Presented, run_token};
use crate::clock::UnixSeconds;
use crate::config::LONGEST_SESSION;
use crate::mlflow::CallError;
use crate::provider::principal::Principal;
use crate::server::Body;
use crate::sessions::run_tokens::{About, Issued, IssuedText, Maker, Refused, RunTokens, Wish};
use crate::target::Access;
use hyper::body::Incoming;
use hyper::http::request;
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use std::sync::Arc;
use std::time::Duration;

/// Characters of a token's name.
pub(super) const LONGEST_NAME: usize = 64;

const LIFETIMES: &str = "`expires_in` has to be 1 to 604800 seconds.";

/// The body of `POST /-/api/tokens`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    destination: String,
    access: Option<Access>,
    /// Seconds: a whole number, however it is written.
    expires_in: Option<Number>,
    name: Option<String>,
}

/// The token that a person or a program asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) destination: String,
    /// By default all that the rules give.
    pub(super) access: Option<Access>,
    /// By default, and at most, the configured lifetime.
    pub(super) lifetime: Option<Duration>,
    pub(super) name: Option<String>,
}

/// A new run token, with what the rules and the configuration left of the wish.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) text: IssuedText,
    pub(super) id: String,
    pub(super) destination: Arc<str>,
    pub(super) access: Access,
    pub(super) issued: UnixSeconds,
    pub(super) expires: UnixSeconds,
    pub(super) is_listed: bool,
}

/// The answer of `POST /-/api/tokens`.
#[derive(Serialize)]
struct Answer<'a> {
    token: String,
    token_id: &'a str,
    destination: &'a str,
    access: Access,
    issued_at: String,
    expires_at: String,
    /// Seconds.
    expires_in: u64,
    tracking_uri: String,
    /// Whether the person's list on `/-/tokens` shows it.
    listed: bool,
}

impl Gateway {
    /// `POST /-/api/tokens`
    pub(super) async fn api_make_token(
        &self,
        head: &request::Parts,
        body: Incoming,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
    ) -> Result<Response<Body>, Error> {
        // The maker is judged when nothing is waited for any more.
        let body = request_body::whole(head, body, request_body::JSON, &self.settings.limits).await;
        let maker = self.authenticate_maker(head, context).await?;
        let wanted = Wanted::of_json(&body.map_err(Error::Body)?)?;
        let made = self.make_token(&maker, &wanted, context, exchange).await?;
        let answer = Answer {
            token: made.text.into_answer(),
            token_id: &made.id,
            destination: &made.destination,
            access: made.access,
            issued_at: made.issued.rfc3339(),
            expires_at: made.expires.rfc3339(),
            expires_in: made.expires.since(made.issued).as_secs(),
            tracking_uri: self.address(&made.destination),
            listed: made.is_listed,
        };
        Ok(respond::json(StatusCode::CREATED, &answer))
    }

    /// A program with a bearer token, or the person of a terminal with the session in which it was allowed.
    async fn authenticate_maker(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Maker, Error> {
        let run_tokens = self.run_tokens.as_ref().ok_or(Error::NotFound)?;
        let sessions = self.sessions.as_ref();
        let (from_trusted_proxy, client_ip) = (context.from_trusted_proxy, context.client_ip);
        let presented = Presented { headers: &head.headers, from_trusted_proxy, client_ip };
        let of_terminal = run_token(&presented).filter(|text| RunTokens::is_of_terminal(text));
        match of_terminal.zip(sessions) {
            Some((text, sessions)) => {
                let opened = run_tokens.open_terminal(text, sessions).await.map_err(AuthnError::RunToken);
                Ok(opened.inspect_err(|error| self.note_refused(error, context))?)
            }
            None => Ok(Maker::WithoutSession(self.authenticate_program(head, context).await?.principal)),
        }
    }

    /// `DELETE /-/api/tokens/current`, with the token itself.
    pub(super) async fn api_give_back_token(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let Some(run_tokens) = &self.run_tokens else { return Err(Error::NotFound) };
        let (from_trusted_proxy, client_ip) = (context.from_trusted_proxy, context.client_ip);
        let presented = Presented { headers: &head.headers, from_trusted_proxy, client_ip };
        let text = run_token(&presented).ok_or(Error::RunTokenOnly)?;
        match run_tokens.give_back(text).await {
            Ok(about) => {
                self.note_taken_back(&about.principal, Some((&about.id, &about.destination)), context);
                Ok(respond::no_content())
            }
            Err(refused) => {
                let error = AuthnError::RunToken(refused);
                self.note_refused(&error, context);
                Err(error.into())
            }
        }
    }

    /// Makes a run token for a person whom the rules let in, with no more access than they give.
    pub(super) async fn make_token(
        &self,
        maker: &Maker,
        wanted: &Wanted,
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
    ) -> Result<Made, Error> {
        let run_tokens = self.run_tokens.as_ref().ok_or(Error::NotFound)?;
        let principal = maker.principal();
        let destination = self.policy.destination(&wanted.destination).ok_or(Error::NoSuchDestination)?;
        exchange.opens(destination.name(), principal);
        let grant = self.authorize(principal, destination, None, None, context)?;
        let (Some(_), Some(given)) = (grant.api(), grant.mint().access) else {
            return Err(CallError::NoApi.into());
        };
        if let Err(wait) = self.token_rate.take(principal).await {
            return Err(Error::TooManyTokens { wait });
        }
        let access = wanted.access.map_or(given, |access| access.min(given));
        let wish = Wish {
            maker,
            destination: destination.name(),
            access,
            lifetime: wanted.lifetime,
            name: wanted.name.as_deref(),
        };
        let made = run_tokens.issue(wish).await.map_err(Error::NotMade)?;
        let Issued { text, id, issued, expires, is_listed } = made;
        self.metrics.tokens_issued.inc();
        self.audit.record(&Record {
            destination: Some(destination.name()),
            rule: grant.trace().deciding().map(|step| &*step.rule),
            outcome: Some("issued"),
            token_id: Some(&id),
            expires_at: Some(expires.rfc3339()),
            access: Some(access.as_str()),
            ..person(Event::Token, principal, context)
        });
        let destination = Arc::clone(destination.name());
        Ok(Made { text, id, destination, access, issued, expires, is_listed })
    }

    /// Records that a token was taken back, or all of a person's.
    pub(super) fn note_taken_back(
        &self,
        principal: &Principal,
        token: Option<(&str, &str)>,
        context: &RequestContext,
    ) {
        self.audit.record(&Record {
            destination: token.map(|(_, destination)| destination),
            token_id: token.map(|(id, _)| id),
            reason: token.is_none().then_some("all-tokens"),
            outcome: Some("revoked"),
            ..person(Event::Token, principal, context)
        });
    }

    /// Records the use of a run token that does not count, if its seal is ours: the first of uses that are alike in a
    /// minute.
    pub(super) fn note_refused(&self, error: &AuthnError, context: &RequestContext) {
        let AuthnError::RunToken(Refused { error, about: Some(about) }) = error else { return };
        let About { id, principal, destination, .. } = &**about;
        let alike = Alike {
            destination: Arc::clone(destination),
            realm: Arc::clone(&principal.realm),
            user: principal.user.clone(),
            token: Some(id.clone()),
            rule: None,
            needs: None,
            outcome: Some(error.as_str()),
        };
        if self.told.is_first(alike) {
            self.audit.record(&Record {
                destination: Some(destination),
                token_id: Some(id),
                reason: Some(error.as_str()),
                outcome: Some("refused"),
                ..person(Event::Token, principal, context)
            });
        }
    }

    /// The URL of a destination, which is the value of `MLFLOW_TRACKING_URI`, too.
    pub(super) fn address(&self, destination: &str) -> String {
        format!("{}/{destination}", self.settings.public_url.as_str().trim_end_matches('/'))
    }
}

impl Wanted {
    fn of_json(body: &[u8]) -> Result<Self, Error> {
        let asked: Asked = serde_json::from_slice(body).map_err(|_| {
            bad("The body has to be a JSON object with `destination` and, if wanted, `access` (`read`, `log` or `write`), `expires_in` (seconds) and `name`.")
        })?;
        let seconds = |number: Number| match (number.as_u64(), number.as_f64()) {
            (Some(seconds), _) => Some(Duration::from_secs(seconds)),
            (None, Some(seconds)) if seconds.fract() == 0.0 => Duration::try_from_secs_f64(seconds).ok(),
            _ => None,
        };
        let lifetime = match asked.expires_in {
            Some(number) => Some(seconds(number).ok_or_else(|| bad(LIFETIMES))?),
            None => None,
        };
        Self::new(asked.destination, asked.access, lifetime, asked.name)
    }

    pub(super) fn new(
        destination: String,
        access: Option<Access>,
        lifetime: Option<Duration>,
        name: Option<String>,
    ) -> Result<Self, Error> {
        let range = Duration::from_secs(1)..=LONGEST_SESSION;
        if lifetime.is_some_and(|lifetime| !range.contains(&lifetime)) {
            return Err(bad(LIFETIMES));
        }
        let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let is_fit = |name: &String| name.chars().count() <= LONGEST_NAME && !name.contains(char::is_control);
        if !name.as_ref().is_none_or(is_fit) {
            return Err(bad("`name` has to have 64 characters at most, and no control characters."));
        }
        Ok(Self { destination, access, lifetime, name })
    }
}

fn bad(why: &str) -> Error {
    Error::BadTokenRequest(why.to_owned())
}
