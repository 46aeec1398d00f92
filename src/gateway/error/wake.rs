//! Targets that were not started.

use super::aws::{aws, not_ready};
use crate::aws::error::AwsErrorKind;
use crate::gateway::failure::Failure;
use crate::policy::start::NoStart;
use crate::wake::WakeError;
use hyper::StatusCode;

pub(super) fn wake(error: &WakeError) -> Failure {
    match error {
        WakeError::NotStartable(state) => not_ready(state),
        WakeError::Aws(error) => {
            let is_told = matches!(error.kind, AwsErrorKind::Quota | AwsErrorKind::Capacity);
            Failure { said: is_told.then(|| error.said().to_owned()), ..aws(&error.kind) }
        }
    }
    .because(error)
}

pub(super) fn may_not_start(no: &NoStart) -> Failure {
    let failure = Failure::new(
        StatusCode::FORBIDDEN,
        "start-denied",
        "You may not start this",
        "Its configuration does not let you start it. Nothing was started.",
    )
    .advise("Ask your platform team to start it.");
    match no {
        NoStart::Failed { reason, why } => Failure { reason: reason.as_str(), ..failure.because(why) },
        NoStart::Nobody | NoStart::NotYou => failure,
    }
}
