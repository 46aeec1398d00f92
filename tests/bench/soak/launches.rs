//! Very many launches by people with ten tabs each: everybody lands in their own profile, and no URL is given out twice.

use super::connection::{Answer, Connection, Style};
use super::figures::{Report, Size};
use super::people::Person;
use super::site::{Plan, Site, land};
use hyper::Method;
use postern::sandbox::{Fault, Sandbox, Times};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use url::Url;

const PEOPLE: usize = 200;
const TABS: usize = 10;
/// Every so many rounds of a person's tabs they sign out in the middle of one, and in again.
const ROUNDS_OF_A_SESSION: u64 = 20;
/// What the browser's way from the sign-in back to its page takes, about.
const TIME_TO_MINT: Duration = Duration::from_millis(60);

#[derive(Default)]
struct Tally {
    launches: AtomicU64,
    revocations: AtomicU64,
    wrong: AtomicU64,
    told: Mutex<Vec<String>>,
}

/// Who works with some of the people, with the tabs of one of them at a time.
struct Worker {
    people: Vec<usize>,
    site: Arc<Shared>,
    tabs: Vec<Connection>,
}

struct Shared {
    people: Arc<Vec<Person>>,
    sandbox: Arc<Sandbox>,
    provider: Url,
    tally: Tally,
    launches: u64,
}

pub(crate) async fn run(size: Size) -> Report {
    let (launches, workers, reloads) = size.choose((1_000_000, 24, 20), (2_000, 8, 3));
    let site = Site::set_up(Plan { people: PEOPLE, ..Plan::default() }).await.expect("a site");
    site.sign_everybody_in().await;
    site.sandbox.faults().inject(None, Fault::Jitter(Duration::from_millis(20)), Times::UntilCleared);
    let shared = Arc::new(Shared {
        people: Arc::clone(&site.people),
        sandbox: Arc::clone(&site.sandbox),
        provider: site.sandbox.issuer().clone(),
        tally: Tally::default(),
        launches,
    });
    let (began, cpu) = (Instant::now(), site.replicas[0].cpu());
    let mut clients = JoinSet::new();
    for number in 0..workers {
        let people = (0..PEOPLE).filter(|person| person % workers == number).collect();
        let style = |tab| if tab % 2 == 0 { Style::Http2 } else { Style::KeepAlive };
        let tabs = (0..TABS).map(|tab| site.connect(style(tab))).collect();
        clients.spawn(Worker { people, site: Arc::clone(&shared), tabs }.run());
    }
    reload_meanwhile(&site, &shared.tally, launches, reloads).await;
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client");
    }
    let (took, cpu) = (began.elapsed(), site.replicas[0].cpu() - cpu);

    let tally = &shared.tally;
    for wrong in tally.told.lock().expect("what went wrong").iter() {
        println!("    {wrong}");
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let opened = count(&tally.launches);
    let mut report = Report::new("Launches");
    report.tell("launches, each opened by its person", opened);
    report.tell("people, tabs of each at once", format!("{PEOPLE}, {TABS}"));
    report.tell("sign-outs in the middle, each with a sign-in after it", count(&tally.revocations));
    let lost = site.metric(0, "postern_audit_lost_total").await;
    let (mut granted, mut from_slots) = site.replicas[0].grants();
    for _ in 0..100 {
        // The last ones are still on their way.
        if granted + lost >= opened {
            break;
        }
        sleep(Duration::from_millis(50)).await;
        (granted, from_slots) = site.replicas[0].grants();
    }
    report.tell("URLs among them that had been minted ahead", from_slots);
    report.tell("reloads meanwhile", reloads);
    report.none("wrong identity, a URL used before, or any other wrong answer", count(&tally.wrong));
    report.promise(
        "grants in the audit trail, with those lost because it was not read in time",
        format!("{granted} + {lost}"),
        "at least one for each launch",
        granted + lost >= opened,
    );
    report.tell("launches per second", format!("{:.0}", opened as f64 / took.as_secs_f64()));
    report.tell(
        "CPU time of the gateway for one",
        format!("{:.3} ms", 1e3 * cpu.as_secs_f64() / opened as f64),
    );
    report
}

