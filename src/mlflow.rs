//! From a [`Grant`] to an answer of MLflow: finds the access that the call needs, checks that the person has it, signs
//! the call as that person and sends it to the one target that the grant names.
//!
//! A request's body is held until the whole of it is signed: AWS's data plane wants its digest before its first byte. Answers
//! are streamed. Files of runs and models are carried between the client and the artifact store (`artifacts`).

mod address;
mod answer;
mod artifacts;
mod asked;
pub mod endpoints;
mod error;
mod exchange;
mod headers;
mod known;
mod places;
mod refused;
pub(crate) mod rehearsal;
mod rewriting;

pub use self::asked::{Asked, METHODS, is_for_clients, patience};
pub use self::error::CallError;

use self::address::url;
use self::answer::Passing;
use self::endpoints::Needs;
use self::known::{Known, Told};
use self::places::{Place, Places};
use self::refused::AnswerBody;
use self::rewriting::{Rewriting, Scan};
use crate::aws::s3::store::ArtifactStore;
use crate::aws::{AssumeRole, Aws, shown_id};
use crate::http_client::{HttpClient, StreamingClient};
use crate::metrics::Metrics;
use crate::metrics::calls::{CallUnderWay, NOBODY};
use crate::metrics::series::GONE;
use crate::policy::grant::Grant;
use crate::server::Body;
use crate::target::Access;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use hyper::http::request;
use hyper::{Response, StatusCode};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// MLflow's client sends no more: batches of 1 MB, profiles of datasets of 16 MB.
const LARGEST_BODY: usize = 17 * 1024 * 1024;
/// Time to answer that the call is out of time before the request as a whole is.
const TO_SAY_SO: Duration = Duration::from_millis(300);

const OK: &str = "ok";
const REFUSED: &str = "refused-by-mlflow";
const FAILED: &str = "failed-in-mlflow";

/// The outcomes whose series exist from the start, at zero.
pub(crate) const OUTCOMES: [&str; 28] = [
    OK,
    REFUSED,
    FAILED,
    "access-too-low",
    "artifacts-off",
    "multipart-off",
    "artifact-store-unusable",
    "no-such-artifact",
    "no-such-range",
    "too-many-files",
    "no-such-store",
    "store-denied",
    "store-key-denied",
    "store-elsewhere",
    "too-many-calls",
    "body-too-large",
    "body-overdue",
    "malformed-request",
    "not-ready",
    "ambiguous-name",
    "refused-by-aws",
    "aws-credentials",
    "throttled",
    "aws-unavailable",
    "mlflow-unreachable",
    "out-of-time",
    "bad-answer",
    GONE,
];

/// Forwards calls, for granted requests only.
#[derive(Debug)]
pub struct Bridge {
    aws: Arc<Aws>,
    client: StreamingClient,
    places: Places,
    known: Known,
    /// The longest wait between two parts of an answer.
    silence: Duration,
    sole_realm: Option<Arc<str>>,
    metrics: Arc<Metrics>,
}

/// An answer of MLflow, and its facts for the audit trail.
#[derive(Debug)]
pub struct Answered {
    pub response: Response<Body>,
    pub outcome: &'static str,
    pub aws_request_id: Option<String>,
}

/// The name of the session in which a call is made for its person, as soon as one is chosen. It is known of a call that gets no
/// answer, too.
#[derive(Clone, Debug, Default)]
pub struct MadeAs(Arc<OnceLock<String>>);

