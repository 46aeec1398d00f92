//! Files of runs and models, carried between the client and the target's artifact store as the person who asks. The paths and
//! answers are those of MLflow's own artifact proxy.

mod listing;
mod pace;
mod upload;

use super::answer::Passing;
use super::asked::FILES;
use super::places::Place;
use super::{Answered, Asked, Bridge, CallError, MadeAs, OK, request_id};
use crate::aws::s3::answer::{StoreError, StoreErrorKind, error};
use crate::aws::s3::store::{ArtifactPath, Key};
use crate::aws::s3::{Operation, StoreAccess};
use crate::aws::session_name::session_name;
use crate::http_client::NoAnswer;
use crate::metrics::calls::CallUnderWay;
use crate::policy::grant::{Artifacts, Grant};
use crate::server::Body;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE,
};
use hyper::http::request;
use hyper::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// S3's answers other than files: a page of a list has a thousand keys of at most a kilobyte.
const LONGEST_ANSWER: usize = 5 * 1024 * 1024;
/// The memory of a list: a page of S3's, the names of all pages, and the answer that is made of them.
const LIST: usize = 3 * LONGEST_ANSWER;
/// The answer to a call about artifacts.
struct Carried {
    content: Content,
    place: Place,
    aws_request_id: Option<String>,
}

enum Content {
    Json(Value),
    File(Response<Incoming>),
}

/// A call about artifacts that may be made.
struct Errand<'a> {
    access: StoreAccess,
    artifacts: &'a Artifacts,
    head: &'a request::Parts,
}

impl Bridge {
    /// Carries out a call about artifacts, and answers it.
    ///
    /// # Errors
    ///
    /// [`CallError`]
    pub(super) async fn carried(
        self: &Arc<Self>,
        grant: &Grant,
        asked: Asked<'_>,
        (head, body): (&request::Parts, Incoming),
        by: Instant,
        call: CallUnderWay,
        made_as: &MadeAs,
    ) -> Result<Answered, CallError> {
        match self.carry(grant, asked, (head, body), by, &call, made_as).await {
            Ok(carried) => Ok(carried.answered(call, self.silence)),
            Err(error) => {
                call.ended(error.as_str());
                Err(error)
            }
        }
    }

    /// Carries out a call about artifacts. Everything but an upload ends by the caller's deadline.
    async fn carry(
        self: &Arc<Self>,
        grant: &Grant,
        asked: Asked<'_>,
        (head, body): (&request::Parts, Incoming),
        by: Instant,
        call: &CallUnderWay,
        made_as: &MadeAs,
    ) -> Result<Carried, CallError> {
        let artifacts = grant.api().and_then(|api| api.artifacts.as_ref()).ok_or(CallError::ArtifactsOff)?;
        let below = asked.path.strip_prefix(FILES).ok_or(CallError::MultipartOff)?;
        let path = match below.strip_prefix('/') {
            Some(raw) => Some(path(raw)?),
            None => listing::folder(head.uri.query())?,
        };
        let place = self.places.take(grant.destination(), grant.principal())?;
        let access = in_time(by, self.store_access(grant, artifacts)).await?;
        made_as.set(access.session.as_ref());
        let errand = Errand { access, artifacts, head };
        let key = |path: Option<ArtifactPath>| -> Result<Key, CallError> {
            let path = path.ok_or(CallError::NoSuchEndpoint)?;
            errand.access.store.key(&path).map_err(CallError::Ambiguous)
        };
        let (content, aws_request_id) = match (&head.method, below) {
            (&Method::PUT, _) => {
                let id = self.upload(&errand, &key(path)?, body, grant.principal(), call).await?;
                (Content::Json(json!({})), id)
            }
            (&Method::DELETE, _) => {
                let key = key(path)?;
                in_time(by, self.delete(&errand.access, &key)).await?;
                (Content::Json(json!({})), None)
            }
            (_, "") => {
                let _room = self.places.room(LIST, grant.principal())?;
                let files = in_time(by, self.list(&errand.access, path.as_ref())).await?;
                (Content::Json(json!({"files": files})), None)
            }
            _ => {
                let (key, range) = (key(path)?, range(&head.headers));
                let operation = Operation::Get { key: &key, range };
                let response = in_time(by, self.ask_store(&errand.access, &operation, Bytes::new())).await?;
                let id = request_id(response.headers());
                (Content::File(response), id)
            }
        };
        Ok(Carried { content, place, aws_request_id })
    }

    /// The way to the target's store, as the person.
    async fn store_access(&self, grant: &Grant, artifacts: &Artifacts) -> Result<StoreAccess, CallError> {
        let (mint, principal) = (&*self.located(grant).await?, grant.principal());
        let store = self.aws.artifact_store(mint).await.map_err(CallError::no_store)?;
        let name = session_name(&principal.realm, &principal.user, self.sole_realm.as_deref());
        Ok(self.aws.store_access(mint, name, store, artifacts.s3_endpoint_url.clone()))
    }

