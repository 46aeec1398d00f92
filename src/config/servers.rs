//! MLflow tracking servers and Apps in their final form: one table of the fields that AWS has for each kind.
//!
//! The table says what AWS does with a field, so that planning, applying and reporting need no list of their own. A new
//! field is one entry here, one member of the written form, and its place in AWS's input and output (`aws`).

use crate::target::Region;
use std::fmt;

/// The kinds that can be declared: both have a name, an artifact store and a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerKind {
    TrackingServer,
    MlflowApp,
}

/// One tracking server or App as the configuration declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredServer {
    pub kind: ServerKind,
    /// The tracking server's name, or the App's.
    pub name: String,
    pub region: Region,
    /// The fields that are written; an absent one is not managed.
    pub fields: Fields,
    /// In the order of the configuration.
    pub tags: Vec<(String, String)>,
    /// The keys of tags that the server must not have.
    pub removed_tags: Vec<String>,
}

/// The fields of a tracking server or App, in the order of [`ServerKind::fields`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Field, Value)>);

/// A field that AWS knows. Its word is AWS's member name in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    ArtifactStoreUri,
    RoleArn,
    TrackingServerSize,
    MlflowVersion,
    AutomaticModelRegistration,
    WeeklyMaintenanceWindowStart,
    S3BucketOwnerAccountId,
    S3BucketOwnerVerification,
    KmsKeyId,
    ModelRegistrationMode,
    AccountDefaultStatus,
    DefaultDomainIdList,
}

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Flag(bool),
    /// A set: AWS promises no order.
    Texts(Vec<String>),
}

impl ServerKind {
    /// The fields of this kind, in the order in which they are shown.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::TrackingServer => &[
                Field::ArtifactStoreUri,
                Field::RoleArn,
                Field::TrackingServerSize,
                Field::MlflowVersion,
                Field::AutomaticModelRegistration,
                Field::WeeklyMaintenanceWindowStart,
                Field::S3BucketOwnerAccountId,
                Field::S3BucketOwnerVerification,
            ],
            Self::MlflowApp => &[
                Field::ArtifactStoreUri,
                Field::RoleArn,
                Field::KmsKeyId,
                Field::ModelRegistrationMode,
                Field::WeeklyMaintenanceWindowStart,
                Field::AccountDefaultStatus,
                Field::DefaultDomainIdList,
            ],
        }
    }

    /// The kind in words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::TrackingServer => "tracking server",
            Self::MlflowApp => "MLflow App",
        }
    }

    /// The configuration's key.
    pub fn key(self) -> &'static str {
        match self {
            Self::TrackingServer => "mlflow_tracking_servers",
            Self::MlflowApp => "mlflow_apps",
        }
    }
}

impl Field {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ArtifactStoreUri => "artifact_store_uri",
            Self::RoleArn => "role_arn",
            Self::TrackingServerSize => "tracking_server_size",
            Self::MlflowVersion => "mlflow_version",
            Self::AutomaticModelRegistration => "automatic_model_registration",
            Self::WeeklyMaintenanceWindowStart => "weekly_maintenance_window_start",
            Self::S3BucketOwnerAccountId => "s3_bucket_owner_account_id",
            Self::S3BucketOwnerVerification => "s3_bucket_owner_verification",
            Self::KmsKeyId => "kms_key_id",
            Self::ModelRegistrationMode => "model_registration_mode",
            Self::AccountDefaultStatus => "account_default_status",
            Self::DefaultDomainIdList => "default_domain_id_list",
        }
    }

    /// The reason why AWS cannot change the field of an existing server, and what to do instead; `None` if AWS can.
    pub fn immutable(self) -> Option<&'static str> {
        match self {
            Self::RoleArn => Some(
                "AWS changes no role. Give the existing role the permissions that the new one has, or declare \
                 another server and move the runs with mlflow-export-import",
            ),
            Self::MlflowVersion => Some(
                "AWS upgrades no tracking server. Declare another server with this version, move the runs with \
                 mlflow-export-import, then stop the old one",
            ),
            Self::KmsKeyId => Some(
                "AWS changes no KMS key. Declare another App with this key and move the runs with mlflow-export-import",
            ),
            _ => None,
        }
    }

    /// AWS's value for a field that is not given at creation.
    pub fn default(self) -> &'static str {
        match self {
            Self::ArtifactStoreUri | Self::RoleArn => "",
            Self::TrackingServerSize => "Small",
            Self::MlflowVersion => "AWS's newest",
            Self::AutomaticModelRegistration => "false",
            Self::WeeklyMaintenanceWindowStart => "AWS chooses one",
            Self::S3BucketOwnerAccountId => "the caller's account",
            Self::S3BucketOwnerVerification => "true",
            Self::KmsKeyId | Self::DefaultDomainIdList => "none",
            Self::ModelRegistrationMode | Self::AccountDefaultStatus => "AWS's default",
        }
    }

    /// Whether the declared value is the one that AWS describes. AWS is asked for MLflow `2.16` and describes `2.16.2`,
    /// and it may add a slash at the end of a store.
    pub fn agrees(self, declared: &Value, described: &Value) -> bool {
        match (self, declared, described) {
            (Self::MlflowVersion, Value::Text(declared), Value::Text(described)) => {
                described == declared
                    || described.strip_prefix(declared.as_str()).is_some_and(|rest| rest.starts_with('.'))
            }
            (Self::ArtifactStoreUri, Value::Text(declared), Value::Text(described)) => {
                declared.trim_end_matches('/') == described.trim_end_matches('/')
            }
            (_, Value::Texts(declared), Value::Texts(described)) => {
                let sorted = |texts: &[String]| {
                    let mut texts = texts.to_vec();
                    texts.sort_unstable();
                    texts
                };
                sorted(declared) == sorted(described)
            }
            (_, declared, described) => declared == described,
        }
    }
}

impl Fields {
    pub fn push(&mut self, field: Field, value: Option<Value>) {
        if let Some(value) = value {
            self.0.push((field, value));
        }
    }

    pub fn get(&self, field: Field) -> Option<&Value> {
        self.0.iter().find_map(|(known, value)| (*known == field).then_some(value))
    }

    /// The text of a field that is a text.
    pub fn text(&self, field: Field) -> Option<&str> {
        match self.get(field) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn flag(&self, field: Field) -> Option<bool> {
        match self.get(field) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    pub fn texts(&self, field: Field) -> Option<&[String]> {
        match self.get(field) {
            Some(Value::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Field, &Value)> {
        self.0.iter().map(|(field, value)| (*field, value))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Field, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (Field, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Flag(flag) => flag.fmt(f),
            Self::Texts(texts) if texts.is_empty() => f.write_str("none"),
            Self::Texts(texts) => f.write_str(&texts.join(", ")),
        }
    }
}
