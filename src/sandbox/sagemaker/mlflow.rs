//! Tracking servers and MLflow Apps that change: created, updated, started, stopped and tagged, with AWS's status words.
//!
//! A transition takes [`MlflowServers::pace`] where AWS takes minutes. The servers of the fixture exist in every
//! account and region until somebody changes them there.

mod apps;
mod server;

pub(super) use server::{Sort, app_id};

use self::apps::list_apps;
use self::server::{
    CREATED, Key, STATUSES, Server, arn, describe_arn, description, fixture, key, key_of_arn, member,
    owner_fits, set_members,
};
use super::error::Error;
use super::input::{Input, Patterns, Text};
use crate::clock::Clock;
use crate::sandbox::callers::Caller;
use crate::sandbox::lock::lock;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// How a change goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Course {
    /// Describe tells the earlier state for this long.
    pub(super) lag: Duration,
    /// It begins and does not end well.
    pub(super) fails: bool,
}

const fn text(min: usize, max: usize, pattern: &'static str) -> Text {
    Text { min, max, pattern: Some(pattern) }
}

pub(super) const SERVER_NAME: Text = text(1, 256, "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}");
pub(super) const APP_ARN: Text =
    text(1, 128, r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:mlflow-app/.*");
const STORE: Text = text(0, 1024, "(https|s3)://([^/]+)/?(.*)");
const VERSION: Text = text(0, 16, "[0-9]*.[0-9]*.[0-9]*");
const ROLE: Text = text(20, 2048, r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+");
const WINDOW: Text = text(0, 9, r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun):([01]\d|2[0-3]):([0-5]\d)");
const ACCOUNT: Text = text(12, 12, r"\d+");
const KEY: Text = text(0, 2048, "[a-zA-Z0-9:/_-]*");
const ARN: Text = text(0, 256, "arn:.*");
const ANY: Text = Text { min: 0, max: 8192, pattern: None };

pub(super) fn patterns() -> Vec<&'static str> {
    let texts = [SERVER_NAME, APP_ARN, STORE, VERSION, ROLE, WINDOW, ACCOUNT, KEY, ARN];
    texts.iter().filter_map(|text| text.pattern).collect()
}

pub(in crate::sandbox) struct MlflowServers {
    servers: Mutex<BTreeMap<Key, Server>>,
    clock: Clock,
    /// The duration of a transition.
    pace: Duration,
}

/// A call that changes or lists servers, and the resource by which IAM judges it.
pub(super) struct Change<'a> {
    pub(super) name: &'static str,
    members: &'a Map<String, Value>,
    target: Target,
}

enum Target {
    Named(Sort, String),
    Arn(String),
    /// The target of a list, which names none.
    All,
}

const CHANGES: [&str; 12] = [
    "CreateMlflowTrackingServer",
    "UpdateMlflowTrackingServer",
    "StartMlflowTrackingServer",
    "StopMlflowTrackingServer",
    "DeleteMlflowTrackingServer",
    "CreateMlflowApp",
    "UpdateMlflowApp",
    "DeleteMlflowApp",
    "ListMlflowApps",
    "AddTags",
    "DeleteTags",
    "ListTags",
];

impl<'a> Change<'a> {
    /// The call with its checked input, or `None` for another operation.
    pub(super) fn read(
        name: &str,
        members: &'a Map<String, Value>,
        patterns: &Patterns,
    ) -> Option<Result<Self, Error>> {
        let name = *CHANGES.iter().find(|known| **known == name)?;
        Some(Self::judged(name, members, patterns))
    }

    fn judged(
        name: &'static str,
        members: &'a Map<String, Value>,
        patterns: &Patterns,
    ) -> Result<Self, Error> {
        let mut input = Input::new(members, patterns);
        let target = match name {
            "ListMlflowApps" => Target::All,
            "AddTags" | "DeleteTags" | "ListTags" => Target::Arn(input.required("ResourceArn", ARN)?),
            "CreateMlflowApp" => Target::Named(Sort::App, input.required("Name", SERVER_NAME)?),
            "UpdateMlflowApp" | "DeleteMlflowApp" => Target::Arn(input.required("Arn", APP_ARN)?),
            _ => Target::Named(Sort::TrackingServer, input.required("TrackingServerName", SERVER_NAME)?),
        };
        if name.starts_with("Create") {
            input.required("ArtifactStoreUri", STORE)?;
            input.required("RoleArn", ROLE)?;
        } else if name.starts_with("Update") {
            input.text("ArtifactStoreUri", STORE)?;
        }
        input.text("MlflowVersion", VERSION)?;
        input.text("WeeklyMaintenanceWindowStart", WINDOW)?;
        input.text("S3BucketOwnerAccountId", ACCOUNT)?;
        input.text("KmsKeyId", KEY)?;
        input.text("NextToken", ANY)?;
        input.flag("AutomaticModelRegistration")?;
        input.flag("S3BucketOwnerVerification")?;
        input.one_of("TrackingServerSize", &["Small", "Medium", "Large"])?;
        input.one_of(
            "ModelRegistrationMode",
            &["AutoModelRegistrationEnabled", "AutoModelRegistrationDisabled"],
        )?;
        input.one_of("AccountDefaultStatus", &["ENABLED", "DISABLED"])?;
        input.finish()?;
        Ok(Self { name, members, target })
    }

