//! Checks of the targets: their states, their stores and APIs, and a mint for each.

use super::domains::owner_check;
use super::opening::{Opened, Opening};
use super::programs::{api_check, artifacts_check};
use super::remedy::{self, Asked, Endpoint};
use super::report::{Asking, Check, Outcome};
use crate::aws::Aws;
use crate::aws::error::AwsError;
use crate::aws::state::TargetState;
use crate::config::servers::{DeclaredServer, Field, ServerKind};
use crate::mlflow::Bridge;
use crate::presign::Presigner;
use crate::target::{Mint, RoleArn, TRACKING_SERVER_NAME};
use std::sync::Arc;

/// The parts of the gateway that call AWS.
#[derive(Clone, Debug)]
pub(super) struct Callers {
    pub(super) presigner: Arc<Presigner>,
    pub(super) bridge: Arc<Bridge>,
}

/// Checks one target. `is_closed` says that its role or its domain cannot be used; `own` names the gateway to AWS.
pub(super) async fn target_checks(
    Callers { presigner, bridge }: &Callers,
    opening: &Opening,
    is_closed: bool,
    own: &str,
    servers: &[DeclaredServer],
) -> Vec<Check> {
    let Opening { destination, target, api, .. } = opening;
    let asking = Asking::about(match target {
        Opened::Constant { rule, .. } => format!("destinations.{destination} ({rule})"),
        _ => format!("destinations.{destination}"),
    });
    let mint = match target {
        Opened::Nothing(why) => return vec![asking.skipped("presign", why.clone())],
        Opened::Constant { mint, .. } => mint,
        Opened::Granted(grant) => grant.mint(),
    };
    if is_closed {
        return vec![asking.skipped("presign", "its role or its domain cannot be used")];
    }
    let caller = mint.role_arn.as_ref().map_or(own, RoleArn::as_str);
    let state = presigner.aws().state_of(mint).await;
    let mut checks = vec![state_check(&asking, mint, opening, &state, caller)];
    if matches!(&state, Ok(state) if *state != TargetState::Missing) {
        checks.extend(store_check(&asking, presigner.aws(), mint, servers).await);
        if let Some(artifacts) = api.as_ref().and_then(|api| api.artifacts.as_ref()) {
            checks.push(artifacts_check(&asking, bridge, mint, artifacts).await);
        }
    }
    if state.as_ref().is_ok_and(|state| !state.may_open()) {
        checks.push(asking.skipped("presign", "it cannot be opened in this state"));
        return checks;
    }
    if let Some(api) = api.as_ref().filter(|_| state.is_ok()) {
        checks.push(api_check(&asking, bridge, mint, api, caller).await);
    }
    checks.extend(presign_checks(&asking, presigner, mint, target, caller).await);
    checks
}

/// Checks whose profile it is, where the person is known, and asks AWS for a URL.
async fn presign_checks(
    asking: &Asking,
    presigner: &Presigner,
    mint: &Mint,
    target: &Opened,
    caller: &str,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let minted = match target {
        Opened::Granted(grant) => {
            if let Some(owned) = presigner.examine_owner(grant).await {
                checks.push(owner_check(asking, mint, owned, caller));
            }
            if checks.iter().any(|check| check.outcome == Outcome::Failed) {
                checks.push(asking.skipped("presign", "the profile cannot be opened by this person"));
                return checks;
            }
            presigner.rehearse_granted(grant).await
        }
        _ => presigner.rehearse(mint).await,
    };
    checks.push(match minted {
        Ok(facts) => {
            let as_whom = facts.role_session_name.map(|name| format!(" as {name}")).unwrap_or_default();
            let found = format!("{} answers with a URL{as_whom}, which was dropped", facts.operation);
            asking.ok("presign", found)
        }
        Err(error) => {
            let action = format!("sagemaker:{}", mint.target.operation());
            let asked = Asked { action: &action, caller, endpoint: Endpoint::SageMaker };
            asking.failed("presign", error.message(), remedy::of_presign(&error, asked))
        }
    });
    checks
}

