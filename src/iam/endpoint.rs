//! The calls that VPC endpoints have to let through.
//!
//! `Principal` is `*` and a condition names the role: an endpoint's policy knows no other way to name one.
//! <https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html>

use super::own::Own;
use super::statement::{Document, Resources, Statement, narrowest};
use crate::aws::permissions;
use crate::config;
use crate::policy::possible::PossibleTarget;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;

/// The calls that a VPC endpoint for one service in one region has to let through.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EndpointPolicy {
    /// `sagemaker.api` or `sts`.
    pub service: &'static str,
    pub region: String,
    /// The configuration's endpoints that this policy is for; empty if the configuration names none.
    pub endpoint_urls: Vec<String>,
    pub policy: Document,
}

pub(super) fn policies(
    possible: &[PossibleTarget],
    roles: &BTreeSet<String>,
    settings: &config::Gateway,
    own: &Own,
) -> Vec<EndpointPolicy> {
    let regions: BTreeSet<String> = possible.iter().map(|target| target.region.to_iam()).collect();
    let mut policies: Vec<EndpointPolicy> =
        regions.into_iter().map(|region| sagemaker(region, possible, settings, own)).collect();
    policies.push(sts(roles, settings, own));
    policies
}

fn sagemaker(
    region: String,
    possible: &[PossibleTarget],
    settings: &config::Gateway,
    own: &Own,
) -> EndpointPolicy {
    let here: Vec<&PossibleTarget> =
        possible.iter().filter(|target| target.region.to_iam() == region).collect();
    let endpoint_urls: BTreeSet<String> =
        here.iter().filter_map(|target| target.endpoint_url.clone()).collect();
    let principals: BTreeSet<Option<String>> =
        here.iter().map(|target| target.role_arn.as_ref().map(|role| role.to_iam())).collect();
    let mut statements = Vec::new();
    for principal in principals {
        let theirs = here
            .iter()
            .copied()
            .filter(|target| target.role_arn.as_ref().map(|role| role.to_iam()) == principal);
        let resources = Resources::of(&theirs.collect::<Vec<_>>(), own);
        let tagged = principal.is_some() && !settings.aws.session_tags.is_empty();
        let caller = principal.as_deref().unwrap_or(&own.principal);
        statements
            .extend(resources.statements_of_calls(tagged).into_iter().map(|each| called_by(each, caller)));
    }
    EndpointPolicy {
        service: "sagemaker.api",
        region,
        endpoint_urls: endpoint_urls.into_iter().collect(),
        policy: Document::of(statements),
    }
}

fn sts(roles: &BTreeSet<String>, settings: &config::Gateway, own: &Own) -> EndpointPolicy {
    let assume = (!roles.is_empty()).then(|| Statement {
        action: assume(settings),
        resource: narrowest(roles),
        ..Statement::default()
    });
    let who_am_i = Statement {
        action: vec!["sts:GetCallerIdentity".to_owned()],
        resource: vec!["*".to_owned()],
        ..Statement::default()
    };
    let tags = (!roles.is_empty()).then(|| Statement {
        resource: narrowest(roles),
        ..Statement::for_pod_identity(&settings.aws.session_tags)
    });
    let signed = assume.into_iter().chain(tags).chain([who_am_i]).map(|each| called_by(each, &own.principal));
    EndpointPolicy {
        service: "sts",
        region: settings.aws.region.to_string(),
        endpoint_urls: settings.aws.sts_endpoint_url.iter().map(ToString::to_string).collect(),
        policy: Document::of(signed.chain([become_ourselves(own)]).collect()),
    }
}

/// The call by which Postern gets its own role where Kubernetes vouches for it (IAM roles for service accounts). That
/// call is not signed yet, so there is no principal to name: the token and the role's trust policy decide.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>
fn become_ourselves(own: &Own) -> Statement {
    Statement {
        principal: Some(json!("*")),
        action: vec!["sts:AssumeRoleWithWebIdentity".to_owned()],
        resource: vec![own.principal.clone()],
        ..Statement::default()
    }
}

/// Identifiers of statements must differ within a policy, so these have none.
fn called_by(statement: Statement, caller: &str) -> Statement {
    let mut condition = statement.condition;
    condition.insert("ArnLike".to_owned(), json!({"aws:PrincipalArn": caller}));
    Statement { sid: None, principal: Some(json!("*")), condition, ..statement }
}

/// The actions of STS that an assumed session needs.
pub(super) fn assume(settings: &config::Gateway) -> Vec<String> {
    let tagged = !settings.aws.session_tags.is_empty();
    let actions = permissions::to_assume(settings.aws.source_identity, tagged);
    actions.into_iter().map(str::to_owned).collect()
}
