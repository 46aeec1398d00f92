//! Checks that AWS does what the gateway needs: names the caller, lets roles be assumed and targets be opened.

use super::domains::{AUTH_MODE, domain_check, owner_check};
use super::opening::{Opened, Opening, Person};
use super::programs::{api_check, artifacts_check};
use super::remedy::{self, Asked, Endpoint};
use super::report::{Asking, Check, Outcome};
use super::tasks::a_few_at_a_time;
use super::{clock, opening};
use crate::aws::Aws;
use crate::aws::domains::Place;
use crate::aws::error::{AwsError, AwsErrorKind};
use crate::aws::state::TargetState;
use crate::clock::Clock;
use crate::config::servers::{DeclaredServer, Field, ServerKind};
use crate::mlflow::Bridge;
use crate::policy::Policy;
use crate::policy::possible::PossibleTarget;
use crate::presign::Presigner;
use crate::target::{DomainId, Kind, Mint, Region, RoleArn, TRACKING_SERVER_NAME};
use std::collections::HashSet;
use std::sync::Arc;

/// The roles and domains to check before the targets: each once, in the order of the configuration.
#[derive(Debug, Default)]
pub(super) struct Places {
    roles: Vec<RoleArn>,
    /// Roles that depend on the person, as patterns.
    unknown_roles: Vec<String>,
    pub(super) domains: Vec<Place>,
    /// Domains from which people of Identity Center are sent on.
    redirecting: Vec<Place>,
}

impl Places {
    pub(super) fn of(policy: &Policy, person: Option<&Person>) -> Self {
        let mut places = Self::default();
        let possible = policy.possible_targets();
        for possible_target in &possible {
            let role_arn = match possible_target.role_arn.as_ref().map(|role| (role.constant(), role)) {
                None => None,
                Some((Some(role), _)) => RoleArn::parse(role).ok(),
                Some((None, role)) => {
                    add(&mut places.unknown_roles, role.to_iam());
                    continue;
                }
            };
            role_arn.iter().for_each(|role| add(&mut places.roles, role.clone()));
            let id = possible_target.names.first().filter(|_| possible_target.kind == Kind::StudioDomain);
            let id = id.and_then(|id| DomainId::parse(id.constant()?).ok());
            let region = possible_target.region.constant().and_then(|region| Region::parse(region).ok());
            if let (Some(id), Some(region), true) = (id, region, belong_together(possible_target, &possible))
            {
                let endpoint_url = possible_target.endpoint_url.clone();
                let place = Place { id, region, role_arn, endpoint_url };
                if possible_target.studio.as_ref().is_some_and(|studio| studio.redirects_sso) {
                    add(&mut places.redirecting, place.clone());
                }
                add(&mut places.domains, place);
            }
        }
        if person.is_some() {
            places.unknown_roles.clear();
        }
        for opening in person.into_iter().flat_map(|person| opening::all(policy, Some(person))) {
            if let Some(mint) = opening.target.mint() {
                mint.role_arn.iter().for_each(|role| add(&mut places.roles, role.clone()));
                Place::of(mint).into_iter().for_each(|domain| add(&mut places.domains, domain));
            }
        }
        places
    }
}

