//! Clients in other languages: the requests of MLflow's Java and R clients as their own sources make them, by
//! `MlflowHttpCaller.java` and `MlflowProtobufMapper.java` with Apache's client, and by `tracking-rest.R` with httr.

use crate::support::raw::Raw;
use crate::support::stage::Stage;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// A client that keeps its connection, and the headers that it sends each time.
struct Client {
    connection: Raw,
    headers: String,
}

impl Client {
    async fn java(stage: &Stage, person: &str) -> Self {
        let about = "User-Agent: mlflow-java-client/3.17.2\r\nConnection: Keep-Alive\r\nAccept-Encoding: gzip,deflate\r\n";
        Self::new(stage, person, about).await
    }

    async fn r(stage: &Stage, person: &str) -> Self {
        let about = "User-Agent: mlflow-r-client/3.17.2\r\nAccept-Encoding: deflate, gzip\r\nAccept: application/json, \
                     text/xml, application/xml, */*\r\n";
        Self::new(stage, person, about).await
    }

    async fn new(stage: &Stage, person: &str, about: &str) -> Self {
        let (port, token) = (stage.postern.url.port().unwrap(), stage.token(person));
        let headers = format!("Host: localhost:{port}\r\nAuthorization: Bearer {token}\r\n{about}");
        Self { connection: Raw::connect(port).await, headers }
    }

    async fn get(&mut self, path: &str) -> Value {
        self.ask("GET", path, "").await
    }

    async fn post(&mut self, path: &str, body: &str) -> Value {
        self.ask("POST", path, body).await
    }

