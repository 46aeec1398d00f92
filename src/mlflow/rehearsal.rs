//! Calls of `postern doctor` to a target and its artifact store: with the rights of the mint, but for no person.

use super::address::url;
use super::artifacts::in_time;
use super::{Bridge, CallError, headers};
use crate::aws::error::for_log;
use crate::aws::s3::Operation;
use crate::aws::s3::answer::listed;
use crate::aws::session_name::LOOK_UP;
use crate::policy::grant::{Api, Artifacts};
use crate::target::Mint;
use http_body_util::{BodyExt, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

/// The beginning of a refusal that is shown.
const LONGEST: usize = 4 * 1024;

/// A call that was answered.
#[derive(Debug)]
pub(crate) enum Tried {
    Allowed,
    /// The status, and the words of AWS or MLflow: one line, bounded, without URLs.
    Refused(StatusCode, String),
}

impl Bridge {
    /// Asks the target for one experiment.
    ///
    /// # Errors
    ///
    /// [`CallError`], within `aws.timeout`.
    pub(crate) async fn try_api(&self, mint: &Mint, api: &Api) -> Result<Tried, CallError> {
        let by = Instant::now() + self.aws.timeout();
        in_time(by, async {
            let mint = self.aws.located(mint).await.map_err(CallError::Unsigned)?;
            let url = url(&mint, api, "api/2.0/mlflow/experiments/search", None)?;
            let mut headers = headers::to_mlflow(&HeaderMap::new());
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let body = Bytes::from_static(br#"{"max_results": 1}"#);
            let session = self.aws.call_session(&mint, LOOK_UP.to_owned());
            let response = self.ask(&mint, session.as_ref(), (Method::POST, url, headers, body)).await?;
            if response.status().is_success() {
                return Ok(Tried::Allowed);
            }
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LONGEST).collect().await.map(|body| body.to_bytes());
            Ok(Tried::Refused(head.status, said(&body.unwrap_or_default())))
        })
        .await
    }

    /// Asks the target's store for one key. Returns the store's URI.
    ///
    /// # Errors
    ///
    /// [`CallError`], within `aws.timeout`.
    pub(crate) async fn try_store(&self, mint: &Mint, artifacts: &Artifacts) -> Result<String, CallError> {
        let by = Instant::now() + self.aws.timeout();
        in_time(by, async {
            let mint = self.aws.located(mint).await.map_err(CallError::Unsigned)?;
            let store = self.aws.artifact_store(&mint).await.map_err(CallError::no_store)?;
            let (uri, root) = (store.uri(), store.root());
            let endpoint_url = artifacts.s3_endpoint_url.clone();
            let access = self.aws.store_access(&mint, LOOK_UP.to_owned(), store, endpoint_url);
            let operation = Operation::List { prefix: &root, by_folder: false, most: 1, after: None };
            let (_, body) = self.told_by_store(&access, &operation, Bytes::new()).await?;
            listed(&body, &root).map_err(CallError::Store)?;
            Ok(uri)
        })
        .await
    }
}

/// The code and the message of a refusal, or its text.
fn said(body: &[u8]) -> String {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let member = |names: &[&str]| names.iter().find_map(|name| told.get(name)?.as_str()).map(str::to_owned);
    let code = member(&["error_code", "__type", "code"]);
    let message = member(&["message", "Message"]);
    match (code, message) {
        (None, None) => for_log(&String::from_utf8_lossy(body)),
        (code, message) => for_log(&[code, message].into_iter().flatten().collect::<Vec<_>>().join(": ")),
    }
}