/// False if a rule can name several roles and several domains: then only the person decides which role goes with which
/// domain.
fn belong_together(possible_target: &PossibleTarget, possible: &[PossibleTarget]) -> bool {
    let of_rule = |other: &&PossibleTarget| {
        (&other.destination, &other.rule) == (&possible_target.destination, &possible_target.rule)
    };
    let others = || possible.iter().filter(of_rule);
    others().all(|other| other.role_arn == possible_target.role_arn)
        || others().all(|other| other.names.first() == possible_target.names.first())
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// The parts of the gateway that call AWS.
#[derive(Clone, Debug)]
pub(super) struct Callers {
    pub(super) presigner: Arc<Presigner>,
    pub(super) bridge: Arc<Bridge>,
}

/// Checks the identity, then the roles, then the domains, then the targets, and skips those that cannot work.
pub(super) async fn examine(
    callers: Callers,
    places: Places,
    openings: Vec<Opening>,
    servers: Arc<[DeclaredServer]>,
    clock: Clock,
) -> Vec<Check> {
    let (asking, presigner) = (Asking::about("aws"), &callers.presigner);
    let (identity, date) = presigner.aws().who_am_i().await;
    let mut checks = Vec::new();
    let own = match &identity {
        Ok(identity) => {
            checks.push(asking.ok("identity", format!("{} in account {}", identity.arn, identity.account)));
            identity.arn.clone()
        }
        Err(error) => {
            let asked =
                Asked { action: "sts:GetCallerIdentity", caller: "Postern itself", endpoint: Endpoint::Sts };
            checks.push(asking.failed("identity", error.message.clone(), remedy::of(error, asked)));
            "Postern itself".to_owned()
        }
    };
    checks.extend(date.map(|date| clock::compared_with_aws(&asking, date, clock.now())));
    if identity.is_err_and(|error| error.kind == AwsErrorKind::Credentials) {
        checks.push(asking.skipped("targets", "there are no credentials to ask with"));
        return checks;
    }
    let own: Arc<str> = own.into();
    let (role_checks, closed_roles) = roles(presigner.aws(), &places, &own).await;
    checks.extend(role_checks);
    let (domain_checks, closed_domains) = domains(presigner.aws(), places, &closed_roles, &own).await;
    checks.extend(domain_checks);
    let looks = openings.into_iter().map(|opening| {
        let mint = opening.target.mint();
        let closed = mint.is_some_and(|mint| {
            mint.role_arn.as_ref().is_some_and(|role| closed_roles.contains(role))
                || Place::of(mint).is_some_and(|domain| closed_domains.contains(&domain))
        });
        let (callers, own, servers) = (callers.clone(), Arc::clone(&own), Arc::clone(&servers));
        async move { target(&callers, opening, closed, &own, &servers).await }
    });
    checks.extend(a_few_at_a_time(looks).await);
    checks
}

/// The checks, and the roles that cannot be assumed.
async fn roles(aws: &Arc<Aws>, places: &Places, own: &Arc<str>) -> (Vec<Check>, HashSet<RoleArn>) {
    let looks = places.roles.iter().cloned().map(|role| {
        let (aws, own) = (Arc::clone(aws), Arc::clone(own));
        async move {
            let result = aws.try_role(&role).await;
            vec![role_check(&aws, &role, result, &own)]
        }
    });
    let mut checks = a_few_at_a_time(looks).await;
    let closed = places.roles.iter().zip(&checks).filter(|(_, check)| check.outcome == Outcome::Failed);
    let closed = closed.map(|(role, _)| role.clone()).collect();
    let unknown = places.unknown_roles.iter().map(|role| {
        Asking::about(format!("role {role}"))
            .skipped("assume", "it depends on the person: ask again with --as")
    });
    checks.extend(unknown);
    (checks, closed)
}

fn role_check(aws: &Aws, role: &RoleArn, result: Result<(), AwsError>, own: &str) -> Check {
    let asking = Asking::about(format!("role {role}"));
    let with = aws.assumed_with();
    let Err(error) = result else { return asking.ok("assume", format!("can be assumed, {with}")) };
    let action = remedy::denied_action(&error.message).unwrap_or("sts:AssumeRole");
    let remedy = if error.is_denial() {
        let external_id = if aws.has_external_id() {
            "compare `aws.external_id` with the `sts:ExternalId` that the trust policy asks for"
        } else {
            "if the trust policy asks for an `sts:ExternalId`, set `aws.external_id`"
        };
        let why = if action == "sts:TagSession" { remedy::TAGS_OF_EKS_POD_IDENTITY } else { external_id };
        format!(
            "allow {action} on the role in the policies of {own} and in the role's trust policy (`postern iam` prints \
             both); {why}"
        )
    } else {
        remedy::of(&error, Asked { action, caller: own, endpoint: Endpoint::Sts })
    };
    asking.failed("assume", format!("cannot be assumed, {with}: {}", error.message), remedy)
}

/// The checks, and the domains that cannot be presigned for.
async fn domains(
    aws: &Arc<Aws>,
    Places { domains, redirecting, .. }: Places,
    closed_roles: &HashSet<RoleArn>,
    own: &Arc<str>,
) -> (Vec<Check>, HashSet<Place>) {
    let open = domains.into_iter();
    let open = open.filter(|domain| domain.role_arn.as_ref().is_none_or(|role| !closed_roles.contains(role)));
    let open: Vec<Place> = open.collect();
    let looks = open.iter().cloned().map(|domain| {
        let (aws, own, redirects) = (Arc::clone(aws), Arc::clone(own), redirecting.contains(&domain));
        async move { domain_check(&aws, &domain, redirects, &own).await }
    });
    let checks = a_few_at_a_time(looks).await;
    let modes = checks.iter().filter(|check| check.check == AUTH_MODE);
    let closed = open.iter().zip(modes);
    let closed = closed.filter(|(_, check)| matches!(check.outcome, Outcome::Failed | Outcome::Skipped));
    let closed = closed.map(|(domain, _)| domain.clone()).collect();
    (checks, closed)
}

async fn target(
    callers: &Callers,
    opening: Opening,
    closed: bool,
    own: &str,
    servers: &[DeclaredServer],
) -> Vec<Check> {
    let (Opening { destination, target, startable, api }, presigner) = (opening, &callers.presigner);
    let subject = match &target {
        Opened::Constant { rule, .. } => format!("destinations.{destination} ({rule})"),
        _ => format!("destinations.{destination}"),
    };
    let asking = Asking::about(subject);
    let mint = match &target {
        Opened::Nothing(why) => return vec![asking.skipped("presign", why.clone())],
        Opened::Constant { mint, .. } => mint,
        Opened::Granted(grant) => grant.mint(),
    };
    if closed {
        return vec![asking.skipped("presign", "its role or its domain cannot be used")];
    }
    let caller = mint.role_arn.as_ref().map_or(own, RoleArn::as_str).to_owned();
    let state = presigner.aws().state_of(mint).await;
    let creates = matches!(&target, Opened::Granted(grant) if grant.new_profile().is_some());
    let mut checks = vec![match &state {
        Ok(TargetState::Missing) if creates => {
            let found = format!("{} is not there, and is created on the first visit", mint.target);
            asking.ok("state", found)
        }
        Ok(state) if startable && state.can_be_started(mint.target.kind()) => {
            let found = format!(
                "{} is {}, and people for whom `start` holds may start it",
                mint.target,
                in_words(state)
            );
            asking.ok("state", found)
        }
        _ => state_check(&asking, mint, &state, &caller),
    }];
    if matches!(&state, Ok(state) if *state != TargetState::Missing) {
        checks.extend(store_check(&asking, presigner.aws(), mint, servers).await);
        if let Some(artifacts) = api.as_ref().and_then(|api| api.artifacts.as_ref()) {
            checks.push(artifacts_check(&asking, &callers.bridge, mint, artifacts).await);
        }
    }
    if let (Some(api), Ok(state)) = (&api, &state)
        && state.may_open()
    {
        checks.push(api_check(&asking, &callers.bridge, mint, api, &caller).await);
    }
    if state.is_ok_and(|state| !state.may_open()) {
        checks.push(asking.skipped("presign", "it cannot be opened in this state"));
        return checks;
    }
    if let Opened::Granted(grant) = &target
        && let Some(owned) = presigner.examine_owner(grant).await
    {
        let check = owner_check(&asking, mint, owned, &caller);
        let is_closed = check.outcome == Outcome::Failed;
        checks.push(check);
        if is_closed {
            checks.push(asking.skipped("presign", "the profile cannot be opened by this person"));
            return checks;
        }
    }
    let minted = match &target {
        Opened::Granted(grant) => presigner.rehearse_granted(grant).await,
        _ => presigner.rehearse(mint).await,
    };
    let action = format!("sagemaker:{}", mint.target.operation());
    checks.push(match minted {
        Ok(facts) => {
            let as_whom = facts.role_session_name.map(|name| format!(" as {name}")).unwrap_or_default();
            asking
                .ok("presign", format!("{} answers with a URL{as_whom}, which was dropped", facts.operation))
        }
        Err(error) => {
            let asked = Asked { action: &action, caller: &caller, endpoint: Endpoint::SageMaker };
            asking.failed("presign", error.message(), remedy::of_presign(&error, asked))
        }
    });
    checks
}

fn state_check(asking: &Asking, mint: &Mint, state: &Result<TargetState, AwsError>, caller: &str) -> Check {
    let what = mint.target.to_string();
    match state {
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
