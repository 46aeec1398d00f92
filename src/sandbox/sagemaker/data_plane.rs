//! MLflow's data plane, at which tracking servers and Apps are called. Each call is signed, names its target in a
//! header, and is judged by the session's policy; then the target's own MLflow answers.
//!
//! The order of the checks, and the texts of refusals that AWS does not publish, are the sandbox's own.

use super::SageMaker;
use super::actions;
use super::mlflow::{Sort, app_id};
use crate::sandbox::callers::Caller;
use crate::sandbox::calls::Call;
use crate::sandbox::faults::Fault;
use crate::sandbox::http::{self, Reply, Request, reply, set};
use crate::sandbox::session_policy::Verdict;
use crate::sandbox::tracking::{self, Answer};
use hyper::header::{HeaderValue, SET_COOKIE};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

const SERVER: &str = "x-mlflow-sm-tracking-server-arn";
const APP: &str = "x-sm-mlflow-app-arn";

/// A load balancer's cookie, as in AWS's answers.
const COOKIE: HeaderValue = HeaderValue::from_static("AWSALB=sandbox; Path=/");

impl SageMaker {
    pub(in crate::sandbox) async fn answer_program(self: Arc<Self>, request: Request) -> Reply {
        let mut reply = http::with_request_id(self.call(&request).await, super::REQUEST_ID);
        set(&mut reply, SET_COOKIE, COOKIE);
        reply
    }

    async fn call(&self, request: &Request) -> Reply {
        let (service, sort, arn) = match (request.header(SERVER), request.header(APP)) {
            (Some(arn), None) => ("sagemaker-mlflow", Sort::TrackingServer, arn),
            (None, Some(arn)) => ("sagemaker", Sort::App, arn),
            _ => return text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        };
        let (caller, region) = match self.callers.admit(request, service) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let error = super::Error::from(refusal);
                return refused(StatusCode::FORBIDDEN, error.code, &error.code);
            }
        };
        let plan = self.faults.take("mlflow");
        if !plan.delay.is_zero() {
            tokio::time::sleep(plan.delay).await;
        }
        let action = match self.mlflow_server {
            Some(_) => Some(actions::action(request.method.as_str(), &request.path)),
            None => tracking::action(request.method.as_str(), &request.path),
        };
        let judged = action.ok_or(StatusCode::NOT_FOUND).and_then(|action| {
            let allowed = self.judge(sort, action, arn, &caller);
            allowed.then_some(action).ok_or(StatusCode::FORBIDDEN)
        });
        self.calls.push(Call {
            service,
            operation: format!("{} {}", request.method, request.path),
            region: region.clone(),
            input: input(request).unwrap_or_default(),
            caller: caller.clone(),
            error: judged.err().map(|status| status.as_str().to_owned()),
            at: self.clock.now(),
            user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
        });
        let denied = || {
            let message = format!("User: {} is not authorized to call {}", caller.arn, request.path);
            refused(StatusCode::FORBIDDEN, "AccessDeniedException", &message)
        };
        match plan.fault {
            Some(Fault::AccessDenied) => return denied(),
            Some(Fault::Throttle) => {
                return refused(StatusCode::TOO_MANY_REQUESTS, "REQUEST_LIMIT_EXCEEDED", &"Rate exceeded");
            }
            Some(Fault::InternalFailure) => {
                return text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
            }
            Some(Fault::ExpiredToken) => {
                let code = super::Error::expired().code;
                return refused(StatusCode::FORBIDDEN, code, &code);
            }
            Some(Fault::Unavailable) => return text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
            _ => {}
        }
        let status = match judged {
            Ok(_) => self.status(sort, arn, &region, &caller),
            Err(StatusCode::NOT_FOUND) => {
                return refused(StatusCode::NOT_FOUND, "ENDPOINT_NOT_FOUND", &request.path);
            }
            Err(_) => return denied(),
        };
        let artifacts = match status {
            None => return text(StatusCode::NOT_FOUND, "Tracking server could not be found"),
            Some((false, _)) => {
                return text(StatusCode::SERVICE_UNAVAILABLE, "The tracking server is not active");
            }
            Some((true, artifacts)) => artifacts,
        };
        if let Some(server) = self.mlflow_server {
            let answer = server.answer(request).await;
            return if plan.fault == Some(Fault::CutBody) { http::cut(answer) } else { answer };
        }
        let Some(input) = input(request) else {
            return refused(StatusCode::BAD_REQUEST, "BAD_REQUEST", &"The body is not a JSON object.");
        };
        let owner = caller.role_session_name.as_deref().unwrap_or("sandbox");
        let answer = match self.tracking.answer((arn, &artifacts), &request.path, &input, owner) {
            Ok(Answer::Text(body)) => text(StatusCode::OK, body),
            Ok(Answer::Json(body)) => http::json(StatusCode::OK, &body),
            Err((status, code, message)) => refused(status, code, &message),
        };
        if plan.fault == Some(Fault::CutBody) { http::cut(answer) } else { answer }
    }

    /// Whether the target is running, and its artifact store; `None` if there is no such target.
    fn status(&self, sort: Sort, arn: &str, region: &str, caller: &Caller) -> Option<(bool, String)> {
        let (account, in_region, name) = match sort {
            Sort::TrackingServer => {
                let prefix = format!("arn:aws:sagemaker:{region}:{}:mlflow-tracking-server/", caller.account);
                (caller.account.clone(), region.to_owned(), arn.strip_prefix(&prefix)?.to_owned())
            }
            Sort::App => app_id(arn)?,
        };
        let (description, status) =
            self.mlflow.describe(sort, &name, &in_region, &account, self.any_target)?;
        let is_active = description.get("IsActive").is_none_or(|word| word == "Active");
        let artifacts = description.get("ArtifactStoreUri").and_then(Value::as_str).unwrap_or_default();
        Some((is_active && !status.starts_with("Stop"), artifacts.trim_end_matches('/').to_owned()))
    }

    /// The verdict of the caller's session policy. All of an App's endpoints are one action.
    fn judge(&self, sort: Sort, action: &str, arn: &str, caller: &Caller) -> bool {
        let action = match sort {
            Sort::TrackingServer => format!("sagemaker-mlflow:{action}"),
            Sort::App => "sagemaker:CallMlflowAppApi".to_owned(),
        };
        let verdict = caller.session_policy.as_ref().map(|policy| policy.judge(&action, arn));
        verdict.is_none_or(|verdict| verdict == Verdict::Allowed)
    }
}

/// The members of the body, or the fields of the query.
fn input(request: &Request) -> Option<Value> {
    if request.method == Method::GET {
        let fields = url::form_urlencoded::parse(request.query.as_bytes());
        return Some(fields.map(|(name, value)| (name.into_owned(), json!(value))).collect());
    }
    serde_json::from_slice(&request.body).ok().filter(Value::is_object)
}

fn refused(status: StatusCode, code: &str, message: &dyn std::fmt::Display) -> Reply {
    http::json(status, &json!({"error_code": code, "message": message.to_string()}))
}

fn text(status: StatusCode, body: &'static str) -> Reply {
    reply(status, "text/plain; charset=utf-8", body)
}
