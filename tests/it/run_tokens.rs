//! Run tokens, through the front door: made by a bearer token, used at a destination's API, and taken back.

mod ends;
mod github;
mod hostile;
pub(crate) mod page;

use crate::support::stage::Stage;
use crate::support::visitor::{Answer, Visitor};
use postern::clock::Clock;
use postern::sandbox::SandboxOptions;
use serde_json::{Value, json};
use std::time::Duration;

const RUNS: &str = "/experiments/api/2.0/mlflow/runs";
const MAKE: &str = "/-/api/tokens";

async fn make(stage: &Stage, person: &str, wish: &Value) -> Answer {
    stage.program(person).call("POST", &stage.postern.at(MAKE), wish).await.checked()
}

/// A run token of this person for `experiments`.
async fn made(stage: &Stage, person: &str) -> String {
    let answer = make(stage, person, &json!({"destination": "experiments"})).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["token"].as_str().unwrap().to_owned()
}

/// What MLflow's client does with the token.
async fn search(stage: &Stage, token: &str) -> Answer {
    let at = stage.postern.at(&format!("{RUNS}/search"));
    let body = json!({"experiment_ids": ["0"]});
    Visitor::program().bearer(token).call("POST", &at, &body).await.checked()
}

async fn create(stage: &Stage, token: &str) -> Answer {
    let at = stage.postern.at(&format!("{RUNS}/create"));
    let body = json!({"experiment_id": "0", "run_name": "first", "start_time": 1});
    Visitor::program().bearer(token).call("POST", &at, &body).await.checked()
}

async fn delete(stage: &Stage, token: &str) -> Answer {
    let run = create(stage, &made(stage, "ada").await).await.json()["run"]["info"]["run_id"].clone();
    let at = stage.postern.at(&format!("{RUNS}/delete"));
    Visitor::program().bearer(token).call("POST", &at, &json!({"run_id": run})).await.checked()
}

