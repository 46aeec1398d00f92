//! Checks that AWS does what the gateway needs: names the caller, lets roles be assumed and targets be opened.

use super::clock;
use super::domains::{AUTH_MODE, domain_check};
use super::opening::Opening;
use super::places::Places;
use super::remedy::{self, Asked, Endpoint};
use super::report::{Asking, Check, Outcome};
use super::targets::{Callers, target_checks};
use super::tasks::a_few_at_a_time;
use crate::aws::Aws;
use crate::aws::domains::Place;
use crate::aws::error::{AwsError, AwsErrorKind};
use crate::clock::Clock;
use crate::config::servers::DeclaredServer;
use crate::target::{Mint, RoleArn};
use std::collections::HashSet;
use std::sync::Arc;

/// Checks the identity, then the roles, then the domains, then the targets, and skips those that cannot work.
pub(super) async fn examine(
    callers: Callers,
    places: Places,
    openings: Vec<Opening>,
    servers: Arc<[DeclaredServer]>,
    clock: Clock,
) -> Vec<Check> {
    let aws = callers.presigner.aws();
    let (mut checks, own) = identity(aws, &clock).await;
    let Some(own) = own else { return checks };
    let (role_checks, closed_roles) = roles(aws, &places, &own).await;
    checks.extend(role_checks);
    let (domain_checks, closed_domains) = domains(aws, places, &closed_roles, &own).await;
    checks.extend(domain_checks);
    let is_closed = |mint: &Mint| {
        mint.role_arn.as_ref().is_some_and(|role| closed_roles.contains(role))
            || Place::of(mint).is_some_and(|domain| closed_domains.contains(&domain))
    };
    let looks = openings.into_iter().map(|opening| {
        let closed = opening.target.mint().is_some_and(is_closed);
        let (callers, own, servers) = (callers.clone(), Arc::clone(&own), Arc::clone(&servers));
        async move { target_checks(&callers, &opening, closed, &own, &servers).await }
    });
    checks.extend(a_few_at_a_time(looks).await);
    checks
}

/// The checks, and the name of the caller; `None` if there are no credentials to ask anything with.
async fn identity(aws: &Aws, clock: &Clock) -> (Vec<Check>, Option<Arc<str>>) {
    let asking = Asking::about("aws");
    let (identity, date) = aws.who_am_i().await;
    let (check, own) = match identity {
        Ok(identity) => {
            let found = format!("{} in account {}", identity.arn, identity.account);
            (asking.ok("identity", found), Some(identity.arn.into()))
        }
        Err(error) => {
            let caller = "Postern itself";
            let asked = Asked { action: "sts:GetCallerIdentity", caller, endpoint: Endpoint::Sts };
            let remedy = remedy::of(&error, asked);
            let own = (error.kind != AwsErrorKind::Credentials).then(|| caller.into());
            (asking.failed("identity", error.message, remedy), own)
        }
    };
    let mut checks = vec![check];
    checks.extend(date.map(|date| clock::compared_with_aws(&asking, date, clock.now())));
    if own.is_none() {
        checks.push(asking.skipped("targets", "there are no credentials to ask with"));
    }
    (checks, own)
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
