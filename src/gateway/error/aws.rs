//! Failures of AWS.

use crate::aws::domains::NotForIam;
use crate::aws::error::AwsErrorKind;
use crate::aws::state::TargetState;
use crate::gateway::failure::Failure;
use crate::gateway::pages::point_in_time;
use crate::presign::error::PresignError;
use hyper::StatusCode;
use std::borrow::Cow;
use std::time::Duration;

const NOT_READY: &str = "This is not ready to be opened";

pub(super) fn presign(error: &PresignError) -> Failure {
    let failure = match error {
        PresignError::NotReady { state, .. } => not_ready(state),
        PresignError::BadUrl { .. } => refused_by_aws(error.as_str()),
        PresignError::ProfileOfAnother { .. } => Failure::new(
            StatusCode::FORBIDDEN,
            error.as_str(),
            "This profile is somebody else's",
            "The user profile that your rules lead to belongs to another person. Nothing was opened.",
        )
        .advise("This is for your platform team to mend: send them the details below."),
        PresignError::NotForIam { why, .. } => not_for_iam(*why),
        PresignError::Aws(error) => aws(&error.kind),
    };
    failure.because(error)
}

fn not_for_iam(why: NotForIam) -> Failure {
    let detail = match why {
        NotForIam::IdentityCenter => {
            "People sign in to this Studio domain by AWS IAM Identity Center, so no link can be made for it here."
        }
        NotForIam::UnifiedStudio => {
            "This Studio domain opens in SageMaker Unified Studio only, so no link can be made for it here."
        }
        NotForIam::PartnerApp => {
            "People sign in to this app by AWS IAM Identity Center, and AWS made no link for it here."
        }
    };
    let advice = match why {
        NotForIam::IdentityCenter | NotForIam::PartnerApp => {
            "Open it from your company's AWS access portal, or ask your platform team for its address."
        }
        NotForIam::UnifiedStudio => {
            "Open it from SageMaker Unified Studio, or ask your platform team for its address."
        }
    };
    Failure::new(StatusCode::CONFLICT, why.as_str(), "This opens elsewhere", detail).advise(advice)
}

pub(super) fn aws(error: &AwsErrorKind) -> Failure {
    use AwsErrorKind as K;
    match error {
        K::NotFound => not_ready(&TargetState::Missing),
        K::Ambiguous | K::Refused | K::Credentials | K::BadAnswer(_) => refused_by_aws(error.as_str()),
        K::Quota => Failure::new(
            StatusCode::CONFLICT,
            error.as_str(),
            "A quota is used up",
            "The AWS account may not run more of these at the same time. Nothing was started.",
        )
        .advise("Something else has to be stopped first, or your platform team asks AWS for a higher quota."),
        K::Capacity => Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            error.as_str(),
            "AWS has no machine free",
            "AWS has no machine of the needed type free at the moment. Nothing was started.",
        )
        .retry(Duration::from_secs(300))
        .advise("Try again later, or ask your platform team for another type."),
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
    let (title, detail) = match state {
        TargetState::Missing => {
            (NOT_READY, "It does not exist, or not yet: nobody has created it for you.".into())
        }
        TargetState::Stopped => (NOT_READY, "It is stopped. Opening the link starts nothing.".into()),
        TargetState::Stopping => {
            (NOT_READY, "It is being stopped. It can be started when it has stopped.".into())
        }
        TargetState::Starting { since: Some(since) } => {
            ("This is starting", format!("It has been starting since {}.", point_in_time(*since)).into())
        }
        TargetState::Starting { since: None } => ("This is starting", "It is starting.".into()),
        TargetState::Pending(_) if state.is_maintenance() => {
            (NOT_READY, "AWS is doing maintenance on it. It opens again when that is done.".into())
        }
        TargetState::Pending(_) => (NOT_READY, "It is being prepared and not usable yet.".into()),
        TargetState::Maintenance(_) => {
            (NOT_READY, "AWS has maintenance to do on it, and did not let it be opened now.".into())
        }
        TargetState::OfIdentityCenter => return not_for_iam(NotForIam::PartnerApp),
        TargetState::Failed { .. } => (NOT_READY, "It is in a failed state.".into()),
        TargetState::Ready | TargetState::Unknown => (NOT_READY, "It cannot be opened at the moment.".into()),
    };
    let detail: Cow<'static, str> = detail;
    let failure = Failure::new(StatusCode::CONFLICT, "not-ready", title, detail);
    let failure = match state {
        TargetState::Starting { .. } => {
            failure.retry(Duration::from_secs(20)).advise("It usually takes some minutes.")
        }
        TargetState::Pending(_) if !state.is_maintenance() => {
            failure.retry(Duration::from_secs(20)).advise("It usually takes a few minutes.")
        }
        TargetState::Pending(_) | TargetState::Maintenance(_) => failure
            .retry(Duration::from_secs(60))
            .advise("Try again later. If it lasts for hours, send the details below to your platform team."),
        TargetState::Stopped => failure
            .advise("Ask your platform team, or whoever runs it, to start it. Then open the link again."),
        TargetState::Stopping => failure.advise("That usually takes some minutes."),
        _ => failure.advise("Your platform team can create or mend it: send them the details below."),
    };
    let said = match state {
        TargetState::Failed { reason, .. } => reason.clone(),
        _ => None,
    };
    Failure { said, state: Some(state.clone()), ..failure }
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
