//! The meaning of AWS's status words for somebody who wants to change a server.

use crate::config::servers::ServerKind;

/// Whether a server can be changed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Ready,
    /// AWS is at work on the server, and its status will change.
    Busy,
    /// Only a person can help: by this act.
    Stuck(&'static str),
    /// A word that this version does not know.
    Unknown,
}

/// Reads `TrackingServerStatus` and `MlflowAppStatus`. `Deleted` is not among them: such an App counts as absent.
pub(crate) fn standing(kind: ServerKind, status: &str) -> Standing {
    match (kind, status) {
        (_, "Created" | "Updated" | "UpdateFailed") => Standing::Ready,
        (
            ServerKind::TrackingServer,
            "Started"
            | "Stopped"
            | "StartFailed"
            | "StopFailed"
            | "MaintenanceComplete"
            | "MaintenanceFailed",
        ) => Standing::Ready,
        (_, "Creating" | "Updating") => Standing::Busy,
        (ServerKind::TrackingServer, "Starting" | "Stopping" | "MaintenanceInProgress") => Standing::Busy,
        (_, "Deleting") => Standing::Stuck("it is being deleted: look again when it is gone"),
        (_, "CreateFailed") => Standing::Stuck(
            "AWS could not create it and gives no reason. Look at the role's trust policy, the bucket's existence and its \
             region; delete what is there, then apply again",
        ),
        (_, "DeleteFailed") => {
            Standing::Stuck("somebody tried to delete it and AWS failed: delete it again, or ask AWS Support")
        }
        _ => Standing::Unknown,
    }
}

/// How long AWS usually takes in this status, by experience; for people who wait.
pub(crate) fn usual_time(kind: ServerKind, status: &str) -> Option<&'static str> {
    match (kind, status) {
        (ServerKind::TrackingServer, "Creating") => Some("AWS takes 25 to 45 minutes"),
        (ServerKind::TrackingServer, "Starting") => Some("AWS takes some 25 minutes"),
        (ServerKind::MlflowApp, "Creating") => Some("AWS takes some 5 minutes"),
        _ => None,
    }
}
