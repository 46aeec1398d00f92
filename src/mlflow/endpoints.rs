//! THE ACCESS TABLE: the access that each of MLflow's endpoints needs.
//!
//! It has every endpoint that MLflow 3.17 registers below `/api` and `/v1`, and the others that its client calls. A
//! test compares it with the server itself.

use crate::target::Access;
use crate::target::Access::{Log, Read, Write};

/// The access that an endpoint needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Forwarded to a person who has this class.
    Access(Access),
    /// As `Access(Read)`, but every client asks it first: answered from memory for a short time.
    Known,
    /// Files of runs and models, which SageMaker does not serve: carried from and to the artifact store.
    Artifacts(Access),
    /// Parts of files, by URLs that the client is given. Nobody is given any: files are carried whole.
    Parts(Access),
    /// An administrator's: forwarded to nobody.
    Nobody,
}

/// A row: method, path below the destination, and the access needed. `{}` is one segment, `{*}` one or more.
pub type Row = (&'static str, &'static str, Needs);

const READ: Needs = Needs::Access(Read);
const LOG: Needs = Needs::Access(Log);
const WRITE: Needs = Needs::Access(Write);
const NOBODY: Needs = Needs::Nobody;

pub const TABLE: &[Row] = &[
    ("GET", "health", READ),
    ("GET", "version", Needs::Known),
    ("GET", "api/3.0/mlflow/server-info", Needs::Known),
    ("POST", "v1/traces", LOG),
    // Experiments
    ("POST", "api/2.0/mlflow/experiments/create", LOG),
    ("GET", "api/2.0/mlflow/experiments/get", READ),
    ("GET", "api/2.0/mlflow/experiments/get-by-name", READ),
    ("GET", "api/2.0/mlflow/experiments/search", READ),
    ("POST", "api/2.0/mlflow/experiments/search", READ),
    // MLflow registers the second one, without a slash.
    ("POST", "api/2.0/mlflow/experiments/search-datasets", READ),
    ("POST", "api/2.0mlflow/experiments/search-datasets", READ),
    ("POST", "api/2.0/mlflow/experiments/set-experiment-tag", LOG),
    ("POST", "api/2.0/mlflow/experiments/delete-experiment-tag", WRITE),
    ("POST", "api/2.0/mlflow/experiments/update", WRITE), // renames
    ("POST", "api/2.0/mlflow/experiments/delete", WRITE),
    ("POST", "api/2.0/mlflow/experiments/restore", WRITE),
    // Runs
    ("POST", "api/2.0/mlflow/runs/create", LOG),
    ("GET", "api/2.0/mlflow/runs/get", READ),
    ("POST", "api/2.0/mlflow/runs/search", READ),
    ("POST", "api/2.0/mlflow/runs/update", LOG), // ends a run
    ("POST", "api/2.0/mlflow/runs/log-batch", LOG),
    ("POST", "api/2.0/mlflow/runs/log-inputs", LOG),
    ("POST", "api/2.0/mlflow/runs/log-metric", LOG),
    ("POST", "api/2.0/mlflow/runs/log-model", LOG),
    ("POST", "api/2.0/mlflow/runs/log-parameter", LOG),
    ("POST", "api/2.0/mlflow/runs/outputs", LOG),
    ("POST", "api/2.0/mlflow/runs/set-tag", LOG),
    ("POST", "api/2.0/mlflow/runs/delete-tag", WRITE),
    ("POST", "api/2.0/mlflow/runs/delete", WRITE),
    ("POST", "api/2.0/mlflow/runs/restore", WRITE),
    ("GET", "api/2.0/mlflow/metrics/get-history", READ),
    ("GET", "api/2.0/mlflow/metrics/get-history-bulk-interval", READ),
    // Artifacts, listed by the server
    ("GET", "api/2.0/mlflow/artifacts/list", READ),
    // Signed with the server's own role, such a URL would work for whoever reads it.
    ("POST", "api/2.0/mlflow/artifacts/presigned-download-url", Needs::Parts(Read)),
    ("POST", "api/2.0/mlflow/artifacts/presigned-upload-url", Needs::Parts(Log)),
    // Artifacts, through the server
    ("GET", "api/2.0/mlflow-artifacts/artifacts", Needs::Artifacts(Read)),
    ("GET", "api/2.0/mlflow-artifacts/artifacts/{*}", Needs::Artifacts(Read)),
    ("PUT", "api/2.0/mlflow-artifacts/artifacts/{*}", Needs::Artifacts(Log)),
    ("DELETE", "api/2.0/mlflow-artifacts/artifacts/{*}", Needs::Artifacts(Write)),
    ("POST", "api/2.0/mlflow-artifacts/mpu/create/{*}", Needs::Parts(Log)),
    ("POST", "api/2.0/mlflow-artifacts/mpu/complete/{*}", Needs::Parts(Log)),
    ("POST", "api/2.0/mlflow-artifacts/mpu/abort/{*}", Needs::Parts(Log)),
    ("GET", "api/2.0/mlflow-artifacts/presigned/{*}", Needs::Parts(Read)),
    // Logged models
    ("POST", "api/2.0/mlflow/logged-models", LOG),
    ("GET", "api/2.0/mlflow/logged-models/{}", READ),
    ("PATCH", "api/2.0/mlflow/logged-models/{}", LOG), // finalizes
    ("DELETE", "api/2.0/mlflow/logged-models/{}", WRITE),
    ("POST", "api/2.0/mlflow/logged-models/search", READ),
    ("GET", "api/2.0/mlflow/logged-models/{}/artifacts/directories", READ),
    ("POST", "api/2.0/mlflow/logged-models/{}/params", LOG),
    ("PATCH", "api/2.0/mlflow/logged-models/{}/tags", LOG),
    ("DELETE", "api/2.0/mlflow/logged-models/{}/tags/{}", WRITE),
    // The registry of models and prompts
    ("POST", "api/2.0/mlflow/registered-models/create", LOG),
    ("GET", "api/2.0/mlflow/registered-models/get", READ),
    ("GET", "api/2.0/mlflow/registered-models/search", READ),
    ("GET", "api/2.0/mlflow/registered-models/get-latest-versions", READ),
    ("POST", "api/2.0/mlflow/registered-models/get-latest-versions", READ),
    ("POST", "api/2.0/mlflow/registered-models/set-tag", LOG),
    ("DELETE", "api/2.0/mlflow/registered-models/delete-tag", WRITE),
    ("GET", "api/2.0/mlflow/registered-models/alias", READ),
    ("POST", "api/2.0/mlflow/registered-models/alias", WRITE),
    ("DELETE", "api/2.0/mlflow/registered-models/alias", WRITE),
    ("PATCH", "api/2.0/mlflow/registered-models/update", WRITE),
    ("POST", "api/2.0/mlflow/registered-models/rename", WRITE),
    ("DELETE", "api/2.0/mlflow/registered-models/delete", WRITE),
    ("POST", "api/2.0/mlflow/model-versions/create", LOG),
    ("GET", "api/2.0/mlflow/model-versions/get", READ),
    ("GET", "api/2.0/mlflow/model-versions/search", READ),
    ("GET", "api/2.0/mlflow/model-versions/get-download-uri", READ),
    ("POST", "api/2.0/mlflow/model-versions/set-tag", LOG),
    ("DELETE", "api/2.0/mlflow/model-versions/delete-tag", WRITE),
    ("PATCH", "api/2.0/mlflow/model-versions/update", WRITE),
    ("POST", "api/2.0/mlflow/model-versions/transition-stage", WRITE),
    ("DELETE", "api/2.0/mlflow/model-versions/delete", WRITE),
    // Traces
    ("GET", "api/2.0/mlflow/traces", READ),
    ("POST", "api/2.0/mlflow/traces", LOG),
    ("PATCH", "api/2.0/mlflow/traces/{}", LOG), // ends a trace
    ("GET", "api/2.0/mlflow/traces/{}/info", READ),
    ("PATCH", "api/2.0/mlflow/traces/{}/tags", LOG),
    ("DELETE", "api/2.0/mlflow/traces/{}/tags", WRITE),
    ("POST", "api/2.0/mlflow/traces/delete-traces", WRITE),
    ("POST", "api/2.0/mlflow/traces/link-prompts", LOG),
    ("POST", "api/2.0/mlflow/traces/link-to-run", LOG),
    ("GET", "api/2.0/mlflow/get-online-trace-details", READ),
    ("GET", "api/2.0/mlflow/unified-traces", READ),
    ("POST", "api/3.0/mlflow/traces", LOG),
    ("GET", "api/3.0/mlflow/traces/{}", READ),
    ("GET", "api/3.0/mlflow/traces/get", READ),
    ("GET", "api/3.0/mlflow/traces/batchGet", READ),
    ("POST", "api/3.0/mlflow/traces/batchGetInfos", READ),
    ("POST", "api/3.0/mlflow/traces/search", READ),
    ("POST", "api/3.0/mlflow/traces/metrics", READ),
    ("POST", "api/3.0/mlflow/traces/calculate-filter-correlation", READ),
    ("POST", "api/3.0/mlflow/traces/delete-traces", WRITE),
    ("PATCH", "api/3.0/mlflow/traces/{}/tags", LOG),
    ("DELETE", "api/3.0/mlflow/traces/{}/tags", WRITE),
    ("POST", "api/3.0/mlflow/traces/{}/assessments", LOG),
    ("GET", "api/3.0/mlflow/traces/{}/assessments/{}", READ),
    ("PATCH", "api/3.0/mlflow/traces/{}/assessments/{}", WRITE),
    ("DELETE", "api/3.0/mlflow/traces/{}/assessments/{}", WRITE),
    // Datasets for evaluations
    ("POST", "api/3.0/mlflow/datasets/create", LOG),
    ("GET", "api/3.0/mlflow/datasets/search", READ),
    ("POST", "api/3.0/mlflow/datasets/search", READ),
    ("GET", "api/3.0/mlflow/datasets/{}", READ),
    ("DELETE", "api/3.0/mlflow/datasets/{}", WRITE),
    ("GET", "api/3.0/mlflow/datasets/{}/records", READ),
    ("POST", "api/3.0/mlflow/datasets/{}/records", LOG),
    ("DELETE", "api/3.0/mlflow/datasets/{}/records", WRITE),
    ("GET", "api/3.0/mlflow/datasets/{}/experiment-ids", READ),
    ("POST", "api/3.0/mlflow/datasets/{}/add-experiments", LOG),
    ("POST", "api/3.0/mlflow/datasets/{}/remove-experiments", WRITE),
    ("PATCH", "api/3.0/mlflow/datasets/{}/tags", LOG),
    ("DELETE", "api/3.0/mlflow/datasets/{}/tags/{}", WRITE),
    // Reviews of traces
    ("POST", "api/3.0/mlflow/issues", LOG),
    ("GET", "api/3.0/mlflow/issues/{}", READ),
    ("PATCH", "api/3.0/mlflow/issues/{}", WRITE),
    ("POST", "api/3.0/mlflow/issues/search", READ),
    ("POST", "api/3.0/mlflow/label-schemas/create", LOG),
    ("GET", "api/3.0/mlflow/label-schemas/get", READ),
    ("GET", "api/3.0/mlflow/label-schemas/get-by-name", READ),
    ("GET", "api/3.0/mlflow/label-schemas/list", READ),
    ("PATCH", "api/3.0/mlflow/label-schemas/update", WRITE),
    ("DELETE", "api/3.0/mlflow/label-schemas/delete", WRITE),
    ("POST", "api/3.0/mlflow/review-queues/create", LOG),
    ("GET", "api/3.0/mlflow/review-queues/get", READ),
    ("GET", "api/3.0/mlflow/review-queues/get-by-name", READ),
    ("GET", "api/3.0/mlflow/review-queues/list", READ),
    ("POST", "api/3.0/mlflow/review-queues/get-or-create-user", LOG),
    ("POST", "api/3.0/mlflow/review-queues/update", WRITE),
    ("POST", "api/3.0/mlflow/review-queues/delete", WRITE),
    ("POST", "api/3.0/mlflow/review-queues/items/add", LOG),
    ("GET", "api/3.0/mlflow/review-queues/items/list", READ),
    ("POST", "api/3.0/mlflow/review-queues/items/remove", WRITE),
    ("POST", "api/3.0/mlflow/review-queues/items/set-status", LOG),
    // Scorers, and jobs that the server runs with models of its own
    ("POST", "api/3.0/mlflow/scorers/register", LOG),
    ("GET", "api/3.0/mlflow/scorers/get", READ),
    ("GET", "api/3.0/mlflow/scorers/list", READ),
    ("GET", "api/3.0/mlflow/scorers/versions", READ),
    ("GET", "api/3.0/mlflow/scorers/online-configs", READ),
    ("PUT", "api/3.0/mlflow/scorers/online-config", WRITE),
    ("DELETE", "api/3.0/mlflow/scorers/delete", WRITE),
    ("POST", "api/3.0/mlflow/prompt-optimization/jobs", WRITE),
    ("GET", "api/3.0/mlflow/prompt-optimization/jobs/{}", READ),
    ("GET", "api/3.0/mlflow/prompt-optimization/jobs/search", READ),
    ("POST", "api/3.0/mlflow/prompt-optimization/jobs/search", READ),
    ("POST", "api/3.0/mlflow/prompt-optimization/jobs/{}/cancel", WRITE),
    ("DELETE", "api/3.0/mlflow/prompt-optimization/jobs/{}", WRITE),
];

/// An administrator's, in every version of the API and whatever the method: secrets and addresses of the server, and
/// people's permissions. The first segments below [`PREFIXES`].
pub(crate) const ADMINISTRATIVE: &[&str] =
    &["webhooks", "users", "roles", "gateway", "mcp-servers", "workspaces"];

/// A segment that makes a path an administrator's wherever it stands, unless the table has the path.
pub(crate) const PERMISSIONS: &str = "permissions";

/// Stands for all administrative endpoints in logs and metrics.
pub(crate) const ANY_ADMINISTRATIVE: Row = ("*", "(administrative)", NOBODY);

/// A call below one of these that changes something and is not in the table counts as `write`.
pub(crate) const PREFIXES: &[&str] = &["api/2.0/mlflow/", "api/3.0/mlflow/"];

/// Stands for all of those calls in logs and metrics.
pub(crate) const UNLISTED: Row = ("*", "(unlisted)", WRITE);
