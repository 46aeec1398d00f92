//! AWS says `ThrottlingException`: to half of all calls, then to all of them.

use super::connection::{Answer, Style};
use super::figures::{Report, Size};
use super::site::{Plan, Site, land};
use hyper::StatusCode;
use postern::sandbox::{Fault, Times};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const PEOPLE: usize = 200;
const AT_ONCE: usize = 32;
const THREE_SECONDS: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Launches {
    succeeded: usize,
    /// 503 with `Retry-After`.
    busy: usize,
    otherwise: usize,
    slowest: Duration,
    calls: u64,
}

pub(crate) async fn run(size: Size) -> Report {
    let (launches, refused) = size.choose((20_000, 1_000), (600, 40));
    let undisturbed = cold().await;
    let plain = launch(&undisturbed, launches).await;
    drop(undisturbed);
    let throttled = cold().await;
    throttled.sandbox.faults().inject(None, Fault::Throttle, Times::Every(2));
    let half = launch(&throttled, launches).await;
    throttled.sandbox.faults().clear();
    throttled.sandbox.faults().inject(None, Fault::Throttle, Times::UntilCleared);
    let all = launch(&throttled, refused).await;
    throttled.sandbox.faults().clear();
    let after = launch(&throttled, PEOPLE).await;

    let mut report = Report::new("AWS throttles");
    report.tell("launches undisturbed: calls for one", per_launch(&plain, launches));
    // Of a few hundred, one that a busy machine held up for longer than AWS is argued with is more than a thousandth.
    let enough = size.choose(99.9, 99.5);
    let share = 100.0 * half.succeeded as f64 / launches as f64;
    report.promise(
        format!("half of all calls throttled, {launches} launches: succeeded"),
        format!("{share:.3} %"),
        format!("at least {enough} %"),
        share >= enough,
    );
    // Every second call is throttled, so twice is the least. The launches take longer, and a few states are looked up again.
    let factor = half.calls as f64 / plain.calls as f64;
    report.promise(
        "calls, compared with undisturbed",
        format!("{factor:.3} x"),
        "at most 2.01 x",
        factor <= 2.01,
    );
    report.none("neither opened nor asked to come again", half.otherwise as u64);
    report.tell("slowest answer", format!("{:?}", half.slowest));
    report.promise(
        format!("all calls throttled, {refused} launches: 503 with `Retry-After`"),
        all.busy,
        refused.to_string(),
        all.busy == refused,
    );
    let slowest = format!("{:?}", all.slowest);
    report.promise("slowest of these answers", slowest, "3 s", all.slowest <= THREE_SECONDS);
    report.tell("calls for one", per_launch(&all, refused));
    report.promise(
        "launches right after it is over that open",
        after.succeeded,
        PEOPLE.to_string(),
        after.succeeded == PEOPLE,
    );
    report
}

/// A replica that has called nothing yet, and people with sessions.
async fn cold() -> Site {
    let site = Site::set_up(Plan { people: PEOPLE, ..Plan::default() }).await.expect("a site");
    site.sign_everybody_in().await;
    site
}

async fn launch(site: &Site, launches: usize) -> Launches {
    let before = site.sandbox.call_count();
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..AT_ONCE {
        let mut connection = site.connect(Style::KeepAlive);
        let (next, people, sandbox) =
            (Arc::clone(&next), Arc::clone(&site.people), Arc::clone(&site.sandbox));
        clients.spawn(async move {
            let mut tally = Launches::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= launches {
                    return tally;
                }
                let person = &people[number % people.len()];
                let answer = connection.get("/studio", &person.clicks()).await.expect("an answer");
                tally.slowest = tally.slowest.max(answer.took);
                match answer.status {
                    StatusCode::FOUND if land(&sandbox, person, answer.location()).is_ok() => {
                        tally.succeeded += 1;
                    }
                    StatusCode::SERVICE_UNAVAILABLE if asks_to_come_again(&answer) => tally.busy += 1,
                    _ => tally.otherwise += 1,
                }
            }
        });
    }
    let mut all = Launches::default();
    while let Some(tally) = clients.join_next().await {
        let tally = tally.expect("a client");
        all.succeeded += tally.succeeded;
        all.busy += tally.busy;
        all.otherwise += tally.otherwise;
        all.slowest = all.slowest.max(tally.slowest);
    }
    all.calls = site.sandbox.call_count() - before;
    all
}

fn asks_to_come_again(answer: &Answer) -> bool {
    let seconds =
        answer.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    seconds.is_some_and(|seconds| (1..=60).contains(&seconds))
}

fn per_launch(launches: &Launches, of: usize) -> String {
    format!("{:.3}", launches.calls as f64 / of as f64)
}
