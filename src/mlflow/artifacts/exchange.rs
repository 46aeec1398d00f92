//! One request to S3, signed and sent, and once more where S3 refuses its credentials.

use super::super::{Bridge, CallError};
use crate::aws::s3::answer::{StoreError, StoreErrorKind, error};
use crate::aws::s3::{Operation, StoreAccess};
use crate::http_client::NoAnswer;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};

/// S3's answers other than files: a page of a list has a thousand keys of at most a kilobyte.
pub(super) const LONGEST_ANSWER: usize = 5 * 1024 * 1024;

impl Bridge {
    /// Sends a request with a whole body, and returns the head of an answer that says yes.
    pub(super) async fn ask_store(
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
    pub(in crate::mlflow) async fn told_by_store(
        &self,
        access: &StoreAccess,
        operation: &Operation<'_>,
        body: Bytes,
    ) -> Result<(HeaderMap, Bytes), CallError> {
        let (head, body) = self.ask_store(access, operation, body).await?.into_parts();
        Ok((head.headers, short(body).await?))
    }
}

pub(super) fn unanswered(NoAnswer { error, is_unsent }: NoAnswer) -> CallError {
    let kind = if is_unsent { StoreErrorKind::Unreachable } else { StoreErrorKind::Unavailable };
    CallError::Store(StoreError { kind, request_id: None, message: format!("S3: {error}") })
}

pub(super) async fn successful(response: Response<Incoming>) -> Result<Response<Incoming>, CallError> {
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
