//! The right to start a stopped target, as a change of `start` gives and takes it.

use super::{Files, lines, member, record};
use crate::support::stage::Stage;
use serde_json::{Value, json};

const START: &str = "    start: \"'ml-users' in groups\"\n";

fn claims() -> String {
    let of = |user: &str, groups: &[&str]| json!({"sub": user, "email": format!("{user}@corp.example"), "email_verified": true, "groups": groups});
    lines(&[of("ada", &["ml-users", "ml-risk"]), of("grace", &["ml-users"]), of("olga", &[])])
}

fn changed_to(start: &str) -> Files {
    let files = Files::new(&[(START, start)]);
    files.write("claims.jsonl", claims());
    files
}

const AGAINST: [&str; 6] = ["--config", "new.yaml", "--against", "old.yaml", "--people", "claims.jsonl"];

#[test]
fn a_narrower_start_is_a_loss_of_its_own() {
    let files = changed_to("    start: \"'ml-risk' in groups\"\n");
    let report = files.text(&[&AGAINST[..], &["--names"]].concat());
    assert_eq!(
        report,
        "archive\n  1 person loses the right to start it: `start` held for them, and no longer does\n      in `ml-users`; not in \
         `ml-risk`\n      grace@corp.example\n\n3 people judged, by 3 lines of claims.\n"
    );
    let changes = &files.json(&AGAINST)["destinations"][0]["changes"];
    assert_eq!(changes[0]["kind"], "start-loss");
    let failed = files.run(&[&AGAINST[..], &["--fail-on", "start-loss"]].concat());
    assert_eq!(failed.status.code(), Some(1));
    let passed = files.run(&[&AGAINST[..], &["--fail-on", "start-gain,loss,gain,change,unknown"]].concat());
    assert_eq!(passed.status.code(), Some(0));
}

#[test]
fn a_start_that_is_new_is_a_gain_of_its_own() {
    let files = changed_to("");
    let turned = ["--config", "old.yaml", "--against", "new.yaml", "--people", "claims.jsonl"];
    let report = files.text(&turned);
    assert_eq!(
        report,
        "archive\n  2 people gain the right to start it: `start` did not hold for them, and now does\n      in `ml-users`\n\n3 people \
         judged, by 3 lines of claims.\n"
    );
    assert_eq!(files.json(&turned)["destinations"][0]["changes"][0]["kind"], "start-gain");
}

/// A person who gains or loses access, or lands elsewhere, has one line, with the right to start beside it.
#[test]
fn the_right_to_start_goes_along_with_access() {
    let from = "    start: \"'ml-users' in groups\"\n    target: {mlflow_tracking_server: {tracking_server_name: archive}}\n    api: *mlflow\n    rules: *staff\n";
    let to = from
        .replace("rules: *staff", "rules: [{name: staff, allow: \"'ml-risk' in groups\"}]")
        .replace("start: \"'ml-users'", "start: \"'ml-risk'");
    let files = Files::new(&[(from, &to)]);
    files.write("claims.jsonl", claims());
    let report = files.text(&AGAINST);
    assert!(report.contains("1 person loses access"), "{report}");
    assert!(report.contains("      start: `yes` → none"), "{report}");
    assert!(!report.contains("right to start"), "{report}");
    let moved = from
        .replace("tracking_server_name: archive", "tracking_server_name: attic")
        .replace("    start: \"'ml-users' in groups\"\n", "");
    let files = Files::new(&[(from, &moved)]);
    files.write("claims.jsonl", claims());
    let report = files.text(&AGAINST);
    assert!(report.contains("2 people land elsewhere"), "{report}");
    assert!(report.contains("      start: `yes` → `no`"), "{report}");
}

/// A trail tells who opened what, not who might have started it.
#[test]
fn a_trail_alone_tells_nothing_of_start_and_its_gaps_are_told() {
    let files = changed_to("    start: \"'ml-night' in groups\"\n");
    let mut opened = record("grace@corp.example", Some("staff"), &member(&["ml-users"]));
    opened["destination"] = "archive".into();
    opened["target"] = json!({"tracking_server_name": "archive", "region": "eu-west-1", "access": "log",
        "role_arn": "arn:aws:iam::111122223333:role/postern"});
    opened["facts"]["groups_asked"] = json!(["ml-users"]);
    files.write("audit.jsonl", lines(&[opened]));
    let alone = files.text(&["--config", "new.yaml", "--people", "audit.jsonl"]);
    assert!(alone.starts_with("Nobody gains, loses or lands elsewhere."), "{alone}");
    let report = files.text(&["--config", "new.yaml", "--against", "old.yaml", "--people", "audit.jsonl"]);
    assert!(
        report.contains("1 person cannot be judged: there is no record of the group `ml-night`"),
        "{report}"
    );
}

/// The records of grants hold the facts that `start` reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_trail_holds_the_facts_that_start_reads() {
    let start = "    start: \"user != 'max@corp.example' && 'ml-risk' in groups\"\n";
    let stage =
        Stage::with(postern::sandbox::SandboxOptions::default(), |text| text.replace(START, start)).await;
    _ = stage.program("grace").get(&stage.postern.at("/archive")).await.checked();
    let records = stage.postern.audit_at_rest();
    let granted: Vec<&Value> = records.iter().filter(|record| record["event"] == "grant").collect();
    assert_eq!(granted[0]["facts"]["groups"], json!(["ml-users"]));
    let files = Files::new(&[(START, start)]);
    files.write("audit.jsonl", stage.postern.audit_text());
    let report = files.text(&["--config", "new.yaml", "--against", "old.yaml", "--people", "audit.jsonl"]);
    assert!(report.contains("1 person loses the right to start it"), "{report}");
}