    /// The answer, which says yes.
    async fn ask(&mut self, method: &str, path: &str, body: &str) -> Value {
        let (status, answer) = self.exchange(method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    async fn exchange(&mut self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let entity = match body {
            "" => String::new(),
            _ => format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()),
        };
        let line = format!("{method} /experiments/api/2.0/mlflow/{path} HTTP/1.1\r\n");
        self.connection.send(format!("{line}{}{entity}\r\n{body}", self.headers)).await;
        let mut all = Vec::new();
        loop {
            if let Some(answer) = whole(&all) {
                return answer;
            }
            let read = timeout(Duration::from_secs(30), self.connection.0.read_buf(&mut all)).await;
            let read = read.unwrap_or_else(|_| panic!("{line} {}", String::from_utf8_lossy(&all)));
            assert!(read.unwrap() > 0, "{line} {}", String::from_utf8_lossy(&all));
        }
    }
}

/// Status and body of a whole answer, with a length or in chunks.
fn whole(bytes: &[u8]) -> Option<(u16, Value)> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().unwrap();
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    };
    assert_eq!(field("content-encoding"), None, "{head}");
    let body = match field("content-length") {
        Some(length) => (body.len() == length.parse::<usize>().unwrap()).then(|| body.to_owned())?,
        None => body.ends_with("0\r\n\r\n").then(|| chunks(body))?,
    };
    Some((status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{head}\n{body}"))))
}

fn chunks(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole += &rest[..size];
        text = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

/// Protocol Buffers print JSON over several lines and whole numbers of 64 bits as texts.
pub(super) async fn java(stage: &Stage) {
    let mut client = Client::java(stage, "grace").await;
    let made = client.post("experiments/create", "{\n  \"name\": \"from Java é\"\n}").await;
    let experiment = made["experiment_id"].as_str().unwrap().to_owned();
    let found = client.get("experiments/get-by-name?experiment_name=from+Java+%C3%A9").await;
    assert_eq!(found["experiment"]["experiment_id"], experiment.as_str());
    assert!(found["experiment"]["artifact_location"].as_str().unwrap().starts_with("mlflow-artifacts:/"));
    let wish = format!(
        "{{\n  \"experiment_id\": \"{experiment}\",\n  \"user_id\": \"grace\",\n  \"start_time\": \"1700000000000\"\n}}"
    );
    let made = client.post("runs/create", &wish).await;
    let run = made["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    let of = |more: &str| format!("{{\n  \"run_uuid\": \"{run}\",\n  \"run_id\": \"{run}\",\n  {more}\n}}");
    client.post("runs/log-parameter", &of("\"key\": \"depth\",\n  \"value\": \"3\"")).await;
    let metric =
        "\"key\": \"loss\",\n  \"value\": 0.25,\n  \"timestamp\": \"1700000000001\",\n  \"step\": \"1\"";
    client.post("runs/log-metric", &of(metric)).await;
    let batch = format!(
        "{{\n  \"run_id\": \"{run}\",\n  \"metrics\": [{{\n    \"key\": \"loss\",\n    \"value\": 0.125,\n    \"timestamp\": \"1700000000002\",\n    \"step\": \"2\"\n  }}],\n  \"params\": [{{\n    \"key\": \"kind\",\n    \"value\": \"tree\"\n  }}],\n  \"tags\": []\n}}"
    );
    client.post("runs/log-batch", &batch).await;
    client.post("runs/set-tag", &of("\"key\": \"team\",\n  \"value\": \"risk\"")).await;
    client.post("runs/update", &of("\"status\": \"FINISHED\",\n  \"end_time\": \"1700000000003\"")).await;
    let got = client.get(&format!("runs/get?run_uuid={run}&run_id={run}")).await;
    assert_eq!(got["run"]["info"]["status"], "FINISHED", "{got}");
    assert_eq!(got["run"]["data"]["params"].as_array().unwrap().len(), 2, "{got}");
    let history =
        client.get(&format!("metrics/get-history?run_uuid={run}&run_id={run}&metric_key=loss")).await;
    assert_eq!(history["metrics"].as_array().unwrap().len(), 2, "{history}");
    let search = format!(
        "{{\n  \"experiment_ids\": [\"{experiment}\"],\n  \"filter\": \"metrics.loss < 0.5\",\n  \"run_view_type\": \"ACTIVE_ONLY\",\n  \"max_results\": 1000\n}}"
    );
    let found = client.post("runs/search", &search).await;
    assert_eq!(found["runs"][0]["info"]["run_id"], run.as_str(), "{found}");
    let (status, refused) = client.exchange("POST", "runs/delete", &of("\"x\": \"y\"")).await;
    assert_eq!((status, &refused["error_code"]), (403, &json!("PERMISSION_DENIED")), "{refused}");
}

/// httr writes every value as a text, and the R client makes one line of them. Returns the run.
pub(super) async fn r(stage: &Stage) -> String {
    let mut client = Client::r(stage, "grace").await;
    let made = client.post("experiments/create", r#"{"name":"from R"}"#).await;
    let experiment = made["experiment_id"].as_str().unwrap().to_owned();
    let found = client.get("experiments/get-by-name?experiment_name=from%20R").await;
    assert_eq!(found["experiment"]["experiment_id"], experiment.as_str());
    let wish = json!({"experiment_id": experiment, "user_id": "grace", "start_time": "1700000000000",
                      "tags": [{"key": "mlflow.source.type", "value": "LOCAL"}]});
    let made = client.post("runs/create", &wish.to_string()).await;
    let run = made["run"]["info"]["run_uuid"].as_str().unwrap().to_owned();
    let of = |more: Value| {
        let mut input = json!({"run_uuid": run, "run_id": run});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input.to_string()
    };
    client.post("runs/log-parameter", &of(json!({"key": "depth", "value": "3"}))).await;
    let metric = json!({"key": "loss", "value": "0.25", "timestamp": "1700000000001", "step": "1"});
    client.post("runs/log-metric", &of(metric)).await;
    let batch = json!({"run_id": run, "params": [{"key": "kind", "value": "tree"}],
                       "metrics": [{"key": "loss", "value": "0.125", "step": "2", "timestamp": "1700000000002"}]});
    client.post("runs/log-batch", &batch.to_string()).await;
    client.post("runs/set-tag", &of(json!({"key": "team", "value": "risk"}))).await;
    client.post("runs/update", &of(json!({"status": "FINISHED", "end_time": "1700000000003"}))).await;
    let got = client.get(&format!("runs/get?run_uuid={run}&run_id={run}")).await;
    assert_eq!(got["run"]["info"]["status"], "FINISHED", "{got}");
    let history =
        client.get(&format!("metrics/get-history?run_uuid={run}&run_id={run}&metric_key=loss")).await;
    assert_eq!(history["metrics"].as_array().unwrap().len(), 2, "{history}");
    let search = json!({"experiment_ids": [experiment], "run_view_type": "ACTIVE_ONLY"});
    let found = client.post("runs/search", &search.to_string()).await;
    assert_eq!(found["runs"][0]["info"]["run_id"], run.as_str(), "{found}");
    let (status, refused) = client.exchange("POST", "runs/delete", &json!({"run_id": run}).to_string()).await;
    assert_eq!((status, &refused["error_code"]), (403, &json!("PERMISSION_DENIED")), "{refused}");
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_the_java_client_are_served() {
    java(&Stage::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_the_r_client_are_served() {
    let stage = Stage::new().await;
    let run = r(&stage).await;
    let list = format!("artifacts/list?run_uuid={run}&run_id={run}");
    let listed = Client::r(&stage, "grace").await.get(&list).await;
    assert!(listed["root_uri"].as_str().unwrap().starts_with("mlflow-artifacts:/"), "{listed}");
}
