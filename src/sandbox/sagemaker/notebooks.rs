//! Notebook instances that were started here. The others are as the fixture has them.

use super::error::Error;
use super::fixture::notebook_status;
use super::input::{Input, Patterns};
use super::mlflow::Course;
use super::operation::NOTEBOOK_NAME;
use crate::clock::Clock;
use crate::sandbox::lock::lock;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

pub(super) const START: &str = "StartNotebookInstance";
const NO_CAPACITY: &str =
    "Insufficient notebook instance capacity. Retry later or with a different instance type.";

/// Account, region and name.
type Key = (String, String, String);

pub(in crate::sandbox) struct Notebooks {
    started: Mutex<BTreeMap<Key, Started>>,
    clock: Clock,
    /// The duration of a start.
    pace: Duration,
}

#[derive(Clone, Copy)]
struct Started {
    /// Describe tells the state of the fixture until then.
    visible: Instant,
    ends: Instant,
    fails: bool,
    at: u64,
}

/// The status of an instance that was started, the reason of a failure, and the time of the start.
pub(super) struct Status {
    pub(super) word: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) changed: u64,
}

impl Notebooks {
    pub(in crate::sandbox) fn new(clock: Clock, pace: Duration) -> Self {
        Self { started: Mutex::default(), clock, pace }
    }

    /// The name in the input of a start.
    pub(super) fn read(members: &Map<String, Value>, patterns: &Patterns) -> Result<String, Error> {
        let mut input = Input::new(members, patterns);
        let name = input.required("NotebookInstanceName", NOTEBOOK_NAME)?;
        input.finish()?;
        Ok(name)
    }

    /// As Describe tells it; `None` for an instance that nobody started.
    pub(super) fn status(&self, account: &str, region: &str, name: &str) -> Option<Status> {
        let started = lock(&self.started).get(&key(account, region, name)).copied();
        started.filter(|started| started.visible <= Instant::now()).map(Started::status)
    }

    pub(super) fn start(
        &self,
        (account, region, name): (&str, &str, &str),
        course: Course,
    ) -> Result<Value, Error> {
        let mut instances = lock(&self.started);
        let started = instances.get(&key(account, region, name)).copied();
        let word = match started {
            Some(started) => started.status().word,
            // The operation declares no ResourceNotFound.
            None => notebook_status(name).ok_or_else(|| Error::validation("RecordNotFound"))?,
        };
        if !matches!(word, "Stopped" | "Failed") {
            return Err(Error::validation(format!(
                "Status ({word}) not in ([Stopped, Failed]). Unable to transition to (Pending) for Notebook Instance \
                 (arn:aws:sagemaker:{region}:{account}:notebook-instance/{name})"
            )));
        }
        let now = Instant::now();
        let (visible, ends) = (now + course.lag, now + self.pace);
        let started = Started { visible, ends, fails: course.fails, at: self.clock.now().0 };
        instances.insert(key(account, region, name), started);
        Ok(json!({}))
    }
}

impl Started {
    fn status(self) -> Status {
        let (word, reason) = match (self.ends <= Instant::now(), self.fails) {
            (false, _) => ("Pending", None),
            (true, false) => ("InService", None),
            (true, true) => ("Failed", Some(NO_CAPACITY)),
        };
        Status { word, reason, changed: self.at }
    }
}

fn key(account: &str, region: &str, name: &str) -> Key {
    (account.to_owned(), region.to_owned(), name.to_owned())
}
