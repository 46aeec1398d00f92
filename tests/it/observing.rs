//! The dashboard and the alert rules: they are well formed, and they speak of metrics that there are.

use crate::metrics::{Family, exposed, parse};
use crate::support::elsewhere::peers;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::metrics::{Exposition, Metrics};
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const RULES: &str = "deploy/prometheus/postern.rules.yaml";
const DASHBOARD: &str = "deploy/grafana/postern.json";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every query of the dashboard, with its panel's title.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let panels = panels.iter().filter(|panel| panel["type"] != "row");
    let queries: Vec<_> = panels
        .flat_map(|panel| {
            let title = panel["title"].as_str().unwrap();
            let targets = panel["targets"].as_array().unwrap_or_else(|| panic!("{title} asks for nothing"));
            targets.iter().map(move |target| (title.to_owned(), target["expr"].as_str().unwrap().to_owned()))
        })
        .collect();
    assert!(queries.len() > 15, "the panels were not found");
    queries
}

/// What the real binary exposes, after something of everything, as samples are called.
async fn samples() -> BTreeSet<String> {
    let stage = Stage::new().await;
    for person in ["grace", "max"] {
        _ = stage.program(person).get(&stage.postern.at("/studio")).await;
    }
    let (mut families, _) = parse(&exposed(&stage).await);
    // Where TLS is served, there is the certificate's, too.
    let metrics = Metrics::default();
    metrics.certificate_expires(postern::clock::UnixSeconds(0));
    families.extend(parse(&metrics.render(Exposition::OpenMetrics)).0);
    families.iter().flat_map(|(name, family)| sample_names(name, family)).collect()
}

fn sample_names(name: &str, family: &Family) -> Vec<String> {
    let suffixes: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_count", "_sum"],
        _ => &[""],
    };
    suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboard_and_rules_use_metrics_that_there_are() {
    let name = Regex::new(r"\bpostern_[a-z_]+").unwrap();
    let samples = samples().await;
    let mut used = BTreeMap::<String, BTreeSet<String>>::new();
    for (place, text) in queries().into_iter().chain([(RULES.to_owned(), read(RULES))]) {
        for found in name.find_iter(&text) {
            used.entry(found.as_str().to_owned()).or_default().insert(place.clone());
        }
    }
    assert!(used.len() > 15, "{used:#?}");
    let unknown: Vec<_> = used.iter().filter(|(name, _)| !samples.contains(*name)).collect();
    assert!(unknown.is_empty(), "no such metrics: {unknown:#?}");
}

/// Outcomes and events that are asked for by name stand in the exposition from the start.
#[tokio::test(flavor = "multi_thread")]
async fn rules_ask_for_words_that_there_are() {
    let stage = Stage::new().await;
    _ = Visitor::program().get(&stage.postern.at("/studio")).await;
    _ = stage.program("grace").get(&stage.postern.at("/studio")).await;
    let text = exposed(&stage).await;
    let matcher = Regex::new(r#"(postern_[a-z_]+)\{(outcome|event|reason)=~?"([^"]+)""#).unwrap();
    let mut asked = 0;
    for found in matcher.captures_iter(&read(RULES)) {
        for word in found[3].split('|') {
            asked += 1;
            // Single calls are counted as they come: nobody knows beforehand which will be made.
            let is_there = &found[1] == "postern_aws_calls_total"
                || text.lines().any(|line| {
                    line.starts_with(&found[1]) && line.contains(&format!("{}=\"{word}\"", &found[2]))
                });
            assert!(is_there, "{} has no {word}: {text}", &found[1]);
        }
    }
    assert!(asked > 8, "the rules were not read");
}

#[test]
fn the_dashboard_is_one_that_grafana_takes() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    assert!(dashboard["uid"].is_string() && dashboard["title"].is_string());
    assert_eq!(dashboard["id"], Value::Null, "one with an id could overwrite another");
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{} has another's id", panel["title"]);
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{}", panel["title"]);
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{}", panel["title"]);
        }
    }
}

#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    let Some(peers) = peers("promtool test rules") else { return };
    let run = |arguments: &[&str]| {
        let judged = Command::new(peers.join("prometheus/promtool"))
            .args(arguments)
            .current_dir(path("deploy/prometheus"))
            .output()
            .expect("POSTERN_PEERS holds what tests/peers/install made");
        let said = String::from_utf8_lossy(&judged.stdout) + String::from_utf8_lossy(&judged.stderr);
        assert!(judged.status.success() && said.contains("SUCCESS"), "{said}");
    };
    run(&["check", "rules", "postern.rules.yaml"]);
    run(&["test", "rules", "postern.rules.test.yaml"]);
    // And every alert has a test of its firing.
    let alert = Regex::new(r"(?:alert|alertname): (\w+)").unwrap();
    let names =
        |text: &str| alert.captures_iter(text).map(|found| found[1].to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names(&read(RULES)), names(&read("deploy/prometheus/postern.rules.test.yaml")));
}

/// A query that Prometheus cannot parse shows as an empty panel and nobody notices.
#[test]
fn promtool_takes_the_dashboards_queries() {
    let Some(peers) = peers("promtool check rules") else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let rules: Vec<Value> = queries()
        .into_iter()
        .enumerate()
        .map(|(index, (_, query))| {
            let query = query.replace("$__rate_interval", "5m").replace("$job", "postern");
            serde_json::json!({"record": format!("panel_{index}"), "expr": query})
        })
        .collect();
    let groups = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules}]});
    let file = folder.path().join("queries.yaml");
    // JSON is YAML.
    std::fs::write(&file, groups.to_string()).unwrap();
    let judged = Command::new(peers.join("prometheus/promtool"))
        .args(["check", "rules", "--lint=none"])
        .arg(&file)
        .output()
        .expect("POSTERN_PEERS holds what tests/peers/install made");
    let said = String::from_utf8_lossy(&judged.stdout) + String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success(), "{said}");
}
