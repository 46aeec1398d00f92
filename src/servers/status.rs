//! The servers at AWS, one by one.

use super::find::{ServersError, find};
use crate::aws::mlflow::{Described, Stamp};
use crate::aws::operator::Operator;
use crate::config::servers::{DeclaredServer, Field};
use serde::Serialize;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// One server for people and programs. Facts that AWS does not tell are absent.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ServerStatus {
    kind: &'static str,
    name: String,
    region: String,
    exists: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    arn: Option<String>,
    status: Option<String>,
    is_active: Option<String>,
    maintenance_status: Option<String>,
    mlflow_version: Option<String>,
    tracking_server_size: Option<String>,
    artifact_store_uri: Option<String>,
    s3_bucket_owner_account_id: Option<String>,
    s3_bucket_owner_verification: Option<bool>,
    created_at: Option<String>,
    created_by: Option<String>,
    last_modified_at: Option<String>,
    last_modified_by: Option<String>,
    url: Option<String>,
}

/// Looks at each in turn. A server that AWS refuses to describe does not hide the others.
pub(crate) async fn statuses(operator: &Operator, declared: &[&DeclaredServer]) -> Vec<ServerStatus> {
    let mut statuses = Vec::new();
    for server in declared {
        statuses.push(ServerStatus::new(server, find(operator, server).await));
    }
    statuses
}

impl ServerStatus {
    fn new(declared: &DeclaredServer, found: Result<Option<Described>, ServersError>) -> Self {
        let error = found.as_ref().err().map(ToString::to_string);
        let found = found.ok().flatten();
        let exists = found.is_some();
        let described = found.unwrap_or_default();
        let text = |field| described.fields.text(field).map(str::to_owned);
        let present = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let at = |stamp: &Stamp| {
            stamp.at.map(|at| {
                let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at.0);
                humantime::format_rfc3339_seconds(at).to_string()
            })
        };
        Self {
            kind: declared.kind.key(),
            name: declared.name.clone(),
            region: declared.region.to_string(),
            exists,
            error,
            arn: present(&described.arn),
            status: present(&described.status),
            mlflow_version: text(Field::MlflowVersion),
            tracking_server_size: text(Field::TrackingServerSize),
            artifact_store_uri: text(Field::ArtifactStoreUri),
            s3_bucket_owner_account_id: text(Field::S3BucketOwnerAccountId),
            s3_bucket_owner_verification: described.fields.flag(Field::S3BucketOwnerVerification),
            created_at: at(&described.created),
            created_by: described.created.by.clone(),
            last_modified_at: at(&described.modified),
            last_modified_by: described.modified.by.clone(),
            is_active: described.is_active,
            maintenance_status: described.maintenance,
            url: described.url,
        }
    }

    pub(crate) fn failed(&self) -> bool {
        self.error.is_some()
    }

    /// One server on a few lines; without a line for facts that AWS does not tell.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let state = match (&self.error, &self.status) {
            (Some(error), _) => format!("cannot be told: {error}"),
            (None, Some(status)) => status.clone(),
            (None, None) => "does not exist".to_owned(),
        };
        let words = if self.kind == "mlflow_apps" { "MLflow App" } else { "tracking server" };
        let _ = writeln!(text, "{words} {} ({}): {state}", self.name, self.region);
        let verification = self.s3_bucket_owner_verification.map(|checked| checked.to_string());
        let by = |at: &Option<String>, by: &Option<String>| match (at, by) {
            (Some(at), Some(by)) => Some(format!("{at} by {by}")),
            (at, _) => at.clone(),
        };
        let lines = [
            ("is_active", self.is_active.clone()),
            ("maintenance", self.maintenance_status.clone()),
            ("mlflow_version", self.mlflow_version.clone()),
            ("tracking_server_size", self.tracking_server_size.clone()),
            ("artifact_store_uri", self.artifact_store_uri.clone()),
            ("s3_bucket_owner_account_id", self.s3_bucket_owner_account_id.clone()),
            ("s3_bucket_owner_verification", verification),
            ("created", by(&self.created_at, &self.created_by)),
            ("last modified", by(&self.last_modified_at, &self.last_modified_by)),
            ("url", self.url.clone()),
        ];
        for (name, value) in lines {
            if let Some(value) = value {
                let _ = writeln!(text, "  {name:<29} {value}");
            }
        }
        text
    }
}