/// Configurations change in between: every other one calls AWS in another way, so that its slots are other ones.
async fn reload_meanwhile(site: &Site, tally: &Tally, launches: u64, reloads: u64) {
    let config = site.config_text(0);
    for number in 1..=reloads {
        while tally.launches.load(Ordering::Relaxed) < launches * number / (reloads + 1) {
            sleep(Duration::from_millis(5)).await;
        }
        let timeout = format!("aws:\n  timeout: {}s\n", 5 + number % 4 / 2);
        site.write_config(0, &(config.replace("aws:\n", &timeout) + &format!("\n# {number}\n")));
        site.replicas[0].reload("applied").await;
    }
}

impl Worker {
    async fn run(mut self) {
        let site = Arc::clone(&self.site);
        for round in 1_u64.. {
            for index in self.people.clone() {
                if site.tally.launches.load(Ordering::Relaxed) >= site.launches {
                    return;
                }
                // People of one worker do not all leave at once.
                if (round + index as u64).is_multiple_of(ROUNDS_OF_A_SESSION) {
                    self.leave_and_come_back(index).await;
                } else {
                    for answer in self.open_tabs(index, "/studio", TABS).await {
                        site.landed(index, &answer);
                    }
                }
            }
        }
    }

    /// Opens many tabs at once.
    async fn open_tabs(&mut self, index: usize, path: &'static str, tabs: usize) -> Vec<Answer> {
        let mut visits = JoinSet::new();
        for mut tab in self.tabs.drain(..tabs).collect::<Vec<_>>() {
            let (site, clicks) = (Arc::clone(&self.site), self.site.people[index].clicks());
            visits.spawn(async move {
                let answer = tab.get(path, &clicks).await;
                let answer = answer.map_err(|lost| site.wrong(format!("{path}: {lost}"))).ok();
                (tab, answer)
            });
        }
        let mut answers = Vec::new();
        while let Some(visit) = visits.join_next().await {
            let (tab, answer) = visit.expect("a tab");
            self.tabs.push(tab);
            answers.extend(answer);
        }
        answers
    }

    /// Signs out while half of the tabs are loading. Each of these lands in the person's own profile or at the sign-in;
    /// what comes after it is never let in by the old cookie.
    async fn leave_and_come_back(&mut self, index: usize) {
        let site = Arc::clone(&self.site);
        let person = &site.people[index];
        let mut other = self.tabs.pop().expect("a tab");
        let clicks = person.clicks();
        let leaving = {
            let (site, clicks) = (Arc::clone(&site), clicks.clone());
            tokio::spawn(async move {
                let left = other.send(Method::POST, "/-/logout", &clicks, "").await;
                match left {
                    Ok(left) if left.status == 303 => {}
                    Ok(left) => site.wrong(format!("/-/logout: {} {}", left.status, left.text())),
                    Err(lost) => site.wrong(format!("/-/logout: {lost}")),
                }
                other
            })
        };
        for answer in self.open_tabs(index, "/studio", TABS / 2).await {
            if !site.is_sign_in(&answer) {
                site.landed(index, &answer);
            }
        }
        self.tabs.push(leaving.await.expect("a tab"));
        for answer in self.open_tabs(index, "/studio", TABS / 2).await {
            if !site.is_sign_in(&answer) {
                site.wrong(format!("an ended session: {} {}", answer.status, answer.location()));
            }
        }
        site.tally.revocations.fetch_add(1, Ordering::Relaxed);
        // On the way to a destination whose URL is minted ahead; two tabs then want what is there once.
        if let Err(why) = person.sign_in(&mut self.tabs[0], &site.provider, "/ahead").await {
            site.wrong(format!("sign-in: {why}"));
        }
        sleep(TIME_TO_MINT).await;
        for answer in self.open_tabs(index, "/ahead", 2).await {
            site.landed(index, &answer);
        }
    }
}

impl Shared {
    fn landed(&self, index: usize, answer: &Answer) {
        let person = &self.people[index];
        if answer.status != 302 {
            return self.wrong(format!("{}: {} {}", person.id, answer.status, answer.text()));
        }
        match land(&self.sandbox, person, answer.location()) {
            Ok(_) => _ = self.tally.launches.fetch_add(1, Ordering::Relaxed),
            Err(why) => self.wrong(why),
        }
    }

    fn is_sign_in(&self, answer: &Answer) -> bool {
        answer.status.is_redirection() && answer.location().starts_with(self.provider.as_str())
    }

    fn wrong(&self, what: String) {
        self.tally.wrong.fetch_add(1, Ordering::Relaxed);
        let mut told = self.tally.told.lock().expect("what went wrong");
        if told.len() < 12 {
            told.push(what);
        }
    }
}
