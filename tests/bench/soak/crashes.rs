//! What is killed without a warning: replicas one after the other, and the state that they share.

use super::connection::Style;
use super::figures::{Report, Size};
use super::load::Load;
use super::site::{Entrance, Plan, Site};
use hyper::Method;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Replicas are killed under load: what is lost is no more than what they were working on.
///
/// `None` where no peers are installed.
pub(crate) async fn replicas(size: Size) -> Option<Report> {
    let (kills, workers) = size.choose((15, 48), (3, 12));
    let plan = Plan { replicas: 3, entrance: Entrance::Balancer, people: 50, ..Plan::default() };
    let mut site = Site::set_up(plan).await?;
    site.sign_everybody_in().await;
    let stale = sign_out(&site).await;
    let load = Load::start(&site, workers, Duration::ZERO);
    load.until(200).await;
    let mut under_way = 0;
    for kill in 0..kills {
        under_way += load.under_way();
        site.replicas[kill % 3].signal("KILL");
        _ = site.replicas[kill % 3].ended().await;
        sleep(Duration::from_millis(500)).await;
        site.start_again(kill % 3).await;
    }
    let outcome = load.stop().await;
    outcome.print();

    let mut report = Report::new("Replicas killed (SIGKILL) behind HAProxy");
    report.tell("requests (launches among them)", format!("{} ({})", outcome.requests, outcome.launches));
    report.tell("replicas killed and started again", kills);
    report.promise(
        "requests lost",
        outcome.failed,
        format!("at most the {under_way} that were under way at those moments"),
        outcome.failed <= under_way,
    );
    report.none("requests answered with 503", outcome.busy);
    report.none("ended sessions that work again", let_in(&site, &stale).await);
    Some(report)
}

/// Valkey is killed under load and comes back empty, with both answers to what counts meanwhile.
///
/// `None` where no peers are installed.
pub(crate) async fn state(size: Size) -> Option<Report> {
    let away = size.choose(Duration::from_secs(10), Duration::from_secs(1));
    let mut report = Report::new("Valkey killed under load, and back empty");
    for (name, serve) in [("serve", true), ("refuse", false)] {
        let change = |config: String| {
            config.replace("POSTERN_VALKEY_URL}", &format!("POSTERN_VALKEY_URL}}, when_away: {name}"))
        };
        let plan = Plan {
            replicas: 2,
            entrance: Entrance::Balancer,
            people: 50,
            change: &change,
            ..Plan::default()
        };
        let mut site = Site::set_up(plan).await?;
        site.sign_everybody_in().await;
        let stale = sign_out(&site).await;
        let load = Load::start(&site, 12, Duration::from_millis(1));
        load.until(200).await;
        site.valkey.as_mut().expect("a state").stop();
        sleep(away).await;
        site.valkey.as_mut().expect("a state").start_again();
        let back = Instant::now();
        for index in 0..2 {
            while site.metric(index, "postern_state_up").await != 1 {
                assert!(back.elapsed() < Duration::from_secs(60), "the state is not found again");
                sleep(Duration::from_millis(20)).await;
            }
        }
        let found = back.elapsed();
        sleep(Duration::from_secs(1)).await;
        let outcome = load.stop().await;
        outcome.print();

        let told = |what: &str| format!("`when_away: {name}`: {what}");
        report.tell(told("requests, launches"), format!("{}, {}", outcome.requests, outcome.launches));
        report.none(told("failed requests"), outcome.failed);
        if serve {
            report.none(told("requests answered with 503"), outcome.busy);
        } else {
            report.tell(told("requests answered with 503 and `Retry-After` meanwhile"), outcome.busy);
        }
        report.tell(told("from its start until every replica uses it again"), format!("{found:?}"));
        report.none(told("ended sessions that work again"), let_in(&site, &stale).await);
    }
    Some(report)
}

/// Ends the first person's session and gives them another. The old cookie is what counts no more.
async fn sign_out(site: &Site) -> hyper::HeaderMap {
    let person = &site.people[0];
    let stale = person.clicks();
    let mut browser = site.connect(Style::KeepAlive);
    let left = browser.send(Method::POST, "/-/logout", &stale, "").await.expect("an answer");
    assert_eq!(left.status, 303, "{}", left.text());
    person.sign_in(&mut browser, site.sandbox.issuer(), "/").await.expect("a session");
    stale
}

/// How many of some tries with the ended session get further than to the sign-in.
async fn let_in(site: &Site, stale: &hyper::HeaderMap) -> u64 {
    let mut opened = 0;
    for _ in 0..12 {
        let answer = site.connect(Style::Fresh).get("/studio", stale).await.expect("an answer");
        let is_sign_in = answer.location().starts_with(site.sandbox.issuer().as_str());
        opened += u64::from(!is_sign_in);
    }
    opened
}
