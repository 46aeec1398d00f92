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
