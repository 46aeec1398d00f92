//! A small MLflow: experiments, runs, parameters, metrics and tags in memory, one store for each tracking server or App.
//!
//! It answers everything that an unmodified client needs to log and find runs. Any other call gets an error of MLflow's
//! form. <https://mlflow.org/docs/latest/rest-api.html>

mod input;
mod run;
mod search;

use self::input::{Refusal, text};
use self::run::Run;
use super::lock::lock;
use super::s3::Objects;
use crate::clock::Clock;
use hyper::StatusCode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// The version that it reports.
const VERSION: &str = "3.17.2";
/// The most runs in all stores together; then nothing more is created.
const MOST_RUNS: usize = 100_000;
const MOST_EXPERIMENTS: usize = 10_000;

pub(super) struct Tracking {
    clock: Clock,
    /// The files of all artifact stores.
    objects: Arc<Objects>,
    stores: Mutex<HashMap<String, Store>>,
}

struct Store {
    experiments: Vec<Experiment>,
    runs: Vec<Run>,
}

struct Experiment {
    id: String,
    name: String,
    location: String,
    is_deleted: bool,
    created: u64,
    tags: BTreeMap<String, String>,
}

/// A text or JSON.
pub(super) enum Answer {
    Text(&'static str),
    Json(Value),
}

/// The action by which IAM judges an endpoint. `None` if there is no such endpoint.
pub(super) fn action(method: &str, path: &str) -> Option<&'static str> {
    let (_, _, action) = ENDPOINTS.iter().find(|(known, at, _)| *known == method && *at == path)?;
    Some(action)
}

const ENDPOINTS: &[(&str, &str, &str)] = &[
    ("GET", "/health", "GetExperiment"),
    ("GET", "/version", "GetExperiment"),
    ("GET", "/api/3.0/mlflow/server-info", "GetExperiment"),
    ("POST", "/api/2.0/mlflow/experiments/create", "CreateExperiment"),
    ("GET", "/api/2.0/mlflow/experiments/get", "GetExperiment"),
    ("GET", "/api/2.0/mlflow/experiments/get-by-name", "GetExperimentByName"),
    ("GET", "/api/2.0/mlflow/experiments/search", "SearchExperiments"),
    ("POST", "/api/2.0/mlflow/experiments/search", "SearchExperiments"),
    ("POST", "/api/2.0/mlflow/experiments/update", "UpdateExperiment"),
    ("POST", "/api/2.0/mlflow/experiments/delete", "DeleteExperiment"),
    ("POST", "/api/2.0/mlflow/experiments/restore", "RestoreExperiment"),
    ("POST", "/api/2.0/mlflow/experiments/set-experiment-tag", "SetExperimentTag"),
    ("POST", "/api/2.0/mlflow/runs/create", "CreateRun"),
    ("GET", "/api/2.0/mlflow/runs/get", "GetRun"),
    ("POST", "/api/2.0/mlflow/runs/update", "UpdateRun"),
    ("POST", "/api/2.0/mlflow/runs/delete", "DeleteRun"),
    ("POST", "/api/2.0/mlflow/runs/restore", "RestoreRun"),
    ("POST", "/api/2.0/mlflow/runs/log-metric", "LogMetric"),
    ("POST", "/api/2.0/mlflow/runs/log-parameter", "LogParam"),
    ("POST", "/api/2.0/mlflow/runs/log-batch", "LogBatch"),
    ("POST", "/api/2.0/mlflow/runs/set-tag", "SetTag"),
    ("POST", "/api/2.0/mlflow/runs/delete-tag", "DeleteTag"),
    ("POST", "/api/2.0/mlflow/runs/search", "SearchRuns"),
    ("GET", "/api/2.0/mlflow/metrics/get-history", "GetMetricHistory"),
    ("GET", "/api/2.0/mlflow/artifacts/list", "ListArtifacts"),
];

impl Tracking {
    pub(super) fn new(clock: Clock, objects: Arc<Objects>) -> Self {
        Self { clock, objects, stores: Mutex::default() }
    }

    /// `input` has the members of the body, or the fields of the query; `owner` is the owner of the session that made
    /// the call; `arn` and `artifacts` are the target's ARN and artifact store.
    pub(super) fn answer(
        &self,
        (arn, artifacts): (&str, &str),
        path: &str,
        input: &Value,
        owner: &str,
    ) -> Result<Answer, Refusal> {
        let now = self.clock.now().0 * 1000;
        let mut stores = lock(&self.stores);
        let total: usize = stores.values().map(|store| store.runs.len()).sum();
        let store = stores.entry(arn.to_owned()).or_insert_with(|| Store::new(now, artifacts));
        let endpoint = path.strip_prefix("/api/2.0/mlflow/").unwrap_or(path);
        let answer = match endpoint {
            "/health" => return Ok(Answer::Text("OK")),
            "/version" => return Ok(Answer::Text(VERSION)),
            "/api/3.0/mlflow/server-info" => json!({
                "store_type": "SqlStore", "workspaces_enabled": false,
                "multipart_uploads_enabled": false, "multipart_downloads_enabled": false,
            }),
            "experiments/create" => store.create_experiment(input, now, artifacts)?,
            "experiments/get" => json!({"experiment": store.experiment(input)?.json()}),
            "experiments/get-by-name" => {
                let name = text(input, "experiment_name")?;
                let found = store.experiments.iter().find(|experiment| experiment.name == name);
                let found =
                    found.ok_or_else(|| missing(format!("Could not find experiment with name '{name}'")))?;
                json!({"experiment": found.json()})
            }
            "experiments/search" => {
                let all = store.experiments.iter().filter(|experiment| !experiment.is_deleted);
                json!({"experiments": all.map(Experiment::json).collect::<Vec<_>>()})
            }
            "experiments/update" => {
                let name = text(input, "new_name")?;
                store.experiment_mut(input)?.name = name;
                json!({})
            }
            "experiments/delete" | "experiments/restore" => {
                store.experiment_mut(input)?.is_deleted = endpoint.ends_with("delete");
                json!({})
            }
            "experiments/set-experiment-tag" => {
                let (key, value) = (text(input, "key")?, text(input, "value")?);
                store.experiment_mut(input)?.tags.insert(key, value);
                json!({})
            }
            "runs/create" if total >= MOST_RUNS => return Err(full()),
            "runs/create" => {
                let experiment = store.experiment(input)?;
                let (id, location) = (experiment.id.clone(), experiment.location.clone());
                let run = Run::new(id, &location, input, owner, now)?;
                let created = run.json();
                store.runs.push(run);
                json!({"run": created})
            }
            "runs/search" => search::runs(&store.runs, input)?,
            "artifacts/list" => {
                let uri = store.run(input)?.artifact_uri.clone();
                let folder = text(input, "path").unwrap_or_default();
                json!({"root_uri": uri, "files": self.files(&uri, &folder)})
            }
            "runs/get" => json!({"run": store.run(input)?.json()}),
            "metrics/get-history" => {
                json!({"metrics": store.run(input)?.history(&text(input, "metric_key")?)})
            }
            other => {
                let run = store.run_mut(input)?;
                run.change(other, input)?
            }
        };
        Ok(Answer::Json(answer))
    }

