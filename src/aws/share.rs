//! What calls are about, as far as they are slow together: nothing may hold up all others.

use super::resource::Resource;
use crate::target::{Region, RoleArn};

/// A domain with all its profiles, one server, one app, or an account's notebook instances; where and by which role it
/// is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Share {
    resource: String,
    region: Region,
    endpoint_url: Option<String>,
    role_arn: Option<RoleArn>,
}

impl Share {
    pub(super) fn of(
        resource: &Resource,
        region: &Region,
        endpoint_url: Option<&str>,
        role_arn: Option<&RoleArn>,
    ) -> Self {
        let resource = match resource {
            Resource::UserProfile { domain_id, .. } => domain_id.to_string(),
            Resource::TrackingServer(name) => format!("tracking server {name}"),
            Resource::MlflowApp(arn) => arn.to_string(),
            Resource::PartnerApp(arn) => arn.to_string(),
            // Each person may have one, so they are not told apart.
            Resource::NotebookInstance(_) => "notebook instances".to_owned(),
        };
        Self {
            resource,
            region: region.clone(),
            endpoint_url: endpoint_url.map(str::to_owned),
            role_arn: role_arn.cloned(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.resource
    }
}
