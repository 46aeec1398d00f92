//! Every configured claim, in every shape that a provider may send, through the front door: whoever is not positively known to
//! fulfil a rule does not get through it, and an admin can read why.

mod cognito;
mod paths;
mod programs;
mod shapes;

use crate::support::postern::BINARY;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::{SandboxOptions, Token};
use serde_json::{Map, Value, json};
use std::process::Command;

/// What a gateway says of a token.
struct Said {
    status: u16,
    /// By a destination's name: whether it opens, and why not.
    rows: Vec<(String, Result<(), String>)>,
    who: Value,
    body: String,
}

/// The demo's gateway with these lines in its issuer, and one destination for each pair of a name and its rules.
async fn stage(issuer: &str, destinations: &[(&str, &str)]) -> Stage {
    Stage::with(SandboxOptions::default(), |text| {
        let (settings, _) = text.split_once("x-staff:").expect("the demo's destinations");
        let issuer = format!("    user_domains: [corp.example]\n{issuer}");
        let mut text = settings.replacen("    user_domains: [corp.example]\n", &issuer, 1);
        text.push_str("limits: {mints_per_minute: 1000}\ndestinations:\n");
        for (name, rules) in destinations {
            let target = "{mlflow_tracking_server: {tracking_server_name: experiments}}";
            text.push_str(&format!("  {name}: {{target: {target}, rules: [{rules}]}}\n"));
        }
        text
    })
    .await
}

/// Claims that name Ada to the demo's gateway, beside these.
fn ada(stage: &Stage, more: &Map<String, Value>) -> Map<String, Value> {
    let mut claims = stage.sandbox.access_claims("grace");
    for name in ["groups", "client_id"] {
        claims.remove(name);
    }
    for (name, value) in more {
        claims.insert(name.clone(), value.clone());
    }
    claims
}

/// Asks with a bearer token: `/-/whoami` for the decisions, which are those of a launch, and then for each destination.
async fn ask(stage: &Stage, claims: &Map<String, Value>) -> Said {
    let token = stage.sandbox.token(&Token::new(claims.clone())).expect("a token");
    let mut program = Visitor::program().bearer(&token);
    let answer = program.get(&stage.postern.at("/-/whoami")).await.checked();
    let (status, body) = (answer.status.as_u16(), answer.body);
    let who: Value = serde_json::from_str(&body).expect("JSON");
    let mut rows = Vec::new();
    for row in who["destinations"].as_array().into_iter().flatten() {
        let name = row["name"].as_str().expect("a name").to_owned();
        let opens = program.get(&stage.postern.at(&format!("/{name}"))).await.checked();
        let opened = opens.status == 302;
        assert_eq!(row["allowed"], opened, "{row} {}", opens.body);
        let refusal = || row["reason"].as_str().expect("a reason").to_owned();
        rows.push((name, if opened { Ok(()) } else { Err(refusal()) }));
    }
    Said { status, rows, who, body }
}

/// What `postern explain` says of the same claims, by destination: the decision's word, and all of it as text.
fn explained(stage: &Stage, claims: &Map<String, Value>) -> (Vec<(String, Result<(), String>)>, String) {
    let file = stage.folder.path().join("claims.json");
    std::fs::write(&file, Value::from(claims.clone()).to_string()).expect("a file");
    let explained = Command::new(BINARY)
        .args(["explain", "--format", "json", "--config"])
        .arg(stage.folder.path().join("postern.yaml"))
        .arg("--claims")
        .arg(&file)
        .output()
        .expect("the binary runs");
    let text = String::from_utf8([explained.stdout, explained.stderr].concat()).expect("UTF-8");
    let rows: Value = serde_json::from_str(&text).unwrap_or_default();
    let rows = rows.as_array().into_iter().flatten().map(|row| {
        let reason = row["reason"].as_str().map(str::to_owned);
        (row["destination"].as_str().expect("a name").to_owned(), reason.map_or(Ok(()), Err))
    });
    (rows.collect(), text)
}

/// The log and the audit trail from the last question on, once the trail has a record of each refusal.
fn told(stage: &Stage, before: usize, refusals: usize) -> String {
    let records = stage.postern.audit(before + refusals);
    let records: Vec<String> = records.iter().skip(before).map(Value::to_string).collect();
    records.join("\n")
}

/// The log from a place on, once it holds `text`.
async fn logged(stage: &Stage, before: usize, text: &str) -> String {
    for _ in 0..500 {
        let log = stage.postern.log().split_off(before);
        if log.contains(text) {
            return log;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no {text}: {}", stage.postern.log().split_off(before));
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("no object: {other}"),
    }
}

/// What a claim may be, beside what a rule expects; the second is how the log calls it.
fn odd_values() -> Vec<(Value, &'static str)> {
    vec![
        (json!(null), "is not there"),
        (json!("SECRET contractors"), "is a text"),
        (json!("[SECRET, contractors]"), "is a text"),
        (json!(""), "is a text"),
        (json!("SECRET".repeat(500)), "is a text"),
        (json!(20_304_050), "is a number"),
        (json!(2.5), "is a number"),
        (json!(true), "is a boolean"),
        (json!(false), "is a boolean"),
        (json!({}), "is an object"),
        (json!({"SECRET": {"contractors": true}}), "is an object"),
        (json!({"0": "contractors", "length": 1}), "is an object"),
        (json!([]), "is a list"),
        (json!(["SECRET"]), "is a list"),
        (json!(["SECRET", 20_304_050]), "is a list"),
        (json!([["contractors"]]), "is a list"),
        (json!([{"name": "SECRET"}]), "is a list"),
        (json!([null]), "is a list"),
        (json!([true, false]), "is a list"),
    ]
}
