//! The address of a call.

use super::error::CallError;
use crate::policy::grant::Api;
use crate::target::Mint;

/// The data plane's URL of a path below it.
pub(super) fn url(mint: &Mint, api: &Api, path: &str, query: Option<&str>) -> Result<String, CallError> {
    let named = api.endpoint_url.as_ref().map(ToString::to_string);
    let endpoint =
        named.or_else(|| mint.target.kind().mlflow_endpoint(&mint.region)).ok_or(CallError::NoApi)?;
    // A plus stands for a space here, but signatures are made over `%20`.
    let query = query.map(|query| format!("?{}", query.replace('+', "%20"))).unwrap_or_default();
    Ok(format!("{}/{path}{query}", endpoint.trim_end_matches('/')))
}
