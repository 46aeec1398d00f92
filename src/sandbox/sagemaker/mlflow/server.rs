//! One tracking server or App of the sandbox: its description, and the changes of its status.

use super::super::error::Error;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// 2026-01-05T09:00:00Z, the time at which the fixture was created.
pub(super) const CREATED: u64 = 1_767_603_600;
/// Name, and whether it is running.
const TRACKING_SERVERS: [(&str, bool); 3] = [("experiments", true), ("risk", true), ("archive", false)];
/// Servers of such a name are stopped.
const ARCHIVES: &str = "archive-";
pub(super) const APP: (&str, &str) = ("app-EXPERIMENTS1", "experiments");
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sandbox::sagemaker) enum Sort {
    TrackingServer,
    App,
}

/// A resource by account, region, sort and its name (a server) or id (an App).
pub(super) type Key = (String, String, Sort, String);

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) name: String,
    /// The members of Describe that an input sets.
    pub(super) members: Map<String, Value>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) status: &'static str,
    /// The next status, and the time of the change.
    pub(super) next: Option<(&'static str, Instant)>,
    /// The status that Describe tells until this instant.
    pub(super) earlier: Option<(&'static str, Instant)>,
    /// Before this instant, Describe does not know the server.
    pub(super) visible: Instant,
    pub(super) created: u64,
    pub(super) modified: u64,
    pub(super) creator: String,
}

/// All words of `TrackingServerStatus`.
pub(super) const STATUSES: [&str; 17] = [
    "Creating",
    "Created",
    "CreateFailed",
    "Updating",
    "Updated",
    "UpdateFailed",
    "Deleting",
    "DeleteFailed",
    "Stopping",
    "Stopped",
    "StopFailed",
    "Starting",
    "Started",
    "StartFailed",
    "MaintenanceInProgress",
    "MaintenanceComplete",
    "MaintenanceFailed",
];

impl Server {
    pub(super) fn turn(&mut self, under_way: &'static str, ends: &'static str, pace: Duration) {
        self.status = under_way;
        self.next = Some((ends, Instant::now() + pace));
    }

    /// Describe tells the present status for some time.
    pub(super) fn lags(&mut self, lag: Duration) {
        self.earlier = (!lag.is_zero()).then(|| (self.status, Instant::now() + lag));
    }

    /// The server as Describe tells it.
    pub(super) fn shown(&self) -> Self {
        let earlier = self.earlier.filter(|(_, until)| *until > Instant::now());
        Self { status: earlier.map_or(self.status, |(status, _)| status), ..self.clone() }
    }

    pub(super) fn settle(&mut self) {
        if let Some((status, at)) = self.next
            && at <= Instant::now()
        {
            self.status = status;
            self.next = None;
        }
    }

    pub(super) fn is_active(&self) -> &'static str {
        match self.status {
            "Stopped" | "Stopping" | "Creating" | "Starting" | "CreateFailed" => "Inactive",
            _ => "Active",
        }
    }
}

/// With `any`, a server of every name exists and is ready.
pub(super) fn fixture((account, region, sort, id): &Key, any: bool) -> Option<Server> {
    let role = format!("arn:aws:iam::{account}:role/mlflow");
    let (name, status, members) = match sort {
        Sort::TrackingServer => {
            let known = TRACKING_SERVERS.iter().find(|(name, _)| name == id);
            let (name, running) = match known {
                _ if any => (id.as_str(), true),
                None if id.starts_with(ARCHIVES) => (id.as_str(), false),
                known => *known?,
            };
            let members = json!({
                "ArtifactStoreUri": "s3://sandbox-artifacts/mlflow", "RoleArn": role, "TrackingServerSize": "Small",
                "MlflowVersion": "3.0.0", "AutomaticModelRegistration": false,
                "WeeklyMaintenanceWindowStart": "Tue:03:30", "S3BucketOwnerAccountId": account,
                "S3BucketOwnerVerification": true,
                "TrackingServerUrl": format!("https://t-sandbox.{region}.experiments.sagemaker.aws"),
            });
            (name, if running { "Created" } else { "Stopped" }, members)
        }
        Sort::App if id == APP.0 || any => {
            let members = json!({
                "ArtifactStoreUri": "s3://sandbox-artifacts/mlflow-app", "RoleArn": role, "MlflowVersion": "3.4",
            });
            (APP.1, "Created", members)
        }
        Sort::App => return None,
    };
    let Value::Object(members) = members else { return None };
    Some(Server {
        name: name.to_owned(),
        members,
        tags: BTreeMap::new(),
        status,
        next: None,
        earlier: None,
        visible: Instant::now(),
        created: CREATED,
        modified: CREATED,
        creator: format!("arn:aws:iam::{account}:user/sandbox"),
    })
}

