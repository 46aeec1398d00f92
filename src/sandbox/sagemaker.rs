//! The SageMaker API: AWS JSON 1.1 at `POST /`, every call signed.
//!
//! The checks have AWS's order: the signature, the input, IAM, the existence of the resource. Texts of refusals that
//! AWS does not publish are the sandbox's own.

mod actions;
mod data_plane;
pub(super) mod error;
mod fixture;
mod input;
pub(super) mod mlflow;
mod notebooks;
mod operation;
mod profiles;

use self::error::Error;
use self::fixture::{Changed, Whims};
use self::input::Patterns;
pub(super) use self::notebooks::Notebooks;
pub(super) use self::profiles::Profiles;

use self::mlflow::{Change, Course, MlflowServers};
use self::operation::{Operation, Presign, Resource};
use self::profiles::NewProfile;
use super::behind::Behind;
use super::callers::{Caller, Callers};
use super::calls::{Call, Calls};
use super::faults::{Fault, Faults};
use super::http::{self, Reply, Request, reply};
use super::landing::{Kind, Landing, Ticket, USER_PROFILE};
use super::session_policy::Verdict;
use super::tracking::Tracking;
use crate::clock::Clock;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

const REQUEST_ID: &str = "x-amzn-requestid";

pub(super) struct SageMaker {
    pub(super) callers: Arc<Callers>,
    pub(super) calls: Arc<Calls>,
    pub(super) faults: Arc<Faults>,
    pub(super) landing: Arc<Landing>,
    pub(super) clock: Clock,
    pub(super) any_profile: bool,
    pub(super) any_target: bool,
    pub(super) patterns: Patterns,
    pub(super) mlflow: MlflowServers,
    pub(super) notebooks: Notebooks,
    pub(super) profiles: Profiles,
    pub(super) tracking: Tracking,
    pub(super) mlflow_server: Option<Behind>,
}

pub(super) fn patterns() -> Result<Patterns, regex::Error> {
    operation::patterns()
}

impl SageMaker {
    pub(super) async fn answer(self: Arc<Self>, request: Request) -> Reply {
        http::with_request_id(self.dispatch(&request).await, REQUEST_ID)
    }

    async fn dispatch(&self, request: &Request) -> Reply {
        let target = request.header("x-amz-target").and_then(|target| target.strip_prefix("SageMaker."));
        let (Some(name), "/", &Method::POST) = (target, request.path.as_str(), &request.method) else {
            return Error::new("UnknownOperationException", "POST / with X-Amz-Target is asked for.")
                .into_reply();
        };
        let (caller, region) = match self.callers.admit(request, "sagemaker") {
            Ok(admitted) => admitted,
            Err(refusal) => return Error::from(refusal).into_reply(),
        };
        let plan = self.faults.take(name);
        if !plan.delay.is_zero() {
            tokio::time::sleep(plan.delay).await;
        }
        let parsed: Result<Map<String, Value>, _> = serde_json::from_slice(&request.body);
        let input = parsed.as_ref().map_or(Value::Null, |members| Value::Object(members.clone()));
        let outcome = match (plan.fault.as_ref().and_then(refusal), &parsed) {
            (Some(error), _) => Err(error),
            (None, Err(_)) => Err(Error::new("SerializationException", "The body is not a JSON object.")),
            (None, Ok(members)) if name == notebooks::START => {
                self.start_notebook(members, &caller, &region, plan.fault.as_ref())
            }
            (None, Ok(members)) if name == profiles::CREATE => {
                self.create_profile(members, &caller, &region, plan.fault.as_ref())
            }
            (None, Ok(members)) if name == profiles::LIST => self.list_profiles(members, &caller, &region),
            (None, Ok(members)) if matches!(name, "ListTags" | "AddTags") && is_of_profile(members) => {
                self.profile_tags(name, members, &caller)
            }
            (None, Ok(members)) => match Change::read(name, members, &self.patterns) {
                Some(change) => {
                    change.and_then(|change| self.change(&change, &caller, &region, plan.fault.as_ref()))
                }
                None => Operation::read(name, members, &self.patterns)
                    .and_then(|operation| self.perform(&operation, &caller, &region, plan.fault.as_ref())),
            },
        };
        self.calls.push(Call {
            service: "sagemaker",
            operation: name.to_owned(),
            region,
            input,
            caller,
            error: outcome.as_ref().err().map(|error| error.code.to_owned()),
            at: self.clock.now(),
            user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
        });
        if plan.fault == Some(Fault::NotAws) {
            const PAGE: &str = "<html><body><h1>502 Bad Gateway</h1></body></html>\n";
            return reply(StatusCode::BAD_GATEWAY, "text/html", PAGE);
        }
        let answer = match outcome {
            Ok(value) => reply(StatusCode::OK, "application/x-amz-json-1.1", value.to_string()),
            Err(error) => error.into_reply(),
        };
        if plan.fault == Some(Fault::CutBody) { http::cut(answer) } else { answer }
    }

