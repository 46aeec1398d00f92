//! A run of the small MLflow.

use super::input::{Refusal, invalid, listed, number, text};
use crate::sandbox::random;
use hyper::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most values of all metrics of a run together.
const MOST_VALUES: usize = 100_000;

pub(super) struct Run {
    pub(super) id: String,
    pub(super) experiment: String,
    pub(super) artifact_uri: String,
    name: String,
    owner: String,
    pub(super) status: String,
    pub(super) started: u64,
    ended: Option<u64>,
    pub(super) is_deleted: bool,
    pub(super) params: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    /// Every value, in the order in which it was logged.
    metrics: Vec<Metric>,
}

struct Metric {
    key: String,
    value: f64,
    timestamp: i64,
    step: i64,
}

impl Run {
    /// `location` is the experiment's place for artifacts.
    pub(super) fn new(
        experiment: String,
        location: &str,
        input: &Value,
        owner: &str,
        now: u64,
    ) -> Result<Self, Refusal> {
        let mut tags = BTreeMap::new();
        for tag in listed(input, "tags") {
            tags.insert(text(tag, "key")?, text(tag, "value")?);
        }
        let name = text(input, "run_name").unwrap_or_else(|_| "run".to_owned());
        tags.entry("mlflow.runName".to_owned()).or_insert_with(|| name.clone());
        let id = random::hex::<16>();
        Ok(Self {
            artifact_uri: format!("{location}/{id}/artifacts"),
            id,
            experiment,
            name,
            owner: owner.to_owned(),
            status: "RUNNING".to_owned(),
            started: number(input, "start_time").and_then(|time| u64::try_from(time).ok()).unwrap_or(now),
            ended: None,
            is_deleted: false,
            params: BTreeMap::new(),
            tags,
            metrics: Vec::new(),
        })
    }

    /// # Errors
    ///
    /// The input lacks something, or there is no such endpoint.
    pub(super) fn change(&mut self, endpoint: &str, input: &Value) -> Result<Value, Refusal> {
        match endpoint {
            "runs/update" => {
                self.status = text(input, "status").unwrap_or_else(|_| self.status.clone());
                self.name = text(input, "run_name").unwrap_or_else(|_| self.name.clone());
                let ended = number(input, "end_time").and_then(|time| u64::try_from(time).ok());
                self.ended = ended.or(self.ended);
                return Ok(json!({"run_info": self.info()}));
            }
            "runs/delete" | "runs/restore" => self.is_deleted = endpoint.ends_with("delete"),
            "runs/log-metric" => self.log_metric(input)?,
            "runs/log-parameter" => self.log_param(input)?,
            "runs/set-tag" => _ = self.tags.insert(text(input, "key")?, text(input, "value")?),
            "runs/delete-tag" => _ = self.tags.remove(&text(input, "key")?),
            "runs/log-batch" => {
                listed(input, "params").iter().try_for_each(|param| self.log_param(param))?;
                listed(input, "metrics").iter().try_for_each(|metric| self.log_metric(metric))?;
                for tag in listed(input, "tags") {
                    self.tags.insert(text(tag, "key")?, text(tag, "value")?);
                }
            }
            other => {
                let message = format!("The sandbox's MLflow has no endpoint `{other}`.");
                return Err((StatusCode::NOT_FOUND, "ENDPOINT_NOT_FOUND", message));
            }
        }
        Ok(json!({}))
    }

    fn log_param(&mut self, input: &Value) -> Result<(), Refusal> {
        let (key, value) = (text(input, "key")?, text(input, "value")?);
        match self.params.get(&key) {
            Some(before) if *before != value => Err(invalid(format!(
                "Changing param values is not allowed. Param with key='{key}' was already logged"
            ))),
            _ => {
                self.params.insert(key, value);
                Ok(())
            }
        }
    }

    fn log_metric(&mut self, input: &Value) -> Result<(), Refusal> {
        if self.metrics.len() >= MOST_VALUES {
            return Err(invalid("The sandbox is full.".to_owned()));
        }
        let value = input.get("value");
        let value = value.and_then(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok()));
        self.metrics.push(Metric {
            key: text(input, "key")?,
            value: value.ok_or_else(|| invalid("`value` is not a number".to_owned()))?,
            timestamp: number(input, "timestamp").unwrap_or_default(),
            step: number(input, "step").unwrap_or_default(),
        });
        Ok(())
    }

    /// The latest value, by step.
    pub(super) fn metric(&self, key: &str) -> Option<f64> {
        self.latest().get(key).map(|metric| metric.value)
    }

    fn latest(&self) -> BTreeMap<&str, &Metric> {
        let mut latest: BTreeMap<&str, &Metric> = BTreeMap::new();
        for metric in &self.metrics {
            if latest.get(metric.key.as_str()).is_none_or(|before| before.step <= metric.step) {
                latest.insert(&metric.key, metric);
            }
        }
        latest
    }

    pub(super) fn history(&self, key: &str) -> Vec<Value> {
        self.metrics.iter().filter(|metric| metric.key == key).map(Metric::json).collect()
    }

    pub(super) fn json(&self) -> Value {
        let pairs = |pairs: &BTreeMap<String, String>| -> Vec<Value> {
            pairs.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
        };
        let metrics: Vec<Value> = self.latest().into_values().map(Metric::json).collect();
        json!({
            "info": self.info(),
            "data": {"metrics": metrics, "params": pairs(&self.params), "tags": pairs(&self.tags)},
            "inputs": {},
        })
    }

    fn info(&self) -> Value {
        let mut info = json!({
            "run_id": self.id, "run_uuid": self.id, "run_name": self.name, "experiment_id": self.experiment,
            "user_id": self.owner, "status": self.status, "start_time": self.started,
            "artifact_uri": self.artifact_uri,
            "lifecycle_stage": if self.is_deleted { "deleted" } else { "active" },
        });
        if let (Some(ended), Some(members)) = (self.ended, info.as_object_mut()) {
            members.insert("end_time".to_owned(), json!(ended));
        }
        info
    }
}

impl Metric {
    fn json(&self) -> Value {
        json!({"key": self.key, "value": self.value, "timestamp": self.timestamp, "step": self.step})
    }
}
