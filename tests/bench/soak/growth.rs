//! The CPU time and memory of many rules, groups, people, destinations and replicas.

use super::connection::{Connection, Style};
use super::figures::{Report, Size};
use super::load::Load;
use super::people::Person;
use super::site::{Entrance, Plan, Site};
use hyper::{HeaderMap, StatusCode};
use std::fmt::Write;
use std::time::Duration;

/// Longer than states are looked up in the background, shorter than they are believed.
const REST: Duration = Duration::from_secs(3);

/// `None` where no peers are installed.
pub(crate) async fn run(size: Size) -> Option<Report> {
    let mut report = Report::new("Growth");
    rules(size, &mut report).await;
    people(size, &mut report).await;
    destinations(size, &mut report).await;
    replicas(size, &mut report).await?;
    Some(report)
}

/// A destination with very many rules, none of which lets a person of very many groups in.
async fn rules(size: Size, report: &mut Report) {
    let (rules, requests) = size.choose((1_000, 1_000), (50, 5));
    let change = |config: String| {
        let rules = (0..rules).fold(String::new(), |mut rules, number| {
            write!(rules, "\n    - {{name: team-{number}, allow: \"'team-{number}' in groups\"}}")
                .expect("a text");
            rules
        });
        format!("{config}  crowded:\n    target: *studio\n    rules:{rules}\n")
    };
    let site = Site::set_up(Plan { people: 0, change: &change, ..Plan::default() }).await.expect("a site");
    let groups = (0..rules).map(|number| format!("g-{number}")).collect();
    let person = Person::with_groups(&site.sandbox, 0, groups);
    let mut program = site.connect(Style::KeepAlive);
    let calls = person.calls();
    // Both are read without a token of theirs being verified anew.
    let denied = ask(&site, &mut program, &calls, "/crowded", StatusCode::FORBIDDEN, requests).await;
    let missing = ask(&site, &mut program, &calls, "/nowhere", StatusCode::NOT_FOUND, requests).await;
    let what = format!("CPU time of {rules} rules for a person in {rules} groups");
    at_most(report, size, what, denied.saturating_sub(missing), Duration::from_millis(1));
}

/// The memory that a person costs who has signed in, launched, and called with a token.
async fn people(size: Size, report: &mut Report) {
    let (all, warm) = size.choose((10_000, 500), (20, 10));
    let site = Site::set_up(Plan { people: all, ..Plan::default() }).await.expect("a site");
    let mut browser = site.connect(Style::KeepAlive);
    visit(&site, &mut browser, &site.people[..warm]).await;
    let before = site.replicas[0].resident();
    visit(&site, &mut browser, &site.people[warm..]).await;
    let grown = site.replicas[0].resident().saturating_sub(before);
    let each = 1024 * grown / (all - warm) as u64;
    report.tell("people with a session, a token, an AWS session and a state", all);
    match size {
        Size::Full => report.promise("memory of each, bytes", each, "at most 16384", each <= 16_384),
        Size::Small => report.tell("memory of each, bytes", each),
    }
}

async fn visit(site: &Site, browser: &mut Connection, people: &[Person]) {
    for person in people {
        person.sign_in(browser, site.sandbox.issuer(), "/studio").await.expect("a session");
        for headers in [person.clicks(), person.calls()] {
            let answer = browser.get("/studio", &headers).await.expect("an answer");
            assert_eq!(answer.status, StatusCode::FOUND, "{}: {}", person.id, answer.text());
        }
    }
}

/// The list of very many destinations, and how often AWS is asked for their states.
async fn destinations(size: Size, report: &mut Report) {
    let (destinations, requests) = size.choose((200, 100), (20, 2));
    let change = |config: String| {
        (0..destinations).fold(config, |mut config, number| {
            let mut rules = String::new();
            for rule in 0..19 {
                write!(rules, "{{name: no-{rule}, deny: \"'team-{rule}' in groups\"}}, ").expect("a text");
            }
            write!(
                config,
                "  server-{number}:\n    title: Server {number}\n    target: {{mlflow_tracking_server: \
                 {{tracking_server_name: server-{number}}}}}\n    rules: [{rules}{{name: staff, allow: \
                 \"'ml-users' in groups\"}}]\n"
            )
            .expect("a text");
            config
        })
    };
    let plan = Plan { any_target: true, change: &change, ..Plan::default() };
    let site = Site::set_up(plan).await.expect("a site");
    site.sign_everybody_in().await;
    let mut browser = site.connect(Style::KeepAlive);
    for person in site.people.iter() {
        ask(&site, &mut browser, &person.clicks(), "/", StatusCode::OK, 1).await;
    }
    tokio::time::sleep(REST).await;
    let took = ask(&site, &mut browser, &site.people[0].clicks(), "/", StatusCode::OK, requests).await;
    let what = format!("CPU time of the list of {destinations} destinations with 20 rules each");
    at_most(report, size, what, took, Duration::from_millis(5));
    let calls = site.sandbox.calls();
    let looked_up = calls.iter().filter(|call| call.operation == "DescribeMlflowTrackingServer").count();
    report.promise(
        format!("look-ups of their states, for {} people together", site.people.len()),
        looked_up,
        format!("at most {}", destinations + 1),
        looked_up <= destinations + 1,
    );
}

/// A request costs a replica no more because it is one of three.
async fn replicas(size: Size, report: &mut Report) -> Option<()> {
    let requests = size.choose(40_000, 200);
    let mut each = Vec::new();
    for replicas in [1, 3] {
        let plan = Plan { replicas, entrance: Entrance::Balancer, people: 50, ..Plan::default() };
        let site = Site::set_up(plan).await?;
        site.sign_everybody_in().await;
        let cpu = || site.replicas.iter().map(|replica| replica.cpu()).sum::<Duration>();
        let before = cpu();
        // As many clients for each.
        let load = Load::start(&site, 24 * replicas, Duration::ZERO);
        load.until(requests * replicas as u64).await;
        let outcome = load.stop().await;
        report.none(format!("failed requests with {replicas} behind HAProxy"), outcome.failed);
        each.push((cpu() - before).as_secs_f64() / outcome.requests as f64);
        report.tell(
            format!("CPU time of a request with {replicas} behind HAProxy"),
            format!("{:.0} µs", 1e6 * each[each.len() - 1]),
        );
    }
    let carry = 3.0 * each[0] / each[1];
    let what = "what three replicas carry beside one, by the CPU time of a request";
    match size {
        Size::Full => report.promise(what, format!("{carry:.2} ×"), "at least 2.8 ×", carry >= 2.8),
        Size::Small => report.tell(what, format!("{carry:.2} ×")),
    }
    Some(())
}

/// The CPU time of one request of so many.
async fn ask(
    site: &Site,
    connection: &mut Connection,
    headers: &HeaderMap,
    path: &str,
    status: StatusCode,
    requests: u32,
) -> Duration {
    let before = site.replicas[0].cpu();
    for _ in 0..requests {
        let answer = connection.get(path, headers).await.expect("an answer");
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    (site.replicas[0].cpu() - before) / requests
}

/// Times are judged at full size only.
fn at_most(report: &mut Report, size: Size, what: String, took: Duration, most: Duration) {
    let measured = format!("{:.2} ms", 1e3 * took.as_secs_f64());
    match size {
        Size::Full => report.promise(what, measured, format!("at most {most:?}"), took <= most),
        Size::Small => report.tell(what, measured),
    }
}
