//! SIGTERM without a balancer that would smooth things over: readiness fails at once, and what was sent is answered.

use super::connection::{Front, Style};
use super::figures::{Report, Size};
use super::load::Load;
use super::site::{Plan, Site};
use hyper::{HeaderMap, StatusCode};
use postern::sandbox::{Fault, Times};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use url::Url;

const ONE_SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn run(size: Size) -> Report {
    let (rounds, workers) = size.choose((10, 64), (1, 16));
    let mut site = Site::set_up(Plan { people: 50, ..Plan::default() }).await.expect("a site");
    site.sign_everybody_in().await;
    // So that many requests are under way at any moment.
    site.sandbox.faults().inject(None, Fault::Jitter(Duration::from_millis(300)), Times::UntilCleared);
    let (mut requests, mut lost, mut turned_away) = (0, 0, 0);
    let mut noticed = [Duration::ZERO; 2];
    let mut is_clean = true;
    for _ in 0..rounds {
        let admin = site.replicas[0].admin();
        let admin = Front::plain(admin, Url::parse(&format!("http://{admin}")).expect("a URL"));
        let load = Load::start(&site, workers, Duration::ZERO);
        load.until(10 * workers as u64).await;
        let asked = Instant::now();
        site.replicas[0].signal("TERM");
        for (noticed, front) in noticed.iter_mut().zip([&site.front, &admin]) {
            *noticed = (*noticed).max(until_unready(front, asked).await);
        }
        is_clean &= site.replicas[0].ended().await.success();
        let outcome = load.stop().await;
        outcome.print_lost();
        requests += outcome.requests - outcome.turned_away;
        lost += outcome.failed - outcome.turned_away + outcome.busy;
        turned_away += outcome.turned_away;
        site.start_again(0).await;
    }

    let mut report = Report::new("Stop by SIGTERM, seen by clients that try nothing twice");
    report.tell("stops", rounds);
    report.tell("requests", requests);
    for (which, noticed) in ["main", "admin"].iter().zip(noticed) {
        let what = format!("from SIGTERM to 503 of `/-/ready`, {which} listener, worst");
        report.promise(what, format!("{noticed:?}"), "1 s", noticed < ONE_SECOND);
    }
    report.none("requests that were sent and not answered well", lost);
    report.promise("every exit with status 0", is_clean, "true", is_clean);
    report.tell("connections refused after the listener closed", turned_away);
    report
}

async fn until_unready(front: &Front, asked: Instant) -> Duration {
    loop {
        let answer = front.connect(Style::Fresh).get("/-/ready", &HeaderMap::new()).await;
        let answer = answer.expect("readiness is told before the listener closes");
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            return asked.elapsed();
        }
        assert!(asked.elapsed() < Duration::from_secs(30), "readiness does not fail");
        sleep(Duration::from_millis(2)).await;
    }
}