    /// Sends a request with a whole body, and returns the head of an answer that says yes. Where S3 refuses the credentials, the
    /// request is sent once more with others.
    async fn ask_store(
        &self,
        access: &StoreAccess,
        operation: &Operation<'_>,
        body: Bytes,
    ) -> Result<Response<Incoming>, CallError> {
        let mut is_again = false;
        loop {
            let (request, by) =
                self.aws.sign_for_store(access, operation).await.map_err(CallError::Unsigned)?;
            let response = self.client.send(request.map(|()| body.clone())).await.map_err(unanswered)?;
            match successful(response).await {
                Err(error) if !is_again && error.is_about_credentials() && self.aws.replaced(by).await => {
                    is_again = true;
                }
                answer => return answer,
            }
        }
    }

    /// As [`Bridge::ask_store`], with the whole of a short answer.
    pub(super) async fn told_by_store(
        &self,
        access: &StoreAccess,
        operation: &Operation<'_>,
        body: Bytes,
    ) -> Result<(HeaderMap, Bytes), CallError> {
        let (head, body) = self.ask_store(access, operation, body).await?.into_parts();
        Ok((head.headers, short(body).await?))
    }
}

pub(super) async fn in_time<T>(
    by: Instant,
    carrying: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    timeout_at(by, carrying).await.unwrap_or(Err(CallError::OutOfTime))
}

fn unanswered(NoAnswer { error, is_unsent }: NoAnswer) -> CallError {
    let kind = if is_unsent { StoreErrorKind::Unreachable } else { StoreErrorKind::Unavailable };
    CallError::Store(StoreError { kind, request_id: None, message: format!("S3: {error}") })
}

async fn successful(response: Response<Incoming>) -> Result<Response<Incoming>, CallError> {
    let status = response.status();
    if matches!(status, StatusCode::OK | StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT) {
        return Ok(response);
    }
    let (head, body) = response.into_parts();
    if status.is_success() || status.is_informational() {
        let what = format!("has the status {}", status.as_u16());
        return Err(CallError::Store(StoreError::bad_answer(&what)));
    }
    // An error whose words do not come is known by its status.
    let said = short(body).await.unwrap_or_default();
    let id = head.headers.get("x-amz-request-id").and_then(|id| id.to_str().ok());
    Err(CallError::Store(error(status, id, &said)))
}

async fn short(body: Incoming) -> Result<Bytes, CallError> {
    let body = Limited::new(body, LONGEST_ANSWER).collect().await;
    body.map(|body| body.to_bytes())
        .map_err(|_| CallError::Store(StoreError::bad_answer("is too long or broke off")))
}

/// The artifact that a raw path below [`FILES`] names. It was judged already, as every path is.
fn path(raw: &str) -> Result<ArtifactPath, CallError> {
    let decoded = percent_decode_str(raw).decode_utf8();
    let decoded = decoded.map_err(|_| CallError::Ambiguous("an escape that is not UTF-8"))?;
    ArtifactPath::new(&decoded).map_err(CallError::Ambiguous)
}

/// One range of bytes. Any other `Range` is ignored, as RFC 9110, section 14.2, allows.
fn range(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(RANGE).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (from, to) = value.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let is_number = |text: &str| text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(from) && is_number(to) && !(from.is_empty() && to.is_empty())).then(|| value.clone())
}

impl Carried {
    fn answered(self, mut call: CallUnderWay, silence: Duration) -> Answered {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
        const ATTACHMENT: HeaderValue = HeaderValue::from_static("attachment");
        let Self { content, place, aws_request_id } = self;
        let response = match content {
            Content::Json(value) => {
                let body = value.to_string();
                call.answered(body.len() as u64);
                call.ended(OK);
                let mut response = Response::new(Body::from(body));
                response.headers_mut().insert(CONTENT_TYPE, JSON);
                response
            }
            Content::File(response) => {
                let (head, body) = response.into_parts();
                call.ends(OK);
                let passing = Passing::of_a_file(body, silence, call, place);
                let mut response = Response::new(Body::streamed(passing));
                *response.status_mut() = head.status;
                // The store's own headers stay behind: anybody who may write a file may have chosen them.
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, BYTES);
                headers.insert(CONTENT_DISPOSITION, ATTACHMENT);
                headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
                if let Some(range) = head.headers.get(CONTENT_RANGE) {
                    headers.insert(CONTENT_RANGE, range.clone());
                }
                response
            }
        };
        Answered { response, outcome: OK, aws_request_id }
    }
}