impl MadeAs {
    pub fn as_str(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    fn set(&self, session: Option<&Arc<AssumeRole>>) {
        if let Some(session) = session {
            _ = self.0.set(session.session_name.clone());
        }
    }
}

impl Bridge {
    /// `sole_realm` is the realm of all issuers, if they have one in common.
    ///
    /// # Errors
    ///
    /// TLS cannot be set up.
    pub(crate) fn new(
        aws: Arc<Aws>,
        http: &HttpClient,
        write: Duration,
        sole_realm: Option<Arc<str>>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, String> {
        let (client, places, known) = (StreamingClient::new(http)?, Places::new(), Known::new());
        Ok(Self { aws, client, places, known, silence: write * 9 / 10, sole_realm, metrics })
    }

    /// Makes one call for a person, if their access suffices. The answer's body is streamed; dropping it ends the call.
    ///
    /// # Errors
    ///
    /// [`CallError`], by the caller's deadline.
    pub async fn call(
        self: &Arc<Self>,
        grant: &Grant,
        asked: Asked<'_>,
        head: &request::Parts,
        body: Incoming,
        by: Instant,
        made_as: &MadeAs,
    ) -> Result<Answered, CallError> {
        let access = asked.access().map_or(NOBODY, Access::as_str);
        let call = self.metrics.calls.begin(grant.destination(), access);
        let replied = match self.admit(grant, asked) {
            Err(error) => Err(error),
            Ok(()) if asked.needs == Needs::Known => self.told(grant, asked, made_as).await.map(Reply::Told),
            Ok(()) if matches!(asked.needs, Needs::Artifacts(_)) => {
                let by = by.checked_sub(TO_SAY_SO).unwrap_or(by);
                return Box::pin(self.carried(grant, asked, (head, body), by, call, made_as)).await;
            }
            Ok(()) => {
                let by = by.checked_sub(TO_SAY_SO).unwrap_or(by);
                let sent = timeout_at(by, self.send(grant, asked, (head, body), by, &call, made_as)).await;
                sent.unwrap_or(Err(CallError::OutOfTime)).map(Reply::Sent)
            }
        };
        match replied {
            Ok(Reply::Told(told)) => Ok(told.answered(call)),
            Ok(Reply::Sent(sent)) => Ok(sent.answered(call, self.silence)),
            Err(error) => {
                call.ended(error.as_str());
                Err(error)
            }
        }
    }

    /// Whether the person may make this call.
    fn admit(&self, grant: &Grant, asked: Asked<'_>) -> Result<(), CallError> {
        let (Some(api), Some(has)) = (grant.api(), grant.mint().access) else { return Err(CallError::NoApi) };
        asked.admit(has, api.artifacts.is_some())
    }

    async fn send(
        &self,
        grant: &Grant,
        asked: Asked<'_>,
        (head, body): (&request::Parts, Incoming),
        by: Instant,
        call: &CallUnderWay,
        made_as: &MadeAs,
    ) -> Result<Sent, CallError> {
        let person = grant.principal();
        let place = self.places.take(grant.destination(), person)?;
        let api = grant.api().ok_or(CallError::NoApi)?;
        let url = url(grant.mint(), api, asked.path, head.uri.query())?;
        let length = body
            .size_hint()
            .exact()
            .map_or(LARGEST_BODY, |exact| usize::try_from(exact).unwrap_or(usize::MAX));
        if length > LARGEST_BODY {
            return Err(CallError::BodyTooLarge { most: LARGEST_BODY as u64 });
        }
        let mut room = self.places.room(length, person)?;
        let body = whole(body, by).await?;
        room.shrink(body.len());
        let store = self.rewritten_store(grant, asked).await?;
        let body = match &store {
            Some(store) => Rewriting::request(asked.endpoint, store, &body)?.map_or(body, Bytes::from),
            None => body,
        };
        call.sent(body.len() as u64);
        let request = (head.method.clone(), url, headers::to_mlflow(&head.headers), body);
        let response = self.exchange(grant, request, made_as).await?;
        drop(room);
        let rewriting = store.and_then(|store| Rewriting::of_answer(asked.endpoint, &store));
        let rewriting = rewriting.filter(|_| response.status().is_success() && is_json(&response));
        if rewriting.is_some() && response.headers().contains_key(CONTENT_ENCODING) {
            return Err(CallError::BadAnswer("its answer is encoded, though it was asked not to".to_owned()));
        }
        Ok(Sent { response, place, rewriting })
    }

    /// The store whose URIs the call has or will tell, if files are carried.
    async fn rewritten_store(
        &self,
        grant: &Grant,
        asked: Asked<'_>,
    ) -> Result<Option<Arc<ArtifactStore>>, CallError> {
        let carries = grant.api().is_some_and(|api| api.artifacts.is_some());
        if !(carries && rewriting::holds_uris(asked.endpoint)) {
            return Ok(None);
        }
        let mint = self.located(grant).await?;
        self.aws.artifact_store(&mint).await.map(Some).map_err(CallError::no_store)
    }
}

enum Reply {
    Told(Told),
    Sent(Sent),
}

/// An answer that has begun.
struct Sent {
    response: Response<AnswerBody>,
    place: Place,
    rewriting: Option<Scan>,
}

impl Sent {
    fn answered(self, mut call: CallUnderWay, silence: Duration) -> Answered {
        let Self { response, place, rewriting } = self;
        let (head, body) = response.into_parts();
        let (outcome, aws_request_id) = (outcome(head.status), request_id(&head.headers));
        call.ends(outcome);
        let mut response = Response::new(Body::streamed(Passing::new(body, silence, call, place, rewriting)));
        *response.status_mut() = head.status;
        *response.headers_mut() = headers::from_mlflow(&head.headers);
        Answered { response, outcome, aws_request_id }
    }
}

fn outcome(status: StatusCode) -> &'static str {
    match status {
        status if status.is_success() => OK,
        status if status.is_server_error() => FAILED,
        _ => REFUSED,
    }
}

/// The whole body, in half of the time that is left.
async fn whole(body: Incoming, by: Instant) -> Result<Bytes, CallError> {
    let half = by.saturating_duration_since(Instant::now()) / 2;
    match timeout(half, Limited::new(body, LARGEST_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(CallError::BodyTooLarge { most: LARGEST_BODY as u64 })
        }
        Ok(Err(_)) => Err(CallError::BodyBroken),
        Err(_) => Err(CallError::BodyOverdue),
    }
}

fn is_json<B>(response: &Response<B>) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| text.trim_start().to_ascii_lowercase().starts_with("application/json"))
}

/// AWS's id of a call. A text in another form is left out: anybody may have written it.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = ["x-amzn-requestid", "x-amz-request-id"].iter().find_map(|name| headers.get(*name))?;
    Some(shown_id(id.to_str().unwrap_or_default()))
}
