//! Programs log metrics while replicas are replaced, the configuration changes and MLflow throttles: nothing is lost, and
//! nothing is logged twice.

use super::connection::{Connection, Style};
use super::figures::{Report, Size};
use super::people::Person;
use super::site::{Entrance, Plan, Site};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, StatusCode};
use postern::sandbox::{Fault, Times};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

const PEOPLE: usize = 20;
const API: &str = "/tracking/api/2.0/mlflow";
/// As often as MLflow's client tries.
const TRIES: usize = 8;

#[derive(Default)]
struct Tally {
    logged: AtomicU64,
    repeated: AtomicU64,
    failed: AtomicU64,
}

/// A program of one person, with one run of theirs.
struct Program {
    site: Arc<Shared>,
    person: usize,
    connection: Connection,
}

struct Shared {
    people: Arc<Vec<Person>>,
    tally: Tally,
}

/// `None` where no peers are installed.
pub(crate) async fn run(size: Size) -> Option<Report> {
    let (metrics, rounds) = size.choose((5_000, 3), (40, 1));
    let plan = Plan { replicas: 3, entrance: Entrance::Balancer, people: PEOPLE, ..Plan::default() };
    let mut site = Site::set_up(plan).await?;
    let shared = Arc::new(Shared { people: Arc::clone(&site.people), tally: Tally::default() });
    site.sandbox.faults().inject(Some("mlflow"), Fault::Throttle, Times::Every(25));
    let mut programs = JoinSet::new();
    for person in 0..PEOPLE {
        let style = [Style::KeepAlive, Style::Http2, Style::Fresh][person % 3];
        let program = Program { site: Arc::clone(&shared), person, connection: site.connect(style) };
        programs.spawn(program.run(metrics));
    }
    let all = metrics * PEOPLE as u64;
    for change in 0..4 * rounds {
        let due = all * (change as u64 + 1) / (4 * rounds as u64 + 2);
        while shared.tally.logged.load(Ordering::Relaxed) < due && !programs.is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        match change % 4 {
            3 => reload_everywhere(&site, change).await,
            replica => site.replace(replica).await,
        }
    }
    let mut runs = Vec::new();
    while let Some(ended) = programs.join_next().await {
        runs.push(ended.expect("a program"));
    }
    site.sandbox.faults().clear();
    let (mut lost, mut twice) = (0, 0);
    for (person, run) in runs {
        let steps = steps(&site, person, &run).await;
        lost += (0..metrics).filter(|step| !steps.contains(step)).count() as u64;
        let mut distinct = steps.clone();
        distinct.sort_unstable();
        distinct.dedup();
        twice += (steps.len() - distinct.len()) as u64;
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let mut report = Report::new("Programs that log to MLflow");
    report.tell(
        "metrics logged, by people with a run each",
        format!("{}, {PEOPLE}", count(&shared.tally.logged)),
    );
    report.tell("calls repeated after 429 or 503", count(&shared.tally.repeated));
    report.tell("replicas replaced, reloads of all", format!("{}, {rounds}", 3 * rounds));
    report.none("calls that failed for good", count(&shared.tally.failed));
    report.none("metrics that MLflow does not have", lost);
    report.none("metrics that it has twice", twice);
    Some(report)
}

/// Another way to call AWS, at each replica.
pub(crate) async fn reload_everywhere(site: &Site, change: usize) {
    for index in 0..site.replicas.len() {
        let config = site.config_text(index).replace("aws:\n  timeout: 6s\n", "aws:\n");
        let config = if change % 8 == 3 { config.replace("aws:\n", "aws:\n  timeout: 6s\n") } else { config };
        site.write_config(index, &config);
        site.replicas[index].reload("applied").await;
    }
}

/// The steps of the run's metric, in MLflow's own order.
async fn steps(site: &Site, person: usize, run: &str) -> Vec<u64> {
    let query = format!("{API}/metrics/get-history?run_id={run}&metric_key=loss&max_results=25000");
    let mut connection = site.connect(Style::Fresh);
    let answer = connection.get(&query, &site.people[person].calls()).await.expect("an answer");
    let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let metrics = answer["metrics"].as_array().unwrap_or_else(|| panic!("no metrics: {answer}"));
    metrics.iter().map(|metric| metric["step"].as_u64().expect("a step")).collect()
}

impl Program {
    /// The person's number and the id of the run.
    async fn run(mut self, metrics: u64) -> (usize, String) {
        let created = self.post("runs/create", &json!({"experiment_id": "0", "start_time": 1})).await;
        let run = created["run"]["info"]["run_id"].as_str().unwrap_or_else(|| panic!("no run: {created}"));
        for step in 0..metrics {
            let metric = json!({"run_id": run, "key": "loss", "value": 0.5, "timestamp": 1, "step": step});
            self.post("runs/log-metric", &metric).await;
            self.site.tally.logged.fetch_add(1, Ordering::Relaxed);
        }
        (self.person, run.to_owned())
    }

    /// Repeats what was told not to have been carried out, and nothing else.
    async fn post(&mut self, endpoint: &str, input: &Value) -> Value {
        let mut headers = self.site.people[self.person].calls();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let path = format!("{API}/{endpoint}");
        for _ in 0..TRIES {
            match self.connection.send(Method::POST, &path, &headers, &input.to_string()).await {
                Ok(answer) if answer.status == StatusCode::OK => {
                    return serde_json::from_slice(&answer.body).expect("JSON");
                }
                Ok(answer) if comes_again(answer.status, &answer.headers) => {
                    self.site.tally.repeated.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(100)).await;
                }
                Ok(answer) => {
                    println!("    {endpoint}: {} {}", answer.status, answer.text());
                    break;
                }
                Err(lost) => {
                    println!("    {endpoint}: {lost}");
                    break;
                }
            }
        }
        self.site.tally.failed.fetch_add(1, Ordering::Relaxed);
        Value::Null
    }
}

fn comes_again(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::SERVICE_UNAVAILABLE && headers.contains_key(RETRY_AFTER)
}
