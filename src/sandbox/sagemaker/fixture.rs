//! The resources of the sandbox's AWS. Every account that a caller comes from holds the same ones, in every region.

use super::error::Error;
use super::mlflow::{MlflowServers, Sort, app_id};
use super::notebooks::Notebooks;
use super::operation::{Operation, Resource};
use super::profiles::Profiles;
use serde_json::{Value, json};

struct Domain {
    id: &'static str,
    name: &'static str,
    auth_mode: &'static str,
    /// Name and status.
    profiles: &'static [(&'static str, &'static str)],
    spaces: &'static [&'static str],
}

const DOMAINS: [Domain; 5] = [
    Domain {
        id: "d-sandbox00001",
        name: "sandbox",
        auth_mode: "IAM",
        profiles: &[("ada", IN_SERVICE), ("max", IN_SERVICE), ("grace", IN_SERVICE), ("newcomer", "Pending")],
        spaces: &["team"],
    },
    Domain {
        id: "d-risk00000001",
        name: "risk",
        auth_mode: "IAM",
        profiles: &[("risk--ada", IN_SERVICE)],
        spaces: &[],
    },
    Domain { id: NEWCOMERS, name: "newcomers", auth_mode: "IAM", profiles: &[], spaces: &[] },
    Domain { id: UNIFIED, name: "unified", auth_mode: "IAM", profiles: &[("ada", IN_SERVICE)], spaces: &[] },
    Domain {
        id: "d-singlesignon",
        name: "single-sign-on",
        auth_mode: "SSO",
        profiles: &[("ada", IN_SERVICE), ("grace", IN_SERVICE)],
        spaces: &[],
    },
];
/// The domain for every unknown name, if every domain exists.
const ANY_DOMAIN: Domain = Domain { id: "any", name: "any", auth_mode: "IAM", profiles: &[], spaces: &[] };
/// Name, and whether it is running.
const NOTEBOOKS: [(&str, bool); 2] = [("grace-notebook", true), ("old-notebook", false)];
const PARTNER_APP: (&str, &str) = ("partner-app/app-COMET0000001", "comet");

/// The account that shares its Apps with every other.
const SHARING: &str = "999900001111";
/// The domain without profiles, also where every profile exists.
const NEWCOMERS: &str = "d-newcomers001";
/// The domain that opens in Unified Studio only.
const UNIFIED: &str = "d-unified00001";
const IN_SERVICE: &str = "InService";
const STOPPED: &str = "Stopped";
/// 2026-01-05T09:00:00Z, the time at which everything was created.
const CREATED: u64 = 1_767_603_600;

/// A resource that exists: its description, and the reason if it cannot be presigned now.
pub(super) struct Found {
    pub(super) description: Value,
    pub(super) unusable: Option<String>,
}

/// Switches of the fixture.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Whims {
    /// Profiles and spaces exist under every name.
    pub(super) any_profile: bool,
    /// Everything exists under every name and in every account, and is ready.
    pub(super) any_target: bool,
    /// Servers and notebooks are stopped.
    pub(super) stopped: bool,
}

/// The resources that were changed since the start.
#[derive(Clone, Copy)]
pub(super) struct Changed<'a> {
    pub(super) mlflow: &'a MlflowServers,
    pub(super) notebooks: &'a Notebooks,
    pub(super) profiles: &'a Profiles,
}

/// Looks the operation's resource up by the ARN that IAM judged.
pub(super) fn find(
    operation: &Operation,
    region: &str,
    account: &str,
    whims: Whims,
    Changed { mlflow, notebooks, profiles }: Changed<'_>,
) -> Result<Found, Error> {
    let arn = operation.resource.arn(region, account);
    let here = |resource: &str| format!("arn:aws:sagemaker:{region}:{account}:{resource}");
    match &operation.resource {
        Resource::Domain { id } => {
            let domain = domain(id, whims)?;
            let url = format!("https://{id}.studio.{region}.sagemaker.aws");
            let portal = if id == UNIFIED { "DISABLED" } else { "ENABLED" };
            Ok(Found {
                description: json!({
                    "DomainArn": arn, "DomainId": id, "DomainName": domain.name, "AuthMode": domain.auth_mode,
                    "Status": IN_SERVICE, "Url": url, "AppNetworkAccessType": "VpcOnly",
                    "VpcId": "vpc-0sandbox000000001", "SubnetIds": ["subnet-0sandbox000000001"],
                    "DefaultUserSettings": {},
                    "DomainSettings": {"UnifiedStudioSettings": {"StudioWebPortalAccess": portal}}, "CreationTime": CREATED, "LastModifiedTime": CREATED,
                }),
                unusable: None,
            })
        }
        Resource::UserProfile { domain_id, name } => {
            user_profile(operation, (domain_id, domain(domain_id, whims)?), name, (&arn, profiles), whims)
        }
        Resource::TrackingServer { name } => {
            let found = mlflow.describe(Sort::TrackingServer, name, region, account, whims.any_target);
            let (mut description, mut status) =
                found.ok_or_else(|| Error::not_found(&format!("MLflow tracking server {name}")))?;
            if whims.stopped {
                status = "Stopped";
                if let Value::Object(members) = &mut description {
                    members.insert("TrackingServerStatus".to_owned(), json!(status));
                    members.insert("IsActive".to_owned(), json!("Inactive"));
                }
            }
            let is_active = description.get("IsActive").is_some_and(|word| word == "Active");
            let unusable =
                (!is_active).then(|| format!("The tracking server {name} is not active: {status}"));
            Ok(Found { description, unusable })
        }
        Resource::NotebookInstance { name } => {
            // The operation declares no ResourceNotFound.
            let running =
                running(&NOTEBOOKS, name, whims).ok_or_else(|| Error::validation("RecordNotFound"))?;
            let started = notebooks.status(account, region, name).filter(|_| !whims.stopped);
            let told = if running { IN_SERVICE } else { STOPPED };
            let status = started.as_ref().map_or(told, |started| started.word);
            let changed = started.as_ref().map_or(CREATED, |started| started.changed);
            let running = status == IN_SERVICE;
            Ok(Found {
                description: json!({
                    "NotebookInstanceArn": arn, "NotebookInstanceName": name, "NotebookInstanceStatus": status,
                    "InstanceType": "ml.t3.medium", "CreationTime": CREATED, "LastModifiedTime": changed,
                    "FailureReason": started.and_then(|started| started.reason),
                    "Url": format!("{name}.notebook.{region}.sagemaker.aws"),
                    "RoleArn": format!("arn:aws:iam::{account}:role/notebook"),
                }),
                unusable: (!running)
                    .then(|| format!("The notebook instance {name} is not in service: {status}")),
            })
        }
        Resource::MlflowApp { arn } => {
            let found = app_id(arn).and_then(|(in_account, in_region, id)| {
                let is_here = in_region == region && [account, SHARING].contains(&in_account.as_str());
                let describe = || mlflow.describe(Sort::App, &id, &in_region, &in_account, whims.any_target);
                (is_here || whims.any_target).then(describe).flatten()
            });
            let (description, status) =
                found.ok_or_else(|| Error::not_found(&format!("MLflow app {arn}")))?;
            let is_ready = matches!(status, "Created" | "Updated");
            Ok(Found { description, unusable: (!is_ready).then(|| format!("The MLflow app is {status}")) })
        }
        Resource::PartnerApp { .. } if arn == here(PARTNER_APP.0) || whims.any_target => Ok(Found {
            description: json!({
                "Arn": arn, "Name": PARTNER_APP.1, "Type": "comet", "Status": "Available", "AuthType": "IAM",
                "EnableIamSessionBasedIdentity": true, "CreationTime": CREATED, "Tier": "small",
                "ExecutionRoleArn": format!("arn:aws:iam::{account}:role/partner-app"),
            }),
            unusable: None,
        }),
        Resource::PartnerApp { arn } => Err(Error::not_found(&format!("Partner app {arn}"))),
    }
}

