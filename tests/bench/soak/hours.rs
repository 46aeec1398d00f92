//! Four hours of use, one after the other without the waits between: people sign in, launch, wake servers, log to MLflow,
//! make run tokens and sign out. Nothing is lost, and memory stays flat.

use super::clock::FakeClock;
use super::connection::{Answer, Connection, Style};
use super::figures::{Report, Size};
use super::people::Person;
use super::site::{Plan, Site, land};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use postern::clock::Clock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use url::form_urlencoded::Serializer;

const HOUR: Duration = Duration::from_secs(3600);
const API: &str = "/tracking/api/2.0/mlflow";
const TOKENS_PAGE: &str = "/-/tokens";
/// People who are busy at the same time.
const AT_ONCE: usize = 24;
/// The answers of the last requests are logged, moved-on timers have fired, and the allocator has given back what it keeps
/// for ten seconds.
fn rest(size: Size) -> Duration {
    Duration::from_secs(size.choose(30, 4))
}

/// Caches keep nothing longer. They count by the monotonic clock, which cannot be moved, so the hours that are compared begin
/// after a pause.
const LONGEST_CACHED: Duration = Duration::from_secs(605);
/// KiB by which the last hour may leave the process larger.
const GROWTH: i64 = 1024;

/// The work of one person in an hour.
#[derive(Clone, Copy)]
struct Shift {
    hour: usize,
    launches: u64,
    metrics: u64,
    tokens: u64,
}

/// `None` where no peers are installed.
pub(crate) async fn run(size: Size) -> Option<Report> {
    let (people, hours) = size.choose((250, 4), (4, 2));
    let (launches, metrics, tokens) = size.choose((100, 90, 10), (3, 3, 2));
    let folder = tempfile::TempDir::new().expect("a folder");
    let leaps = FakeClock::new(folder.path())?;
    let clock = Clock::manual(Clock::system().now());
    let change = |config: String| (0..hours).fold(config, |config, hour| config + &archive(hour));
    let environment = leaps.environment();
    let plan = Plan { people, environment, clock: clock.clone(), change: &change, ..Plan::default() };
    let site = Arc::new(Site::set_up(plan).await?);

    let mut report = Report::new("Hours of use");
    let (mut wrong, mut resident) = (Vec::new(), vec![site.replicas[0].resident()]);
    let mut began = Instant::now();
    for hour in 0..hours {
        if size == Size::Full && hour + 2 >= hours {
            sleep(LONGEST_CACHED).await;
            clock.advance(began.elapsed());
            began = Instant::now();
        }
        let shift = Shift { hour, launches, metrics, tokens };
        wrong.extend(work(&site, shift).await);
        sleep(rest(size)).await;
        resident.push(site.replicas[0].resident());
        clock.advance(HOUR + began.elapsed());
        began = Instant::now();
        leaps.set(i64::try_from(HOUR.as_secs()).expect("seconds") * (hour as i64 + 1)).await;
    }
    for why in wrong.iter().take(12) {
        println!("    {why}");
    }
    let each = people as u64 * hours as u64;
    report.tell("people, hours", format!("{people}, {hours}"));
    report.tell("launches, each opened by its person", each * launches);
    report.tell("calls to MLflow that log a metric", each * (metrics + tokens));
    report.tell("stopped servers woken, each opened after it", each);
    report.tell("run tokens, ended by the sign-out of their person", each * tokens);
    report.none(
        "people with a wrong answer, a lost metric or a token that outlives its session",
        wrong.len() as u64,
    );
    report.tell("resident memory at the start and after each hour, KiB", format!("{resident:?}"));
    let growth = resident[hours] as i64 - resident[hours - 1] as i64;
    match size {
        Size::Full => report.promise(
            "growth in the last hour, KiB",
            growth,
            format!("at most {GROWTH}"),
            growth <= GROWTH,
        ),
        Size::Small => report.tell("growth in the last hour, KiB", growth),
    }
    Some(report)
}

/// A destination of each person's own stopped server of this hour.
fn archive(hour: usize) -> String {
    format!(
        "
  archive-{hour}:
    target:
      mlflow_tracking_server:
        tracking_server_name: archive-{hour}-${{local_part(user, 'corp.example')}}
    start: \"true\"
    rules: *everyone
"
    )
}

/// Everybody's hour. Returns the failures in words.
async fn work(site: &Arc<Site>, shift: Shift) -> Vec<String> {
    let (mut shifts, at_once) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    for number in 0..site.people.len() {
        let (site, at_once) = (Arc::clone(site), Arc::clone(&at_once));
        shifts.spawn(async move {
            let _turn = at_once.acquire_owned().await.expect("a turn");
            let style = [Style::KeepAlive, Style::Http2][number % 2];
            let (person, connection) = (&site.people[number], site.connect(style));
            let outcome = Worker { site: &site, person, connection }.work(shift).await;
            outcome.map_err(|why| format!("{} in hour {}: {why}", person.id, shift.hour))
        });
    }
    let outcomes = shifts.join_all().await;
    outcomes.into_iter().filter_map(Result::err).collect()
}

struct Worker<'a> {
    site: &'a Site,
    person: &'a Person,
    connection: Connection,
}

