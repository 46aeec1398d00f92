//! The actions by which IAM judges calls to a tracking server, for everything that a real client calls.
//!
//! AWS names an action for each of the older endpoints. Which one governs a newer endpoint is not published: such a call is
//! judged by an action that only a permission for all of them covers.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerwithmlflow.html>

use crate::sandbox::tracking;

/// The action of a call whose action AWS does not name.
const UNNAMED: &str = "Unnamed";

/// Methods, path below the API's version, and action. `{}` is one segment.
const ACTIONS: &[(&str, &str, &str)] = &[
    ("POST", "runs/log-inputs", "LogInputs"),
    ("POST", "runs/log-model", "LogModel"),
    ("POST", "runs/outputs", "LogOutputs"),
    ("POST", "logged-models", "CreateLoggedModel"),
    ("POST", "logged-models/search", "SearchLoggedModels"),
    ("GET", "logged-models/{}", "GetLoggedModel"),
    ("PATCH", "logged-models/{}", "FinalizeLoggedModel"),
    ("DELETE", "logged-models/{}", "DeleteLoggedModel"),
    ("POST", "logged-models/{}/params", "LogLoggedModelParams"),
    ("PATCH", "logged-models/{}/tags", "SetLoggedModelTags"),
    ("DELETE", "logged-models/{}/tags/{}", "DeleteLoggedModelTag"),
    ("GET", "logged-models/{}/artifacts/directories", "ListLoggedModelArtifacts"),
    ("POST", "registered-models/create", "CreateRegisteredModel"),
    ("GET", "registered-models/get", "GetRegisteredModel"),
    ("GET", "registered-models/search", "SearchRegisteredModels"),
    ("GET", "registered-models/get-latest-versions", "GetLatestModelVersions"),
    ("POST", "registered-models/get-latest-versions", "GetLatestModelVersions"),
    ("POST", "registered-models/set-tag", "SetRegisteredModelTag"),
    ("DELETE", "registered-models/delete-tag", "DeleteRegisteredModelTag"),
    ("GET", "registered-models/alias", "GetModelVersionByAlias"),
    ("POST", "registered-models/alias", "SetRegisteredModelAlias"),
    ("DELETE", "registered-models/alias", "DeleteRegisteredModelAlias"),
    ("PATCH", "registered-models/update", "UpdateRegisteredModel"),
    ("POST", "registered-models/rename", "RenameRegisteredModel"),
    ("DELETE", "registered-models/delete", "DeleteRegisteredModel"),
    ("POST", "model-versions/create", "CreateModelVersion"),
    ("GET", "model-versions/get", "GetModelVersion"),
    ("GET", "model-versions/search", "SearchModelVersions"),
    ("GET", "model-versions/get-download-uri", "GetDownloadURIForModelVersionArtifacts"),
    ("POST", "model-versions/set-tag", "SetModelVersionTag"),
    ("DELETE", "model-versions/delete-tag", "DeleteModelVersionTag"),
    ("PATCH", "model-versions/update", "UpdateModelVersion"),
    ("POST", "model-versions/transition-stage", "TransitionModelVersionStage"),
    ("DELETE", "model-versions/delete", "DeleteModelVersion"),
    ("POST", "traces", "StartTrace"),
    ("GET", "traces", "SearchTraces"),
    ("POST", "traces/search", "SearchTraces"),
    ("POST", "traces/delete-traces", "DeleteTraces"),
    ("GET", "traces/{}/info", "GetTraceInfo"),
    ("PATCH", "traces/{}", "EndTrace"),
    ("PATCH", "traces/{}/tags", "SetTraceTag"),
    ("DELETE", "traces/{}/tags", "DeleteTraceTag"),
];

pub(super) fn action(method: &str, path: &str) -> &'static str {
    if let Some(action) = tracking::action(method, path) {
        return action;
    }
    let below = ["/api/2.0/mlflow/", "/api/3.0/mlflow/"].iter().find_map(|prefix| path.strip_prefix(prefix));
    let is_it = |template: &str| {
        let (asked, known) = (below.unwrap_or_default().split('/'), template.split('/'));
        asked.clone().count() == known.clone().count()
            && asked.zip(known).all(|(asked, known)| known == "{}" || asked == known)
    };
    let found = ACTIONS.iter().find(|(known, template, _)| *known == method && is_it(template));
    found.map_or(UNNAMED, |(_, _, action)| action)
}
