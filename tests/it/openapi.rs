//! The API for programs is as its own description says: held by tables, and by a peer that knows nothing but the description.

use crate::support::elsewhere::peers;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::policy::NO_SUCH_PATH;
use postern::sandbox::SandboxOptions;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_secs(120);
const DOCUMENT: &str = include_str!("../../src/gateway/openapi.json");
/// Words for pages and forms, which programs do not use.
const FOR_PEOPLE: [&str; 6] = [
    "foreign-form",
    "not-a-navigation",
    "program-signed-in",
    "sign-in-astray",
    "sign-in-refused",
    "stale-form",
];

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

fn documented_reasons() -> BTreeSet<String> {
    let document = document();
    let words = document["components"]["schemas"]["Reason"]["enum"].as_array().unwrap();
    words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// Every stable word in the tables that a failure's `reason` comes from.
fn reasons_in_the_source() -> BTreeSet<String> {
    let arm = Regex::new(r#"=> "([a-z]+(?:-[a-z]+)*)","#).unwrap();
    let literal = Regex::new(r#""([a-z]+(?:-[a-z]+)+)""#).unwrap();
    let mut words = BTreeSet::new();
    for (file, table, pattern) in [
        ("authn/error.rs", "pub fn reason(&self)", &arm),
        ("tokens/error.rs", "pub fn reason(&self)", &arm),
        ("tokens/mapping_error.rs", "pub fn reason(&self)", &arm),
        ("sessions/error.rs", "impl Unusable {", &arm),
        ("sessions/run_tokens/error.rs", "pub fn as_str(self)", &arm),
        ("policy/grant.rs", "impl DenialReason {", &arm),
        ("presign/error.rs", "pub fn as_str(&self)", &arm),
        ("aws/domains.rs", "pub fn as_str(self)", &arm),
        ("aws/error.rs", "pub fn as_str(&self)", &arm),
        ("gateway/error/wake.rs", "fn may_not_start(", &literal),
        ("gateway/request_body.rs", "fn outcome(self)", &arm),
        ("gateway/error.rs", "fn failure(self", &literal),
    ] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let read = |file: &str| std::fs::read_to_string(source.join(file)).unwrap();
        let text = match file {
            "gateway/error.rs" => {
                read(file)
                    + &read("gateway/error/aws.rs")
                    + &read("gateway/error/sign_in.rs")
                    + &read("gateway/error/token.rs")
            }
            _ => read(file),
        };
        let text = text.split_once(table).unwrap_or_else(|| panic!("{file} has lost `{table}`")).1;
        let text = if file == "gateway/error.rs" { text } else { text.split_once("\n    }\n").unwrap().0 };
        let found: BTreeSet<_> = pattern.captures_iter(text).map(|found| found[1].to_owned()).collect();
        assert!(!found.is_empty(), "{file}: {found:?}");
        words.extend(found);
    }
    // Of a destination that programs cannot call.
    words.insert(NO_SUCH_PATH.to_owned());
    words
}

#[test]
fn every_reason_is_documented() {
    let mut documented = documented_reasons();
    documented.extend(FOR_PEOPLE.map(str::to_owned));
    assert_eq!(reasons_in_the_source(), documented);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_served_to_everyone() {
    let stage = Stage::new().await;
    let url = stage.postern.at("/-/api/openapi.json");
    for mut visitor in [Visitor::program(), Visitor::person(), Visitor::program().bearer("not-a-token")] {
        let served = visitor.get(&url).await.checked();
        assert_eq!((served.status.as_u16(), served.header("content-type")), (200, "application/json"));
        assert_eq!(served.body, DOCUMENT);
    }
    let posted = Visitor::program().post(&url, "").await.checked();
    assert_eq!((posted.status.as_u16(), posted.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_member_of_an_answer_is_undocumented() {
    let stage = Stage::new().await;
    let document = document();
    let documented = |name: &str, answer: &Value| {
        let schema = &document["components"]["schemas"][name]["properties"];
        for member in answer.as_object().unwrap().keys() {
            assert!(schema.get(member).is_some(), "{name}.{member} is not documented");
        }
    };
    let mut max = stage.program("max");
    let caller = max.get(&stage.postern.at("/-/whoami")).await.checked().json();
    documented("Caller", &caller);
    documented("Decision", &caller["destinations"][0]);
    documented("Problem", &max.get(&stage.postern.at("/studio")).await.checked().json());
    let list = max.get(&stage.postern.at("/-/api/destinations")).await.checked().json();
    documented("Destinations", &list);
    documented("Destination", &list["destinations"][0]);
    let mint = stage.postern.at("/-/api/destinations/experiments/url");
    let start = stage.postern.at("/-/start/archive");
    documented("Started", &stage.program("grace").post(&start, "").await.checked().json());
    documented("MintedUrl", &max.post(&mint, "").await.checked().json());
    let (make, wish) = (stage.postern.at("/-/api/tokens"), serde_json::json!({"destination": "experiments"}));
    documented("RunToken", &max.call("POST", &make, &wish).await.checked().json());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_a_mint_is_not_read() {
    let stage = Stage::new().await;
    let mint = stage.postern.at("/-/api/destinations/experiments/url");
    for body in ["", "{\"path\": \"experiments/1\"}", "destination=studio", &"a".repeat(1 << 20)] {
        let minted = stage.program("grace").post(&mint, body).await.checked();
        assert_eq!(minted.status, 200, "{}", minted.body);
        assert_eq!(minted.json()["destination"], "experiments");
        assert!(!minted.json()["url"].as_str().unwrap().contains('#'));
    }
    assert_eq!(stage.mints(), ["CreatePresignedMlflowTrackingServerUrl"; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_the_description_true() {
    let Some(peers) = peers("schemathesis") else { return };
    let stage =
        Stage::with(SandboxOptions::default(), |text| text + "\nlimits: {mints_per_minute: 6000}\n").await;
    let folder = tempfile::tempdir().unwrap();
    // Which destinations exist is this gateway's affair: any other name is 404, one that is stopped 409, and one that this
    // person may not start 403.
    let settings = "[checks.positive_data_acceptance]\nexpected-statuses = [200, 201, 202, 403, 404, 409]\n\
                    [warnings]\nfail-on = true\n";
    std::fs::write(folder.path().join("schemathesis.toml"), settings).unwrap();
    let child = Command::new(peers.join("schemathesis/bin/schemathesis"))
        .arg("run")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gateway/openapi.json"))
        .args(["--url", stage.postern.url.as_str()])
        .args(["--header", &format!("Authorization: Bearer {}", stage.token("grace"))])
        // One takes a run token, which is not the header above; the other a code of a person's browser.
        .args(["--exclude-operation-id", "giveBackRunToken"])
        .args(["--exclude-operation-id", "redeemTerminalCode"])
        .args(["--checks", "all", "--max-examples", "200", "--seed", "1", "--workers", "1"])
        .args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"])
        .args(["--generation-database", "none", "--request-timeout", "10"])
        .current_dir(folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("POSTERN_PEERS holds what tests/peers/install made");
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.expect("in time").unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    println!("{printed}");
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("Tested: 8\n"), "every other operation: {printed}");
    assert!(stage.mints().len() > 5, "it reached the mint");
}
