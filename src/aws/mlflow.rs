//! The control plane of MLflow tracking servers and Apps, called with an operator's own credentials.
//!
//! Nothing is tried again here: whether a refused or unanswered call may be repeated depends on the intended change.

use super::error::AwsError;
use super::sdk::{AnswerLimit, fault};
use crate::clock::UnixSeconds;
use crate::config::servers::{Field, Fields, ServerKind, Value};
use aws_config::SdkConfig;
use aws_sdk_sagemaker::operation::list_mlflow_apps::ListMlflowAppsOutput;
use aws_sdk_sagemaker::operation::list_tags::ListTagsOutput;
use aws_sdk_sagemaker::types::{
    AccountDefaultStatus, ModelRegistrationMode, Tag, TrackingServerSize, UserContext,
};
use aws_sdk_sagemaker::{Client, config};
use aws_smithy_types::DateTime;

/// An existing tracking server or App as AWS describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) arn: String,
    /// `TrackingServerStatus` or `Status`, AWS's word.
    pub(crate) status: String,
    /// `Active` or `Inactive`; Apps have none.
    pub(crate) is_active: Option<String>,
    pub(crate) maintenance: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) created: Stamp,
    pub(crate) modified: Stamp,
    pub(crate) fields: Fields,
    pub(crate) tags: Vec<(String, String)>,
}

/// The time and author of an event, as far as AWS tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) at: Option<UnixSeconds>,
    pub(crate) by: Option<String>,
}

/// SageMaker in one region.
#[derive(Debug)]
pub(crate) struct ControlPlane(Client);

impl ControlPlane {
    pub(super) fn new(sdk: &SdkConfig, endpoint_url: Option<String>) -> Self {
        let mut builder = config::Builder::from(sdk).interceptor(AnswerLimit);
        if endpoint_url.is_some() {
            builder.set_endpoint_url(endpoint_url);
        }
        Self(Client::from_conf(builder.build()))
    }

    /// `DescribeMlflowTrackingServer`, without the tags.
    pub(crate) async fn describe_tracking_server(&self, name: &str) -> Result<Described, AwsError> {
        let sent = Box::pin(self.0.describe_mlflow_tracking_server().tracking_server_name(name).send()).await;
        let output = sent.map_err(|error| fault("DescribeMlflowTrackingServer", &error))?;
        let mut fields = Fields::default();
        fields.push(Field::ArtifactStoreUri, output.artifact_store_uri.map(Value::Text));
        fields.push(Field::RoleArn, output.role_arn.map(Value::Text));
        fields.push(Field::TrackingServerSize, output.tracking_server_size.map(|size| word(size.as_str())));
        fields.push(Field::MlflowVersion, output.mlflow_version.map(Value::Text));
        fields.push(Field::AutomaticModelRegistration, output.automatic_model_registration.map(Value::Flag));
        fields.push(
            Field::WeeklyMaintenanceWindowStart,
            output.weekly_maintenance_window_start.map(Value::Text),
        );
        fields.push(Field::S3BucketOwnerAccountId, output.s3_bucket_owner_account_id.map(Value::Text));
        fields.push(Field::S3BucketOwnerVerification, output.s3_bucket_owner_verification.map(Value::Flag));
        Ok(Described {
            arn: output.tracking_server_arn.unwrap_or_default(),
            status: output.tracking_server_status.map(|word| word.as_str().to_owned()).unwrap_or_default(),
            is_active: output.is_active.map(|word| word.as_str().to_owned()),
            maintenance: output.tracking_server_maintenance_status.map(|word| word.as_str().to_owned()),
            url: output.tracking_server_url,
            created: stamp(output.creation_time, output.created_by),
            modified: stamp(output.last_modified_time, output.last_modified_by),
            fields,
            tags: Vec::new(),
        })
    }

