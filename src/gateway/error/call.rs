//! Calls to MLflow that were not forwarded, or have no answer.
//!
//! Its client retries every call after 429, and only idempotent calls after 5xx. So 429 says that nothing was sent.

mod store;

use super::aws::{aws, not_ready};
use crate::aws::error::AwsErrorKind;
use crate::aws::state::TargetState;
use crate::gateway::failure::Failure;
use crate::mlflow::CallError;
use hyper::StatusCode;
use std::time::Duration;

const ASK: &str = "Ask your platform team if you need it.";

pub(super) fn call(error: &CallError) -> Failure {
    use StatusCode as S;
    let reason = error.as_str();
    let failure = match error {
        CallError::NoApi => Failure::new(
            S::NOT_FOUND,
            reason,
            "No programs here",
            "Programs cannot call this destination: its configuration has no `api`.",
        )
        .advise(ASK),
        CallError::Ambiguous(what) => Failure::new(
            S::BAD_REQUEST,
            reason,
            "Ambiguous path",
            format!("The path has {what}, which servers read differently. Nothing was sent on."),
        )
        .advise("Use names without such characters."),
        CallError::NoSuchEndpoint => Failure::new(
            S::NOT_FOUND,
            reason,
            "No such endpoint",
            "MLflow's API has no such endpoint for this method, as far as this gateway knows.",
        )
        .advise("Check `MLFLOW_TRACKING_URI`: it ends with the destination's name."),
        CallError::Administrative => Failure::new(
            S::FORBIDDEN,
            reason,
            "For administrators",
            "This part of MLflow's API is an administrator's, and nobody reaches it here.",
        )
        .advise(ASK),
        CallError::TooLittleAccess { needs, has } => Failure::new(
            S::FORBIDDEN,
            reason,
            "Your access does not allow this",
            format!("This call needs the access `{needs}`, and yours is `{has}`."),
        )
        .advise(ASK),
        CallError::ArtifactsOff => Failure::new(
            S::NOT_IMPLEMENTED,
            reason,
            "Artifacts are not served here",
            "This gateway does not serve the files of runs and models.",
        )
        .advise("Read and write them in the artifact store itself."),
        CallError::MultipartOff => Failure::new(
            S::NOT_IMPLEMENTED,
            reason,
            "Files are carried whole",
            // MLflow's client knows the beginning of this sentence, and sends the file whole instead.
            "Multipart upload is not supported for the current artifact repository, and neither are presigned URLs.",
        )
        .advise("Send and fetch the file whole."),
        CallError::BodyTooLarge { most } => Failure::new(
            S::PAYLOAD_TOO_LARGE,
            reason,
            "The body is too large",
            format!("The body is larger than {} MiB. Nothing was stored or sent on.", most / (1024 * 1024)),
        )
        .advise("Send it in smaller parts, or ask your platform team for a larger `body_size`: up to 5 GiB for files."),
        CallError::UnusableStore(why) => Failure::new(
            S::BAD_GATEWAY,
            reason,
            "The artifact store cannot be used",
            format!("The artifact store of this server cannot be used from here: {why}. Nothing was sent on."),
        )
        .advise("Ask your platform team, who can set `artifacts: off` for this destination."),
        CallError::TooManyFiles => Failure::new(
            S::BAD_GATEWAY,
            reason,
            "Too many files to list",
            "This folder has more than one answer lists: 20,000 files, or 4 MiB of keys.",
        )
        .advise("List a folder below it, or fetch files by their names."),
        CallError::Store(error) => store::failure(error.kind, reason),
        CallError::BodyOverdue => Failure::new(
            S::REQUEST_TIMEOUT,
            reason,
            "The body did not arrive in time",
            "The body did not arrive in time. Nothing was sent on.",
        ),
        CallError::BodyBroken => Failure::new(
            S::BAD_REQUEST,
            reason,
            "Malformed request",
            "The body broke off. Nothing was sent on.",
        ),
        CallError::Busy => Failure::new(
            S::TOO_MANY_REQUESTS,
            reason,
            "Too many calls at once",
            "Too many calls are under way. Nothing was sent on.",
        )
        .retry(Duration::from_secs(2)),
        CallError::NotReady(state @ (TargetState::Starting { .. } | TargetState::Pending(_))) => {
            Failure { status: S::TOO_MANY_REQUESTS, ..not_ready(state) }
        }
        CallError::NotReady(state) => not_ready(state),
        CallError::Unsigned(error) => unsigned(&error.kind),
        CallError::Unreachable(_) => Failure::new(
            S::TOO_MANY_REQUESTS,
            reason,
            "MLflow cannot be reached",
            "MLflow cannot be reached at the moment. Nothing was sent on.",
        )
        .retry(Duration::from_secs(5)),
        CallError::OutOfTime => Failure::new(
            S::GATEWAY_TIMEOUT,
            reason,
            "This took too long",
            "No answer came in time. Whether what was asked for was done is not known.",
        ),
        CallError::BadAnswer(_) => Failure::new(
            S::BAD_GATEWAY,
            reason,
            "MLflow gave no usable answer",
            "MLflow gave no usable answer. Whether it did what was asked is not known.",
        )
        .advise("Send the request number to your platform team; the cause is in their log."),
    };
    match error {
        CallError::Unsigned(_)
        | CallError::Unreachable(_)
        | CallError::BadAnswer(_)
        | CallError::UnusableStore(_)
        | CallError::Store(_)
        | CallError::NotReady(_)
        | CallError::OutOfTime => failure.because(error),
        _ => failure,
    }
}

/// Nothing was sent, so a passing failure is answered with 429.
fn unsigned(kind: &AwsErrorKind) -> Failure {
    let failure = aws(kind);
    let may_pass = failure.retry_after.is_some();
    if may_pass { Failure { status: StatusCode::TOO_MANY_REQUESTS, ..failure } } else { failure }
}
