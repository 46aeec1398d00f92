//! Answers from memory to the question that every client asks first. The client waits three seconds for the answer,
//! does not ask again, and keeps its conclusion for the rest of its life.

use super::address::url;
use super::{
    Answered, Asked, Bridge, CallError, LARGEST_BODY, MadeAs, OK, headers, is_json, outcome, request_id,
};
use crate::aws::Outlook;
use crate::aws::state::TargetState;
use crate::metrics::calls::CallUnderWay;
use crate::policy::grant::Grant;
use crate::server::Body;
use crate::target::{Region, RoleArn, Target};
use http_body_util::{BodyExt, Limited};
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, Response, StatusCode};
use moka::sync::Cache;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The longest wait for MLflow, within the client's three seconds.
const PATIENCE: Duration = Duration::from_millis(2500);
/// The deadline of a fetch that goes on for later callers after the first has stopped waiting.
const FETCHED_WITHIN: Duration = Duration::from_secs(20);
const FRESH_FOR: Duration = Duration::from_secs(60);
/// The time for which an old answer is used if MLflow does not answer. Its version does not change by itself.
const USABLE_FOR: Duration = Duration::from_secs(3600);
/// Members of `server-info`: files that go in parts, or by presigned URLs.
const WAYS_OF_FILES: [&str; 3] =
    ["multipart_uploads_enabled", "multipart_downloads_enabled", "artifacts_presigned_only"];
const LONGEST: usize = 64 * 1024;
const MOST: u64 = 1000;
const _: () = assert!(LONGEST < LARGEST_BODY);

#[derive(Debug)]
pub(super) struct Known {
    fresh: Cache<Question, Told>,
    usable: Cache<Question, Told>,
}

/// The parts of a call that decide its answer for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    target: Target,
    region: Region,
    /// The role's account is that of a tracking server.
    role_arn: Option<RoleArn>,
    url: String,
    /// The gateway carries files, in its own way.
    carries: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Told {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// The answer counts until the server is updated.
    is_lasting: bool,
    aws_request_id: Option<String>,
}

impl Known {
    pub(super) fn new() -> Self {
        let cache = |life| Cache::builder().max_capacity(MOST).time_to_live(life).build();
        Self { fresh: cache(FRESH_FOR), usable: cache(USABLE_FOR) }
    }

    fn keep(&self, question: &Question, told: &Told) {
        if told.is_lasting {
            self.fresh.insert(question.clone(), told.clone());
            self.usable.insert(question.clone(), told.clone());
        }
    }
}

impl Bridge {
    pub(super) async fn told(
        self: &Arc<Self>,
        grant: &Grant,
        asked: Asked<'_>,
        made_as: &MadeAs,
    ) -> Result<Told, CallError> {
        let (mint, api) = (grant.mint(), grant.api().ok_or(CallError::NoApi)?);
        let url = url(mint, api, asked.path, None)?;
        let (target, region, role_arn) = (mint.target.clone(), mint.region.clone(), mint.role_arn.clone());
        let carries = grant.api().is_some_and(|api| api.artifacts.is_some());
        let question = Question { target, region, role_arn, url, carries };
        if let Some(told) = self.known.fresh.get(&question) {
            return Ok(told.remembered());
        }
        let (bridge, grant, asking, made_as) =
            (Arc::clone(self), grant.clone(), question.clone(), made_as.clone());
        // In a task of its own, so that a late answer is kept for later callers.
        let fetch = tokio::spawn(async move {
            let told = timeout(FETCHED_WITHIN, bridge.fetch(&grant, &asking, &made_as)).await;
            let told = told.unwrap_or(Err(CallError::OutOfTime));
            told.inspect(|told| bridge.known.keep(&asking, told))
        });
        let told = match timeout(PATIENCE, fetch).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) | Err(_) => Err(CallError::OutOfTime),
        };
        match (told, self.known.usable.get(&question)) {
            (
                Err(
                    CallError::Busy
                    | CallError::OutOfTime
                    | CallError::Unreachable(_)
                    | CallError::BadAnswer(_),
                ),
                Some(before),
            ) => Ok(before.remembered()),
            (Ok(told), Some(before)) if told.status.is_server_error() => Ok(before.remembered()),
            (told, _) => told,
        }
    }

    async fn fetch(&self, grant: &Grant, question: &Question, made_as: &MadeAs) -> Result<Told, CallError> {
        let person = grant.principal();
        let _place = self.places.take(grant.destination(), person)?;
        let request =
            (Method::GET, question.url.clone(), headers::to_mlflow(&HeaderMap::new()), Bytes::new());
        let response = self.exchange(grant, request, made_as).await?;
        let is_json = is_json(&response);
        let (head, body) = response.into_parts();
        let is_lasting = match head.status {
            StatusCode::OK => true,
            // An older server lacks the endpoint. The front of one that is gone says 404 as well, but not in JSON.
            StatusCode::NOT_FOUND => is_json || self.is_known_to_be_ready(grant).await,
            _ => false,
        };
        let body = Limited::new(body, LONGEST).collect().await;
        let body =
            body.map_err(|_| CallError::BadAnswer("its answer is too long or broke off".to_owned()))?;
        let body = body.to_bytes();
        Ok(Told {
            status: head.status,
            headers: headers::from_mlflow(&head.headers),
            body: question.carries.then(|| carried_whole(&body)).flatten().unwrap_or(body),
            is_lasting,
            aws_request_id: request_id(&head.headers),
        })
    }
}

impl Bridge {
    async fn is_known_to_be_ready(&self, grant: &Grant) -> bool {
        match self.located(grant).await {
            Ok(mint) => self.aws.outlook(&mint).await == Outlook::Known(TargetState::Ready),
            Err(_) => false,
        }
    }
}

/// The server's `server-info`, changed to say that files are carried whole. `None` for an answer that is no such object.
fn carried_whole(body: &[u8]) -> Option<Bytes> {
    let mut told: Map<String, Value> = serde_json::from_slice(body).ok()?;
    for (name, value) in &mut told {
        if WAYS_OF_FILES.contains(&name.as_str()) {
            *value = Value::Bool(false);
        }
    }
    serde_json::to_vec(&told).map(Bytes::from).ok()
}

impl Told {
    /// The answer for another person than the one who fetched it.
    fn remembered(self) -> Self {
        Self { aws_request_id: None, ..self }
    }

    pub(super) fn answered(self, call: CallUnderWay) -> Answered {
        call.answered(self.body.len() as u64);
        let mut response = Response::new(Body::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let outcome = if self.status == StatusCode::NOT_FOUND { OK } else { outcome(self.status) };
        call.ended(outcome);
        Answered { response, outcome, aws_request_id: self.aws_request_id }
    }
}
