//! The unmodified client, in an environment with two variables, before MLflow's own server without artifacts and an S3 that this
//! project did not write: moto's.

use super::client::python;
use crate::moto::Moto;
use crate::support::elsewhere::peers;
use crate::support::postern::free_port;
use crate::support::stage::Stage;
use postern::sandbox::SandboxOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// MLflow's server, with all its processes.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// As SageMaker runs it: the clients reach the artifacts by themselves.
    fn start(peers: &Path, folder: &Path, s3: &str) -> Self {
        let port = free_port();
        let log = std::fs::File::create(folder.join("server.log")).unwrap();
        let child = Command::new(peers.join("mlflow/bin/mlflow"))
            .args(["server", "--host", "127.0.0.1", "--port", &port.to_string(), "--workers", "1"])
            .args(["--no-serve-artifacts", "--default-artifact-root", "s3://sandbox-artifacts/mlflow"])
            .args(["--backend-store-uri", "sqlite:///server.db"])
            .current_dir(folder)
            .env("PATH", format!("{}:/usr/bin:/bin", peers.join("mlflow/bin").display()))
            .env("HOME", folder)
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("MLFLOW_S3_ENDPOINT_URL", s3)
            .env("AWS_ACCESS_KEY_ID", "server")
            .env("AWS_SECRET_ACCESS_KEY", "server")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("POSTERN_PEERS holds what tests/peers/install made");
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }

    async fn is_up(&mut self, folder: &Path) {
        let at = self.url.trim_start_matches("http://").to_owned();
        for _ in 0..1200 {
            if tokio::net::TcpStream::connect(&at).await.is_ok() {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "{}", log(folder));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("MLflow's server does not start: {}", log(folder));
    }
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("server.log")).unwrap_or_default()
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its workers are in a group of their own.
        _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", self.child.id())])
            .stderr(Stdio::null())
            .status();
        _ = self.child.wait();
    }
}