pub(super) fn description(key: &Key, server: &Server) -> Value {
    let mut members = server.members.clone();
    let by = json!({"IamIdentity": {"Arn": server.creator}});
    let common = match key.2 {
        Sort::TrackingServer => json!({
            "TrackingServerArn": describe_arn(key), "TrackingServerName": server.name,
            "TrackingServerStatus": server.status, "IsActive": server.is_active(),
        }),
        Sort::App => json!({"Arn": describe_arn(key), "Name": server.name, "Status": server.status}),
    };
    let times = json!({"CreationTime": server.created, "LastModifiedTime": server.modified, "CreatedBy": by});
    for more in [common, times] {
        if let Value::Object(more) = more {
            members.extend(more);
        }
    }
    Value::Object(members)
}

/// The members of an input that Describe repeats.
pub(super) fn set_members(members: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    const KNOWN: [&str; 11] = [
        "ArtifactStoreUri",
        "RoleArn",
        "TrackingServerSize",
        "MlflowVersion",
        "AutomaticModelRegistration",
        "WeeklyMaintenanceWindowStart",
        "S3BucketOwnerAccountId",
        "S3BucketOwnerVerification",
        "KmsKeyId",
        "ModelRegistrationMode",
        "AccountDefaultStatus",
    ];
    members.iter().filter(|(name, value)| {
        (KNOWN.contains(&name.as_str()) || *name == "DefaultDomainIdList") && !value.is_null()
    })
}

/// Buckets whose name begins with `foreign-` belong to the account 999988887777. AWS's words for the refusal are not
/// known.
pub(super) fn owner_fits(members: &Map<String, Value>) -> Result<(), Error> {
    let text = |name| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_foreign = text("ArtifactStoreUri").starts_with("s3://foreign-");
    let checks = members.get("S3BucketOwnerVerification") != Some(&Value::Bool(false));
    if is_foreign && checks && text("S3BucketOwnerAccountId") != "999988887777" {
        return Err(Error::validation("The bucket is not owned by the expected bucket owner account."));
    }
    Ok(())
}

pub(super) fn key(account: &str, region: &str, sort: Sort, id: &str) -> Key {
    (account.to_owned(), region.to_owned(), sort, id.to_owned())
}

pub(super) fn key_of_arn(arn: &str) -> Option<Key> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let [_, _, _, region, account, resource] = parts.as_slice() else { return None };
    let (kind, id) = resource.split_once('/')?;
    let sort = match kind {
        "mlflow-tracking-server" => Sort::TrackingServer,
        "mlflow-app" => Sort::App,
        _ => return None,
    };
    Some(key(account, region, sort, id))
}

pub(in crate::sandbox::sagemaker) fn app_id(arn: &str) -> Option<(String, String, String)> {
    let (account, region, sort, id) = key_of_arn(arn)?;
    (sort == Sort::App).then_some((account, region, id))
}

pub(super) fn describe_arn((account, region, sort, id): &Key) -> String {
    match sort {
        Sort::TrackingServer => arn(region, account, "mlflow-tracking-server", id),
        Sort::App => arn(region, account, "mlflow-app", id),
    }
}

pub(super) fn arn(region: &str, account: &str, kind: &str, id: &str) -> String {
    format!("arn:aws:sagemaker:{region}:{account}:{kind}/{id}")
}

pub(super) fn member(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
