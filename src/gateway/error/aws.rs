//! Failures of AWS.

use crate::aws::error::AwsErrorKind;
use crate::aws::state::TargetState;
use crate::gateway::failure::Failure;
use crate::presign::error::PresignError;
use hyper::StatusCode;
use std::time::Duration;

pub(super) fn presign(error: &PresignError) -> Failure {
    let failure = match error {
        PresignError::NotReady { state, .. } => not_ready(state),
        PresignError::BadUrl { .. } => refused_by_aws(error.as_str()),
        PresignError::Aws(error) => aws(&error.kind),
    };
    failure.because(error)
}

pub(super) fn aws(error: &AwsErrorKind) -> Failure {
    use AwsErrorKind as K;
    match error {
        K::NotFound => not_ready(&TargetState::Missing),
        K::Ambiguous | K::Refused | K::Credentials | K::BadAnswer(_) => refused_by_aws(error.as_str()),
        K::Throttled { retry_after } => Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "throttled",
            "AWS is busy",
            "SageMaker is getting more requests than it takes at the moment.",
        )
        .retry(*retry_after),
        K::Unavailable => Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "aws-unavailable",
            "AWS does not answer",
            "SageMaker cannot be reached or is out of order at the moment.",
        )
        .retry(Duration::from_secs(5)),
        K::OutOfTime => out_of_time(),
    }
}

pub(super) fn not_ready(state: &TargetState) -> Failure {
    let detail = match state {
        TargetState::Missing => "It does not exist, or not yet: nobody has created it for you.",
        TargetState::Stopped => "It is stopped. Opening the link starts nothing.",
        TargetState::Starting | TargetState::Pending(_) => "It is being prepared and not usable yet.",
        TargetState::Failed(_) => "It is in a failed state.",
        TargetState::Ready | TargetState::Unknown => "It cannot be opened at the moment.",
    };
    let failure = Failure::new(StatusCode::CONFLICT, "not-ready", "This is not ready to be opened", detail);
    match state {
        TargetState::Starting | TargetState::Pending(_) => {
            failure.retry(Duration::from_secs(20)).advise("It usually takes a few minutes.")
        }
        TargetState::Stopped => failure.advise("Ask whoever runs it to start it, then open the link again."),
        _ => failure.advise("Your platform team can create or mend it: send them the details below."),
    }
}

fn refused_by_aws(reason: &'static str) -> Failure {
    Failure::new(
        StatusCode::BAD_GATEWAY,
        reason,
        "AWS did not let us open this",
        "You were let through here, but SageMaker gave no usable answer. It is not something you did.",
    )
    .advise("Send the request number below to your platform team; the cause is in their log.")
}

pub(super) fn out_of_time() -> Failure {
    Failure::new(
        StatusCode::GATEWAY_TIMEOUT,
        "out-of-time",
        "This took too long",
        "The answer did not come in time. Nothing was opened.",
    )
    .retry(Duration::from_secs(5))
}
