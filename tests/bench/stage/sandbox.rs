//! The AWS that every launch is measured against.

use super::{Outcome, tell, until_left};
use postern::sandbox::{Sandbox, SandboxOptions, UrlStyle};
use serde_json::json;

/// Everybody has a profile, and URLs are as long as real ones of Studio.
pub(super) async fn serve() -> Outcome {
    let options =
        SandboxOptions { any_profile: true, urls: UrlStyle::LongLanding, ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options).await?;
    let key = sandbox.credentials();
    let where_it_is = json!({
        "provider": sandbox.issuer_text(),
        "sagemaker": sandbox.sagemaker_url().as_str().trim_end_matches('/'),
        "sts": sandbox.sts_url().as_str().trim_end_matches('/'),
        "landing": sandbox.landing_url().as_str().trim_end_matches('/'),
        "access_key_id": key.access_key_id,
        "secret_access_key": key.secret_access_key,
    });
    tell(&where_it_is.to_string())?;
    until_left().await?;
    sandbox.shutdown().await;
    Ok(())
}
