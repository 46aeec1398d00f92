//! A training run of an hour by MLflow's own client: tokens end and are renewed, the configuration changes, a replica dies, and
//! MLflow throttles. The hour passes on the clocks of the replicas, of the provider and of AWS, in steps; the client has the
//! machine's clock, by which it decides nothing.

use super::calls::reload_everywhere;
use super::clock::FakeClock;
use super::connection::Style;
use super::figures::{Report, Size};
use super::site::{Entrance, Plan, Site};
use crate::support::elsewhere::peers;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use postern::clock::Clock;
use postern::sandbox::{Fault, Times, Token};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// AWS takes signatures that are five minutes off, and for a moment after a step the clocks differ by the whole of it.
const STEP: Duration = Duration::from_secs(240);
const STEPS: usize = 15;
/// The replicas look for a new time once in two seconds, because `libfaketime` counts whole ones.
const SETTLED: Duration = Duration::from_secs(1);
/// Of the provider's token, which lives for ten minutes, every step needs a new one; of the run token, every fourth.
const RUN_TOKEN: u64 = 20 * 60;
const API: &str = "/tracking/api/2.0/mlflow";

/// A client with a run of its own, and the way to its token.
struct Training {
    child: Child,
    token: PathBuf,
}

/// `None` where no peers are installed.
pub(crate) async fn run(size: Size) -> Option<Report> {
    let peers = peers("MLflow's client, a balancer and a clock that can be moved")?;
    let (dwell, patience) = size.choose((Duration::from_secs(8), 0.005), (Duration::from_millis(500), 0.02));
    let folder = tempfile::TempDir::new().expect("a folder");
    let replicas = FakeClock::new(folder.path())?;
    let provider = Clock::manual(Clock::system().now());
    let plan = Plan {
        replicas: 2,
        entrance: Entrance::Balancer,
        people: 2,
        environment: replicas.environment(),
        clock: provider.clone(),
        ..Plan::default()
    };
    let mut site = Site::set_up(plan).await?;
    let tokens = ["bearer", "run-token"].map(|name| site.folder.path().join(name));
    let first = bearer(&site, 0);
    renew(&tokens[0], &first);
    renew(&tokens[1], &run_token(&site, 1).await);
    site.sandbox.faults().inject(Some("mlflow"), Fault::Throttle, Times::Every(20));
    let mut trainings: Vec<Training> =
        tokens.iter().map(|token| Training::start(&peers, &site, token, patience)).collect();
    for training in &mut trainings {
        training.goes_on(&site).await;
    }
    let (mut run_tokens, mut since) = (1, Instant::now());
    for step in 1..=STEPS {
        provider.advance(STEP + since.elapsed());
        since = Instant::now();
        replicas.set((STEP.as_secs() * step as u64).try_into().expect("small")).await;
        sleep(SETTLED).await;
        renew(&tokens[0], &bearer(&site, 0));
        if step % 4 == 0 {
            renew(&tokens[1], &run_token(&site, 1).await);
            run_tokens += 1;
        }
        match step {
            3 | 9 => reload_everywhere(&site, step).await,
            6 => {
                site.replicas[0].signal("KILL");
                site.replicas[0].ended().await;
                sleep(dwell).await;
                site.start_again(0).await;
            }
            12 => site.replace(1).await,
            _ => {}
        }
        sleep(dwell).await;
    }
    let is_over = status(&site, &first).await;
    fs::write(site.folder.path().join("end"), "").expect("a file");
    let mut report = Report::new("A program's hour");
    report.tell("time that passed for replicas, provider and AWS, in steps", format!("60 min, {STEPS}"));
    report.tell("tokens of the provider, run tokens, each used up", format!("{}, {run_tokens}", STEPS + 1));
    report.tell("sessions of roles that were begun", assumed(&site));
    report.promise("answer to the first token at the end", is_over, "401", is_over == 401);
    let (mut failed, mut lost, mut twice, mut unended) = (0, 0, 0, 0);
    let (mut logged, mut again) = (0, 0);
    for (person, training) in trainings.into_iter().enumerate() {
        let Some(told) = training.ended().await else {
            failed += 1;
            continue;
        };
        let (run, steps) = (told["run"].as_str().expect("a run"), told["steps"].as_u64().expect("steps"));
        let (has, is_ended) = found(&site, person, run).await;
        for step in 0..steps {
            let sent = told["sent"][step.to_string()].as_u64().expect("every metric was sent");
            let kept = has.iter().filter(|kept| **kept == step).count() as u64;
            lost += u64::from(kept == 0);
            twice += kept.saturating_sub(sent);
            again += sent - 1;
        }
        logged += steps;
        unended += u64::from(!is_ended);
    }
    report.tell("metrics logged, requests that the client repeated", format!("{logged}, {again}"));
    report.none("runs that failed", failed);
    report.none("runs that MLflow does not have as finished", unended);
    report.none("metrics that MLflow does not have", lost);
    report.none("metrics that it has more often than the client sent them", twice);
    Some(report)
}

