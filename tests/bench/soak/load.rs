//! Constant load of every kind: three styles of connection, launches, pages and programs, and every answer judged.

use super::connection::{Answer, Connection, Lost, Style};
use super::people::Person;
use super::site::{Site, land};
use hyper::{Method, StatusCode};
use postern::sandbox::Sandbox;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Failures that are told in words.
const TOLD: usize = 12;

pub(crate) struct Load {
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    workers: JoinSet<()>,
    began: Instant,
}

#[derive(Default)]
pub(crate) struct Tally {
    requests: AtomicU64,
    launches: AtomicU64,
    /// 503 with `Retry-After`: an honest answer, and none that was promised.
    busy: AtomicU64,
    failed: AtomicU64,
    /// Of those: nothing was sent, for there was no connection.
    turned_away: AtomicU64,
    under_way: AtomicU64,
    slowest_ms: AtomicU64,
    told: Mutex<Vec<String>>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) launches: u64,
    pub(crate) busy: u64,
    pub(crate) failed: u64,
    /// Of the failed: nothing was sent, for there was no connection.
    pub(crate) turned_away: u64,
    pub(crate) slowest: Duration,
    pub(crate) took: Duration,
    pub(crate) told: Vec<String>,
}

impl Load {
    /// `workers` clients, each with one request under way at a time and `pause` after each.
    pub(crate) fn start(site: &Site, workers: usize, pause: Duration) -> Self {
        let (tally, stop) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
        let mut clients = JoinSet::new();
        for number in 0..workers {
            let style = [Style::KeepAlive, Style::Http2, Style::Fresh, Style::KeepAlive][number % 4];
            let client = Client {
                connection: site.connect(style),
                people: Arc::clone(&site.people),
                sandbox: Arc::clone(&site.sandbox),
                tally: Arc::clone(&tally),
            };
            clients.spawn(client.run(number, Arc::clone(&stop), pause));
        }
        Self { tally, stop, workers: clients, began: Instant::now() }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.tally.requests.load(Ordering::Relaxed)
    }

    /// Requests that have no answer yet.
    pub(crate) fn under_way(&self) -> u64 {
        self.tally.under_way.load(Ordering::Relaxed)
    }

    pub(crate) async fn until(&self, requests: u64) {
        while self.requests() < requests {
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Lets every request end.
    pub(crate) async fn stop(mut self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.workers.join_next().await {
            ended.expect("a client");
        }
        let took = self.began.elapsed();
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Outcome {
            requests: load(&self.tally.requests),
            launches: load(&self.tally.launches),
            busy: load(&self.tally.busy),
            failed: load(&self.tally.failed),
            turned_away: load(&self.tally.turned_away),
            slowest: Duration::from_millis(load(&self.tally.slowest_ms)),
            took,
            told: self.tally.told.lock().expect("what failed").clone(),
        }
    }
}

impl Outcome {
    /// Both of two loads, one after the other.
    pub(crate) fn and(mut self, later: Self) -> Self {
        self.told.extend(later.told);
        Self {
            requests: self.requests + later.requests,
            launches: self.launches + later.launches,
            busy: self.busy + later.busy,
            failed: self.failed + later.failed,
            turned_away: self.turned_away + later.turned_away,
            slowest: self.slowest.max(later.slowest),
            took: self.took + later.took,
            told: self.told,
        }
    }

    pub(crate) fn per_second(&self) -> u64 {
        self.requests * 1000 / u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// The first failures, for whoever looks for their cause.
    pub(crate) fn print(&self) {
        for failure in &self.told {
            println!("    {failure}");
        }
    }

    /// The same without connections that were refused.
    pub(crate) fn print_lost(&self) {
        for failure in self.told.iter().filter(|failure| !failure.contains("not connected")) {
            println!("    {failure}");
        }
    }
}

impl Tally {
    fn tell(&self, failure: String) {
        let mut told = self.told.lock().expect("what failed");
        // Refusals come in floods.
        if told.len() < TOLD && !told.contains(&failure) {
            told.push(failure);
        }
    }
}

struct Client {
    connection: Connection,
    people: Arc<Vec<Person>>,
    sandbox: Arc<Sandbox>,
    tally: Arc<Tally>,
}

impl Client {
    async fn run(mut self, number: usize, stop: Arc<AtomicBool>, pause: Duration) {
        let mut turn = number;
        while !stop.load(Ordering::Relaxed) {
            turn += 1;
            let people = Arc::clone(&self.people);
            let person = &people[turn * 7 % people.len()];
            self.tally.under_way.fetch_add(1, Ordering::Relaxed);
            let verdict = self.ask(turn, person).await;
            self.tally.under_way.fetch_sub(1, Ordering::Relaxed);
            self.tally.requests.fetch_add(1, Ordering::Relaxed);
            if let Err(failure) = verdict {
                self.tally.failed.fetch_add(1, Ordering::Relaxed);
                self.tally.tell(failure);
                sleep(Duration::from_millis(20)).await;
            } else if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    }

    /// Of five requests two are launches in a browser, one is a program's, and two are pages.
    async fn ask(&mut self, turn: usize, person: &Person) -> Result<(), String> {
        let (clicks, calls) = (person.clicks(), person.calls());
        let (path, answer) = match turn % 5 {
            0 | 1 => ("/studio", self.connection.get("/studio", &clicks).await),
            2 => {
                const MINT: &str = "/-/api/destinations/studio/url";
                (MINT, self.connection.send(Method::POST, MINT, &calls, "").await)
            }
            3 => ("/-/whoami", self.connection.get("/-/whoami", &clicks).await),
            _ => ("/", self.connection.get("/", &clicks).await),
        };
        let answer = answer.map_err(|lost: Lost| {
            if let Lost::NotConnected(_) = lost {
                self.tally.turned_away.fetch_add(1, Ordering::Relaxed);
            }
            format!("{path}: {lost}")
        })?;
        let took = u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX);
        self.tally.slowest_ms.fetch_max(took, Ordering::Relaxed);
        if answer.status == StatusCode::SERVICE_UNAVAILABLE && answer.headers.contains_key("retry-after") {
            self.tally.busy.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.judge(turn, person, &answer).map_err(|why| format!("{path}: {why}"))
    }

    fn judge(&self, turn: usize, person: &Person, answer: &Answer) -> Result<(), String> {
        let unexpected = || {
            let text: String = answer.text().chars().take(300).collect();
            let location: String = answer.location().chars().take(60).collect();
            Err(format!("{} to {location:?} {text}", answer.status))
        };
        match (turn % 5, answer.status.as_u16()) {
            (0 | 1, 302) => land(&self.sandbox, person, answer.location())?,
            (2, 200) => {
                let told: serde_json::Value =
                    serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
                land(&self.sandbox, person, told["url"].as_str().unwrap_or_default())?
            }
            (3, 200) if answer.text().contains(&person.email) => return Ok(()),
            (4, 200) if answer.text().contains("SageMaker Studio") => return Ok(()),
            _ => return unexpected(),
        };
        self.tally.launches.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