const MAKE_BUCKET: &str = "import boto3, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='eu-west-1', aws_access_key_id='x', aws_secret_access_key='x')
if sys.argv[2] == 'make':
    s3.create_bucket(Bucket='sandbox-artifacts', CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'})
else:
    for page in s3.get_paginator('list_objects_v2').paginate(Bucket='sandbox-artifacts'):
        for each in page.get('Contents', []):
            print(each['Key'])
";

fn boto(peers: &Path, s3: &str, what: &str) -> String {
    let done =
        Command::new(peers.join("aws/bin/python")).args(["-c", MAKE_BUCKET, s3, what]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

const EVERYTHING: &str = r#"
import os, tempfile
import mlflow, pandas
from sklearn.linear_model import LinearRegression

client = mlflow.MlflowClient()
mlflow.set_experiment("files é/1")
with mlflow.start_run() as run:
    with open("note é+%.txt", "w") as file:
        file.write("hello")
    open("empty", "w").close()
    mlflow.log_artifact("note é+%.txt", "notes")
    mlflow.log_artifact("empty", "notes")
    mlflow.log_dict({"depth": 3}, "config/params.json")
    mlflow.log_text("s3://sandbox-artifacts/mlflow/1", "text.txt")
    mlflow.log_table({"question": ["a", "b"], "answer": [1, 2]}, "eval.json")
    mlflow.log_table({"question": ["c"], "answer": [3]}, "eval.json")
    mlflow.log_param("artifact_uri", "s3://sandbox-artifacts/mlflow/1")
    os.makedirs("many/deep/er", exist_ok=True)
    for number in range(5):
        with open(f"many/deep/er/{number}.bin", "wb") as file:
            file.write(os.urandom(100_000))
    mlflow.log_artifacts("many", "many")
    frame = pandas.DataFrame({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]})
    mlflow.log_input(mlflow.data.from_pandas(frame, source="s3://elsewhere/data.csv", name="lines"), "training")
    fitted = LinearRegression().fit(frame[["x"]], frame["y"])
    model = mlflow.sklearn.log_model(fitted, name="line", input_example=frame[["x"]])
got = client.get_run(run.info.run_id)
assert got.info.artifact_uri.startswith("mlflow-artifacts:/"), got.info
assert got.data.params == {"artifact_uri": "s3://sandbox-artifacts/mlflow/1"}, got.data.params
names = {file.path for file in client.list_artifacts(run.info.run_id)}
assert {"notes", "config", "text.txt", "eval.json", "many"} <= names, names
notes = {(file.path, file.file_size) for file in client.list_artifacts(run.info.run_id, "notes")}
assert notes == {("notes/note é+%.txt", 5), ("notes/empty", 0)}, notes
with tempfile.TemporaryDirectory() as folder:
    whole = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=folder)
    with open(os.path.join(whole, "notes/note é+%.txt")) as file:
        assert file.read() == "hello"
    for number in range(5):
        with open(f"many/deep/er/{number}.bin", "rb") as one, open(os.path.join(whole, f"many/deep/er/{number}.bin"), "rb") as other:
            assert one.read() == other.read()
assert mlflow.artifacts.load_dict(got.info.artifact_uri + "/config/params.json") == {"depth": 3}
assert mlflow.artifacts.load_text(got.info.artifact_uri + "/text.txt") == "s3://sandbox-artifacts/mlflow/1"
assert len(mlflow.load_table("eval.json", run_ids=[run.info.run_id])) == 3

assert model.model_uri.startswith("models:/m-"), model.model_uri
version = mlflow.register_model(model.model_uri, "line")
client.set_registered_model_alias("line", "champion", version.version)
found = client.get_model_version_by_alias("line", "champion")
assert client.get_model_version_download_uri("line", version.version).startswith("mlflow-artifacts:/")
loaded = mlflow.pyfunc.load_model("models:/line@champion")
assert abs(loaded.predict(pandas.DataFrame({"x": [4.0]}))[0] - 8) < 1e-6
again = mlflow.sklearn.load_model(model.model_uri)
assert abs(again.predict([[5.0]])[0] - 10) < 1e-6

@mlflow.trace
def add(one, other):
    with mlflow.start_span("inner") as span:
        span.set_inputs({"uri": "s3://sandbox-artifacts/mlflow/1"})
    return one + other

assert add(1, 2) == 3
mlflow.flush_trace_async_logging()
traces = mlflow.search_traces(return_type="list")
assert len(traces) == 1 and len(traces[0].data.spans) == 2, traces
location = traces[0].info.tags.get("mlflow.artifactLocation", "mlflow-artifacts:/")
assert location.startswith("mlflow-artifacts:/"), location
inner = [span for span in traces[0].data.spans if span.name == "inner"][0]
assert inner.inputs == {"uri": "s3://sandbox-artifacts/mlflow/1"}, inner.inputs

prompt = mlflow.genai.register_prompt(name="greeting", template="Hello {{name}}")
mlflow.genai.set_prompt_alias("greeting", alias="best", version=prompt.version)
assert mlflow.genai.load_prompt("prompts:/greeting@best").format(name="Ada") == "Hello Ada"

pages = client.search_runs([run.info.experiment_id], max_results=1)
assert pages[0].info.artifact_uri == got.info.artifact_uri
assert mlflow.get_experiment(run.info.experiment_id).artifact_location.startswith("mlflow-artifacts:/")
repository = mlflow.store.artifact.artifact_repository_registry.get_artifact_repository(got.info.artifact_uri)
repository.delete_artifacts("many")
assert "many" not in {file.path for file in client.list_artifacts(run.info.run_id)}
print("everything", run.info.run_id)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_unmodified_client_keeps_its_files_without_keys_of_aws() {
    let Some(peers) = peers("MLflow's client and server, and moto") else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let moto = Moto::start(&peers);
    boto(&peers, &moto.url, "make");
    let mut server = Server::start(&peers, folder.path(), &moto.url);
    server.is_up(folder.path()).await;
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let lines = text.lines().map(|line| match line.contains("api: &mlflow") {
            true => format!(
                "    api: &mlflow {{endpoint_url: \"{}\", s3_endpoint_url: \"{}\"}}\n",
                server.url, moto.url
            ),
            false => format!("{line}\n"),
        });
        lines.collect()
    })
    .await;
    let (url, token) = (stage.postern.at("/experiments"), stage.token("ada"));
    let variables = [("MLFLOW_TRACKING_URI", url.as_str()), ("MLFLOW_TRACKING_TOKEN", &token)];
    let client = tempfile::TempDir::new().unwrap();
    let output = python(&peers, client.path(), EVERYTHING, &variables);
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && said.contains("everything "),
        "{said}\n{wrong}\n{}\n{}",
        stage.postern.log(),
        log(folder.path())
    );
    let keys = boto(&peers, &moto.url, "list");
    assert!(keys.lines().all(|key| key.starts_with("mlflow/")), "{keys}");
    assert!(keys.contains("/artifacts/notes/note é+%.txt") && keys.contains("/artifacts/MLmodel"), "{keys}");
    assert!(!wrong.contains("NoCredentials"), "{wrong}");
}