    /// The files and folders in a folder below an artifact URI.
    fn files(&self, uri: &str, folder: &str) -> Vec<Value> {
        let (bucket, key) = uri.trim_start_matches("s3://").split_once('/').unwrap_or_default();
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let page = self.objects.list(bucket, &format!("{key}/{folder}"), true, "", 1000);
        let below =
            |name: &str| name.trim_end_matches('/').strip_prefix(&format!("{key}/")).map(str::to_owned);
        let files = page
            .objects
            .iter()
            .map(|(name, size)| json!({"path": below(name), "is_dir": false, "file_size": size}));
        let folders = page.folders.iter().map(|name| json!({"path": below(name), "is_dir": true}));
        files.chain(folders).collect()
    }
}

impl Store {
    fn new(now: u64, artifacts: &str) -> Self {
        let default = Experiment {
            location: format!("{artifacts}/0"),
            id: "0".to_owned(),
            name: "Default".to_owned(),
            is_deleted: false,
            created: now,
            tags: BTreeMap::new(),
        };
        Self { experiments: vec![default], runs: Vec::new() }
    }

    fn create_experiment(&mut self, input: &Value, created: u64, artifacts: &str) -> Result<Value, Refusal> {
        let name = text(input, "name")?;
        if self.experiments.len() >= MOST_EXPERIMENTS {
            return Err(full());
        }
        if self.experiments.iter().any(|experiment| experiment.name == name) {
            let message = format!("Experiment '{name}' already exists.");
            return Err((StatusCode::BAD_REQUEST, "RESOURCE_ALREADY_EXISTS", message));
        }
        let id = self.experiments.len().to_string();
        let tags = BTreeMap::new();
        let location = text(input, "artifact_location").ok().filter(|location| !location.is_empty());
        let location = location.unwrap_or_else(|| format!("{artifacts}/{id}"));
        self.experiments.push(Experiment {
            id: id.clone(),
            name,
            location,
            is_deleted: false,
            created,
            tags,
        });
        Ok(json!({"experiment_id": id}))
    }

    fn experiment(&self, input: &Value) -> Result<&Experiment, Refusal> {
        let id = text(input, "experiment_id").unwrap_or_else(|_| "0".to_owned());
        let found = self.experiments.iter().find(|experiment| experiment.id == id);
        found.ok_or_else(|| missing(format!("No Experiment with id={id} exists")))
    }

    fn experiment_mut(&mut self, input: &Value) -> Result<&mut Experiment, Refusal> {
        let id = text(input, "experiment_id")?;
        let found = self.experiments.iter_mut().find(|experiment| experiment.id == id);
        found.ok_or_else(|| missing(format!("No Experiment with id={id} exists")))
    }

    fn run(&self, input: &Value) -> Result<&Run, Refusal> {
        let id = run_id(input)?;
        self.runs.iter().find(|run| run.id == id).ok_or_else(|| no_run(&id))
    }

    fn run_mut(&mut self, input: &Value) -> Result<&mut Run, Refusal> {
        let id = run_id(input)?;
        self.runs.iter_mut().find(|run| run.id == id).ok_or_else(|| no_run(&id))
    }
}

impl Experiment {
    fn json(&self) -> Value {
        let tags = self.tags.iter().map(|(key, value)| json!({"key": key, "value": value}));
        json!({
            "experiment_id": self.id, "name": self.name,
            "artifact_location": self.location,
            "lifecycle_stage": if self.is_deleted { "deleted" } else { "active" },
            "creation_time": self.created, "last_update_time": self.created,
            "tags": tags.collect::<Vec<_>>(),
        })
    }
}

/// Older clients use another name for the member.
fn run_id(input: &Value) -> Result<String, Refusal> {
    text(input, "run_id").or_else(|_| text(input, "run_uuid"))
}

fn no_run(id: &str) -> Refusal {
    missing(format!("Run with id={id} not found"))
}

fn missing(message: String) -> Refusal {
    (StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", message)
}

fn full() -> Refusal {
    (StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", "The sandbox is full.".to_owned())
}
