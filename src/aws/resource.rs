//! The resource that permissions and states are about.

use super::permissions::Place;
use crate::target::{
    DomainId, Kind, MlflowAppArn, NotebookInstanceName, PartnerAppArn, Region, RoleArn, Target,
    TrackingServerName, UserProfileName,
};

/// What a target opens, without how: the unit of permissions and of state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Resource {
    UserProfile { domain_id: DomainId, user_profile_name: UserProfileName },
    TrackingServer(TrackingServerName),
    MlflowApp(MlflowAppArn),
    NotebookInstance(NotebookInstanceName),
    PartnerApp(PartnerAppArn),
}

impl Resource {
    pub(super) fn of(target: &Target) -> Self {
        match target {
            Target::StudioDomain { domain_id, user_profile_name, .. } => Self::UserProfile {
                domain_id: domain_id.clone(),
                user_profile_name: user_profile_name.clone(),
            },
            Target::MlflowTrackingServer { tracking_server_name, .. } => {
                Self::TrackingServer(tracking_server_name.clone())
            }
            Target::MlflowApp { arn, .. } => Self::MlflowApp(arn.clone()),
            Target::NotebookInstance { notebook_instance_name, .. } => {
                Self::NotebookInstance(notebook_instance_name.clone())
            }
            Target::PartnerApp { arn, .. } => Self::PartnerApp(arn.clone()),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::UserProfile { .. } => Kind::StudioDomain,
            Self::TrackingServer(_) => Kind::MlflowTrackingServer,
            Self::MlflowApp(_) => Kind::MlflowApp,
            Self::NotebookInstance(_) => Kind::NotebookInstance,
            Self::PartnerApp(_) => Kind::PartnerApp,
        }
    }

    /// The operation that tells its state.
    pub(super) fn describe_operation(&self) -> &'static str {
        self.kind().describe_operation()
    }

    /// Its ARN in the role's partition and account. The name types hold none of IAM's wildcards `*`, `?` and `$`.
    pub(super) fn arn(&self, role: &RoleArn, region: &Region) -> String {
        let names = match self {
            Self::UserProfile { domain_id, user_profile_name } => {
                vec![domain_id.as_str(), user_profile_name.as_str()]
            }
            Self::TrackingServer(name) => vec![name.as_str()],
            Self::NotebookInstance(name) => vec![name.as_str()],
            Self::MlflowApp(arn) => vec![arn.as_str()],
            Self::PartnerApp(arn) => vec![arn.as_str()],
        };
        Place::of(role, region.as_str()).arn(self.kind(), &names)
    }
}
