//! Programs that call MLflow, through the front door: the real binary between a program and a data plane that verifies every
//! signature, the routing header and the session's policy.

mod access;
mod artifacts;
mod client;
mod expired;
mod hostile;
mod languages;
mod real;
mod shares;
mod trouble;
mod upstream;

use crate::support::stage::Stage;
use postern::sandbox::Call;
use serde_json::{Value, json};

const RUNS: &str = "/experiments/api/2.0/mlflow/runs";

/// The calls that reached the data plane, in order.
fn calls(stage: &Stage) -> Vec<Call> {
    stage.sandbox.calls().into_iter().filter(|call| call.operation.contains(" /")).collect()
}

fn policies(stage: &Stage) -> Vec<String> {
    let assumed = stage.sandbox.calls().into_iter().filter(|call| call.operation == "AssumeRole");
    assumed.filter_map(|call| Some(call.input.get("Policy")?.as_str()?.to_owned())).collect()
}

/// Creates a run, and returns its id.
async fn run(stage: &Stage, person: &str) -> String {
    let mut program = stage.program(person);
    let input = json!({"experiment_id": "0", "run_name": "first", "start_time": 1});
    let created = program.call("POST", &stage.postern.at(&format!("{RUNS}/create")), &input).await.checked();
    assert_eq!(created.status, 200, "{}\n{}", created.body, stage.postern.log());
    created.json()["run"]["info"]["run_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_logs_and_finds_a_run_as_its_person() {
    let stage = Stage::new().await;
    let id = run(&stage, "grace").await;
    let mut grace = stage.program("grace").with("x-mlflow-client-version", "3.17.2");
    let at = |path: &str| stage.postern.at(&format!("{RUNS}/{path}"));
    let metric = json!({"run_id": id, "key": "loss", "value": 0.25, "timestamp": 2, "step": 1});
    let logged = grace.call("POST", &at("log-metric"), &metric).await.checked();
    assert_eq!((logged.status.as_u16(), logged.body.as_str()), (200, "{}"));
    assert_eq!(logged.header("content-type"), "application/json");
    assert_eq!(logged.headers.get("set-cookie"), None, "the balancer's cookie stays behind");
    assert_eq!(logged.headers.get("x-amzn-requestid"), None);
    let search = json!({"experiment_ids": ["0"], "filter": "metrics.loss < 0.5"});
    let found = grace.call("POST", &at("search"), &search).await.checked();
    assert_eq!(found.json()["runs"][0]["info"]["run_id"], id.as_str());
    let got = grace.get(&at(&format!("get?run_id={id}&note=a+b%2Bc"))).await.checked();
    assert_eq!(got.json()["run"]["data"]["metrics"][0]["value"], 0.25);
    let calls = calls(&stage);
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[3].input["note"], "a b+c", "a query keeps its meaning");
    for call in &calls {
        assert_eq!((call.service, call.error.as_deref()), ("sagemaker-mlflow", None));
        assert_eq!(call.caller.source_identity.as_deref(), Some("grace@corp.example"));
        assert_eq!(call.caller.role_session_name.as_deref(), Some("grace@corp.example"));
        assert!(call.user_agent.starts_with("postern/"), "{}", call.user_agent);
    }
    let policies = policies(&stage);
    let of_call = policies.iter().find(|policy| policy.contains("sagemaker-mlflow:*")).unwrap();
    let policy: Value = serde_json::from_str(of_call).unwrap();
    let statement = &policy["Statement"][0];
    assert_eq!(policy["Statement"].as_array().unwrap().len(), 1);
    assert_eq!(statement["Action"], json!(["sagemaker-mlflow:*"]));
    let arn = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/experiments";
    assert_eq!(statement["Resource"], arn, "one server and nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_called_by_its_own_name_and_service() {
    let stage = Stage::new().await;
    let at = stage.postern.at("/tracking/api/2.0/mlflow/experiments/search");
    let found = stage.program("grace").call("POST", &at, &json!({"max_results": 1})).await.checked();
    assert_eq!(found.json()["experiments"][0]["name"], "Default", "{}", found.body);
    let calls = calls(&stage);
    assert_eq!((calls.len(), calls[0].service), (1, "sagemaker"));
    let policies = policies(&stage);
    assert!(policies.iter().any(|policy| policy.contains("sagemaker:CallMlflowAppApi")), "{policies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_has_the_first_of_calls_that_are_alike_and_each_that_may_destroy() {
    let stage = Stage::new().await;
    let id = run(&stage, "ada").await;
    let mut ada = stage.program("ada");
    let at = |path: &str| stage.postern.at(&format!("{RUNS}/{path}"));
    for _ in 0..3 {
        assert_eq!(ada.get(&at(&format!("get?run_id={id}"))).await.checked().status, 200);
    }
    assert_eq!(ada.call("POST", &at("delete"), &json!({"run_id": id})).await.checked().status, 200);
    let mut max = stage.program("max");
    for _ in 0..2 {
        assert_eq!(max.call("POST", &at("delete"), &json!({"run_id": id})).await.checked().status, 403);
    }
    let records = stage.postern.audit(6);
    let calls: Vec<&Value> = records.iter().filter(|record| record["event"] == "call").collect();
    let told = |record: &&Value| {
        ["user", "access", "method", "endpoint", "outcome", "reason"].map(|key| record[key].clone())
    };
    assert_eq!(
        json!(calls.iter().map(told).collect::<Vec<_>>()),
        json!([
            ["ada@corp.example", "write", "POST", "api/2.0/mlflow/runs/create", "forwarded", "ok"],
            ["ada@corp.example", "write", "GET", "api/2.0/mlflow/runs/get", "forwarded", "ok"],
            ["ada@corp.example", "write", "POST", "api/2.0/mlflow/runs/delete", "forwarded", "ok"],
            ["max@corp.example", "read", "POST", "api/2.0/mlflow/runs/delete", "refused", "access-too-low"],
            ["max@corp.example", "read", "POST", "api/2.0/mlflow/runs/delete", "refused", "access-too-low"],
        ])
    );
    assert_eq!(calls[0]["rule"], "risk");
    assert!(calls.iter().all(|call| call["facts"]["realm"] == "sandbox"), "{calls:#?}");
    assert_eq!(calls[0]["role_session_name"], "ada@corp.example");
    assert_eq!(calls[0]["aws_request_id"].as_str().map(str::len), Some(36));
    assert!(!stage.postern.audit_text().contains(&id), "no name of anything");
    let metrics = stage.program("grace").get(&stage.postern.admin("/metrics")).await.body;
    for series in [
        "postern_calls_total{destination=\"experiments\",access=\"log\",outcome=\"ok\"} 1",
        "postern_calls_total{destination=\"experiments\",access=\"read\",outcome=\"ok\"} 3",
        "postern_calls_total{destination=\"experiments\",access=\"write\",outcome=\"ok\"} 1",
        "postern_calls_total{destination=\"experiments\",access=\"write\",outcome=\"access-too-low\"} 2",
        "postern_call_duration_seconds_count 7",
    ] {
        assert!(metrics.contains(series), "{series} in\n{metrics}");
    }
    let bytes = |direction: &str| {
        let series = format!("postern_call_bytes_total{{direction=\"{direction}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap_or_else(|| panic!("{series} in\n{metrics}")).parse::<u64>().unwrap()
    };
    assert!(bytes("request") > 50 && bytes("answer") > 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_client_asks_first_is_answered_from_memory() {
    let stage = Stage::new().await;
    let version = stage.program("max").get(&stage.postern.at("/experiments/version")).await.checked();
    assert_eq!((version.status.as_u16(), version.body.as_str()), (200, "3.17.2"));
    let at = stage.postern.at("/experiments/api/3.0/mlflow/server-info");
    let info = stage.program("grace").get(&at).await.checked();
    assert_eq!(info.json()["store_type"], "SqlStore");
    for person in ["ada", "grace", "max"] {
        let again = stage.program(person).get(&stage.postern.at("/experiments/version")).await.checked();
        assert_eq!(again.body, "3.17.2");
    }
    assert_eq!(calls(&stage).len(), 2);
    let refused = stage.program("olga").get(&stage.postern.at("/experiments/version")).await.checked();
    assert_eq!(refused.status, 403, "memory gives nobody access");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_the_access_that_a_call_needs() {
    let stage = Stage::new().await;
    let explained = |person: &str, link: &str| -> Value {
        let claims = stage.folder.path().join("claims.json");
        std::fs::write(&claims, serde_json::to_vec(&stage.sandbox.access_claims(person)).unwrap()).unwrap();
        let output = std::process::Command::new(crate::support::postern::BINARY)
            .args(["explain", "--format", "json", "--config"])
            .arg(stage.folder.path().join("postern.yaml"))
            .arg("--claims")
            .arg(&claims)
            .arg(link)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
    };
    let delete = "experiments/api/2.0/mlflow/runs/delete";
    let of_grace = explained("grace", delete);
    assert_eq!((&of_grace["decision"], &of_grace["target"]["access"]), (&json!("grant"), &json!("log")));
    assert_eq!(
        of_grace["calls"],
        json!([
            {"method": "POST", "endpoint": "api/2.0/mlflow/runs/delete", "needs": "write", "decision": "access-too-low"},
            {"method": "PUT", "endpoint": "(unlisted)", "needs": "write", "decision": "access-too-low"},
            {"method": "PATCH", "endpoint": "(unlisted)", "needs": "write", "decision": "access-too-low"},
            {"method": "DELETE", "endpoint": "(unlisted)", "needs": "write", "decision": "access-too-low"},
        ])
    );
    assert_eq!(explained("ada", delete)["calls"][0]["decision"], "forward");
    assert_eq!(explained("olga", delete)["calls"][0]["decision"], "deny");
    let artifacts = explained("ada", "experiments/api/2.0/mlflow-artifacts/artifacts");
    assert_eq!(artifacts["calls"][0]["decision"], "forward");
    let secret = explained("ada", "experiments/api/3.0/mlflow/gateway/secrets/get");
    assert_eq!(secret["calls"][0]["decision"], "administrative-endpoint");
    let who = stage.program("max").get(&stage.postern.at("/-/whoami")).await.checked().json();
    let rows = who["destinations"].as_array().unwrap();
    let access = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap()["access"].clone();
    assert_eq!(
        (access("experiments"), access("tracking"), access("comet")),
        (json!("read"), json!("log"), Value::Null)
    );
}