    /// `DescribeMlflowApp`, without the tags.
    pub(crate) async fn describe_app(&self, arn: &str) -> Result<Described, AwsError> {
        let sent = Box::pin(self.0.describe_mlflow_app().arn(arn).send()).await;
        let output = sent.map_err(|error| fault("DescribeMlflowApp", &error))?;
        let mut fields = Fields::default();
        fields.push(Field::ArtifactStoreUri, output.artifact_store_uri.map(Value::Text));
        fields.push(Field::RoleArn, output.role_arn.map(Value::Text));
        fields.push(Field::MlflowVersion, output.mlflow_version.map(Value::Text));
        fields.push(Field::KmsKeyId, output.kms_key_id.map(Value::Text));
        fields.push(
            Field::ModelRegistrationMode,
            output.model_registration_mode.map(|mode| word(mode.as_str())),
        );
        fields.push(
            Field::WeeklyMaintenanceWindowStart,
            output.weekly_maintenance_window_start.map(Value::Text),
        );
        fields.push(
            Field::AccountDefaultStatus,
            output.account_default_status.map(|status| word(status.as_str())),
        );
        fields.push(
            Field::DefaultDomainIdList,
            Some(Value::Texts(output.default_domain_id_list.unwrap_or_default())),
        );
        Ok(Described {
            arn: output.arn.unwrap_or_default(),
            status: output.status.map(|word| word.as_str().to_owned()).unwrap_or_default(),
            is_active: None,
            maintenance: output.maintenance_status.map(|word| word.as_str().to_owned()),
            url: None,
            created: stamp(output.creation_time, output.created_by),
            modified: stamp(output.last_modified_time, output.last_modified_by),
            fields,
            tags: Vec::new(),
        })
    }

    /// One page of `ListMlflowApps`: name, ARN and status of each, and the token of the next page.
    pub(crate) async fn list_apps(
        &self,
        token: Option<String>,
    ) -> Result<(Vec<AppSummary>, Option<String>), AwsError> {
        let sent = Box::pin(self.0.list_mlflow_apps().max_results(100).set_next_token(token).send()).await;
        let output = sent.map_err(|error| fault("ListMlflowApps", &error))?;
        Ok(apps_page(output))
    }

    /// One page of `ListTags`, and the token of the next page.
    pub(crate) async fn list_tags(
        &self,
        arn: &str,
        token: Option<String>,
    ) -> Result<(Vec<(String, String)>, Option<String>), AwsError> {
        let sent = Box::pin(self.0.list_tags().resource_arn(arn).set_next_token(token).send()).await;
        Ok(tags_page(sent.map_err(|error| fault("ListTags", &error))?))
    }

    /// `CreateMlflowTrackingServer` or `CreateMlflowApp`. An explicit `false` is sent.
    pub(crate) async fn create(
        &self,
        kind: ServerKind,
        name: &str,
        fields: &Fields,
        tags: &[(String, String)],
    ) -> Result<(), AwsError> {
        let tags = (!tags.is_empty()).then(|| sdk_tags(tags));
        match kind {
            ServerKind::TrackingServer => {
                let request = self
                    .0
                    .create_mlflow_tracking_server()
                    .tracking_server_name(name)
                    .set_artifact_store_uri(text(fields, Field::ArtifactStoreUri))
                    .set_role_arn(text(fields, Field::RoleArn))
                    .set_tracking_server_size(size(fields))
                    .set_mlflow_version(text(fields, Field::MlflowVersion))
                    .set_automatic_model_registration(fields.flag(Field::AutomaticModelRegistration))
                    .set_weekly_maintenance_window_start(text(fields, Field::WeeklyMaintenanceWindowStart))
                    .set_s3_bucket_owner_account_id(text(fields, Field::S3BucketOwnerAccountId))
                    .set_s3_bucket_owner_verification(fields.flag(Field::S3BucketOwnerVerification))
                    .set_tags(tags);
                let sent = Box::pin(request.send()).await;
                sent.map_err(|error| fault("CreateMlflowTrackingServer", &error))?;
            }
            ServerKind::MlflowApp => {
                let request = self
                    .0
                    .create_mlflow_app()
                    .name(name)
                    .set_artifact_store_uri(text(fields, Field::ArtifactStoreUri))
                    .set_role_arn(text(fields, Field::RoleArn))
                    .set_kms_key_id(text(fields, Field::KmsKeyId))
                    .set_model_registration_mode(mode(fields))
                    .set_weekly_maintenance_window_start(text(fields, Field::WeeklyMaintenanceWindowStart))
                    .set_account_default_status(default_status(fields))
                    .set_default_domain_id_list(
                        fields.texts(Field::DefaultDomainIdList).map(<[String]>::to_vec),
                    )
                    .set_tags(tags);
                Box::pin(request.send()).await.map_err(|error| fault("CreateMlflowApp", &error))?;
            }
        }
        Ok(())
    }

