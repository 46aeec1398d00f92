//! Artifact URIs by field: `s3://STORE/…` of answers becomes `mlflow-artifacts:/…`, and back in requests, in the members that
//! hold such URIs and in no others. All other bytes of a body pass as they are.
//!
//! The members are those of MLflow's own messages, <https://mlflow.org/docs/latest/rest-api.html>.

mod scan;

pub(super) use self::scan::{Malformed, Scan};

use super::error::CallError;
use crate::aws::s3::store::{ArtifactPath, ArtifactStore};
use std::sync::Arc;

const PROXIED: &str = "mlflow-artifacts:/";

/// A step to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(&'static str),
    Each,
    /// The `value` beside a `key` of this text. MLflow writes the key first.
    ValueOf(&'static str),
}

type Path = &'static [Step];

const LOCATION: &str = "mlflow.artifactLocation";

/// Both forms of a trace's tags end a path: an object of all tags, and a list of keys and values.
macro_rules! tags {
    ($($step:expr),*) => {
        [
            &[$($step,)* Step::Key("tags"), Step::Key(LOCATION)] as Path,
            &[$($step,)* Step::Key("tags"), Step::Each, Step::ValueOf(LOCATION)] as Path,
        ]
    };
}

use Step::{Each, Key};

const INFO: Step = Key("trace_info");
const TRACES: Step = Key("traces");
const OF_TRACES: [[Path; 2]; 6] = [
    tags!(INFO),
    tags!(Key("trace"), INFO),
    tags!(TRACES, Each),
    tags!(TRACES, Each, INFO),
    tags!(Key("trace_infos"), Each),
    // Requests that begin or end a trace.
    tags!(),
];

/// The members of answers that hold artifact URIs.
const IN_ANSWERS: [Path; 23] = [
    &[Key("experiment"), Key("artifact_location")],
    &[Key("experiments"), Each, Key("artifact_location")],
    &[Key("run"), Key("info"), Key("artifact_uri")],
    &[Key("runs"), Each, Key("info"), Key("artifact_uri")],
    &[Key("run_info"), Key("artifact_uri")],
    &[Key("model"), Key("info"), Key("artifact_uri")],
    &[Key("models"), Each, Key("info"), Key("artifact_uri")],
    &[Key("model_version"), Key("source")],
    &[Key("model_versions"), Each, Key("source")],
    &[Key("registered_model"), Key("latest_versions"), Each, Key("source")],
    &[Key("registered_models"), Each, Key("latest_versions"), Each, Key("source")],
    &[Key("artifact_uri")],
    &[Key("root_uri")],
    OF_TRACES[0][0],
    OF_TRACES[0][1],
    OF_TRACES[1][0],
    OF_TRACES[1][1],
    OF_TRACES[2][0],
    OF_TRACES[2][1],
    OF_TRACES[3][0],
    OF_TRACES[3][1],
    OF_TRACES[4][0],
    OF_TRACES[4][1],
];

/// The members of requests that hold them.
const IN_REQUESTS: [Path; 7] = [
    &[Key("artifact_location")],
    &[Key("source")],
    OF_TRACES[1][0],
    OF_TRACES[1][1],
    OF_TRACES[5][0],
    OF_TRACES[5][1],
    &[Step::ValueOf(LOCATION)],
];

/// The endpoints whose answers hold artifact URIs, below `api/2.0/mlflow/` and `api/3.0/mlflow/`.
const ANSWERS: [&str; 33] = [
    "experiments/get",
    "experiments/get-by-name",
    "experiments/search",
    "runs/create",
    "runs/get",
    "runs/search",
    "runs/update",
    "artifacts/list",
    "logged-models",
    "logged-models/{}",
    "logged-models/search",
    "logged-models/{}/tags",
    "registered-models/create",
    "registered-models/get",
    "registered-models/search",
    "registered-models/get-latest-versions",
    "registered-models/alias",
    "registered-models/update",
    "registered-models/rename",
    "model-versions/create",
    "model-versions/get",
    "model-versions/search",
    "model-versions/get-download-uri",
    "model-versions/update",
    "model-versions/transition-stage",
    "traces",
    "traces/{}",
    "traces/{}/info",
    "traces/get",
    "traces/batchGet",
    "traces/batchGetInfos",
    "traces/search",
    "unified-traces",
];

