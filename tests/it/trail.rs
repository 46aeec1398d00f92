//! The audit trail in a file: whose it is, what becomes of it when it is rotated, and what AWS calls the request.

use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::{Fault, SandboxOptions, Times};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

async fn stage() -> (Stage, PathBuf) {
    let stage = Stage::with(SandboxOptions::default(), |text| text + "\naudit: {file: audit.jsonl}\n").await;
    let file = stage.folder.path().join("audit.jsonl");
    (stage, file)
}

/// The file's records, once there are as many.
fn records(file: &Path, at_least: usize) -> Vec<Value> {
    for _ in 0..500 {
        let text = fs::read_to_string(file).unwrap_or_default();
        if text.lines().count() >= at_least {
            return text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("fewer than {at_least} records: {:?}", fs::read_to_string(file));
}

async fn open(stage: &Stage, person: &str) -> u16 {
    stage.program(person).get(&stage.postern.at("/studio")).await.checked().status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_its_owners_and_grows() {
    let (stage, file) = stage().await;
    assert_eq!(records(&file, 1)[0]["event"], "start");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(open(&stage, "grace").await, 302);
    assert_eq!(open(&stage, "max").await, 403);
    let found = records(&file, 3);
    assert_eq!((&found[1]["event"], &found[2]["event"]), (&"grant".into(), &"deny".into()));
    assert_eq!(stage.postern.audit_text(), "", "it is not on standard output as well");
}

/// As logrotate does it: the file is renamed, and the process may be told by a signal.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_file_is_followed() {
    let (stage, file) = stage().await;
    records(&file, 1);
    for (round, by_signal) in [(1, true), (2, false)] {
        let rotated = file.with_extension(round.to_string());
        fs::rename(&file, &rotated).unwrap();
        if by_signal {
            stage.postern.signal("HUP");
        }
        let before = fs::read_to_string(&rotated).unwrap();
        assert_eq!(open(&stage, "grace").await, 302);
        // The reload is on record, too, and may come later.
        let found = records(&file, if by_signal { 2 } else { 1 });
        assert!(found.iter().any(|record| record["event"] == "grant"), "{found:?}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&rotated).unwrap(), before, "nothing more goes to the old one");
    }
    // As `copytruncate` does it: what follows begins at the file's start.
    fs::OpenOptions::new().write(true).truncate(true).open(&file).unwrap();
    assert_eq!(open(&stage, "max").await, 403);
    assert_eq!(records(&file, 1)[0]["event"], "deny");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_gone_loses_records_and_holds_nobody_up() {
    let text = |text: String| text + "\naudit: {file: trail/audit.jsonl}\n";
    let refused = tokio::spawn(async move { drop(Stage::with(SandboxOptions::default(), text).await) });
    assert!(refused.await.is_err(), "it does not start without its trail");

    let (stage, file) = stage().await;
    records(&file, 1);
    let folder = stage.folder.path().to_owned();
    let aside = folder.with_extension("aside");
    fs::rename(&folder, &aside).unwrap();
    for _ in 0..3 {
        assert_eq!(open(&stage, "grace").await, 302);
    }
    let mut lost = String::new();
    for _ in 0..500 {
        let metrics = Visitor::program().get(&stage.postern.admin("/metrics")).await.body;
        let line = metrics.lines().find_map(|line| line.strip_prefix("postern_audit_lost_total "));
        lost = line.unwrap().to_owned();
        if lost == "3" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(lost, "3");
    fs::rename(&aside, &folder).unwrap();
    assert_eq!(open(&stage, "max").await, 403);
    let found = records(&file, 3);
    assert_eq!(
        (&found[1]["event"], &found[2]["event"], &found[2]["lost"]),
        (&"deny".into(), &"lost".into(), &3.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_tells_what_aws_calls_the_request() {
    let (stage, file) = stage().await;
    stage.sandbox.faults().inject(Some("CreatePresignedDomainUrl"), Fault::AccessDenied, Times::Next(1));
    assert_eq!(open(&stage, "grace").await, 502);
    assert_eq!(open(&stage, "grace").await, 302);
    let found = records(&file, 3);
    let (refused, opened) = (&found[1], &found[2]);
    assert_eq!((&refused["outcome"], &opened["outcome"]), (&"failed".into(), &"opened".into()));
    let id = |record: &Value| record["aws_request_id"].as_str().expect("AWS's name of it").to_owned();
    assert!(id(refused).len() > 8 && id(opened).len() > 8);
    assert_ne!(id(refused), id(opened));
    let fields: Vec<_> = opened.as_object().unwrap().keys().map(String::as_str).collect();
    for field in [
        "time",
        "event",
        "request_id",
        "trace_id",
        "issuer",
        "subject",
        "user",
        "destination",
        "rule",
        "reason",
        "outcome",
        "target",
        "trace",
        "role_session_name",
        "aws_request_id",
        "client_ip",
        "from_slot",
        "config_digest",
    ] {
        assert!(fields.contains(&field), "{field} is missing in {opened:#}");
    }
}

/// `/dev/full` answers every write as a full disk does.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_records_and_holds_nobody_up() {
    let full = |text: String| text + "\naudit: {file: /dev/full}\n";
    let stage = Stage::with(SandboxOptions::default(), full).await;
    for _ in 0..5 {
        assert_eq!(open(&stage, "grace").await, 302);
    }
    for _ in 0..500 {
        let metrics = Visitor::program().get(&stage.postern.admin("/metrics")).await.body;
        // The start is a record, too.
        if metrics.contains("\npostern_audit_lost_total 6\n") {
            // The log tells of what was lost until the next record, once.
            assert_eq!(open(&stage, "grace").await, 302);
            assert!(stage.postern.log().contains("\"audit.lost\""), "{}", stage.postern.log());
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("records were lost and not counted");
}

#[test]
fn a_named_pipe_is_refused_for_it_would_wait_for_a_reader() {
    let folder = tempfile::TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let refused = postern::audit::file::AuditFile::open(&pipe).unwrap_err();
    assert!(refused.to_string().contains("named pipe"), "{refused}");
}