    /// The ARN that IAM compares.
    pub(super) fn resource(&self, region: &str, account: &str) -> String {
        match &self.target {
            Target::Named(Sort::TrackingServer, name) => arn(region, account, "mlflow-tracking-server", name),
            Target::Named(Sort::App, _) => arn(region, account, "mlflow-app", "*"),
            Target::Arn(arn) => arn.clone(),
            Target::All => "*".to_owned(),
        }
    }
}

impl MlflowServers {
    pub(in crate::sandbox) fn new(clock: Clock, pace: Duration) -> Self {
        Self { servers: Mutex::default(), clock, pace }
    }

    /// The description and status of a server by its name, or of an App by its ARN. A new server is not known until
    /// `lag` after its creation. With `any`, a server of every name exists and is ready.
    pub(super) fn describe(
        &self,
        sort: Sort,
        id: &str,
        region: &str,
        account: &str,
        any: bool,
    ) -> Option<(Value, &'static str)> {
        let key = key(account, region, sort, id);
        let mut servers = lock(&self.servers);
        if any && !servers.contains_key(&key) {
            servers.insert(key.clone(), fixture(&key, true)?);
        }
        let server = Self::get(&mut servers, &key)?;
        server.settle();
        if server.status == "Deleted" && sort == Sort::TrackingServer || server.visible > Instant::now() {
            return None;
        }
        let server = server.shown();
        Some((description(&key, &server), server.status))
    }

    /// Performs a call of [`CHANGES`].
    pub(super) fn perform(
        &self,
        change: &Change<'_>,
        caller: &Caller,
        region: &str,
        Course { lag, fails }: Course,
    ) -> Result<Value, Error> {
        let mut servers = lock(&self.servers);
        let account = caller.account.as_str();
        match (change.name, &change.target) {
            ("ListMlflowApps", _) => return Ok(list_apps(&mut servers, change.members, region, account)),
            ("CreateMlflowTrackingServer", Target::Named(sort, name)) => {
                let key = key(account, region, *sort, name);
                if Self::get(&mut servers, &key).is_some_and(|server| server.status != "Deleted") {
                    return Err(Error::validation(format!("Tracking Server {name} already exists.")));
                }
                let server = self.created(change.members, caller, name, lag)?;
                servers.insert(key, server);
                return Ok(
                    json!({"TrackingServerArn": arn(region, account, "mlflow-tracking-server", name)}),
                );
            }
            ("CreateMlflowApp", Target::Named(sort, name)) => {
                let id = format!("app-{:012}", servers.len() + 1);
                let server = self.created(change.members, caller, name, lag)?;
                servers.insert(key(account, region, *sort, &id), server);
                return Ok(json!({"Arn": arn(region, account, "mlflow-app", &id)}));
            }
            _ => {}
        }
        let (key, arn_word) = match &change.target {
            Target::Named(sort, name) => (key(account, region, *sort, name), "TrackingServerArn"),
            Target::Arn(arn) => {
                (key_of_arn(arn).ok_or_else(|| Error::validation("The ARN names no such resource."))?, "Arn")
            }
            Target::All => return Err(Error::validation("No resource is named.")),
        };
        let now = self.clock.now().0;
        let server = Self::get(&mut servers, &key)
            .filter(|server| server.status != "Deleted" && server.visible <= Instant::now());
        let server = server.ok_or_else(|| Error::not_found(&format!("{} {}", key.3, key.1)))?;
        server.settle();
        let busy = server.next.is_some();
        let arn = describe_arn(&key);
        let refused = |verb: &str| {
            let status = server.status.to_uppercase();
            Error::validation(format!(
                "Tracking Server with ARN {arn} is currently in status {status}, can't be {verb}."
            ))
        };
        match change.name {
            "ListTags" => {
                let tags: Vec<_> =
                    server.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
                return Ok(json!({"Tags": tags}));
            }
            "AddTags" => {
                for tag in change.members.get("Tags").and_then(Value::as_array).into_iter().flatten() {
                    server.tags.insert(member(tag, "Key"), member(tag, "Value"));
                }
                return Ok(json!({"Tags": []}));
            }
            "DeleteTags" => {
                for key in change.members.get("TagKeys").and_then(Value::as_array).into_iter().flatten() {
                    server.tags.remove(key.as_str().unwrap_or_default());
                }
                return Ok(json!({}));
            }
            _ if busy => return Err(refused("changed")),
            "UpdateMlflowTrackingServer" | "UpdateMlflowApp" => {
                let mut changed = server.members.clone();
                for (name, value) in set_members(change.members) {
                    changed.insert(name.clone(), value.clone());
                }
                owner_fits(&changed)?;
                // An Update that changes nothing leaves the old status.
                if changed != server.members {
                    server.members = changed;
                    server.modified = now;
                    server.turn("Updating", "Updated", self.pace);
                }
            }
            "StartMlflowTrackingServer" if matches!(server.status, "Stopped" | "StartFailed") => {
                server.lags(lag);
                server.turn("Starting", if fails { "StartFailed" } else { "Started" }, self.pace);
                server.modified = now;
            }
            "StopMlflowTrackingServer" if !matches!(server.status, "Stopped" | "CreateFailed") => {
                server.turn("Stopping", "Stopped", self.pace);
            }
            "DeleteMlflowTrackingServer" | "DeleteMlflowApp" => server.turn("Deleting", "Deleted", self.pace),
            "StartMlflowTrackingServer" => return Err(refused("started")),
            _ => return Err(refused("stopped")),
        }
        Ok(json!({arn_word: arn}))
    }

