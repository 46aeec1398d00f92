//! The API of an MLflow destination, and the access that each rule gives to programs there.

use super::compiler::Compiler;
use super::fields::Fields;
use crate::config;
use crate::config::diagnostics::{Checked, Diagnostic, Refused, listed};
use crate::config::file::policy as file;
use crate::config::located::At;
use crate::policy::grant::{Api, Artifacts};
use crate::target::{Access, Kind};
use std::sync::Arc;

/// The default of `api.body_size`.
const LARGEST_UPLOAD: u64 = 1024 * 1024 * 1024;

impl Compiler<'_> {
    /// Without `api`, nobody's program may call.
    pub(super) fn api(
        &mut self,
        path: &str,
        written: Option<&At<file::Api>>,
        kind: Kind,
    ) -> Checked<Option<Arc<Api>>> {
        let Some(At { value, location }) = written else { return Ok(None) };
        let path = format!("{path}.api");
        if !kind.is_mlflow() {
            let message = format!("a {} has no API: {}", kind.as_str(), for_mlflow("api"));
            return Err(self.problem(&path, *location, message));
        }
        let endpoint_url =
            self.parsed(&path, "endpoint_url", value.endpoint_url.as_ref(), config::endpoint_url);
        let artifacts = self.artifacts(&path, value);
        Ok(Some(Arc::new(Api { endpoint_url: endpoint_url?, artifacts: artifacts? })))
    }

    /// `None` where artifacts are off.
    fn artifacts(&mut self, path: &str, api: &file::Api) -> Checked<Option<Artifacts>> {
        let s3_endpoint_url =
            self.parsed(path, "s3_endpoint_url", api.s3_endpoint_url.as_ref(), config::endpoint_url);
        let body_size = self.parsed(path, "body_size", api.body_size.as_ref(), config::upload_size);
        if api.artifacts.as_ref().is_some_and(|written| written.value == file::Artifacts::Off) {
            for (key, written) in [("s3_endpoint_url", &api.s3_endpoint_url), ("body_size", &api.body_size)] {
                if let Some(At { location, .. }) = written {
                    self.problem(&format!("{path}.{key}"), *location, "has no meaning with `artifacts: off`");
                }
            }
            return Ok(None);
        }
        let body_size = body_size?.unwrap_or(LARGEST_UPLOAD);
        Ok(Some(Artifacts { s3_endpoint_url: s3_endpoint_url?, body_size }))
    }

    /// The parsed text of a key.
    fn parsed<T>(
        &mut self,
        path: &str,
        key: &str,
        written: Option<&At<String>>,
        parse: impl Fn(&str, &At<String>) -> Result<T, Diagnostic>,
    ) -> Checked<Option<T>> {
        let parsed = written.map(|written| parse(&format!("{path}.{key}"), written)).transpose();
        parsed.map_err(|finding| Refused::by(finding, &mut self.diagnostics))
    }

    /// The access that a rule gives to programs. Refuses a rule whose target they cannot call.
    pub(super) fn access(
        &mut self,
        path: &str,
        rule: &At<file::Rule>,
        kind: Kind,
        fields: &Fields,
        api: Option<&Arc<Api>>,
    ) -> Option<Access> {
        if let Some(written) = &rule.access {
            let path = format!("{path}.access");
            if rule.deny.is_some() {
                self.problem(&path, written.location, "a rule that denies gives no access");
            } else if !kind.is_mlflow() {
                let message = format!("a {} has no API: {}", kind.as_str(), for_mlflow("access"));
                self.problem(&path, written.location, message);
            }
        }
        if let (Some(api), None) = (api, &rule.deny) {
            let wrong = if kind == Kind::MlflowTrackingServer && !fields.has("role_arn") {
                Some("the API needs a `role_arn`: its account is part of the server's ARN".to_owned())
            } else if api.endpoint_url.is_none() {
                fields.constant_region().filter(|region| kind.mlflow_endpoint(region).is_none()).map(
                    |region| {
                        format!(
                            "where AWS serves this API in `{region}` is not known: set `api.endpoint_url`"
                        )
                    },
                )
            } else {
                None
            };
            if let Some(message) = wrong {
                self.problem(path, rule.location, message);
            }
        }
        let written = rule.access.as_ref().map(|written| written.value);
        written.or_else(|| api.map(|_| Access::Log))
    }
}

fn for_mlflow(key: &str) -> String {
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_mlflow());
    format!("`{key}` is for {}", listed(kinds.map(Kind::as_str)))
}
