//! Files of runs and models, carried between the client and the target's artifact store as the person who asks. The paths and
//! answers are those of MLflow's own artifact proxy.

mod exchange;
mod listing;
mod pace;
mod upload;

use super::answer::Passing;
use super::asked::FILES;
use super::places::Place;
use super::{Answered, Asked, Bridge, CallError, MadeAs, OK, request_id};
use crate::aws::s3::store::{ArtifactPath, Key};
use crate::aws::s3::{Operation, StoreAccess};
use crate::aws::session_name::session_name;
use crate::metrics::calls::CallUnderWay;
use crate::policy::grant::{Artifacts, Grant};
use crate::server::Body;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE,
};
use hyper::http::{request, response};
use hyper::{Method, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

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

    /// Everything but an upload ends by the caller's deadline.
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
        let person = grant.principal();
        let place = self.places.take(grant.destination(), person)?;
        let access = in_time(by, self.store_access(grant, artifacts)).await?;
        made_as.set(access.session.as_ref());
        let nothing = || Content::Json(json!({}));
        let (content, aws_request_id) = match (&head.method, below) {
            (&Method::PUT, _) => {
                let key = key(&access, path)?;
                let id = self.upload(&access, &key, artifacts.body_size, (head, body), person, call).await?;
                (nothing(), id)
            }
            (&Method::DELETE, _) => {
                let key = key(&access, path)?;
                in_time(by, self.delete(&access, &key)).await?;
                (nothing(), None)
            }
            (_, "") => {
                let files = in_time(by, self.list(&access, path.as_ref(), person)).await?;
                (Content::Json(json!({"files": files})), None)
            }
            _ => {
                let key = key(&access, path)?;
                let operation = Operation::Get { key: &key, range: range(&head.headers) };
                let response = in_time(by, self.ask_store(&access, &operation, Bytes::new())).await?;
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
}

pub(super) async fn in_time<T>(
    by: Instant,
    carrying: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    timeout_at(by, carrying).await.unwrap_or(Err(CallError::OutOfTime))
}

fn key(access: &StoreAccess, path: Option<ArtifactPath>) -> Result<Key, CallError> {
    access.store.key(&path.ok_or(CallError::NoSuchEndpoint)?).map_err(CallError::Ambiguous)
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
        let Self { content, place, aws_request_id } = self;
        let response = match content {
            Content::Json(value) => {
                let body = value.to_string();
                call.answered(body.len() as u64);
                call.ended(OK);
                let mut response = Response::new(Body::from(body));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Content::File(response) => {
                let (head, body) = response.into_parts();
                call.ends(OK);
                file(&head, Passing::of_a_file(body, silence, call, place))
            }
        };
        Answered { response, outcome: OK, aws_request_id }
    }
}

/// The answer that carries a file. The store's other headers stay behind: anybody who may write a file may have chosen them.
fn file(head: &response::Parts, body: Passing) -> Response<Body> {
    let mut response = Response::new(Body::streamed(body));
    *response.status_mut() = head.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.extend(head.headers.get(CONTENT_RANGE).map(|range| (CONTENT_RANGE, range.clone())));
    response
}
