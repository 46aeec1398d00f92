//! The calls to SageMaker. The SDK's outputs show the URL to anyone who formats them, so none leaves this file.

mod profiles;

use super::credentials::Credentials;
use super::domains::Domain;
use super::error::{AwsError, AwsErrorKind, for_log};
use super::mlflow::{AppSummary, apps_page, sdk_tags, tags_page};
use super::resource::Resource;
use super::sdk::{AnswerLimit, OfTheCall, fault, request_id, signed_with};
use crate::clock::UnixSeconds;
use crate::target::{
    ARN, DOMAIN_ID, DomainId, EXPIRES_IN_SECONDS, Kind, LANDING_URI, Mint, NOTEBOOK_INSTANCE_NAME,
    NewProfile, Region, SESSION_EXPIRATION_SECONDS, SPACE_NAME, TRACKING_SERVER_NAME, USER_PROFILE_NAME,
};
use aws_sdk_sagemaker::operation::describe_domain::DescribeDomainOutput;
use aws_sdk_sagemaker::types::{
    ExecutionRoleSessionNameMode, FeatureStatus, PartnerAppAuthType, StudioWebPortalSettings, UserSettings,
};
use aws_sdk_sagemaker::{Client, config};
use moka::sync::Cache;
use std::pin::Pin;
use zeroize::Zeroizing;

/// Clients kept: more than a policy names endpoints. A forgotten client is made anew without loss.
const MOST_ENDPOINTS: u64 = 64;

/// One client for each endpoint, for all people: it has no credentials, each call brings its own ([`OfTheCall`]).
///
/// [`OfTheCall`]: super::sdk::OfTheCall
#[derive(Debug)]
pub(super) struct SageMaker {
    settings: config::Config,
    endpoint_url: Option<String>,
    clients: Cache<Endpoint, Client>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Endpoint {
    region: Region,
    endpoint_url: Option<String>,
}

/// The region and endpoint of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub(super) region: &'a Region,
    pub(super) endpoint_url: Option<&'a str>,
}

/// AWS's answer to a presign call.
pub(crate) struct Minted {
    /// Unchecked; empty if the answer has no URL.
    pub(crate) url: Zeroizing<String>,
    pub(crate) aws_request_id: Option<String>,
}

/// The owner that AWS expects of a tracking server's bucket, and whether it checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoreOwnership {
    pub(crate) account_id: Option<String>,
    pub(crate) is_verified: Option<bool>,
}

/// A resource's state in AWS's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) status: String,
    /// AWS's reason for a failed state.
    pub(super) failure_reason: Option<String>,
    /// The time of the last change, if AWS tells it of this kind.
    pub(super) changed: Option<UnixSeconds>,
    /// For MLflow tracking servers, which have it beside the status.
    pub(super) is_active: Option<bool>,
    /// For MLflow's targets, which have it beside the status.
    pub(super) maintenance: Option<String>,
    /// For partner apps only: people sign in to it by IAM Identity Center.
    pub(super) is_of_identity_center: bool,
    /// For tracking servers only.
    pub(super) store: Option<StoreOwnership>,
    /// For MLflow's targets only.
    pub(super) artifact_store_uri: Option<String>,
}

/// Sends one operation and turns its error into ours. The SDK's future is boxed without its type, which is nested
/// deeply enough to stop the compiler.
macro_rules! send {
    ($operation:expr, $request:expr, $credentials:expr) => {{
        let call: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(signed_with($credentials, $request.send()));
        call.await.map_err(|error| fault($operation, &error))?
    }};
}

impl SageMaker {
    /// `endpoint_url` replaces the public endpoint for mints that do not name their own.
    pub(super) fn new(sdk: &aws_config::SdkConfig, endpoint_url: Option<String>) -> Self {
        let settings = config::Builder::from(sdk)
            .interceptor(AnswerLimit)
            .credentials_provider(OfTheCall)
            .identity_cache(config::IdentityCache::no_cache())
            .build();
        Self { settings, endpoint_url, clients: Cache::new(MOST_ENDPOINTS) }
    }