impl Worker<'_> {
    async fn work(mut self, shift: Shift) -> Result<(), String> {
        let issuer = self.site.sandbox.issuer();
        self.person.sign_in(&mut self.connection, issuer, "/studio").await?;
        let archive = format!("archive-{}", shift.hour);
        self.start(&archive).await?;
        for _ in 0..shift.launches {
            let answer = self.get("/studio", &self.person.clicks()).await?;
            land(&self.site.sandbox, self.person, answer.location())?;
        }

        let created = json!({"experiment_id": "0", "start_time": 1});
        let created = self.post("runs/create", &self.person.calls(), &created).await?;
        let run = created["run"]["info"]["run_id"].as_str().ok_or_else(|| format!("no run: {created}"))?;
        for step in 0..shift.metrics {
            self.log(run, step, &self.person.calls()).await?;
        }
        let mut tokens = Vec::new();
        for number in 0..shift.tokens {
            let token = self.make_token().await?;
            self.log(run, shift.metrics + number, &token).await?;
            tokens.push(token);
        }
        self.compare(run, shift.metrics + shift.tokens).await?;
        self.open(&archive).await?;
        self.sign_out(&tokens).await
    }

    async fn start(&mut self, name: &str) -> Result<(), String> {
        let calls = self.person.calls();
        let started = self.send(Method::POST, &format!("/-/start/{name}"), &calls, "").await?;
        if started.status == StatusCode::ACCEPTED {
            Ok(())
        } else {
            Err(format!("start: {} {}", started.status, started.text()))
        }
    }

    /// Opens a server that was started, as soon as it runs.
    async fn open(&mut self, name: &str) -> Result<(), String> {
        let calls = self.person.calls();
        let mint = format!("/-/api/destinations/{name}/url");
        for _ in 0..100 {
            let answer = self.send(Method::POST, &mint, &calls, "").await?;
            match answer.status {
                StatusCode::OK => return Ok(()),
                StatusCode::CONFLICT => sleep(Duration::from_millis(500)).await,
                status => return Err(format!("{mint}: {status} {}", answer.text())),
            }
        }
        Err(format!("{name} never starts"))
    }

    async fn log(&mut self, run: &str, step: u64, credential: &HeaderMap) -> Result<(), String> {
        let metric = json!({"run_id": run, "key": "loss", "value": 0.5, "timestamp": 1, "step": step});
        self.post("runs/log-metric", credential, &metric).await.map(drop)
    }

    /// A run token of the session, made on the page.
    async fn make_token(&mut self) -> Result<HeaderMap, String> {
        let mut clicks = self.person.clicks();
        let page = self.get(TOKENS_PAGE, &clicks).await?;
        let form = word_after(page.text(), "name=\"form\" value=\"").ok_or("no form for run tokens")?;
        let fields = [
            ("form", form),
            ("do", "make"),
            ("destination", "tracking"),
            ("name", "nightly"),
            ("access", ""),
            ("lifetime", "1h"),
        ];
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        clicks.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        clicks.insert(HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static("same-origin"));
        let made = self.send(Method::POST, TOKENS_PAGE, &clicks, &body).await?;
        let token = word_after(made.text(), "MLFLOW_TRACKING_TOKEN=");
        let token = token.ok_or_else(|| format!("no token: {} {}", made.status, made.text()))?;
        let value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|error| error.to_string())?;
        Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
    }

    /// MLflow has each metric once.
    async fn compare(&mut self, run: &str, metrics: u64) -> Result<(), String> {
        let query = format!("{API}/metrics/get-history?run_id={run}&metric_key=loss&max_results=25000");
        let answer = self.get(&query, &self.person.calls()).await?;
        let answer: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        let steps = answer["metrics"].as_array().into_iter().flatten();
        let mut steps: Vec<_> = steps.filter_map(|metric| metric["step"].as_u64()).collect();
        steps.sort_unstable();
        if steps.iter().copied().eq(0..metrics) { Ok(()) } else { Err(format!("MLflow has {steps:?}")) }
    }

    /// The session and its tokens end.
    async fn sign_out(&mut self, tokens: &[HeaderMap]) -> Result<(), String> {
        let clicks = self.person.clicks();
        let left = self.send(Method::POST, "/-/logout", &clicks, "").await?;
        if left.status != StatusCode::SEE_OTHER {
            return Err(format!("sign-out: {} {}", left.status, left.text()));
        }
        for token in tokens {
            let answer = self.get(&format!("{API}/experiments/get?experiment_id=0"), token).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                return Err(format!("a token after its session: {} {}", answer.status, answer.text()));
            }
        }
        let after = self.get("/studio", &clicks).await?;
        if after.location().starts_with(self.site.sandbox.issuer().as_str()) {
            Ok(())
        } else {
            Err(format!("a session after its end: {} {}", after.status, after.text()))
        }
    }

    async fn post(&mut self, endpoint: &str, credential: &HeaderMap, input: &Value) -> Result<Value, String> {
        let mut headers = credential.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let path = format!("{API}/{endpoint}");
        let answer = self.send(Method::POST, &path, &headers, &input.to_string()).await?;
        if answer.status != StatusCode::OK {
            return Err(format!("{endpoint}: {} {}", answer.status, answer.text()));
        }
        serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
    }

    async fn get(&mut self, path: &str, headers: &HeaderMap) -> Result<Answer, String> {
        self.send(Method::GET, path, headers, "").await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: &str,
    ) -> Result<Answer, String> {
        let answer = self.connection.send(method, path, headers, body).await;
        answer.map_err(|lost| format!("{path}: {lost}"))
    }
}

/// The letters of base64url that follow.
fn word_after<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    let rest = text.split_once(before)?.1;
    rest.split(|letter: char| !(letter.is_ascii_alphanumeric() || "_-.".contains(letter))).next()
}
