//! Checks that programs get through to an MLflow target and to its artifact store.

use super::report::{Asking, Check};
use crate::mlflow::rehearsal::Tried;
use crate::mlflow::{Bridge, CallError};
use crate::policy::grant::{Api, Artifacts};
use crate::target::{Kind, Mint};
use hyper::StatusCode;

const API: &str = "api";
const ARTIFACTS: &str = "artifacts";

/// Checks that the target answers a search for one experiment.
pub(super) async fn api_check(
    asking: &Asking,
    bridge: &Bridge,
    mint: &Mint,
    api: &Api,
    caller: &str,
) -> Check {
    let action = match mint.target.kind() {
        Kind::MlflowApp => "sagemaker:CallMlflowAppApi",
        _ => "sagemaker-mlflow:SearchExperiments",
    };
    let permission = format!("allow {action} for {caller}; `postern iam` prints what calls of programs need");
    let reach = "check that this machine reaches it: `api: {endpoint_url}` or the region's public address, its name in DNS, and \
                 the route to it (port 443)";
    let failed = |found: String, remedy: &str| asking.failed(API, found, remedy);
    match bridge.try_api(mint, api).await {
        Ok(Tried::Allowed) => asking.ok(API, "MLflow answers `experiments/search`".to_owned()),
        Ok(Tried::Refused(status, said)) => {
            let found = format!("`experiments/search` is refused: HTTP {}: {said}", status.as_u16());
            match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => failed(found, &permission),
                status if status.is_server_error() => {
                    failed(found, "look at the target in SageMaker, and ask again in a minute")
                }
                _ => failed(found, "look for a proxy on the way that changes requests or answers"),
            }
        }
        Err(error @ CallError::Unreachable(_)) => failed(format!("MLflow cannot be reached: {error}"), reach),
        Err(error @ CallError::OutOfTime) => {
            failed(format!("MLflow does not answer in time: {error}"), reach)
        }
        Err(CallError::Unsigned(error)) => {
            failed(format!("the call is not accepted: {}", error.message), &permission)
        }
        Err(error) => {
            failed(error.to_string(), "look for a proxy on the way that changes requests or answers")
        }
    }
}

/// Checks that the artifact store can be listed.
pub(super) async fn artifacts_check(
    asking: &Asking,
    bridge: &Bridge,
    mint: &Mint,
    artifacts: &Artifacts,
) -> Check {
    match bridge.try_store(mint, artifacts).await {
        Ok(uri) => asking.ok(ARTIFACTS, format!("{uri} can be listed")),
        Err(error) => asking.failed(
            ARTIFACTS,
            error.to_string(),
            "allow what `postern iam` prints about artifacts, let this machine reach S3, or set `api: {artifacts: off}`",
        ),
    }
}
