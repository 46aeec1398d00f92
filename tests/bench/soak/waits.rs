//! How long a person waits where AWS takes its time: what Postern adds to the calls that a launch cannot do without.

use super::beside::{BareCall, Service};
use super::connection::{Connection, Style};
use super::figures::{Report, Size};
use super::people::Person;
use super::site::{Plan, Site, land};
use hyper::{HeaderMap, StatusCode};
use postern::sandbox::{Fault, Times};
use std::time::Duration;
use tokio::time::sleep;

/// The times that AWS takes here.
const TIMES: [(&str, Duration); 3] = [
    ("AssumeRole", Duration::from_millis(100)),
    ("DescribeUserProfile", Duration::from_millis(60)),
    ("CreatePresignedDomainUrl", Duration::from_millis(150)),
];
/// A browser's way from the answer of the callback to its next request.
const BROWSER: Duration = Duration::from_millis(20);
/// Longer than a state is believed without a look.
const STALE: Duration = Duration::from_secs(62);
/// Longer than it takes to mint ahead.
const AHEAD: Duration = Duration::from_millis(600);

pub(crate) async fn run(size: Size) -> Report {
    let samples = size.choose(30, 2);
    let site = Site::set_up(Plan { people: 3 * samples, ..Plan::default() }).await.expect("a site");
    for (operation, time) in TIMES {
        site.sandbox.faults().inject(Some(operation), Fault::Slow(time), Times::UntilCleared);
    }
    let mut browser = site.connect(Style::KeepAlive);
    let (by_token, rest) = site.people.split_at(samples);
    let (signing_in, prewarmed) = rest.split_at(samples);
    // The session of look-ups is one for all people.
    launch(&site, &mut browser, &by_token[0], "/studio", &by_token[0].calls()).await;

    let mut report =
        Report::new("Waits, where AWS takes 100 ms for a session, 60 for a state and 150 for a URL");
    let mut table = Table { report: &mut report, size };
    let mut first = Waits::new(&site);
    for person in &by_token[1..] {
        first.add(launch(&site, &mut browser, person, "/studio", &person.calls()).await);
    }
    table.row("first launch of a person, by token", &first, 256, [1, 1]);

    let mut after_sign_in = Waits::new(&site);
    for person in signing_in {
        let arrived =
            person.sign_in(&mut browser, site.sandbox.issuer(), "/studio").await.expect("a session");
        sleep(BROWSER).await;
        let launched = launch(&site, &mut browser, person, "/studio", &person.clicks()).await;
        after_sign_in.add(arrived.took + launched);
    }
    table.row("first launch after a sign-in, both requests together", &after_sign_in, 236, [1, 1]);

    let mut again = Waits::new(&site);
    for person in signing_in {
        again.add(launch(&site, &mut browser, person, "/studio", &person.clicks()).await);
    }
    table.row("again", &again, 152, [0, 1]);

    if size == Size::Full {
        sleep(STALE).await;
        let mut stale = Waits::new(&site);
        for person in signing_in {
            stale.add(launch(&site, &mut browser, person, "/studio", &person.clicks()).await);
        }
        table.row("after the state went stale", &stale, 153, [0, 1]);
    }

    let mut ahead = Waits::new(&site);
    for person in prewarmed {
        person.sign_in(&mut browser, site.sandbox.issuer(), "/ahead").await.expect("a session");
        sleep(AHEAD).await;
        ahead.add(launch(&site, &mut browser, person, "/ahead", &person.clicks()).await);
    }
    table.row("minted ahead", &ahead, 3, [1, 1]);
    let bare_call = BareCall::new(&site);
    let mut bare = Waits::new(&site);
    bare_call.make(&by_token[0]).await;
    for person in by_token {
        bare.add(bare_call.make(person).await);
    }
    report.tell("beside it: the presign call alone, by the SDK", bare.shown());
    if size == Size::Full {
        let mut service = Service::start(&site);
        let mut beside = Waits::new(&site);
        for person in by_token {
            beside.add(service.launch(&site, person).await);
        }
        report.tell("beside it: Flask, PyJWT and boto3, one call after the other", beside.shown());
    }
    report
}

/// Opens a destination, and tells how long that took.
async fn launch(
    site: &Site,
    browser: &mut Connection,
    person: &Person,
    path: &'static str,
    headers: &HeaderMap,
) -> Duration {
    let answer = browser.get(path, headers).await.expect("an answer");
    assert_eq!(answer.status, StatusCode::FOUND, "{}: {}", person.id, answer.text());
    land(&site.sandbox, person, answer.location()).expect("the person's own profile");
    answer.took
}

struct Waits<'a> {
    site: &'a Site,
    before: [usize; 2],
    times: Vec<Duration>,
}

impl<'a> Waits<'a> {
    fn new(site: &'a Site) -> Self {
        Self { site, before: calls(site), times: Vec::new() }
    }

    fn add(&mut self, time: Duration) {
        self.times.push(time);
    }

    fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times[times.len() / 2]
    }

    /// The median.
    fn shown(&self) -> String {
        format!("{:.1} ms", 1e3 * self.median().as_secs_f64())
    }

    fn calls(&self) -> [usize; 2] {
        let now = calls(self.site);
        [now[0] - self.before[0], now[1] - self.before[1]]
    }
}

/// Sessions begun and URLs minted so far.
fn calls(site: &Site) -> [usize; 2] {
    let calls = site.sandbox.calls();
    let count = |operation: &str| calls.iter().filter(|call| call.operation == operation).count();
    [count("AssumeRole"), count("CreatePresignedDomainUrl")]
}

struct Table<'a> {
    report: &'a mut Report,
    size: Size,
}

impl Table<'_> {
    /// `each` is the number of sessions and URLs of one launch. Times are judged at full size only, where nothing else
    /// should run.
    fn row(&mut self, what: &str, waits: &Waits<'_>, most_ms: u64, each: [usize; 2]) {
        let measured = waits.shown();
        let promise = format!("at most {most_ms} ms");
        match self.size {
            Size::Full => {
                let held = waits.median() <= Duration::from_millis(most_ms);
                self.report.promise(what, measured, promise, held);
            }
            Size::Small => self.report.tell(what, measured),
        }
        let (calls, due) = (waits.calls(), each.map(|each| each * waits.times.len()));
        let what = format!("{what}: AssumeRole and presign calls");
        self.report.promise(what, format!("{calls:?}"), format!("{due:?}"), calls == due);
    }
}