    /// Changes a tracking server unnoticed, as another administrator would: a member of Describe, or with
    /// `TrackingServerStatus` its status word.
    pub(in crate::sandbox) fn drift(
        &self,
        account: &str,
        region: &str,
        name: &str,
        member: &str,
        value: Value,
    ) -> bool {
        let mut servers = lock(&self.servers);
        let Some(server) = Self::get(&mut servers, &key(account, region, Sort::TrackingServer, name)) else {
            return false;
        };
        if member == "TrackingServerStatus" {
            server.next = None;
            server.status = STATUSES.iter().find(|known| value == **known).copied().unwrap_or("SomethingNew");
        } else {
            server.members.insert(member.to_owned(), value);
        }
        true
    }

    /// The names of servers and Apps that were created here, including deleted ones.
    pub(in crate::sandbox) fn created_names(&self) -> Vec<String> {
        lock(&self.servers)
            .values()
            .filter(|server| server.created != CREATED)
            .map(|server| server.name.clone())
            .collect()
    }

    fn get<'s>(servers: &'s mut BTreeMap<Key, Server>, key: &Key) -> Option<&'s mut Server> {
        if !servers.contains_key(key) {
            servers.insert(key.clone(), fixture(key, false)?);
        }
        servers.get_mut(key)
    }

    fn created(
        &self,
        members: &Map<String, Value>,
        caller: &Caller,
        name: &str,
        lag: Duration,
    ) -> Result<Server, Error> {
        let role = member(&Value::Object(members.clone()), "RoleArn");
        let role_account = role.split(':').nth(4).unwrap_or_default();
        if role_account != caller.account {
            return Err(Error::validation("Cross-account pass role is not allowed."));
        }
        if role.ends_with("/not-passable") {
            return Err(Error::new(
                "AccessDeniedException",
                format!(
                    "User: {} is not authorized to perform: iam:PassRole on resource: {role}",
                    caller.arn
                ),
            ));
        }
        let mut set: Map<String, Value> =
            set_members(members).map(|(name, value)| (name.clone(), value.clone())).collect();
        for (name, default) in [
            ("TrackingServerSize", json!("Small")),
            ("AutomaticModelRegistration", json!(false)),
            ("WeeklyMaintenanceWindowStart", json!("Tue:03:30")),
            ("S3BucketOwnerAccountId", json!(caller.account)),
            ("S3BucketOwnerVerification", json!(true)),
            ("MlflowVersion", json!("3.0")),
        ] {
            set.entry(name).or_insert(default);
        }
        let version = set.get("MlflowVersion").and_then(Value::as_str).unwrap_or_default();
        if version.split('.').count() != 2 {
            return Err(Error::validation("The provided MLflow version is not supported."));
        }
        let described = format!("{version}.2");
        set.insert("MlflowVersion".to_owned(), json!(described));
        owner_fits(&set)?;
        let mut tags = BTreeMap::new();
        for tag in members.get("Tags").and_then(Value::as_array).into_iter().flatten() {
            tags.insert(member(tag, "Key"), member(tag, "Value"));
        }
        let now = self.clock.now().0;
        let mut server = Server {
            name: name.to_owned(),
            members: set,
            tags,
            status: "Creating",
            next: None,
            earlier: None,
            visible: Instant::now() + lag,
            created: now,
            modified: now,
            creator: caller.arn.clone(),
        };
        let ends = if role.ends_with("/broken") { "CreateFailed" } else { "Created" };
        server.turn("Creating", ends, self.pace);
        Ok(server)
    }
}
