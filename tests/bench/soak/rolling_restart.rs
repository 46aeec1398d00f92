//! Three replicas behind a balancer are replaced one after the other while people work.

use super::figures::{Report, Size};
use super::load::Load;
use super::site::{Entrance, Plan, Site};
use std::time::Duration;

/// `None` where no peers are installed.
pub(crate) async fn run(size: Size) -> Option<Report> {
    let (requests, rounds, workers) = size.choose((100_000, 3, 48), (1_000, 1, 12));
    // The shipped default, and for tests what these health checks need.
    let delay = size.choose("delay: 5s", "delay: 1s");
    let change = |config: String| config.replace("delay: 1s", delay);
    let plan =
        Plan { replicas: 3, entrance: Entrance::Balancer, people: 50, change: &change, ..Plan::default() };
    let mut site = Site::set_up(plan).await?;
    site.sign_everybody_in().await;
    let load = Load::start(&site, workers, Duration::ZERO);
    load.until(requests / 10).await;
    let mut restarts = 0;
    while restarts < 3 * rounds || load.requests() < requests {
        site.replace(restarts % 3).await;
        restarts += 1;
    }
    let outcome = load.stop().await;
    outcome.print();

    let mut report = Report::new("Rolling restart of three replicas behind HAProxy");
    report.tell("requests (launches among them)", format!("{} ({})", outcome.requests, outcome.launches));
    report.tell("replicas stopped by SIGTERM and started again", restarts);
    report.none("failed requests", outcome.failed);
    report.none("requests answered with 503", outcome.busy);
    if let Some(balancer) = &site.balancer {
        report.tell("connections that the balancer had to try again", balancer.total("wretr", 3).await);
        report.none("answers that the balancer made itself", balancer.total("eresp", 3).await);
    }
    report.tell("requests per second", outcome.per_second());
    report.tell("slowest answer", format!("{:?}", outcome.slowest));
    Some(report)
}
