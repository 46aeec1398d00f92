//! Answers by which AWS refuses the credentials of a call: MLflow has not seen that call.

use super::error::CallError;
use crate::aws::call::refusal_of_credentials;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::{Response, StatusCode};

/// The body of an answer: as it comes, or held since it was looked at.
pub(super) type AnswerBody = Either<Incoming, Full<Bytes>>;

/// AWS's refusals are shorter.
const LONGEST: u64 = 4 * 1024;

/// The answer, unless it refuses the credentials. The caller has the deadline.
///
/// # Errors
///
/// [`CallError::Unsigned`], or the answer broke off.
pub(super) async fn unless_credentials_refused(
    response: Response<Incoming>,
) -> Result<Response<AnswerBody>, CallError> {
    let (head, body) = response.into_parts();
    let may_refuse =
        matches!(head.status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if !may_refuse || body.size_hint().exact().is_none_or(|length| length > LONGEST) {
        return Ok(Response::from_parts(head, Either::Left(body)));
    }
    let held = body.collect().await;
    let held = held.map_err(|_| CallError::BadAnswer("its answer broke off".to_owned()))?.to_bytes();
    match refusal_of_credentials(&head.headers, &held) {
        Some(refusal) => Err(CallError::Unsigned(refusal)),
        None => Ok(Response::from_parts(head, Either::Right(Full::new(held)))),
    }
}
