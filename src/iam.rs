//! The least permissions that a configuration needs, as policies to paste: Postern's own, those of each role that it
//! assumes, and those of the VPC endpoints that it calls through.
//!
//! They come from the targets that the rules can open ([`Policy::possible_targets`]) and from the table of actions
//! behind the session policies (`aws::permissions`), so that they allow the gateway's calls and nothing else.

mod artifacts;
pub(crate) mod cloudformation;
mod endpoint;
pub(crate) mod operator;
mod own;
mod statement;
mod trust;

pub(crate) use self::own::Own;
pub(crate) use self::statement::Document;

use self::endpoint::{EndpointPolicy, assume};
use self::statement::{Resources, Statement};
use crate::config;
use crate::config::servers::DeclaredServer;
use crate::policy::Policy;
use crate::policy::name_pattern::MOST_PATTERNS;
use crate::policy::possible::{MOST_POSSIBLE, PossibleTarget};
use crate::target::Kind;
use serde::Serialize;
use std::collections::BTreeSet;

/// The policies of one configuration.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Policies {
    /// The role that Postern runs as.
    pub principal: String,
    pub identity_policy: Document,
    pub roles: Vec<RolePolicies>,
    pub endpoint_policies: Vec<EndpointPolicy>,
    pub notes: Vec<String>,
}

/// The policies of one assumed role. A role that depends on the person is named by a pattern with `*`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RolePolicies {
    pub role_arn: String,
    pub destinations: Vec<String>,
    pub permission_policy: Document,
    pub trust_policy: Document,
}

/// The policies that `policy` needs under these settings. `servers` are the declared tracking servers and Apps.
pub(crate) fn policies(
    policy: &Policy,
    settings: &config::Gateway,
    servers: &[DeclaredServer],
    own: &Own,
) -> Policies {
    let possible = policy.possible_targets();
    let tagged = !settings.aws.session_tags.is_empty();
    let roles: BTreeSet<String> =
        possible.iter().filter_map(|target| target.role_arn.as_ref().map(|role| role.to_iam())).collect();
    let of_role = |role: Option<&str>| -> Vec<&PossibleTarget> {
        let named =
            |target: &&PossibleTarget| target.role_arn.as_ref().map(|role| role.to_iam()).as_deref() == role;
        possible.iter().filter(named).collect()
    };
    let mut identity = Vec::new();
    if !roles.is_empty() {
        let arns = statement::narrowest(&roles);
        identity.push(Statement::allow("AssumeForPeople", assume(settings), arns.clone()));
        let tags = &settings.aws.session_tags;
        identity.push(Statement { resource: arns, ..Statement::for_pod_identity(tags) });
    }
    identity.extend(Resources::of(&of_role(None), own).statements(false));
    identity.extend(artifacts::statements(&of_role(None), servers, own));
    let role_policies = roles.iter().map(|role| {
        let possible = of_role(Some(role));
        let destinations: BTreeSet<String> =
            possible.iter().map(|target| target.destination.to_string()).collect();
        RolePolicies {
            role_arn: role.clone(),
            destinations: destinations.into_iter().collect(),
            permission_policy: {
                let mut statements = Resources::of(&possible, own).statements(tagged);
                statements.extend(artifacts::statements(&possible, servers, own));
                Document::of(statements)
            },
            trust_policy: trust::policy(settings, own),
        }
    });
    let role_policies = role_policies.collect();
    let mut policies = Policies {
        principal: own.principal.clone(),
        identity_policy: Document::of(identity),
        roles: role_policies,
        endpoint_policies: endpoint::policies(&possible, &roles, settings, own),
        notes: notes(&possible, &roles, settings),
    };
    policies.notes.extend(policies.too_long());
    policies
}

