//! MLflow as others wrote it: its client, unmodified and with two variables, and its server's routes.

use super::calls;
use crate::support::elsewhere::peers;
use crate::support::stage::Stage;
use postern::mlflow::Asked;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

/// Runs a script by the peer's Python, with these variables and no others.
pub(super) fn python(peers: &Path, folder: &Path, script: &str, variables: &[(&str, &str)]) -> Output {
    python_of(peers, "mlflow", folder, script, variables)
}

/// The same by the Python of another client.
pub(super) fn python_of(
    peers: &Path,
    client: &str,
    folder: &Path,
    script: &str,
    variables: &[(&str, &str)],
) -> Output {
    Command::new(peers.join(client).join("bin/python"))
        .args(["-c", script])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .output()
        .expect("POSTERN_PEERS holds what tests/peers/install made")
}

const LOG_A_RUN: &str = r#"
import mlflow

mlflow.set_experiment("risk model é/1")
with mlflow.start_run(run_name="first") as run:
    mlflow.log_param("depth", 3)
    mlflow.log_params({"rate": 0.1, "kind": "tree"})
    mlflow.log_metric("loss", 0.5, step=1)
    mlflow.log_metrics({"loss": 0.25, "accuracy": 0.9}, step=2)
    mlflow.set_tag("team", "risk")
    mlflow.log_dict({"depth": 3}, "config/params.json")
with mlflow.start_run(run_name="second"):
    mlflow.log_metric("loss", 0.75)

client = mlflow.MlflowClient()
got = client.get_run(run.info.run_id)
assert got.data.params == {"depth": "3", "rate": "0.1", "kind": "tree"}, got.data.params
assert got.data.metrics == {"loss": 0.25, "accuracy": 0.9}, got.data.metrics
assert got.info.status == "FINISHED", got.info
assert [m.value for m in client.get_metric_history(run.info.run_id, "loss")] == [0.5, 0.25]
assert mlflow.artifacts.load_dict(got.info.artifact_uri + "/config/params.json") == {"depth": 3}
assert [(f.path, f.is_dir) for f in client.list_artifacts(run.info.run_id)] == [("config", True)]
experiment = mlflow.get_experiment_by_name("risk model é/1")
found = client.search_runs([experiment.experiment_id], "metrics.loss < 0.5 and tags.team = 'risk'")
assert [r.info.run_id for r in found] == [run.info.run_id], found
pages = client.search_runs([experiment.experiment_id], max_results=1)
assert len(pages) == 1 and pages.token, pages
assert len(client.search_runs([experiment.experiment_id], max_results=1, page_token=pages.token)) == 1
assert {e.name for e in client.search_experiments()} == {"Default", "risk model é/1"}
try:
    client.delete_run(run.info.run_id)
except mlflow.exceptions.RestException as error:
    assert error.error_code == "PERMISSION_DENIED" and "needs the access `write`" in str(error), error
else:
    raise AssertionError("a run was deleted")
print("logged", run.info.run_id)
"#;

/// Two variables are all that the client needs.
async fn logs_a_run(stage: &Stage, peers: &Path, token: &str) {
    let url = stage.postern.at("/experiments");
    let variables = [("MLFLOW_TRACKING_URI", url.as_str()), ("MLFLOW_TRACKING_TOKEN", token)];
    let output = python(peers, stage.folder.path(), LOG_A_RUN, &variables);
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("logged "), "{said}\n{wrong}");
    let calls = calls(stage);
    assert!(calls.len() > 15, "{}", calls.len());
    for call in calls {
        assert_eq!(call.caller.source_identity.as_deref(), Some("grace@corp.example"), "{}", call.operation);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unmodified_client_works_with_two_variables() {
    let Some(peers) = peers("MLflow's client") else { return };
    let stage = Stage::new().await;
    logs_a_run(&stage, &peers, &stage.token("grace")).await;
    let url = stage.postern.at("/experiments");
    let refused = python(
        &peers,
        stage.folder.path(),
        "import mlflow\nmlflow.search_experiments()",
        &[("MLFLOW_TRACKING_URI", url.as_str()), ("MLFLOW_TRACKING_TOKEN", "expired")],
    );
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("Set `MLFLOW_TRACKING_TOKEN`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unmodified_client_works_with_a_run_token() {
    let Some(peers) = peers("MLflow's client") else { return };
    let stage = Stage::new().await;
    let (at, wish) = (stage.postern.at("/-/api/tokens"), serde_json::json!({"destination": "experiments"}));
    let made = stage.program("grace").call("POST", &at, &wish).await.checked().json();
    logs_a_run(&stage, &peers, made["token"].as_str().unwrap()).await;
}

/// Every route of the server, as `METHOD PATH`, with `{}` for one segment and `{*}` for several.
const ROUTES: &str = r#"
import re
from mlflow.server import app
from mlflow.server.fastapi_app import app as native

def template(path):
    path = re.sub(r"<path:[^>]*>|\{[^}]*:path\}", "{*}", path)
    return re.sub(r"<[^>]*>|\{[^}*]+\}", "{}", path)

def routes():
    for rule in app.url_map.iter_rules():
        yield from ((method, rule.rule) for method in rule.methods)

def walk(router, prefix):
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from walk(inner, prefix + route.include_context.prefix)
        elif getattr(route, "methods", None):
            yield from ((method, prefix + route.path) for method in route.methods)

for method, path in sorted(set(routes()) | set(walk(native, ""))):
    if method not in ("HEAD", "OPTIONS"):
        print(method, template(path))
"#;

#[test]
fn the_table_has_every_route_of_the_server() {
    let Some(peers) = peers("MLflow's server") else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let output = python(&peers, folder.path(), ROUTES, &[]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let is_ours = |path: &str| path.starts_with("api/") || path.starts_with("v1/") || path == "version";
    let routes: BTreeSet<(&str, &str)> =
        printed.lines().filter_map(|line| line.split_once(" /")).filter(|(_, path)| is_ours(path)).collect();
    assert!(routes.len() > 160, "{}: {}", routes.len(), String::from_utf8_lossy(&output.stderr));
    assert!(routes.contains(&("POST", "v1/traces")), "{routes:?}");
    let mut missing = Vec::new();
    for (method, template) in routes {
        let path = template.replace("{*}", "a/b").replace("{}", "x");
        match Asked::read(&method.parse().unwrap(), &path) {
            Ok(asked) if asked.access().is_none() || asked.endpoint() == template => {}
            other => missing.push(format!("{method} {template}: {other:?}")),
        }
    }
    assert!(missing.is_empty(), "the access table lacks: {missing:#?}");
}
