//! AssumeRole: checks its input, and issues credentials that carry the session's name, identity, tags and policy.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>

use super::error::Error;
use super::{Parameters, Sts};
use crate::sandbox::callers::Caller;
use crate::sandbox::random;
use crate::sandbox::session_policy::{SessionPolicy, Verdict};
use aws_lc_rs::digest;
use maud::{Markup, html};
use std::sync::Arc;
use std::time::Duration;

const LARGEST_POLICY: usize = 2048;
const MOST_TAGS: usize = 50;

impl Sts {
    /// Every role may be assumed, except one whose name ends in `-untrusting`.
    pub(super) fn assume_role(&self, parameters: &Parameters, caller: &Caller) -> Result<Markup, Error> {
        let asked = Asked::read(parameters)?;
        let refused = |why: &str| {
            let (arn, role) = (&caller.arn, &asked.role_arn);
            Error::denied(format!(
                "User: {arn} is not authorized to perform: sts:AssumeRole on resource: {role}{why}"
            ))
        };
        if let Some(policy) = &caller.session_policy
            && policy.judge("sts:AssumeRole", &asked.role_arn) != Verdict::Allowed
        {
            return Err(refused(" because no session policy allows the sts:AssumeRole action"));
        }
        let trusted = self.external_id.is_none() || self.external_id == asked.external_id;
        if !trusted || asked.role_name.ends_with("-untrusting") {
            return Err(refused(""));
        }
        let chained = caller.role_session_name.is_some();
        if chained && asked.duration > 3600 {
            let why = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
            return Err(Error::new("ValidationError", why));
        }
        if chained
            && caller.source_identity.is_some()
            && asked.source_identity.is_some()
            && caller.source_identity != asked.source_identity
        {
            return Err(Error::denied("The source identity of a session cannot be changed by role chaining"));
        }
        let role_id = role_id(&asked.role_arn);
        let arn =
            format!("arn:aws:sts::{}:assumed-role/{}/{}", asked.account, asked.role_name, asked.session_name);
        let source_identity = asked.source_identity.or_else(|| caller.source_identity.clone());
        let packed = asked.policy_length * 100 / LARGEST_POLICY;
        let assumed = Caller {
            access_key_id: String::new(),
            account: asked.account,
            arn: arn.clone(),
            user_id: format!("{role_id}:{}", asked.session_name),
            role_session_name: Some(asked.session_name.clone()),
            source_identity: source_identity.clone(),
            session_tags: asked.tags,
            session_policy: asked.policy.map(Arc::new),
        };
        let expires = self.clock.now().plus(Duration::from_secs(asked.duration));
        let expiration = humantime::format_rfc3339_seconds(
            std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(expires.0),
        );
        let issued = self.callers.issue(assumed, expires);
        Ok(html! {
            AssumedRoleUser { AssumedRoleId { (role_id) ":" (asked.session_name) } Arn { (arn) } }
            Credentials {
                AccessKeyId { (issued.access_key_id) }
                SecretAccessKey { (issued.secret_access_key) }
                SessionToken { (issued.session_token) }
                Expiration { (expiration) }
            }
            @if asked.policy_length > 0 { PackedPolicySize { (packed) } }
            @if let Some(identity) = &source_identity { SourceIdentity { (identity) } }
        })
    }
}

/// A valid input.
struct Asked {
    role_arn: String,
    account: String,
    /// The last segment of the role's path.
    role_name: String,
    session_name: String,
    duration: u64,
    policy: Option<SessionPolicy>,
    policy_length: usize,
    source_identity: Option<String>,
    external_id: Option<String>,
    tags: Vec<(String, String)>,
}