impl Policies {
    /// The policies that are longer than AWS's default quotas allow.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>,
    /// <https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html>
    fn too_long(&self) -> Vec<String> {
        const MANAGED: usize = 6144;
        const OF_A_ROLE: usize = 10240;
        const TRUST: usize = 2048;
        const ENDPOINT: usize = 20480;
        let mut documents = vec![("the identity policy".to_owned(), &self.identity_policy, MANAGED)];
        for RolePolicies { role_arn, permission_policy, trust_policy, .. } in &self.roles {
            documents.push((format!("the permission policy of {role_arn}"), permission_policy, OF_A_ROLE));
            documents.push((format!("the trust policy of {role_arn}"), trust_policy, TRUST));
        }
        for EndpointPolicy { service, region, policy, .. } in &self.endpoint_policies {
            documents.push((format!("the endpoint policy for {service} in {region}"), policy, ENDPOINT));
        }
        let too_long = documents.into_iter().filter_map(|(name, document, most)| {
            let length = document.length();
            (length > most).then(|| {
                format!("Without white space {name} has {length} characters, and AWS takes {most} by default: split it.")
            })
        });
        too_long.collect()
    }
}

fn notes(possible: &[PossibleTarget], roles: &BTreeSet<String>, settings: &config::Gateway) -> Vec<String> {
    let mut notes = Vec::new();
    let mut abridged = BTreeSet::new();
    for target in possible {
        let (destination, rule) = (&target.destination, &target.rule);
        abridged.extend(target.abridged().map(|pattern| (destination, rule, pattern.to_iam())));
    }
    for (destination, rule, pattern) in abridged {
        notes.push(format!(
            "`{pattern}` stands for all that the rule `{rule}` of `{destination}` can name: too many to list (at most \
             {MOST_PATTERNS} values of a field, {MOST_POSSIBLE} combinations of a rule). Write the values yourself, or divide \
             them among several rules."
        ));
    }
    for role in roles.iter().filter(|role| role.contains('*')) {
        notes.push(format!(
            "The role `{role}` depends on the person: every role that the rules can name needs these policies, and \
             Postern may assume every role of that form that trusts it."
        ));
    }
    if !roles.is_empty() {
        notes.push(
            "The statements TagsOfEksPodIdentity are for EKS Pod Identity, whose tags go along when Postern assumes a role. \
             Leave them out where Postern does not run in such a pod, or where the association has `disableSessionTags`."
                .to_owned(),
        );
    }
    if possible.iter().any(|target| target.kind == Kind::MlflowApp && target.is_called) {
        notes.push(
            "The statements CallMlflowApp are for programs that call an App's API. AWS lists sagemaker:CallMlflowAppApi for that \
             alone; its examples grant sagemaker-mlflow:* on the App beside it, and whether AWS asks for it is not verified."
                .to_owned(),
        );
    }
    if possible.iter().any(|target| target.carried.is_some()) {
        notes.push(format!(
            "The statements about artifacts are for files of runs and models. Put the stores of tracking servers and Apps in place of \
             {}/{}; those that are declared here are written already. UseArtifactKeys is for buckets that are encrypted by a KMS \
             key: name the key, allow its use in the key's policy as well, or leave the statement out. A VPC endpoint of S3 has to let the same actions through.",
            artifacts::PLACEHOLDER.0,
            artifacts::PLACEHOLDER.1,
        ));
    }
    if trust::is_open(settings) {
        notes.push(
            "The trust policies do not limit session names: an issuer's `user` is no e-mail address, so a person may be \
             called anything."
                .to_owned(),
        );
    }
    if !roles.is_empty() && !settings.aws.scoped_session_policy {
        notes.push(
            "`aws.session_policy: off`: a session may do everything that its role may. Give the roles these policies and \
             nothing else."
                .to_owned(),
        );
    }
    notes.push(
        "A VPC endpoint's policy counts for everything in its VPC that calls through it. With private DNS that is everybody \
         who calls the service by its public name: add these statements to the policy of an endpoint that others use, and \
         do not replace it. Private DNS needs DNS support and DNS host names in the VPC; without it, name the endpoints in \
         `aws.endpoint_url` and `aws.sts_endpoint_url`."
            .to_owned(),
    );
    if possible.iter().any(|target| matches!(target.kind, Kind::StudioDomain | Kind::NotebookInstance)) {
        notes.push(
            "The pages that a URL opens are the browser's own connections. Where these go through VPC endpoints \
             (aws.sagemaker.REGION.studio, aws.sagemaker.REGION.notebook), their policies must let the same presign \
             actions through, and for Studio sagemaker:CreateApp. Conditions such as aws:SourceVpce in a role's policy are \
             judged at the API call and again at each request of the browser, so they must name the endpoints of both."
                .to_owned(),
        );
    }
    notes
}