    /// `UpdateMlflowTrackingServer` or `UpdateMlflowApp` with exactly these fields; an absent one stays as it is.
    pub(crate) async fn update(
        &self,
        kind: ServerKind,
        name: &str,
        arn: &str,
        fields: &Fields,
    ) -> Result<(), AwsError> {
        match kind {
            ServerKind::TrackingServer => {
                let request = self
                    .0
                    .update_mlflow_tracking_server()
                    .tracking_server_name(name)
                    .set_artifact_store_uri(text(fields, Field::ArtifactStoreUri))
                    .set_tracking_server_size(size(fields))
                    .set_automatic_model_registration(fields.flag(Field::AutomaticModelRegistration))
                    .set_weekly_maintenance_window_start(text(fields, Field::WeeklyMaintenanceWindowStart))
                    .set_s3_bucket_owner_account_id(text(fields, Field::S3BucketOwnerAccountId))
                    .set_s3_bucket_owner_verification(fields.flag(Field::S3BucketOwnerVerification));
                let sent = Box::pin(request.send()).await;
                sent.map_err(|error| fault("UpdateMlflowTrackingServer", &error))?;
            }
            ServerKind::MlflowApp => {
                let request = self
                    .0
                    .update_mlflow_app()
                    .arn(arn)
                    .set_artifact_store_uri(text(fields, Field::ArtifactStoreUri))
                    .set_model_registration_mode(mode(fields))
                    .set_weekly_maintenance_window_start(text(fields, Field::WeeklyMaintenanceWindowStart))
                    .set_account_default_status(default_status(fields))
                    .set_default_domain_id_list(
                        fields.texts(Field::DefaultDomainIdList).map(<[String]>::to_vec),
                    );
                Box::pin(request.send()).await.map_err(|error| fault("UpdateMlflowApp", &error))?;
            }
        }
        Ok(())
    }

    /// `AddTags`: sets the values of these keys.
    pub(crate) async fn add_tags(&self, arn: &str, tags: &[(String, String)]) -> Result<(), AwsError> {
        let sent = Box::pin(self.0.add_tags().resource_arn(arn).set_tags(Some(sdk_tags(tags))).send()).await;
        sent.map(drop).map_err(|error| fault("AddTags", &error))
    }

    /// `DeleteTags`.
    pub(crate) async fn delete_tags(&self, arn: &str, keys: Vec<String>) -> Result<(), AwsError> {
        let sent = Box::pin(self.0.delete_tags().resource_arn(arn).set_tag_keys(Some(keys)).send()).await;
        sent.map(drop).map_err(|error| fault("DeleteTags", &error))
    }
}

/// An App as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppSummary {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) status: String,
}

impl AppSummary {
    /// A deleted App stays in the list for some time, and another App may have its name by then.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name == name && self.status != "Deleted"
    }
}

/// Pages of a list. No account has a longer one.
pub(crate) const MOST_PAGES: usize = 200;

/// The Apps of one page of `ListMlflowApps`, and the token of the next page.
pub(super) fn apps_page(output: ListMlflowAppsOutput) -> (Vec<AppSummary>, Option<String>) {
    let apps = output.summaries.unwrap_or_default().into_iter().map(|summary| AppSummary {
        name: summary.name.unwrap_or_default(),
        arn: summary.arn.unwrap_or_default(),
        status: summary.status.map(|word| word.as_str().to_owned()).unwrap_or_default(),
    });
    (apps.collect(), output.next_token.filter(|token| !token.is_empty()))
}

fn word(word: &str) -> Value {
    Value::Text(word.to_owned())
}

fn text(fields: &Fields, field: Field) -> Option<String> {
    fields.text(field).map(str::to_owned)
}

fn size(fields: &Fields) -> Option<TrackingServerSize> {
    fields.text(Field::TrackingServerSize).map(TrackingServerSize::from)
}

fn mode(fields: &Fields) -> Option<ModelRegistrationMode> {
    fields.text(Field::ModelRegistrationMode).map(ModelRegistrationMode::from)
}

fn default_status(fields: &Fields) -> Option<AccountDefaultStatus> {
    fields.text(Field::AccountDefaultStatus).map(AccountDefaultStatus::from)
}

/// The tags of one page of `ListTags`, and the token of the next page.
pub(super) fn tags_page(output: ListTagsOutput) -> (Vec<(String, String)>, Option<String>) {
    let tags = output.tags.unwrap_or_default().into_iter();
    let tags = tags.map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
    (tags.collect(), output.next_token.filter(|token| !token.is_empty()))
}

pub(super) fn sdk_tags(tags: &[(String, String)]) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// `IamIdentity` is documented for other kinds of resource only; where it is absent, the profile's name may be there.
fn stamp(at: Option<DateTime>, by: Option<UserContext>) -> Stamp {
    let by = by.and_then(|by| {
        let identity = by.iam_identity.and_then(|identity| identity.arn);
        identity.or(by.user_profile_name)
    });
    Stamp { at: at.and_then(|at| u64::try_from(at.secs()).ok()).map(UnixSeconds), by }
}