/// Those whose requests hold them.
const REQUESTS: [&str; 5] =
    ["experiments/create", "model-versions/create", "traces", "traces/{}", "traces/{}/tags"];

/// The direction of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Answer,
    Request,
}

/// How the bodies of one call are rewritten.
#[derive(Clone, Debug)]
pub(super) struct Rewriting {
    store: Arc<ArtifactStore>,
    uri: String,
    direction: Direction,
}

/// Whether the answers, or the requests, of an endpoint hold artifact URIs.
pub(super) fn holds_uris(endpoint: &str) -> bool {
    let below = below(endpoint);
    ANSWERS.contains(&below) || REQUESTS.contains(&below)
}

fn below(endpoint: &str) -> &str {
    endpoint.split_once("/mlflow/").map_or("", |(_, below)| below)
}

impl Rewriting {
    fn new(store: &Arc<ArtifactStore>, direction: Direction) -> Self {
        Self { store: Arc::clone(store), uri: store.uri(), direction }
    }

    /// The rewriting of this endpoint's answer, if it holds URIs.
    pub(super) fn of_answer(endpoint: &str, store: &Arc<ArtifactStore>) -> Option<Scan> {
        let rewriting = Self::new(store, Direction::Answer);
        ANSWERS.contains(&below(endpoint)).then(|| Scan::new(&IN_ANSWERS, rewriting))
    }

    /// The request's body with URIs of the store in place of the client's.
    ///
    /// # Errors
    ///
    /// An artifact URI leads out of the store, or the body is no JSON.
    pub(super) fn request(
        endpoint: &str,
        store: &Arc<ArtifactStore>,
        body: &[u8],
    ) -> Result<Option<Vec<u8>>, CallError> {
        if !REQUESTS.contains(&below(endpoint)) {
            return Ok(None);
        }
        let mut scan = Scan::new(&IN_REQUESTS, Self::new(store, Direction::Request));
        let mut rewritten = Vec::with_capacity(body.len() + 256);
        let fed = scan.feed(body, &mut rewritten);
        fed.map_err(|malformed| match malformed {
            Malformed::Uri => CallError::Ambiguous("an artifact URI that leads out of its store"),
            Malformed::Json => CallError::BodyBroken,
        })?;
        scan.end(&mut rewritten);
        Ok(Some(rewritten))
    }