impl Asked {
    fn read(parameters: &Parameters) -> Result<Self, Error> {
        let given = |name: &str| parameters.get(name).cloned();
        let required = |name: &str, member: &str| {
            given(name).ok_or_else(|| violation("null", member, "Member must not be null"))
        };
        if parameters.keys().any(|name| name.starts_with("PolicyArns.")) {
            return Err(Error::new("ValidationError", "The sandbox knows inline session policies only"));
        }
        let role_arn = required("RoleArn", "roleArn")?;
        let (account, role_name) =
            role(&role_arn).ok_or_else(|| Error::new("ValidationError", format!("{role_arn} is invalid")))?;
        let session_name = required("RoleSessionName", "roleSessionName")?;
        identity("roleSessionName", &session_name)?;
        let source_identity = given("SourceIdentity");
        source_identity.as_deref().map_or(Ok(()), |value| identity("sourceIdentity", value))?;
        let duration = given("DurationSeconds").unwrap_or_else(|| "3600".to_owned());
        let duration =
            duration.parse().ok().filter(|seconds| (900..=43200).contains(seconds)).ok_or_else(|| {
                violation(&duration, "durationSeconds", "Member must have value from 900 to 43200")
            })?;
        let policy = given("Policy");
        let policy_length = policy.as_ref().map_or(0, String::len);
        if policy_length > LARGEST_POLICY {
            let why = "Member must have length less than or equal to 2048";
            return Err(violation("...", "policy", why));
        }
        let malformed =
            || Error::new("MalformedPolicyDocument", "The policy is not in the valid JSON format.");
        let policy = policy.map(|text| SessionPolicy::parse(&text).ok_or_else(malformed)).transpose()?;
        Ok(Self {
            account: account.to_owned(),
            role_name: role_name.to_owned(),
            role_arn,
            session_name,
            duration,
            policy,
            policy_length,
            source_identity,
            external_id: given("ExternalId"),
            tags: tags(parameters)?,
        })
    }
}

/// Account and name of a role's ARN.
fn role(arn: &str) -> Option<(&str, &str)> {
    let (account, path) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
    let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&b);
    (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) && path.bytes().all(legal))
        .then_some((account, name))
}

/// The unique id of a role, derived from its ARN.
fn role_id(arn: &str) -> String {
    let digest = digest::digest(&digest::SHA256, arn.as_bytes());
    let hex = random::to_hex(digest.as_ref().get(..9).unwrap_or_default()).to_ascii_uppercase();
    format!("AROA{}", hex.get(..17).unwrap_or_default())
}

/// `[\w+=,.@-]{2,64}`.
fn identity(member: &str, value: &str) -> Result<(), Error> {
    if !value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)) {
        return Err(violation(value, member, "Member must satisfy regular expression pattern: [\\w+=,.@-]*"));
    }
    if !(2..=64).contains(&value.len()) {
        return Err(violation(value, member, "Member must have length from 2 to 64"));
    }
    Ok(())
}

fn tags(parameters: &Parameters) -> Result<Vec<(String, String)>, Error> {
    let mut tags: Vec<(String, String)> = Vec::new();
    for number in 1.. {
        let Some(key) = parameters.get(&format!("Tags.member.{number}.Key")) else { break };
        let value = parameters.get(&format!("Tags.member.{number}.Value")).cloned().unwrap_or_default();
        if !(1..=128).contains(&key.len()) || value.len() > 256 || number > MOST_TAGS {
            return Err(violation(key, "tags", "Member must be at most 50 tags of 128 and 256 characters"));
        }
        if tags.iter().any(|(known, _)| known.eq_ignore_ascii_case(key)) {
            let why = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(Error::new("InvalidParameterValue", why));
        }
        tags.push((key.clone(), value));
    }
    Ok(tags)
}

fn violation(found: &str, member: &str, constraint: &str) -> Error {
    let found = if found == "null" { found.to_owned() } else { format!("'{found}'") };
    Error::new(
        "ValidationError",
        format!(
            "1 validation error detected: Value {found} at '{member}' failed to satisfy constraint: {constraint}"
        ),
    )
}
