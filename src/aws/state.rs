//! Whether a target can be opened, by AWS's words for its state.

use super::resource::Resource;
use super::sagemaker::Described;
use crate::clock::UnixSeconds;
use crate::target::Kind;

/// The state of a target as AWS tells it. A status is AWS's own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetState {
    Ready,
    /// The state could not be found out, or AWS's word says nothing about use: try to open it.
    Unknown,
    Missing,
    /// Busy with something that will end.
    Pending(String),
    /// Maintenance is due or under way. AWS does not say whether the target can be used meanwhile, so its answer decides.
    Maintenance(String),
    /// A partner app whose people sign in by IAM Identity Center. AWS does not say that it presigns no URL for such an app, so
    /// its answer decides.
    OfIdentityCenter,
    Starting {
        since: Option<UnixSeconds>,
    },
    /// On its way to being stopped; until then it cannot be started.
    Stopping,
    /// A visit does not start it.
    Stopped,
    /// With AWS's own reason, if it tells one: one line, bounded, without URLs.
    Failed {
        status: String,
        reason: Option<String>,
    },
}

impl TargetState {
    /// Whether a URL is worth asking for.
    pub fn may_open(&self) -> bool {
        matches!(self, Self::Ready | Self::Unknown) || self.explains_refusals()
    }

    /// Whether the state is the likely reason for AWS to refuse a URL.
    pub fn explains_refusals(&self) -> bool {
        matches!(self, Self::Maintenance(_) | Self::OfIdentityCenter)
    }

    /// Whether maintenance is the reason why it is busy or may not open.
    pub fn is_maintenance(&self) -> bool {
        matches!(self, Self::Pending(word) | Self::Maintenance(word) if word.contains("Maintenance"))
    }

    /// Whether AWS starts a target of this kind in this state.
    pub fn can_be_started(&self, kind: Kind) -> bool {
        match (kind, self) {
            (Kind::MlflowTrackingServer | Kind::NotebookInstance, Self::Stopped) => true,
            (Kind::MlflowTrackingServer, Self::Failed { status, .. }) => status == "StartFailed",
            (Kind::NotebookInstance, Self::Failed { status, .. }) => status == "Failed",
            _ => false,
        }
    }
}

/// Reads AWS's words. A word that does not say whether the target can be used is `Unknown`, and so is a new one.
pub(super) fn state_of(resource: &Resource, described: &Described) -> TargetState {
    let status = described.status.as_str();
    let inactive = described.is_active == Some(false);
    match (resource.kind(), status) {
        (Kind::NotebookInstance, "PendingMaintenance") => TargetState::Maintenance(status.to_owned()),
        (_, "Deleting" | "Deleted") => TargetState::Missing,
        (_, "Updating" | "MaintenanceInProgress" | "InMaintenance") => TargetState::Pending(status.to_owned()),
        (_, "Failed" | "CreateFailed" | "StartFailed") => {
            TargetState::Failed { status: status.to_owned(), reason: described.failure_reason.clone() }
        }
        (_, "Stopping") => TargetState::Stopping,
        (_, "Stopped") => TargetState::Stopped,
        (Kind::StudioDomain, "Pending") => TargetState::Pending(status.to_owned()),
        (Kind::NotebookInstance, "Pending") | (_, "Creating" | "Starting") => {
            TargetState::Starting { since: described.changed }
        }
        (Kind::MlflowTrackingServer, _) if inactive => TargetState::Stopped,
        (Kind::StudioDomain | Kind::NotebookInstance, "InService")
        | (Kind::MlflowTrackingServer, "Created" | "Updated" | "Started" | "MaintenanceComplete")
        | (Kind::MlflowApp, "Created" | "Updated")
        // A partner app whose update failed is available, by AWS's description of the status.
        | (Kind::PartnerApp, "Available" | "UpdateFailed") => usable(described),
        _ => TargetState::Unknown,
    }
}

fn usable(described: &Described) -> TargetState {
    match described.maintenance.as_deref() {
        _ if described.is_of_identity_center => TargetState::OfIdentityCenter,
        Some(word @ "MaintenanceInProgress") => TargetState::Maintenance(word.to_owned()),
        _ => TargetState::Ready,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    fn state(resource: &Resource, status: &str, is_active: Option<bool>) -> TargetState {
        state_of(resource, &Described { status: status.to_owned(), is_active, ..Described::default() })
    }

    #[test]
    fn a_tracking_server_needs_a_usable_status_and_to_be_active() {
        let server = Resource::of(&Target::for_tests(
            Kind::MlflowTrackingServer,
            &[("tracking_server_name", "risk")],
            &[],
        ));
        for status in ["Created", "Updated", "Started", "MaintenanceComplete"] {
            assert_eq!(state(&server, status, Some(true)), TargetState::Ready, "{status}");
            assert_eq!(state(&server, status, Some(false)), TargetState::Stopped, "{status}");
        }
        assert_eq!(state(&server, "Stopped", Some(false)), TargetState::Stopped);
        assert_eq!(state(&server, "Stopping", Some(false)), TargetState::Stopping);
        assert_eq!(state(&server, "Starting", Some(false)), TargetState::Starting { since: None });
        assert_eq!(state(&server, "StopFailed", Some(true)), TargetState::Unknown);
        let failed = |status: &str| TargetState::Failed { status: status.to_owned(), reason: None };
        assert_eq!(state(&server, "CreateFailed", Some(false)), failed("CreateFailed"));
        assert_eq!(state(&server, "SomethingNew", Some(true)), TargetState::Unknown);
    }

    #[test]
    fn pending_is_a_start_for_a_notebook_only() {
        let notebook = Resource::of(&Target::for_tests(
            Kind::NotebookInstance,
            &[("notebook_instance_name", "nb")],
            &[],
        ));
        let profile = Resource::of(&Target::for_tests(
            Kind::StudioDomain,
            &[("domain_id", "d-abc"), ("user_profile_name", "ada")],
            &[],
        ));
        assert_eq!(state(&notebook, "Pending", None), TargetState::Starting { since: None });
        assert_eq!(state(&profile, "Pending", None), TargetState::Pending("Pending".to_owned()));
        for resource in [&notebook, &profile] {
            assert_eq!(state(resource, "InService", None), TargetState::Ready);
            assert_eq!(state(resource, "Deleting", None), TargetState::Missing);
        }
        assert_eq!(state(&profile, "Update_Failed", None), TargetState::Unknown);
    }

    #[test]
    fn what_can_be_started_depends_on_the_kind() {
        let failed = |status: &str| TargetState::Failed { status: status.to_owned(), reason: None };
        let (server, notebook) = (Kind::MlflowTrackingServer, Kind::NotebookInstance);
        for (state, of_server, of_notebook) in [
            (TargetState::Stopped, true, true),
            (TargetState::Stopping, false, false),
            (failed("StartFailed"), true, false),
            (failed("Failed"), false, true),
            (failed("CreateFailed"), false, false),
            (TargetState::Ready, false, false),
            (TargetState::Unknown, false, false),
            (TargetState::Starting { since: None }, false, false),
        ] {
            assert_eq!(state.can_be_started(server), of_server, "{state:?}");
            assert_eq!(state.can_be_started(notebook), of_notebook, "{state:?}");
            assert!(!state.can_be_started(Kind::StudioDomain) && !state.can_be_started(Kind::MlflowApp));
        }
    }
}
