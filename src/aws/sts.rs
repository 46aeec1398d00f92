//! AssumeRole: from the gateway's own credentials to those of one person's session.

use super::credentials::Credentials;
use super::error::{AwsError, AwsErrorKind};
use super::sdk::{AnswerLimit, DateSeen, fault};
use super::session_name::LOOK_UP;
use super::session_policy::Scope;
use crate::config::AwsConfig;
use crate::target::RoleArn;
use aws_sdk_sts::types::Tag;
use aws_sdk_sts::{Client, config};
use std::time::SystemTime;

/// The shortest duration that AWS allows: fifteen minutes.
const DURATION_SECONDS: i32 = 900;

/// One AssumeRole input, complete but for the constant duration. It is the key of cached credentials, so a field that
/// changes the answer must stand here.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AssumeRole {
    pub(super) role_arn: RoleArn,
    pub(crate) session_name: String,
    pub(super) source_identity: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) tags: Vec<(String, String)>,
    /// The permissions of its session policy; `None` leaves it all that the role may do.
    pub(super) scope: Option<Scope>,
}

impl AssumeRole {
    /// A session in no person's name, which only looks something up.
    pub(super) fn for_look_up(role_arn: &RoleArn, config: &AwsConfig, scope: Option<Scope>) -> Self {
        Self {
            role_arn: role_arn.clone(),
            session_name: LOOK_UP.to_owned(),
            source_identity: None,
            external_id: config.external_id.clone(),
            tags: config.session_tags.clone(),
            scope,
        }
    }
}

#[derive(Debug)]
pub(super) struct Sts(Client);

impl Sts {
    pub(super) fn new(sdk: &aws_config::SdkConfig, endpoint_url: Option<String>) -> Self {
        let mut builder = config::Builder::from(sdk).interceptor(AnswerLimit);
        if endpoint_url.is_some() {
            builder.set_endpoint_url(endpoint_url);
        }
        Self(Client::from_conf(builder.build()))
    }

    /// The account and the ARN of these credentials, and AWS's time, also if AWS refuses.
    pub(super) async fn identity(
        &self,
        own: &Credentials,
        seen: DateSeen,
    ) -> Result<(String, String), AwsError> {
        let own = config::Builder::new().credentials_provider(own.clone());
        let request = self.0.get_caller_identity().customize().interceptor(seen).config_override(own);
        let output = Box::pin(request.send()).await.map_err(|error| fault("GetCallerIdentity", &error))?;
        Ok((output.account.unwrap_or_default(), output.arn.unwrap_or_default()))
    }

    /// # Errors
    ///
    /// [`AwsError`], already classified.
    pub(super) async fn assume(
        &self,
        own: &Credentials,
        input: &AssumeRole,
    ) -> Result<Credentials, AwsError> {
        let tags =
            input.tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok());
        let request = self
            .0
            .assume_role()
            .role_arn(input.role_arn.as_str())
            .role_session_name(&input.session_name)
            .set_source_identity(input.source_identity.clone())
            .set_external_id(input.external_id.clone())
            .set_tags((!input.tags.is_empty()).then(|| tags.collect()))
            .set_policy(input.scope.as_ref().map(|scope| scope.policy(&input.role_arn)))
            .duration_seconds(DURATION_SECONDS);
        let own = config::Builder::new().credentials_provider(own.clone());
        let output = Box::pin(request.customize().config_override(own).send())
            .await
            .map_err(|error| fault("AssumeRole", &error))?;
        let unusable = |what: &str| AwsError::new(AwsErrorKind::Credentials, format!("AssumeRole: {what}"));
        let session = output.credentials.ok_or_else(|| unusable("the answer holds no credentials"))?;
        let expiry =
            SystemTime::try_from(session.expiration).map_err(|_| unusable("the expiration is no time"))?;
        Ok(Credentials::new(
            session.access_key_id,
            session.secret_access_key,
            Some(session.session_token),
            Some(expiry),
            "AssumeRole",
        ))
    }
}