impl Training {
    fn start(peers: &Path, site: &Site, token: &Path, patience: f64) -> Self {
        let folder = site.folder.path();
        let script = folder.join("training.py");
        fs::write(&script, include_str!("training.py")).expect("a file");
        let child = Command::new(peers.join("mlflow/bin/python"))
            .arg(script)
            .args([folder, token])
            .arg(patience.to_string())
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("MLFLOW_TRACKING_URI", site.front.url.join("/tracking").expect("a URL").as_str())
            .env("MLFLOW_TRACKING_TOKEN", fs::read_to_string(token).expect("a token"))
            .env("MLFLOW_TRACKING_SERVER_CERT_PATH", folder.join("ca.pem"))
            .stdout(Stdio::piped())
            .stderr(fs::File::create(token.with_extension("log")).expect("a file"))
            .spawn()
            .expect("POSTERN_PEERS holds what tests/peers/install made");
        Self { child, token: token.to_owned() }
    }

    /// Waits until it logs.
    async fn goes_on(&mut self, site: &Site) {
        let sign = self.token.with_extension("goes-on");
        for _ in 0..1200 {
            if sign.exists() {
                return;
            }
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "{}\n{}", self.log(), site.replicas[0].printed());
            sleep(Duration::from_millis(100)).await;
        }
        panic!("the client does not log: {}", self.log());
    }

    /// The output of the client at its end. If the client failed, prints its log and returns `None`.
    async fn ended(mut self) -> Option<Value> {
        for _ in 0..600 {
            if self.child.try_wait().expect("a child").is_some() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        _ = self.child.kill();
        let log = self.log();
        let mut said = String::new();
        let mut out = self.child.stdout.take().expect("standard output");
        std::io::Read::read_to_string(&mut out, &mut said).expect("text");
        _ = self.child.wait();
        let told = said.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
        if told.is_none() {
            println!("    {log}");
        }
        told.filter(|told| told.get("run").is_some())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.token.with_extension("log")).unwrap_or_default()
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn renew(file: &Path, token: &str) {
    let fresh = file.with_extension("new");
    fs::write(&fresh, token).expect("a token");
    fs::rename(&fresh, file).expect("a file to replace");
}

/// A token of the provider's, good for ten minutes.
fn bearer(site: &Site, person: usize) -> String {
    let claims = site.sandbox.access_claims(&site.people[person].id);
    site.sandbox.token(&Token::new(claims)).expect("a token")
}

fn headers(token: &str) -> HeaderMap {
    let bearer: HeaderValue = format!("Bearer {token}").parse().expect("a header");
    HeaderMap::from_iter([
        (AUTHORIZATION, bearer),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ])
}

async fn run_token(site: &Site, person: usize) -> String {
    let wish = json!({"destination": "tracking", "expires_in": RUN_TOKEN}).to_string();
    let mut connection = site.connect(Style::Fresh);
    let headers = headers(&bearer(site, person));
    let made = connection.send(Method::POST, "/-/api/tokens", &headers, &wish).await.expect("an answer");
    let made: Value = serde_json::from_slice(&made.body).expect("JSON");
    made["token"].as_str().unwrap_or_else(|| panic!("no token: {made}")).to_owned()
}

async fn status(site: &Site, token: &str) -> u16 {
    let mut connection = site.connect(Style::Fresh);
    let path = format!("{API}/experiments/search?max_results=1");
    connection.get(&path, &headers(token)).await.expect("an answer").status.as_u16()
}

/// The steps that MLflow has of a run, and whether it has the run as finished.
async fn found(site: &Site, person: usize, run: &str) -> (Vec<u64>, bool) {
    let headers = headers(&bearer(site, person));
    let mut connection = site.connect(Style::Fresh);
    let mut get = async |path: String| -> Value {
        let answer = connection.get(&path, &headers).await.expect("an answer");
        serde_json::from_slice(&answer.body).expect("JSON")
    };
    let history =
        get(format!("{API}/metrics/get-history?run_id={run}&metric_key=loss&max_results=25000")).await;
    let metrics = history["metrics"].as_array().unwrap_or_else(|| panic!("no metrics: {history}"));
    let steps = metrics.iter().map(|metric| metric["step"].as_u64().expect("a step")).collect();
    let run = get(format!("{API}/runs/get?run_id={run}")).await;
    (steps, run["run"]["info"]["status"] == "FINISHED")
}

fn assumed(site: &Site) -> usize {
    site.sandbox.calls().iter().filter(|call| call.operation == "AssumeRole").count()
}