/// A run token that does not count, for this reason: in both shapes of the bridge's errors, and without the token.
#[track_caller]
fn is_refused(answer: &Answer, reason: &str, token: &str) {
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (401, reason), "{}", answer.body);
    let body = answer.json();
    assert_eq!(body["error_code"], "UNAUTHENTICATED");
    assert!(body["message"].as_str().is_some_and(|message| message.len() > 20), "{body}");
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"postern\", error=\"invalid_token\"");
    assert!(!answer.body.contains(&token[..30]), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_a_token_for_one_destination_and_calls_with_it() {
    let stage = Stage::new().await;
    let answer = make(&stage, "grace", &json!({"destination": "experiments"})).await;
    let told = answer.json();
    assert_eq!(answer.status, 201, "{told}");
    let token = told["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("postern_run_") && token.len() < 2048, "{}", token.len());
    assert_eq!((&told["destination"], &told["access"]), (&json!("experiments"), &json!("log")));
    assert_eq!(told["tracking_uri"], stage.postern.at("/experiments").as_str());
    assert_eq!((&told["expires_in"], &told["listed"]), (&json!(12 * 3600), &json!(true)));
    let expires = humantime::parse_rfc3339(told["expires_at"].as_str().unwrap()).unwrap();
    let left = expires.duration_since(Clock::system().now_system()).unwrap().as_secs();
    assert!((12 * 3600 - 30..=12 * 3600).contains(&left), "{left}");
    let created = create(&stage, &token).await;
    assert_eq!(created.status, 200, "{}\n{}", created.body, stage.postern.log());
    assert_eq!(search(&stage, &token).await.status, 200);
    let call = stage.sandbox.calls().into_iter().find(|call| call.operation.contains("runs/create")).unwrap();
    assert_eq!(call.caller.source_identity.as_deref(), Some("grace@corp.example"), "as that person");
    let records = stage.postern.audit_at_rest();
    let issued = records.iter().find(|record| record["event"] == "token").expect("a record");
    for (key, value) in [
        ("user", json!("grace@corp.example")),
        ("destination", json!("experiments")),
        ("outcome", json!("issued")),
        ("access", json!("log")),
        ("rule", json!("staff")),
        ("token_id", told["token_id"].clone()),
        ("expires_at", told["expires_at"].clone()),
    ] {
        assert_eq!(issued[key], value, "{key} of {issued:#}");
    }
    let call = records.iter().find(|record| record["event"] == "call").expect("a record");
    assert_eq!(call["token_id"], told["token_id"], "{call:#}");
    let metrics = stage.program("grace").get(&stage.postern.admin("/metrics")).await.body;
    assert!(metrics.contains("postern_tokens_issued_total 1\n"), "{metrics}");
    for place in [stage.postern.audit_text(), stage.postern.log(), metrics] {
        assert!(!place.contains(&token[12..40]), "a token shows");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_gives_what_was_asked_and_what_the_rules_give_but_no_more() {
    let stage = Stage::new().await;
    // (person, asked, given, may create, may delete)
    for (person, asked, given, creates, deletes) in [
        ("ada", None, "write", true, true),
        ("ada", Some("log"), "log", true, false),
        ("ada", Some("read"), "read", false, false),
        ("grace", Some("write"), "log", true, false),
        ("max", Some("write"), "read", false, false),
    ] {
        let wish = match asked {
            Some(access) => json!({"destination": "experiments", "access": access}),
            None => json!({"destination": "experiments"}),
        };
        let told = make(&stage, person, &wish).await.json();
        assert_eq!(told["access"], given, "{person} asks for {asked:?}: {told}");
        let token = told["token"].as_str().unwrap();
        assert_eq!(search(&stage, token).await.status, 200, "{person}");
        let done = |answer: Answer| {
            let is_allowed = answer.status == 200;
            assert!(is_allowed || answer.reason() == "access-too-low", "{}", answer.body);
            is_allowed
        };
        assert_eq!(done(create(&stage, token).await), creates, "{person} {asked:?}");
        assert_eq!(done(delete(&stage, token).await), deletes, "{person} {asked:?}");
    }
    let assumed = stage.sandbox.calls().into_iter().filter(|call| call.operation == "AssumeRole");
    let of_ada = assumed.filter(|call| call.input["RoleSessionName"] == "ada@corp.example");
    let policies: Vec<String> =
        of_ada.filter_map(|call| Some(call.input.get("Policy")?.as_str()?.to_owned())).collect();
    let narrow = |policy: &&String| policy.contains("sagemaker-mlflow:Get*");
    assert!(policies.iter().any(|policy| narrow(&policy)), "AWS holds `read`, too: {policies:#?}");
    let records = stage.postern.audit_at_rest();
    let call = records.iter().find(|record| record["event"] == "call" && record["access"] == "read");
    let call = call.expect("a call of ada's");
    assert_eq!(call["target"]["access"], "write", "the rule's own, for comparisons: {call:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifetime_may_be_asked_for_and_is_bounded() {
    let stage = Stage::with(SandboxOptions::default(), |text| text + "\ntokens: {lifetime: 2h}\n").await;
    for (asked, given) in [(json!(90), 90), (json!(7200), 7200), (json!(604_800), 7200)] {
        let told = make(&stage, "grace", &json!({"destination": "experiments", "expires_in": asked})).await;
        assert_eq!((told.status.as_u16(), &told.json()["expires_in"]), (201, &json!(given)), "{asked}");
    }
    let wish = json!({"destination": "experiments", "expires_in": 1});
    let token = make(&stage, "grace", &wish).await.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(search(&stage, &token).await.status, 200);
    tokio::time::sleep(Duration::from_secs(2)).await;
    is_refused(&search(&stage, &token).await, "token-expired", &token);
    let records = stage.postern.audit_at_rest();
    let refused: Vec<_> = records.iter().filter(|record| record["outcome"] == "refused").collect();
    assert_eq!((refused.len(), &refused[0]["event"]), (1, &json!("token")), "{refused:#?}");
    assert_eq!(
        (&refused[0]["reason"], &refused[0]["user"]),
        (&json!("token-expired"), &json!("grace@corp.example"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_token_say_why() {
    let stage = Stage::new().await;
    let at = stage.postern.at(MAKE);
    for (person, wish, status, reason) in [
        ("grace", json!({"destination": "nowhere"}), 404, "no-such-destination"),
        ("grace", json!({"destination": "studio"}), 404, "no-such-path"),
        ("olga", json!({"destination": "experiments"}), 403, "no-rule"),
        ("grace", json!({"destination": "experiments", "access": "all"}), 400, "malformed-request"),
        ("grace", json!({"destination": "experiments", "expires_in": 0}), 400, "malformed-request"),
        ("grace", json!({"destination": "experiments", "expires_in": 604_801}), 400, "malformed-request"),
        ("grace", json!({"destination": "experiments", "expires_in": "1h"}), 400, "malformed-request"),
        ("grace", json!({"destination": "experiments", "lifetime": "1h"}), 400, "malformed-request"),
        ("grace", json!({"destination": "experiments", "name": "a\nb"}), 400, "malformed-request"),
        ("grace", json!({"destination": "experiments", "name": "a".repeat(65)}), 400, "malformed-request"),
        ("grace", json!({}), 400, "malformed-request"),
        ("grace", json!([]), 400, "malformed-request"),
        (
            "grace",
            json!({"destination": "experiments", "name": "a".repeat(20_000)}),
            400,
            "malformed-request",
        ),
    ] {
        let answer = make(&stage, person, &wish).await;
        assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (status, reason), "{}", answer.body);
    }
    let form = stage.program("grace").post(&at, "destination=experiments").await.checked();
    assert_eq!((form.status.as_u16(), form.reason().as_str()), (400, "malformed-request"));
    let nobody = Visitor::program().call("POST", &at, &json!({"destination": "experiments"})).await.checked();
    assert_eq!((nobody.status.as_u16(), nobody.reason().as_str()), (401, "no-credential"));
    let got = stage.program("grace").get(&at).await.checked();
    assert_eq!((got.status.as_u16(), got.header("allow")), (405, "POST"));
    let metrics = stage.program("grace").get(&stage.postern.admin("/metrics")).await.body;
    assert!(metrics.contains("postern_tokens_issued_total 0\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_makes_so_many_a_minute() {
    let stage = Stage::new().await;
    let wish = json!({"destination": "experiments"});
    let (mut answer, mut before) = (make(&stage, "grace", &wish).await, 0);
    while answer.status == 201 && before < 600 {
        (answer, before) = (make(&stage, "grace", &wish).await, before + 1);
    }
    assert!(before >= 59, "{before}");
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (429, "too-many-tokens"));
    assert!(!answer.header("retry-after").is_empty());
    // Others go on.
    made(&stage, "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_none_where_they_are_switched_off() {
    let stage = Stage::new().await;
    let token = made(&stage, "grace").await;
    let config = stage.folder.path().join("postern.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + "\ntokens: {enabled: false}\n").unwrap();
    stage.hang_up("applied").await;
    let answer = make(&stage, "grace", &json!({"destination": "experiments"})).await;
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (404, "not-found"), "{}", answer.body);
    is_refused(&search(&stage, &token).await, "token-unreadable", &token);
}
