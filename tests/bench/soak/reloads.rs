//! Another configuration again and again while people work: no request fails, nobody is signed out.

use super::figures::{Report, Size};
use super::load::Load;
use super::replica::program;
use super::site::{Plan, Site};
use std::fs;
use std::process::Command;
use std::time::Duration;

pub(crate) async fn run(size: Size) -> Report {
    let (requests, reloads, workers) = size.choose((60_000, 20, 48), (1_500, 5, 12));
    let site = Site::set_up(Plan { people: 50, ..Plan::default() }).await.expect("a site");
    site.sign_everybody_in().await;
    let mut config = site.config_text(0);
    let load = Load::start(&site, workers, Duration::ZERO);
    let mut refused = 0;
    for number in 1..=reloads {
        load.until(requests * number / (reloads + 1)).await;
        if number % 5 == 1 {
            site.write_config(0, &config.replace("destinations:", "destinatons:"));
            site.replicas[0].reload("refused").await;
            refused += 1;
        }
        config = changed(&site, &config, number);
        site.write_config(0, &config);
        site.replicas[0].reload("applied").await;
    }
    load.until(requests).await;
    let outcome = load.stop().await;
    outcome.print();

    let mut report = Report::new("Reloads under load");
    report.tell("requests (launches among them)", format!("{} ({})", outcome.requests, outcome.launches));
    report.tell("reloads (refused ones beside them)", format!("{reloads} ({refused})"));
    report.none("failed requests", outcome.failed);
    report.none("requests answered with 503", outcome.busy);
    report.tell("requests per second", outcome.per_second());
    report.tell("slowest answer", format!("{:?}", outcome.slowest));
    report
}

/// Each time other texts; sometimes another way to call AWS, and sometimes a new session key in front of the old ones.
fn changed(site: &Site, config: &str, number: u64) -> String {
    let mut changed = config.replace(
        &format!("title: SageMaker Studio{}\n", marked(number - 1)),
        &format!("title: SageMaker Studio{}\n", marked(number)),
    );
    assert_ne!(changed, config, "nothing changes");
    if number.is_multiple_of(4) {
        changed = changed.replace("aws:\n", "aws:\n  timeout: 6s\n");
    } else {
        changed = changed.replace("  timeout: 6s\n", "");
    }
    if number.is_multiple_of(5) {
        let name = format!("session-key-{number}");
        let key = Command::new(program()).arg("keygen").output().expect("a key").stdout;
        fs::write(site.folder.path().join(&name), key).expect("the key");
        changed = changed.replace("keys: [", &format!("keys: [{{file: {name}}}, "));
    }
    changed
}

fn marked(number: u64) -> String {
    if number == 0 { String::new() } else { format!(" ({number})") }
}
