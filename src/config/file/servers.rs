//! MLflow tracking servers and Apps as they are declared, with AWS's member names in snake case.

use crate::config::located::{At, Named};
use schemars::JsonSchema;
use serde::Deserialize;

/// A tracking server that `postern servers` creates and keeps as declared. A field that is left out is not managed.
/// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateMlflowTrackingServer.html>
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackingServer {
    /// In place of `aws.region`.
    pub region: Option<At<String>>,
    /// The S3 URI of the bucket and prefix that hold the artifacts: `s3://BUCKET/PREFIX`.
    pub artifact_store_uri: At<String>,
    /// The role that the server reads and writes the artifact store with. AWS never changes it on an existing server.
    pub role_arn: At<String>,
    /// `Small` for teams of up to 25 people, `Medium` up to 50, `Large` up to 100.
    pub tracking_server_size: Option<At<Size>>,
    /// Such as `"3.0"`, in quotes. AWS never changes it on an existing server.
    pub mlflow_version: Option<At<String>>,
    /// Whether new MLflow models are put into the SageMaker Model Registry.
    pub automatic_model_registration: Option<At<bool>>,
    /// Day and time in UTC, such as `"Tue:03:30"`.
    pub weekly_maintenance_window_start: Option<At<String>>,
    /// The account that owns the bucket, 12 digits in quotes. AWS's default is the caller's account.
    pub s3_bucket_owner_account_id: Option<At<String>>,
    /// Whether AWS checks the bucket's owner at each access. AWS's default is `true`.
    pub s3_bucket_owner_verification: Option<At<bool>>,
    /// Tags by key, at most 50. Other tags of the server are left alone.
    #[serde(default)]
    pub tags: Named<At<String>>,
    /// Keys of tags that are taken away.
    #[serde(default)]
    pub removed_tags: Vec<At<String>>,
}

/// An MLflow App that `postern servers` creates and keeps as declared. A field that is left out is not managed.
/// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateMlflowApp.html>
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MlflowApp {
    /// In place of `aws.region`.
    pub region: Option<At<String>>,
    /// The S3 URI of the bucket and prefix that hold the artifacts: `s3://BUCKET/PREFIX`.
    pub artifact_store_uri: At<String>,
    /// The role that the App reads and writes the artifact store with. AWS never changes it on an existing App.
    pub role_arn: At<String>,
    /// The KMS key that encrypts the App's data. AWS never changes it on an existing App.
    pub kms_key_id: Option<At<String>>,
    /// Whether new MLflow models are put into the SageMaker Model Registry.
    pub model_registration_mode: Option<At<ModelRegistrationMode>>,
    /// Day and time in UTC, such as `"Tue:03:30"`.
    pub weekly_maintenance_window_start: Option<At<String>>,
    /// Whether this App is the default of the whole account.
    pub account_default_status: Option<At<AccountDefaultStatus>>,
    /// The Studio domains whose default this App is.
    pub default_domain_id_list: Option<At<Vec<At<String>>>>,
    /// Tags by key, at most 50. Other tags of the App are left alone.
    #[serde(default)]
    pub tags: Named<At<String>>,
    /// Keys of tags that are taken away.
    #[serde(default)]
    pub removed_tags: Vec<At<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Size {
    Small,
    Medium,
    Large,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ModelRegistrationMode {
    AutoModelRegistrationEnabled,
    AutoModelRegistrationDisabled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountDefaultStatus {
    Enabled,
    Disabled,
}