    fn change(
        &self,
        change: &Change<'_>,
        caller: &Caller,
        region: &str,
        fault: Option<&Fault>,
    ) -> Result<Value, Error> {
        judge(change.name, &change.resource(region, &caller.account), caller)?;
        self.mlflow.perform(change, caller, region, Course::by(fault))
    }

    fn start_notebook(
        &self,
        members: &Map<String, Value>,
        caller: &Caller,
        region: &str,
        fault: Option<&Fault>,
    ) -> Result<Value, Error> {
        let name = Notebooks::read(members, &self.patterns)?;
        let resource = Resource::NotebookInstance { name: name.clone() }.arn(region, &caller.account);
        judge(notebooks::START, &resource, caller)?;
        self.notebooks.start((&caller.account, region, &name), Course::by(fault))
    }

    fn create_profile(
        &self,
        members: &Map<String, Value>,
        caller: &Caller,
        region: &str,
        fault: Option<&Fault>,
    ) -> Result<Value, Error> {
        let new = NewProfile::read(members, &self.patterns)?;
        let resource = Resource::UserProfile { domain_id: new.domain_id.clone(), name: new.name.clone() };
        let arn = resource.arn(region, &caller.account);
        judge(profiles::CREATE, &arn, caller)?;
        if new.is_tagged() {
            judge("AddTags", &arn, caller)?;
        }
        if let Some(role) = &new.execution_role {
            judge_action("iam:PassRole", role, caller)?;
        }
        let is_there = fixture::has_profile(&new.domain_id, &new.name, self.whims(fault))?;
        self.profiles.create(&new, &arn, is_there, Course::by(fault))
    }

    fn list_profiles(
        &self,
        members: &Map<String, Value>,
        caller: &Caller,
        region: &str,
    ) -> Result<Value, Error> {
        judge(profiles::LIST, "*", caller)?;
        let domain_id = members.get("DomainIdEquals").and_then(Value::as_str).unwrap_or_default();
        let own = Resource::UserProfile { domain_id: domain_id.to_owned(), name: String::new() };
        let created = self.profiles.names(&own.arn(region, &caller.account));
        let names = fixture::profiles_of(domain_id).map(str::to_owned).chain(created);
        let profiles = names.map(|name| json!({"DomainId": domain_id, "UserProfileName": name}));
        Ok(json!({"UserProfiles": profiles.collect::<Vec<_>>()}))
    }

    fn profile_tags(
        &self,
        name: &str,
        members: &Map<String, Value>,
        caller: &Caller,
    ) -> Result<Value, Error> {
        let arn = members.get("ResourceArn").and_then(Value::as_str).unwrap_or_default();
        judge(name, arn, caller)?;
        let id = arn.split(":user-profile/").nth(1).and_then(|rest| rest.split_once('/'));
        let (domain_id, profile) = id.ok_or_else(|| Error::validation("The ARN names no such resource."))?;
        let is_there = fixture::has_profile(domain_id, profile, self.whims(None))?;
        if !is_there && self.profiles.profile(arn).is_none() {
            return Err(Error::not_found(&format!("User profile {profile} in domain {domain_id}")));
        }
        if name == "AddTags" {
            self.profiles.tag(arn, members);
        }
        Ok(self.profiles.tags_of(arn))
    }

    fn changed(&self) -> Changed<'_> {
        Changed { mlflow: &self.mlflow, notebooks: &self.notebooks, profiles: &self.profiles }
    }

    fn whims(&self, fault: Option<&Fault>) -> Whims {
        Whims {
            any_profile: self.any_profile,
            any_target: self.any_target,
            stopped: fault == Some(&Fault::Stopped),
        }
    }

    fn perform(
        &self,
        operation: &Operation,
        caller: &Caller,
        region: &str,
        fault: Option<&Fault>,
    ) -> Result<Value, Error> {
        authorize(operation, caller, region)?;
        let whims = self.whims(fault);
        let found = fixture::find(operation, region, &caller.account, whims, self.changed())?;
        let Some(presign) = &operation.presign else { return Ok(described(found.description, fault)) };
        if let Some(why) = found.unusable {
            return Err(Error::validation(why)); // how AWS words it is not known
        }
        let ticket = ticket(operation, presign, caller, region);
        let url = match fault {
            Some(Fault::MissingUrl) => return Ok(json!({})),
            Some(Fault::ForeignHost) => "https://evil.example/auth?token=taken".to_owned(),
            Some(Fault::InsecureUrl) => {
                format!("http://d-sandbox00001.studio.{region}.sagemaker.aws/auth?token=clear")
            }
            Some(Fault::LongUrl(length)) => self.landing.issue(ticket, Some(*length)),
            _ => self.landing.issue(ticket, None),
        };
        let member =
            if matches!(operation.resource, Resource::PartnerApp { .. }) { "Url" } else { "AuthorizedUrl" };
        Ok(json!({member: url}))
    }
}

