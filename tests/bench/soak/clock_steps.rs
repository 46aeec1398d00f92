//! The clock of a replica jumps forwards and backwards under load.

use super::clock::FakeClock;
use super::figures::{Report, Size};
use super::load::Load;
use super::site::{Plan, Site};
use std::time::Duration;
use tokio::time::sleep;

/// In seconds, from the right time. Fresh tokens of a provider are good for minutes, and refreshed ones are asked for.
const STEPS: [i64; 6] = [240, 0, -240, 240, -240, 0];
/// Where the provider is not asked again. AWS refuses signatures that are more than five minutes off.
const LEAPS: [i64; 6] = [1800, 0, -1800, 1800, -1200, 0];

/// `None` where no peers are installed.
pub(crate) async fn run(size: Size) -> Option<Report> {
    let mut report = Report::new("A clock that jumps");
    step("with `revalidate: 1m`", &STEPS, "revalidate: 1m, ", size, &mut report).await?;
    step("without `revalidate`", &LEAPS, "", size, &mut report).await?;
    Some(report)
}

async fn step(name: &str, steps: &[i64], session: &str, size: Size, report: &mut Report) -> Option<()> {
    let (workers, stay) = size.choose((16, Duration::from_secs(4)), (8, Duration::from_millis(300)));
    let steps = &steps[size.choose(0, 2)..];
    let folder = tempfile::TempDir::new().expect("a folder");
    let clock = FakeClock::new(folder.path())?;
    let change = |config: String| config.replace("session: {", &format!("session: {{{session}"));
    let plan = Plan { environment: clock.environment(), change: &change, ..Plan::default() };
    let site = Site::set_up(plan).await?;
    site.sign_everybody_in().await;
    let load = Load::start(&site, workers, Duration::from_millis(2));
    for ahead in steps {
        clock.set(*ahead).await;
        sleep(stay).await;
    }
    let outcome = load.stop().await;
    outcome.print();
    if outcome.failed > 0 {
        site.replicas[0].print_warnings();
    }
    let told = |what: &str| format!("{name}: {what}");
    report.tell(told("steps, in seconds from the right time"), format!("{steps:?}"));
    report.tell(told("requests, launches"), format!("{}, {}", outcome.requests, outcome.launches));
    report.none(told("failed requests"), outcome.failed);
    report.none(told("requests answered with 503"), outcome.busy);
    report.tell(told("slowest answer"), format!("{:?}", outcome.slowest));
    Some(())
}
