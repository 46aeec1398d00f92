//! The identity provider is out of reach for ten minutes: who has a session or a token that known keys prove works on.

use super::clock::FakeClock;
use super::connection::{Front, Style};
use super::figures::{Report, Size};
use super::load::Load;
use super::people::Person;
use super::replica::Replica;
use super::site::{Plan, Site};
use hyper::Method;
use postern::clock::Clock;
use postern::sandbox::IdentityProviderFaults;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const FIVE_SECONDS: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(45);
/// Of the replicas' clocks and the provider's, in the small version.
const LEAP: Duration = Duration::from_secs(720);

/// Ten minutes by the machine's clock; in the small version the replica's clock leaps over them.
///
/// `None` where no peers are installed.
pub(crate) async fn run(size: Size) -> Option<Report> {
    let folder = tempfile::TempDir::new().expect("a folder");
    let (leaps, clock, environment) = match size {
        Size::Full => (None, Clock::system(), Vec::new()),
        Size::Small => {
            let leaps = FakeClock::new(folder.path())?;
            let environment = leaps.environment();
            (Some(leaps), Clock::manual(Clock::system().now()), environment)
        }
    };
    // Every session is due again and again while nobody can be asked.
    let change = |config: String| config.replace("session: {", "session: {revalidate: 1m, ");
    let plan = Plan { people: 50, environment, clock: clock.clone(), change: &change, ..Plan::default() };
    let site = Site::set_up(plan).await?;
    site.sign_everybody_in().await;
    let pause = Duration::from_millis(size.choose(40, 2));
    let mut load = Load::start(&site, 8, pause);
    load.until(100).await;

    let began = Instant::now();
    dark(&site, IdentityProviderFaults { unavailable: true, ..IdentityProviderFaults::default() });
    // Knows no keys, and starts nevertheless.
    let (newcomer, its_front) = site.another().await;
    let without_keys = status_of_program(&site.people[0], &its_front).await;
    match &leaps {
        None => sleep(Duration::from_secs(300)).await,
        Some(_) => sleep(Duration::from_secs(1)).await,
    }
    // From refusals to silence.
    dark(
        &site,
        IdentityProviderFaults { slow: Duration::from_secs(3600), ..IdentityProviderFaults::default() },
    );
    let mut before_the_leap = None;
    match &leaps {
        None => sleep(Duration::from_secs(300)).await,
        Some(leaps) => {
            // A link that is on its way over the leap would have expired when it arrives, and rightly so.
            before_the_leap = Some(load.stop().await);
            clock.advance(LEAP);
            leaps.set(720).await;
            load = Load::start(&site, 8, pause);
            sleep(Duration::from_secs(2)).await;
        }
    }
    let lasted = began.elapsed() + leaps.as_ref().map_or(Duration::ZERO, |_| LEAP);
    site.sandbox.faults().set_identity_provider(IdentityProviderFaults::default());
    let light = Instant::now();
    let signed_in = first_sign_in(&site, light).await;
    let newcomer_works = first_program(&site.people[0], &its_front, light, &newcomer).await;
    let after = load.stop().await;
    let outcome = match before_the_leap {
        Some(before) => before.and(after),
        None => after,
    };
    outcome.print();

    let mut report = Report::new("The identity provider goes dark");
    let how = if leaps.is_some() { ", most of it by a leap of the clock" } else { "" };
    report.tell("dark for (half 503, half silence)", format!("{lasted:.0?}{how}"));
    report.tell("requests (launches among them)", format!("{} ({})", outcome.requests, outcome.launches));
    report.none("failed requests of people with sessions and programs with tokens", outcome.failed);
    report.none("of them answered with 503", outcome.busy);
    report.tell("slowest answer", format!("{:?}", outcome.slowest));
    report.tell("a replica that started in the dark, before: status for a program", without_keys);
    let recovery = "from light to the first sign-in";
    report.promise(recovery, format!("{signed_in:?}"), "5 s", signed_in <= FIVE_SECONDS);
    let recovery = "from light to the first program at the replica that started in the dark";
    report.promise(recovery, format!("{newcomer_works:?}"), "5 s", newcomer_works <= FIVE_SECONDS);
    Some(report)
}

fn dark(site: &Site, faults: IdentityProviderFaults) {
    site.sandbox.faults().set_identity_provider(faults);
}

async fn status_of_program(person: &Person, front: &Front) -> u16 {
    const MINT: &str = "/-/api/destinations/studio/url";
    let answer = front.connect(Style::Fresh).send(Method::POST, MINT, &person.calls(), "").await;
    answer.expect("an answer").status.as_u16()
}

async fn first_program(person: &Person, front: &Front, light: Instant, replica: &Replica) -> Duration {
    loop {
        let status = status_of_program(person, front).await;
        if status == 200 {
            return light.elapsed();
        }
        let printed = || replica.printed();
        assert!(light.elapsed() < PATIENCE, "the provider is not found again: {status}\n{}", printed());
        sleep(Duration::from_millis(100)).await;
    }
}

async fn first_sign_in(site: &Site, light: Instant) -> Duration {
    let newcomer = Person::hired(&site.sandbox, 9_999);
    let mut browser = site.connect(Style::KeepAlive);
    while let Err(why) = newcomer.sign_in(&mut browser, site.sandbox.issuer(), "/").await {
        assert!(light.elapsed() < PATIENCE, "nobody can sign in: {why}");
        sleep(Duration::from_millis(100)).await;
    }
    light.elapsed()
}