fn state_check(
    asking: &Asking,
    mint: &Mint,
    opening: &Opening,
    state: &Result<TargetState, AwsError>,
    caller: &str,
) -> Check {
    let what = mint.target.to_string();
    let creates = matches!(&opening.target, Opened::Granted(grant) if grant.new_profile().is_some());
    match state {
        Ok(TargetState::Missing) if creates => {
            asking.ok("state", format!("{what} is not there, and is created on the first visit"))
        }
        Ok(state) if opening.startable && state.can_be_started(mint.target.kind()) => {
            let found = in_words(state);
            asking.ok("state", format!("{what} is {found}, and people for whom `start` holds may start it"))
        }
        Ok(TargetState::Ready) => asking.ok("state", format!("{what} is ready")),
        Ok(TargetState::Maintenance(word)) => asking.warning(
            "state",
            format!("{what} is in the state {word}, of which AWS does not say whether it can be opened"),
            "look at its maintenance in SageMaker; until it is done, AWS may refuse to let people in",
        ),
        Ok(TargetState::OfIdentityCenter) => asking.warning(
            "state",
            format!("{what} is ready, and has AuthType IDC: people sign in to it by IAM Identity Center"),
            "if the next check fails, create the app anew with AuthType IAM, or let people open it from your company's AWS \
             access portal",
        ),
        Ok(TargetState::Unknown) => {
            asking.ok("state", format!("AWS's word for the state of {what} says nothing about its use"))
        }
        Ok(state) => {
            asking.failed("state", format!("{what} is {}", in_words(state)), remedy::of_state(state))
        }
        Err(error) => {
            let action = format!("sagemaker:{}", mint.target.kind().describe_operation());
            let asked = Asked { action: &action, caller, endpoint: Endpoint::SageMaker };
            let (found, remedy) = (error.message.clone(), remedy::of(error, asked));
            // The gateway then goes straight to the presign call.
            if error.is_denial() {
                asking.warning("state", found, remedy)
            } else {
                asking.failed("state", found, remedy)
            }
        }
    }
}

/// Checks the owner verification of a tracking server's bucket: anybody may recreate a bucket that was deleted.
async fn store_check(asking: &Asking, aws: &Aws, mint: &Mint, servers: &[DeclaredServer]) -> Option<Check> {
    let name = mint.target.text(TRACKING_SERVER_NAME)?;
    let ownership = aws.store_ownership(mint).await.ok()??;
    let declared = servers.iter().find(|server| {
        server.kind == ServerKind::TrackingServer && server.name == name && server.region == mint.region
    });
    let owner = declared.and_then(|server| server.fields.text(Field::S3BucketOwnerAccountId));
    Some(match (ownership.is_verified, ownership.account_id.as_deref(), owner) {
        (Some(false), ..) => asking.warning(
            "store-ownership",
            "AWS does not check who owns the bucket: if it is deleted, whoever makes one of its name gets the artifacts",
            "set `s3_bucket_owner_verification: true` for it and run `postern servers apply`, or update the server by hand",
        ),
        (_, Some(found), Some(owner)) if found != owner => asking.warning(
            "store-ownership",
            format!("AWS takes account {found} for the bucket's owner, and {owner} is declared"),
            "look at `postern servers plan`",
        ),
        (Some(true), Some(found), _) => asking.ok("store-ownership", format!("AWS checks that account {found} owns the bucket")),
        _ => return None,
    })
}

fn in_words(state: &TargetState) -> String {
    match state {
        TargetState::Ready => "ready".to_owned(),
        TargetState::Unknown => "in an unknown state".to_owned(),
        TargetState::Missing => "not there".to_owned(),
        TargetState::Starting { .. } => "starting".to_owned(),
        TargetState::Stopping => "stopping".to_owned(),
        TargetState::Stopped => "stopped".to_owned(),
        TargetState::Failed { status, reason: Some(reason) } => format!("in the state {status}: {reason}"),
        TargetState::OfIdentityCenter => "an app of Identity Center".to_owned(),
        TargetState::Pending(word)
        | TargetState::Maintenance(word)
        | TargetState::Failed { status: word, .. } => {
            format!("in the state {word}")
        }
    }
}
