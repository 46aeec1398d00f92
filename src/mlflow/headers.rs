//! Which headers pass, in either direction: those that MLflow reads, and no others.

use hyper::header::{
    ACCEPT, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER, USER_AGENT,
};

/// Of a request. What routes, authenticates or speaks for others is written by us alone.
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

/// Of an answer. Its length is that of the body that is passed on.
const FROM_MLFLOW: [HeaderName; 4] = [CONTENT_TYPE, CONTENT_DISPOSITION, CONTENT_ENCODING, RETRY_AFTER];

const OWN_NAME: HeaderValue = HeaderValue::from_static(concat!("postern/", env!("CARGO_PKG_VERSION")));

/// What a client's request takes along. A header that stands twice, or is not visible ASCII, stays behind.
pub(super) fn to_mlflow(headers: &HeaderMap) -> HeaderMap {
    let mut passed = only(headers, &TO_MLFLOW);
    passed.insert(USER_AGENT, OWN_NAME);
    passed
}

/// What an answer brings along.
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
