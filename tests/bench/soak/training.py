# A training run by MLflow's own client. Its token is renewed in a file, and it is told by another to end.
import json, os, sys, time

import mlflow
import urllib3.connectionpool

folder, token, patience = sys.argv[1], sys.argv[2], float(sys.argv[3])
sent = {}
make_request = urllib3.connectionpool.HTTPConnectionPool._make_request


def counted(self, connection, method, url, body=None, **rest):
    """Below the client's own repetitions: a request that is sent twice may be carried out twice."""
    if url.endswith("/runs/log-metric"):
        step = json.loads(body)["step"]
        sent[step] = sent.get(step, 0) + 1
    return make_request(self, connection, method, url, body=body, **rest)


urllib3.connectionpool.HTTPConnectionPool._make_request = counted
with mlflow.start_run() as run:
    steps = files = 0
    while not os.path.exists(f"{folder}/end"):
        with open(token) as file:
            os.environ["MLFLOW_TRACKING_TOKEN"] = file.read()
        mlflow.log_metric("loss", 0.5, step=steps)
        steps += 1
        if steps % 50 == 1:
            mlflow.log_text(str(steps), f"notes/{files}.txt")
            files += 1
            open(f"{token}.goes-on", "w").close()
        time.sleep(patience)
texts = [mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/{file}.txt") for file in range(files)]
assert texts == [str(1 + 50 * file) for file in range(files)], texts
print(json.dumps({"run": run.info.run_id, "steps": steps, "files": files, "sent": sent}))
