import mlflow, pandas
from sklearn.linear_model import LinearRegression

assert mlflow.__version__.startswith("2.22."), mlflow.__version__
client = mlflow.MlflowClient()
mlflow.set_experiment("from 2.22")
with mlflow.start_run() as run:
    mlflow.log_param("depth", 3)
    mlflow.log_params({"rate": 0.1, "artifact_uri": "s3://sandbox-artifacts/mlflow/1"})
    mlflow.log_metric("loss", 0.5, step=1)
    mlflow.log_metrics({"loss": 0.25, "accuracy": 0.9}, step=2)
    mlflow.set_tag("team", "risk")
    mlflow.log_text("hello", "notes/note é+%.txt")
    mlflow.log_text("", "notes/empty")
    mlflow.log_dict({"depth": 3}, "config/params.json")
    frame = pandas.DataFrame({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]})
    fitted = LinearRegression().fit(frame[["x"]], frame["y"])
    model = mlflow.sklearn.log_model(fitted, "line", input_example=frame[["x"]])
got = client.get_run(run.info.run_id)
assert got.info.artifact_uri.startswith("mlflow-artifacts:/"), got.info
expected = {"depth": "3", "rate": "0.1", "artifact_uri": "s3://sandbox-artifacts/mlflow/1"}
assert got.data.params == expected, got.data.params
assert got.data.metrics == {"loss": 0.25, "accuracy": 0.9}, got.data.metrics
assert [metric.value for metric in client.get_metric_history(run.info.run_id, "loss")] == [0.5, 0.25]
notes = {(file.path, file.file_size) for file in client.list_artifacts(run.info.run_id, "notes")}
assert notes == {("notes/note é+%.txt", 5), ("notes/empty", 0)}, notes
assert mlflow.artifacts.load_text(got.info.artifact_uri + "/notes/note é+%.txt") == "hello"
assert mlflow.artifacts.load_dict(got.info.artifact_uri + "/config/params.json") == {"depth": 3}
loaded = mlflow.pyfunc.load_model(model.model_uri)
assert abs(loaded.predict(pandas.DataFrame({"x": [4.0]}))[0] - 8) < 1e-6
version = mlflow.register_model(model.model_uri, "older line")
client.set_registered_model_alias("older line", "champion", version.version)
again = mlflow.sklearn.load_model("models:/older line@champion")
assert abs(again.predict(pandas.DataFrame({"x": [5.0]}))[0] - 10) < 1e-6
assert [found.info.run_id for found in client.search_runs([run.info.experiment_id], "metrics.loss < 0.5")] == [run.info.run_id]
print("everything", run.info.run_id)