fn user_profile(
    operation: &Operation,
    (domain_id, domain): (&str, &Domain),
    name: &str,
    (arn, profiles): (&str, &Profiles),
    whims: Whims,
) -> Result<Found, Error> {
    let created = profiles.profile(arn);
    let known = domain.profiles.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let status = match known {
        _ if let Some(created) = &created => created.status,
        Some(_) if whims.any_target => IN_SERVICE,
        Some((_, status)) => *status,
        None if whims.any_profile && domain.id != NEWCOMERS => IN_SERVICE,
        None => return Err(Error::not_found(&format!("User profile {name} in domain {}", domain.id))),
    };
    if let Some(space) = operation.presign.as_ref().and_then(|presign| presign.space_name.as_deref())
        && !whims.any_profile
        && !domain.spaces.contains(&space)
    {
        return Err(Error::not_found(&format!("Space {space} in domain {}", domain.id)));
    }
    let unusable = match (domain.auth_mode, status) {
        ("SSO", _) => {
            Some("The operation is only supported for domains with the authentication mode IAM".to_owned())
        }
        (_, IN_SERVICE) => None,
        (_, status) => Some(format!("The user profile {name} is not in service: {status}")),
    };
    Ok(Found {
        description: json!({
            "DomainId": domain_id, "UserProfileArn": arn,
            "UserProfileName": created.as_ref().map_or(known.map_or(name, |(known, _)| known), |created| &created.name),
            "HomeEfsFileSystemUid": "200005", "Status": status,
            "FailureReason": created.as_ref().and_then(|created| created.reason),
            "UserSettings": created.as_ref().map_or_else(|| json!({}), |created| created.settings.clone()),
            "CreationTime": created.as_ref().map_or(CREATED, |created| created.at), "LastModifiedTime": CREATED,
        }),
        unusable,
    })
}

/// The names of the fixture's profiles in a domain.
pub(super) fn profiles_of(domain_id: &str) -> impl Iterator<Item = &'static str> {
    let domain = DOMAINS.iter().find(|domain| domain.id == domain_id);
    domain.into_iter().flat_map(|domain| domain.profiles.iter().map(|(name, _)| *name))
}

/// Whether the fixture has a profile, in a domain whose profiles can be created.
pub(super) fn has_profile(domain_id: &str, name: &str, whims: Whims) -> Result<bool, Error> {
    let domain = domain(domain_id, whims)?;
    if domain.auth_mode == "SSO" {
        return Err(Error::validation("SingleSignOnUserIdentifier is required for the SSO AuthMode."));
    }
    let is_known = domain.profiles.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    Ok(is_known || (whims.any_profile && domain_id != NEWCOMERS))
}

fn domain(id: &str, whims: Whims) -> Result<&'static Domain, Error> {
    let known = DOMAINS.iter().find(|domain| domain.id == id);
    known.or(whims.any_target.then_some(&ANY_DOMAIN)).ok_or_else(|| Error::not_found(&format!("Domain {id}")))
}

/// The status of a notebook instance that nobody has started.
pub(super) fn notebook_status(name: &str) -> Option<&'static str> {
    let running = NOTEBOOKS.iter().find(|(known, _)| *known == name)?.1;
    Some(if running { IN_SERVICE } else { STOPPED })
}

fn running(known: &[(&str, bool)], name: &str, whims: Whims) -> Option<bool> {
    let found = known.iter().find(|(known, _)| *known == name).map(|(_, running)| *running);
    let found = if whims.any_target { Some(true) } else { found };
    found.map(|running| running && !whims.stopped)
}