    /// # Errors
    ///
    /// [`AwsError`], already classified.
    pub(super) async fn presign(&self, mint: &Mint, credentials: &Credentials) -> Result<Minted, AwsError> {
        let operation = mint.target.operation();
        let client = self.client(At { region: &mint.region, endpoint_url: mint.endpoint_url.as_deref() });
        let target = &mint.target;
        let text = |key: &str| target.text(key).map(str::to_owned);
        let (expires_in, session) =
            (target.seconds(EXPIRES_IN_SECONDS), target.seconds(SESSION_EXPIRATION_SECONDS));
        let (url, aws_request_id) = match target.kind() {
            Kind::StudioDomain => {
                let request = client
                    .create_presigned_domain_url()
                    .set_domain_id(text(DOMAIN_ID))
                    .set_user_profile_name(text(USER_PROFILE_NAME))
                    .set_space_name(text(SPACE_NAME))
                    .set_landing_uri(text(LANDING_URI))
                    .set_expires_in_seconds(expires_in)
                    .set_session_expiration_duration_in_seconds(session);
                let output = send!(operation, request, credentials);
                let request_id = request_id(&output);
                (output.authorized_url, request_id)
            }
            Kind::MlflowTrackingServer => {
                let request = client
                    .create_presigned_mlflow_tracking_server_url()
                    .set_tracking_server_name(text(TRACKING_SERVER_NAME))
                    .set_expires_in_seconds(expires_in)
                    .set_session_expiration_duration_in_seconds(session);
                let output = send!(operation, request, credentials);
                let request_id = request_id(&output);
                (output.authorized_url, request_id)
            }
            Kind::MlflowApp => {
                let request = client
                    .create_presigned_mlflow_app_url()
                    .set_arn(text(ARN))
                    .set_expires_in_seconds(expires_in)
                    .set_session_expiration_duration_in_seconds(session);
                let output = send!(operation, request, credentials);
                let request_id = request_id(&output);
                (output.authorized_url, request_id)
            }
            Kind::NotebookInstance => {
                let request = client
                    .create_presigned_notebook_instance_url()
                    .set_notebook_instance_name(text(NOTEBOOK_INSTANCE_NAME))
                    .set_session_expiration_duration_in_seconds(session);
                let output = send!(operation, request, credentials);
                let request_id = request_id(&output);
                (output.authorized_url, request_id)
            }
            Kind::PartnerApp => {
                let request = client
                    .create_partner_app_presigned_url()
                    .set_arn(text(ARN))
                    .set_expires_in_seconds(expires_in)
                    .set_session_expiration_duration_in_seconds(session);
                let output = send!(operation, request, credentials);
                let request_id = request_id(&output);
                (output.url, request_id)
            }
        };
        Ok(Minted { url: Zeroizing::new(url.unwrap_or_default()), aws_request_id })
    }

    /// # Errors
    ///
    /// [`AwsError`], already classified.
    pub(super) async fn describe(
        &self,
        resource: &Resource,
        at: At<'_>,
        credentials: &Credentials,
    ) -> Result<Described, AwsError> {
        let operation = resource.describe_operation();
        let client = self.client(at);
        let (mut store, mut artifact_store_uri) = (None, None);
        let (mut changed, mut failure_reason) = (None, None);
        let (mut maintenance, mut is_of_identity_center) = (None, false);
        let (status, is_active) = match resource.kind() {
            Kind::StudioDomain => {
                let request = client
                    .describe_user_profile()
                    .set_domain_id(resource.name(DOMAIN_ID))
                    .set_user_profile_name(resource.name(USER_PROFILE_NAME));
                let output = send!(operation, request, credentials);
                failure_reason = output.failure_reason;
                (output.status.map(|status| status.as_str().to_owned()), None)
            }
            Kind::MlflowTrackingServer => {
                let name = resource.name(TRACKING_SERVER_NAME);
                let request = client.describe_mlflow_tracking_server().set_tracking_server_name(name);
                let output = send!(operation, request, credentials);
                let is_active = output.is_active.map(|active| active.as_str() == "Active");
                changed = output.last_modified_time;
                maintenance =
                    output.tracking_server_maintenance_status.map(|status| status.as_str().to_owned());
                artifact_store_uri = output.artifact_store_uri;
                store = Some(StoreOwnership {
                    account_id: output.s3_bucket_owner_account_id,
                    is_verified: output.s3_bucket_owner_verification,
                });
                (output.tracking_server_status.map(|status| status.as_str().to_owned()), is_active)
            }
            Kind::MlflowApp => {
                let request = client.describe_mlflow_app().set_arn(resource.name(ARN));
                let output = send!(operation, request, credentials);
                maintenance = output.maintenance_status.map(|status| status.as_str().to_owned());
                artifact_store_uri = output.artifact_store_uri;
                (output.status.map(|status| status.as_str().to_owned()), None)
            }
            Kind::NotebookInstance => {
                let name = resource.name(NOTEBOOK_INSTANCE_NAME);
                let request = client.describe_notebook_instance().set_notebook_instance_name(name);
                let output = send!(operation, request, credentials);
                (changed, failure_reason) = (output.last_modified_time, output.failure_reason);
                (output.notebook_instance_status.map(|status| status.as_str().to_owned()), None)
            }
            Kind::PartnerApp => {
                let request = client.describe_partner_app().set_arn(resource.name(ARN));
                let output = send!(operation, request, credentials);
                is_of_identity_center = output.auth_type == Some(PartnerAppAuthType::Idc);
                (output.status.map(|status| status.as_str().to_owned()), None)
            }
        };
        Ok(Described {
            status: status.unwrap_or_default(),
            failure_reason: failure_reason.map(|reason| for_log(&reason)).filter(|reason| !reason.is_empty()),
            changed: changed.and_then(|at| u64::try_from(at.secs()).ok()).map(UnixSeconds),
            is_active,
            maintenance,
            is_of_identity_center,
            store,
            artifact_store_uri,
        })
    }

