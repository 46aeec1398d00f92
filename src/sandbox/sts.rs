//! The Security Token Service: the query protocol at `POST /`, answers in XML, every call signed.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html>

mod assume_role;
mod error;

use self::error::Error;
use super::callers::{Caller, Callers};
use super::calls::{Call, Calls};
use super::faults::{Fault, Faults};
use super::http::{self, Reply, Request, reply};
use super::random;
use crate::clock::Clock;
use hyper::{Method, StatusCode};
use maud::{Markup, html};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) struct Sts {
    pub(super) callers: Arc<Callers>,
    pub(super) calls: Arc<Calls>,
    pub(super) faults: Arc<Faults>,
    pub(super) clock: Clock,
    /// Roles are assumed with this ExternalId only.
    pub(super) external_id: Option<String>,
}

type Parameters = BTreeMap<String, String>;

impl Sts {
    pub(super) async fn answer(self: Arc<Self>, request: Request) -> Reply {
        http::with_request_id(self.dispatch(&request).await, "x-amzn-requestid")
    }

    async fn dispatch(&self, request: &Request) -> Reply {
        if (request.path.as_str(), &request.method) != ("/", &Method::POST) {
            return Error::new("InvalidAction", "POST / is asked for.").into_reply();
        }
        let parameters: Parameters = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let name = parameters.get("Action").map_or("", String::as_str);
        let (caller, region) = match self.callers.admit(request, "sts") {
            Ok(admitted) => admitted,
            Err(refusal) => return Error::from(refusal).into_reply(),
        };
        let plan = self.faults.take(name);
        if !plan.delay.is_zero() {
            tokio::time::sleep(plan.delay).await;
        }
        let outcome = match plan.fault.as_ref().and_then(refusal) {
            Some(error) => Err(error),
            None => self.perform(name, &parameters, &caller),
        };
        let input = parameters.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        self.calls.push(Call {
            service: "sts",
            operation: name.to_owned(),
            region,
            input: Value::Object(input.collect::<Map<_, _>>()),
            caller,
            error: outcome.as_ref().err().map(|error| error.code.to_owned()),
            at: self.clock.now(),
            user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
        });
        let answer = match outcome {
            Ok(result) => success(name, &result),
            Err(error) => error.into_reply(),
        };
        match plan.fault {
            Some(Fault::NotAws) => {
                reply(StatusCode::BAD_GATEWAY, "text/html", "<html>502 Bad Gateway</html>\n")
            }
            Some(Fault::CutBody) => http::cut(answer),
            _ => answer,
        }
    }

    fn perform(&self, name: &str, parameters: &Parameters, caller: &Caller) -> Result<Markup, Error> {
        if parameters.get("Version").map(String::as_str) != Some("2011-06-15") {
            return Err(Error::new(
                "InvalidAction",
                format!("Could not find operation {name} for this version"),
            ));
        }
        match name {
            "AssumeRole" => self.assume_role(parameters, caller),
            "GetCallerIdentity" => Ok(html! {
                Arn { (caller.arn) }
                UserId { (caller.user_id) }
                Account { (caller.account) }
            }),
            _ => Err(Error::new(
                "InvalidAction",
                format!("Could not find operation {name} for version 2011-06-15"),
            )),
        }
    }
}

/// The faults that refuse a call, whatever its operation.
fn refusal(fault: &Fault) -> Option<Error> {
    match fault {
        Fault::Throttle => Some(Error::new("Throttling", "Rate exceeded")),
        Fault::InternalFailure => Some(Error::server(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure")),
        Fault::Unavailable => Some(Error::server(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")),
        Fault::ExpiredToken => Some(Error::expired()),
        Fault::AccessDenied => Some(Error::denied("Access is denied by a fault.")),
        _ => None,
    }
}

fn success(name: &str, result: &Markup) -> Reply {
    let xml = format!(
        "<{name}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{name}Result>{}</{name}Result>\
         <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{name}Response>",
        result.0,
        random::uuid()
    );
    reply(StatusCode::OK, "text/xml", xml)
}
