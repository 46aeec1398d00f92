//! The headers that pass, in either direction: those that MLflow reads, and no others.

use crate::http_client::USER_AGENT_VALUE;
use hyper::header::{
    ACCEPT, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER,
    USER_AGENT,
};

/// Headers of a request that pass. Only the gateway itself writes headers that route, authenticate or speak for others.
const TO_MLFLOW: [HeaderName; 7] = [
    ACCEPT,
    CONTENT_TYPE,
    // Traces come compressed.
    CONTENT_ENCODING,
    HeaderName::from_static("x-mlflow-client-version"),
    HeaderName::from_static("x-mlflow-workspace"),
    HeaderName::from_static("x-mlflow-experiment-id"),
    HeaderName::from_static("x-mlflow-run-id"),
];

/// Headers of an answer that pass. The length is that of the body that is passed on.
const FROM_MLFLOW: [HeaderName; 4] = [CONTENT_TYPE, CONTENT_DISPOSITION, CONTENT_ENCODING, RETRY_AFTER];

/// The headers of a client's request that pass. A repeated header, or one that is not visible ASCII, is left out.
pub(super) fn to_mlflow(headers: &HeaderMap) -> HeaderMap {
    let mut passed = only(headers, &TO_MLFLOW);
    passed.insert(USER_AGENT, USER_AGENT_VALUE);
    passed
}

/// The headers of an answer that pass.
pub(super) fn from_mlflow(headers: &HeaderMap) -> HeaderMap {
    only(headers, &FROM_MLFLOW)
}

fn only(headers: &HeaderMap, allowed: &[HeaderName]) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for name in allowed {
        let mut values = headers.get_all(name).iter();
        if let (Some(value), None) = (values.next(), values.next())
            && value.to_str().is_ok()
        {
            passed.insert(name.clone(), value.clone());
        }
    }
    passed
}