    /// Starts a stopped tracking server or notebook instance.
    ///
    /// # Errors
    ///
    /// [`AwsError`], already classified.
    pub(super) async fn start(
        &self,
        resource: &Resource,
        at: At<'_>,
        credentials: &Credentials,
    ) -> Result<Option<String>, AwsError> {
        let client = self.client(at);
        match (resource.kind(), resource.kind().start_operation()) {
            (Kind::MlflowTrackingServer, Some(operation)) => {
                let name = resource.name(TRACKING_SERVER_NAME);
                let request = client.start_mlflow_tracking_server().set_tracking_server_name(name);
                Ok(request_id(&send!(operation, request, credentials)))
            }
            (Kind::NotebookInstance, Some(operation)) => {
                let name = resource.name(NOTEBOOK_INSTANCE_NAME);
                let request = client.start_notebook_instance().set_notebook_instance_name(name);
                Ok(request_id(&send!(operation, request, credentials)))
            }
            (kind, _) => {
                let message = format!("a {} cannot be started", kind.as_str());
                Err(AwsError::new(AwsErrorKind::Refused, message))
            }
        }
    }

    /// # Errors
    ///
    /// [`AwsError`], already classified.
    pub(super) async fn domain(
        &self,
        domain_id: &DomainId,
        at: At<'_>,
        credentials: &Credentials,
    ) -> Result<Domain, AwsError> {
        let request = self.client(at).describe_domain().domain_id(domain_id.as_str());
        let output = send!("DescribeDomain", request, credentials);
        Ok(domain_of(output))
    }

    /// Creates the user profile that a resource names.
    ///
    /// # Errors
    ///
    /// [`AwsError`], already classified.
    pub(super) async fn create_profile(
        &self,
        resource: &Resource,
        profile: &NewProfile,
        tags: &[(String, String)],
        at: At<'_>,
        credentials: &Credentials,
    ) -> Result<Option<String>, AwsError> {
        let request = self
            .client(at)
            .create_user_profile()
            .set_domain_id(resource.name(DOMAIN_ID))
            .set_user_profile_name(resource.name(USER_PROFILE_NAME))
            .set_tags(Some(sdk_tags(tags)))
            .user_settings(user_settings(profile));
        Ok(request_id(&send!("CreateUserProfile", request, credentials)))
    }

    /// One page of `ListTags`, and the token of the next page.
    ///
    /// # Errors
    ///
    /// [`AwsError`], already classified.
    pub(super) async fn tags(
        &self,
        arn: &str,
        token: Option<String>,
        at: At<'_>,
        credentials: &Credentials,
    ) -> Result<(Vec<(String, String)>, Option<String>), AwsError> {
        let request = self.client(at).list_tags().resource_arn(arn).set_next_token(token);
        Ok(tags_page(send!("ListTags", request, credentials)))
    }

    /// One page of `ListMlflowApps`, and the token of the next page.
    ///
    /// # Errors
    ///
    /// [`AwsError`], already classified.
    pub(super) async fn apps(
        &self,
        at: At<'_>,
        token: Option<String>,
        credentials: &Credentials,
    ) -> Result<(Vec<AppSummary>, Option<String>), AwsError> {
        let request = self.client(at).list_mlflow_apps().max_results(100).set_next_token(token);
        Ok(apps_page(send!("ListMlflowApps", request, credentials)))
    }

    fn client(&self, at: At<'_>) -> Client {
        let endpoint_url = at.endpoint_url.or(self.endpoint_url.as_deref()).map(str::to_owned);
        let endpoint = Endpoint { region: at.region.clone(), endpoint_url };
        self.clients.get_with_by_ref(&endpoint, || {
            let mut config =
                self.settings.to_builder().region(config::Region::new(endpoint.region.to_string()));
            // If absent, it stays the region's own, or the one that the environment names.
            if endpoint.endpoint_url.is_some() {
                config.set_endpoint_url(endpoint.endpoint_url.clone());
            }
            Client::from_conf(config.build())
        })
    }
}

fn domain_of(output: DescribeDomainOutput) -> Domain {
    let unified = output.domain_settings.and_then(|settings| settings.unified_studio_settings);
    let portal = output.default_user_settings.and_then(|settings| settings.studio_web_portal_settings);
    let mode = portal.and_then(|portal| portal.execution_role_session_name_mode);
    Domain {
        auth_mode: output.auth_mode.map(|mode| mode.as_str().to_owned()).unwrap_or_default(),
        url: output.url,
        unified_studio_only: unified.and_then(|unified| unified.studio_web_portal_access)
            == Some(FeatureStatus::Disabled),
        names_people: mode == Some(ExecutionRoleSessionNameMode::UserIdentity),
    }
}

/// The domain's own settings hold for everything that is not given here.
fn user_settings(profile: &NewProfile) -> UserSettings {
    let mode = if profile.names_people {
        ExecutionRoleSessionNameMode::UserIdentity
    } else {
        ExecutionRoleSessionNameMode::Static
    };
    let portal = StudioWebPortalSettings::builder().execution_role_session_name_mode(mode).build();
    UserSettings::builder()
        .set_execution_role(profile.execution_role.as_ref().map(ToString::to_string))
        .studio_web_portal_settings(portal)
        .build()
}
