//! The clock of a replica jumps forwards and backwards under load.

use super::clock::FakeClock;
use super::figures::{Report, Size};
use super::load::Load;
use super::site::{Plan, Site};
use std::time::Duration;
use tokio::time::sleep;

/// In seconds, from the right time. AWS refuses signatures that are more than five minutes off, so no step is longer.
const STEPS: [i64; 6] = [240, 0, -240, 240, -120, 0];

/// `None` where no peers are installed.
pub(crate) async fn run(size: Size) -> Option<Report> {
    let (workers, stay) = size.choose((16, Duration::from_secs(4)), (8, Duration::from_millis(500)));
    let folder = tempfile::TempDir::new().expect("a folder");
    let clock = FakeClock::new(folder.path())?;
    // People worked before the first step, so that nothing they have is from the future.
    let change = |config: String| config.replace("session: {", "session: {revalidate: 1m, ");
    let plan = Plan { environment: clock.environment(), change: &change, ..Plan::default() };
    let site = Site::set_up(plan).await?;
    site.sign_everybody_in().await;
    let load = Load::start(&site, workers, Duration::from_millis(2));
    for ahead in STEPS {
        clock.set(ahead).await;
        sleep(stay).await;
    }
    let outcome = load.stop().await;
    outcome.print();

    let mut report = Report::new("A clock that jumps");
    report.tell("steps, in seconds from the right time", format!("{STEPS:?}"));
    report.tell("requests (launches among them)", format!("{} ({})", outcome.requests, outcome.launches));
    report.none("failed requests", outcome.failed);
    report.none("requests answered with 503", outcome.busy);
    report.tell("slowest answer", format!("{:?}", outcome.slowest));
    Some(report)
}
