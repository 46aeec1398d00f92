//! The groups of calls that are slow together: no group may hold up all others.

use super::resource::Resource;
use crate::target::{Kind, Region, RoleArn};

/// A domain with all its profiles, one server, one app, or an account's notebook instances; with the region and the
/// role of the calls.
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
        let name = match resource.kind() {
            Kind::StudioDomain => resource.name("domain_id"),
            // Each person may have a notebook instance, so they are not told apart.
            Kind::NotebookInstance => None,
            Kind::MlflowTrackingServer => resource.name("tracking_server_name"),
            Kind::MlflowApp | Kind::PartnerApp => resource.name("arn"),
        };
        Self {
            resource: name.unwrap_or_else(|| resource.kind().as_str().to_owned()),
            region: region.clone(),
            endpoint_url: endpoint_url.map(str::to_owned),
            role_arn: role_arn.cloned(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.resource
    }
}
