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

/// The answer that claims get at a destination.
struct Decided {
    claims: Map<String, Value>,
    destination: String,
    /// Why it does not open, where it does not.
    outcome: Result<(), Refused>,
}

enum Refused {
    /// The reason of the decision.
    Decision(String),
    /// The claims name nobody.
    Nobody,
}

impl Decided {
    fn row(claims: &Map<String, Value>, (destination, opens): &(String, Result<(), String>)) -> Self {
        let outcome = opens.clone().map_err(Refused::Decision);
        Self { claims: claims.clone(), destination: destination.clone(), outcome }
    }

    /// As an entry of `tests:`; one that says the opposite must fail.
    fn as_test(&self, index: usize, opposite: bool) -> Value {
        let opens = json!({"tracking_server_name": "experiments"});
        let expect = match (&self.outcome, opposite) {
            (Ok(()), false) | (Err(_), true) => opens,
            (Ok(()), true) | (Err(Refused::Nobody), false) => json!({"deny": "no-rule"}),
            (Err(Refused::Decision(reason)), false) => json!({"deny": reason}),
        };
        json!({"name": format!("case {index}"), "claims": self.claims, "destination": self.destination, "expect": expect})
    }
}

/// The configuration's own tests, run by `postern check`, come to what the gateway decided; and to nothing else. `null`
/// cannot be written there: a claim that is `null` counts as absent, and is to be left out.
fn policy_tests_agree(stage: &Stage, decided: Vec<Decided>) {
    let holds_null = |case: &Decided| Value::from(case.claims.clone()).to_string().contains("null");
    let (unwritable, decided): (Vec<_>, Vec<_>) = decided.into_iter().partition(holds_null);
    assert!(!unwritable.is_empty() && decided.len() > 10);
    let (status, printed) = checked(stage, &unwritable.iter().map(|case| case.as_test(0, false)).collect());
    let errors = printed["errors"].as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!((status, errors.len()), (2, unwritable.len()), "{printed}");
    assert!(errors.iter().all(|error| error["message"] == "no value is given"), "{printed}");
    for opposite in [false, true] {
        let tests = decided.iter().enumerate().map(|(index, case)| case.as_test(index, opposite));
        let (status, printed) = checked(stage, &Value::Array(tests.collect()));
        let outcomes = printed["tests"].as_array().unwrap_or_else(|| panic!("{printed:#}"));
        assert_eq!(outcomes.len(), decided.len());
        for (case, outcome) in decided.iter().zip(outcomes) {
            let is_nobody = matches!(case.outcome, Err(Refused::Nobody));
            assert_eq!(
                outcome["passed"],
                !opposite && !is_nobody,
                "{}: {outcome}",
                case.as_test(0, opposite)
            );
            let said = outcome["failures"].to_string();
            assert_eq!(said.contains("the claims identify nobody"), is_nobody, "{said}");
        }
        let all_pass = outcomes.iter().all(|outcome| outcome["passed"] == true);
        assert_eq!(status, i32::from(!all_pass));
    }
}

/// Runs `postern check` on the stage's configuration with these tests. Returns its exit status and its findings.
fn checked(stage: &Stage, tests: &Value) -> (i32, Value) {
    let written =
        std::fs::read_to_string(stage.folder.path().join("postern.yaml")).expect("the configuration");
    let file = stage.folder.path().join("tested.yaml");
    std::fs::write(&file, format!("{written}\ntests: {tests}\n")).expect("a file");
    let checked = Command::new(BINARY).args(["check", "--format", "json", "--config"]).arg(&file).output();
    let checked = checked.expect("the binary runs");
    let printed = serde_json::from_slice(&checked.stdout);
    let printed =
        printed.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&checked.stderr)));
    (checked.status.code().expect("it ended"), printed)
}

/// The audit trail from the last question on, once it has a record of each refusal; without the facts, which tell on purpose
/// what the rules read.
fn told(stage: &Stage, before: usize, refusals: usize) -> String {
    let records = stage.postern.audit(before + refusals);
    let without_facts = |mut record: Value| {
        record.as_object_mut().expect("an object").remove("facts");
        record.to_string()
    };
    let records: Vec<String> = records.into_iter().skip(before).map(without_facts).collect();
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