impl Course {
    fn by(fault: Option<&Fault>) -> Self {
        let lag = match fault {
            Some(Fault::Lag(lag)) => *lag,
            _ => Duration::ZERO,
        };
        Self { lag, fails: fault == Some(&Fault::StartFails) }
    }
}

/// A description as a fault changes it.
fn described(mut description: Value, fault: Option<&Fault>) -> Value {
    if let (Some(Fault::Described(changes)), Value::Object(members)) = (fault, &mut description) {
        members.extend(changes.clone());
        members.retain(|_, value| !value.is_null());
    }
    description
}

/// The faults that refuse a call, whatever its operation.
fn refusal(fault: &Fault) -> Option<Error> {
    match fault {
        Fault::Throttle => Some(Error::throttled()),
        Fault::InternalFailure => Some(Error::server(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure")),
        Fault::Unavailable => Some(Error::server(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")),
        Fault::ExpiredToken => Some(Error::expired()),
        Fault::Quota => Some(Error::new(
            "ResourceLimitExceeded",
            "The account-level service limit 'ml.t3.medium for notebook instance usage' is 0 Instances, with current \
             utilization of 0 Instances and a request delta of 1 Instances.",
        )),
        Fault::Capacity => {
            Some(Error::new("InsufficientInstanceCapacity", "There is no capacity for ml.t3.medium."))
        }
        Fault::Invalid => Some(Error::validation("The request is refused by a fault.")),
        Fault::AccessDenied => Some(Error::new("AccessDeniedException", "Access is denied by a fault.")),
        _ => None,
    }
}

/// A session tag turns the presign of a domain's URL into a second permission that the caller needs.
fn authorize(operation: &Operation, caller: &Caller, region: &str) -> Result<(), Error> {
    let resource = operation.resource.arn(region, &caller.account);
    judge(operation.name, &resource, caller)?;
    if operation.name == "CreatePresignedDomainUrl" && !caller.session_tags.is_empty() {
        judge("CreatePresignedDomainUrlWithPrincipalTag", &resource, caller)?;
    }
    Ok(())
}

fn is_of_profile(members: &Map<String, Value>) -> bool {
    let arn = members.get("ResourceArn").and_then(Value::as_str);
    arn.is_some_and(|arn| arn.contains(":user-profile/"))
}

/// The verdict of the caller's session policy on an operation.
fn judge(operation: &str, resource: &str, caller: &Caller) -> Result<(), Error> {
    judge_action(&format!("sagemaker:{operation}"), resource, caller)
}

fn judge_action(action: &str, resource: &str, caller: &Caller) -> Result<(), Error> {
    let Some(policy) = &caller.session_policy else { return Ok(()) };
    let because = match policy.judge(action, resource) {
        Verdict::Allowed => return Ok(()),
        Verdict::ImplicitlyDenied => format!("because no session policy allows the {action} action"),
        Verdict::ExplicitlyDenied => "with an explicit deny in a session policy".to_owned(),
    };
    let arn = &caller.arn;
    let message =
        format!("User: {arn} is not authorized to perform: {action} on resource: {resource} {because}");
    Err(Error::new("AccessDeniedException", message))
}

fn ticket(operation: &Operation, presign: &Presign, caller: &Caller, region: &str) -> Ticket {
    let (kind, host, mut facts) = match &operation.resource {
        Resource::Domain { id } => (Kind::Studio, id.clone(), vec![("Domain", id.clone())]),
        Resource::UserProfile { domain_id, name } => (
            Kind::Studio,
            domain_id.clone(),
            vec![("Domain", domain_id.clone()), (USER_PROFILE, name.clone())],
        ),
        Resource::TrackingServer { name } => {
            (Kind::Mlflow, name.clone(), vec![("MLflow tracking server", name.clone())])
        }
        Resource::NotebookInstance { name } => {
            (Kind::Notebook, name.clone(), vec![("Notebook instance", name.clone())])
        }
        Resource::MlflowApp { arn } => (Kind::Mlflow, "app".to_owned(), vec![("MLflow app", arn.clone())]),
        Resource::PartnerApp { arn } => {
            (Kind::PartnerApp, "app".to_owned(), vec![("Partner app", arn.clone())])
        }
    };
    let optional = [("Space", &presign.space_name), ("Landing URI", &presign.landing_uri)];
    facts.extend(optional.into_iter().filter_map(|(label, value)| Some((label, value.clone()?))));
    facts.push(("Region", region.to_owned()));
    facts.push((
        "Session lasts",
        humantime::format_duration(Duration::from_secs(presign.session_seconds)).to_string(),
    ));
    Ticket {
        kind,
        host: host.to_ascii_lowercase(),
        region: region.to_owned(),
        operation: operation.name,
        facts,
        caller: caller.clone(),
        lifetime: Duration::from_secs(presign.expires_in_seconds),
    }
}