    /// The other form of a URI; `None` for one that stays as it is.
    ///
    /// # Errors
    ///
    /// It leads out of the store.
    fn other_form(&self, uri: &str) -> Result<Option<String>, Malformed> {
        match self.direction {
            Direction::Answer => Ok(match uri.strip_prefix(&self.uri) {
                Some("") => Some(PROXIED.to_owned()),
                Some(below) => below.strip_prefix('/').map(|below| format!("{PROXIED}{below}")),
                None => None,
            }),
            Direction::Request => {
                let Some(below) = uri.strip_prefix(PROXIED) else { return Ok(None) };
                // Two slashes begin the name of a host, which is another server's; three begin a path again.
                let below = match below.strip_prefix('/') {
                    Some(host) => match host.strip_prefix('/') {
                        Some(below) => below,
                        None => return Ok(None),
                    },
                    None => below,
                };
                let below = below.strip_suffix('/').unwrap_or(below);
                if below.is_empty() {
                    return Ok(Some(self.uri.clone()));
                }
                let path = ArtifactPath::new(below).map_err(|_| Malformed::Uri)?;
                self.store.key(&path).map_err(|_| Malformed::Uri)?;
                Ok(Some(format!("{}/{below}", self.uri)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn store() -> Arc<ArtifactStore> {
        Arc::new(ArtifactStore::parse("s3://corp-ml/mlflow", None).unwrap())
    }

    /// The answer, in pieces of this many bytes.
    fn answer(endpoint: &str, body: &str, piece: usize) -> Option<String> {
        let mut scan = Rewriting::of_answer(endpoint, &store())?;
        let mut rewritten = Vec::new();
        for piece in body.as_bytes().chunks(piece) {
            scan.feed(piece, &mut rewritten).unwrap();
        }
        scan.end(&mut rewritten);
        Some(String::from_utf8(rewritten).unwrap())
    }

    fn value(endpoint: &str, body: &Value) -> Value {
        let text = body.to_string();
        let whole = answer(endpoint, &text, text.len()).unwrap();
        for piece in [1, 2, 3, 7, 64] {
            assert_eq!(answer(endpoint, &text, piece).unwrap(), whole, "in pieces of {piece}");
        }
        serde_json::from_str(&whole).unwrap()
    }

    const S3: &str = "s3://corp-ml/mlflow/1/abc/artifacts";
    const OURS: &str = "mlflow-artifacts:/1/abc/artifacts";

    #[test]
    fn each_member_with_a_uri_is_rewritten() {
        let tag = |uri: &str| json!([{"key": "team", "value": S3}, {"key": LOCATION, "value": uri}]);
        let tags = |uri: &str| json!({LOCATION: uri, "team": S3});
        type Shape = Box<dyn Fn(&str) -> Value>;
        let shapes: [(&str, Shape); 17] = [
            ("experiments/get", Box::new(|uri| json!({"experiment": {"artifact_location": uri}}))),
            ("experiments/search", Box::new(|uri| json!({"experiments": [{}, {"artifact_location": uri}]}))),
            ("runs/get", Box::new(|uri| json!({"run": {"info": {"artifact_uri": uri}}}))),
            ("runs/search", Box::new(|uri| json!({"runs": [{"info": {"artifact_uri": uri}}]}))),
            ("runs/update", Box::new(|uri| json!({"run_info": {"artifact_uri": uri}}))),
            ("logged-models/{}", Box::new(|uri| json!({"model": {"info": {"artifact_uri": uri}}}))),
            ("logged-models/search", Box::new(|uri| json!({"models": [{"info": {"artifact_uri": uri}}]}))),
            ("model-versions/get", Box::new(|uri| json!({"model_version": {"source": uri}}))),
            ("model-versions/search", Box::new(|uri| json!({"model_versions": [{"source": uri}]}))),
            (
                "registered-models/get",
                Box::new(|uri| json!({"registered_model": {"latest_versions": [{"source": uri}]}})),
            ),
            (
                "registered-models/search",
                Box::new(|uri| json!({"registered_models": [{"latest_versions": [{"source": uri}]}]})),
            ),
            ("model-versions/get-download-uri", Box::new(|uri| json!({"artifact_uri": uri}))),
            ("artifacts/list", Box::new(|uri| json!({"root_uri": uri, "files": [{"path": S3}]}))),
            ("traces/{}/info", Box::new(move |uri| json!({"trace_info": {"tags": tag(uri)}}))),
            (
                "traces/search",
                Box::new(move |uri| json!({"traces": [{"tags": tag(uri)}, {"tags": tags(uri)}]})),
            ),
            ("traces/get", Box::new(move |uri| json!({"trace": {"trace_info": {"tags": tags(uri)}}}))),
            ("traces/batchGetInfos", Box::new(move |uri| json!({"trace_infos": [{"tags": tags(uri)}]}))),
        ];
        for (endpoint, shape) in shapes {
            let endpoint = format!("api/2.0/mlflow/{endpoint}");
            assert_eq!(value(&endpoint, &shape(S3)), shape(OURS), "{endpoint}");
            for outside in
                ["s3://corp-ml/mlflow2/1", "s3://other/mlflow/1", "models:/m-1", "mlflow-artifacts:/1"]
            {
                assert_eq!(value(&endpoint, &shape(outside)), shape(outside), "{endpoint}");
            }
        }
    }

    #[test]
    fn nothing_else_is_touched() {
        let endpoint = "api/2.0/mlflow/runs/get";
        for text in [
            r#"{"run": {"data": {"params": [{"key": "artifact_uri", "value": "s3://corp-ml/mlflow/1"}]}}}"#,
            r#"{"run": {"data": {"info": {"artifact_uri": "s3://corp-ml/mlflow/1"}}}}"#,
            r#"{"run": {"info": {"artifact_uri": ["s3://corp-ml/mlflow/1"], "run_name": "s3://corp-ml/mlflow/1"}}}"#,
            r#"{"run":{"info":{"artifact_uri":{"artifact_uri":"s3://corp-ml/mlflow/1"}}}}"#,
            " {\n\"a\" : 1e400 , \"b\":-0.0, \"c\":12345678901234567890123, \"d\": \"\\ud83d\\ude00 \\/\", \"a\":[ ] }\r\n",
            r#"{"traces":[{"request_metadata":[{"key":"mlflow.artifactLocation","value":"s3://corp-ml/mlflow/1"}]}]}"#,
        ] {
            for piece in [1, 5, 1000] {
                assert_eq!(answer(endpoint, text, piece).unwrap(), text);
            }
        }
        assert_eq!(answer("api/2.0/mlflow/runs/log-batch", "{}", 9), None);
        assert_eq!(answer("api/2.0/mlflow/metrics/get-history", "{}", 9), None);
    }

    #[test]
    fn names_and_uris_may_be_escaped() {
        let text = r#"{"r\u0075n":{"info":{"artifact_uri":"s3:\/\/corp-ml\/mlflow\/1\/\u00e9\"x"}}}"#;
        let rewritten = answer("api/2.0/mlflow/runs/get", text, 1).unwrap();
        let uri = serde_json::from_str::<Value>(&rewritten).unwrap()["run"]["info"]["artifact_uri"].clone();
        assert_eq!(uri, "mlflow-artifacts:/1/é\"x");
        let root = value(
            "api/2.0/mlflow/experiments/get",
            &json!({"experiment": {"artifact_location": "s3://corp-ml/mlflow"}}),
        );
        assert_eq!(root["experiment"]["artifact_location"], "mlflow-artifacts:/");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["{\"a\" 1}", "[1,]}", "{\"run\":{]}", "nul", "{\"a\":\u{1}}", "<html>"] {
            let mut scan = Rewriting::of_answer("api/2.0/mlflow/runs/get", &store()).unwrap();
            let fed = scan.feed(text.as_bytes(), &mut Vec::new());
            assert!(fed.is_err() || !scan.is_whole(), "{text}");
        }
        let mut scan = Rewriting::of_answer("api/2.0/mlflow/runs/get", &store()).unwrap();
        assert!(scan.feed("[".repeat(1000).as_bytes(), &mut Vec::new()).is_err(), "depth has a bound");
    }

    #[test]
    fn requests_are_rewritten_back() {
        let request = |endpoint: &str, body: &Value| {
            let body = Rewriting::request(endpoint, &store(), body.to_string().as_bytes())?;
            Ok::<_, CallError>(body.map(|body| serde_json::from_slice::<Value>(&body).unwrap()))
        };
        let create = "api/2.0/mlflow/model-versions/create";
        for (uri, expected) in [
            (OURS, S3),
            ("mlflow-artifacts:///1/abc/artifacts/", S3),
            ("mlflow-artifacts:/", "s3://corp-ml/mlflow"),
            ("mlflow-artifacts://other:5000/1/abc", "mlflow-artifacts://other:5000/1/abc"),
            ("models:/m-1", "models:/m-1"),
            ("s3://other/1", "s3://other/1"),
        ] {
            let body = json!({"name": OURS, "source": uri, "tags": [{"key": LOCATION, "value": OURS}]});
            let expected =
                json!({"name": OURS, "source": expected, "tags": [{"key": LOCATION, "value": S3}]});
            assert_eq!(request(create, &body).unwrap().unwrap(), expected);
        }
        for uri in [
            "mlflow-artifacts:/../x",
            "mlflow-artifacts:/1/../../x",
            "mlflow-artifacts:/1//x",
            "mlflow-artifacts:/%2e%2e/x",
        ] {
            assert!(
                matches!(request(create, &json!({"source": uri})), Err(CallError::Ambiguous(_))),
                "{uri}"
            );
        }
        let tag = request("api/3.0/mlflow/traces/{}/tags", &json!({"key": LOCATION, "value": OURS}));
        assert_eq!(tag.unwrap().unwrap()["value"], S3);
        assert_eq!(request("api/2.0/mlflow/runs/log-batch", &json!({"source": OURS})).unwrap(), None);
    }
}
