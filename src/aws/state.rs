//! Whether a target can be opened now. Nothing here starts anything.

use super::credentials::{CredentialStore, shared};
use super::error::{AwsError, AwsErrorKind};
use super::resource::Resource;
use super::retry::{Calls, Deadline};
use super::sagemaker::{At, Described, SageMaker};
use super::session_policy::Scope;
use super::sts::AssumeRole;
use crate::config::AwsConfig;
use crate::target::{Kind, Mint, Region, RoleArn};
use moka::Expiry;
use moka::future::Cache;
use std::sync::Arc;
use std::time::{Duration, Instant};

const KNOWN_FOR: Duration = Duration::from_secs(15);
const FAILED_FOR: Duration = Duration::from_secs(2);
const MOST_TARGETS: u64 = 10_000;

/// What AWS says of a target. A status is AWS's own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetState {
    Ready,
    /// It could not be found out, or AWS's word says nothing about use: try it.
    Unknown,
    Missing,
    /// Busy with something that will end.
    Pending(String),
    Starting,
    /// Stopped or stopping. A visit does not start it.
    Stopped,
    Failed(String),
}

impl TargetState {
    /// Whether a URL is worth asking for.
    pub fn may_open(&self) -> bool {
        matches!(self, Self::Ready | Self::Unknown)
    }
}

/// The look-ups, cached: known and throttled ones are kept for 15 seconds, other failures for 2.
#[derive(Debug)]
pub(super) struct States {
    sagemaker: Arc<SageMaker>,
    credentials: Arc<CredentialStore>,
    calls: Arc<Calls>,
    config: AwsConfig,
    cache: Cache<StateKey, LookedUp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct StateKey {
    resource: Resource,
    region: Region,
    role_arn: Option<RoleArn>,
    endpoint_url: Option<String>,
}

#[derive(Clone, Debug)]
struct LookedUp {
    state: TargetState,
    known_for: Duration,
}

struct ByOutcome;

impl Expiry<StateKey, LookedUp> for ByOutcome {
    fn expire_after_create(&self, _: &StateKey, looked_up: &LookedUp, _: Instant) -> Option<Duration> {
        Some(looked_up.known_for)
    }
}

impl States {
    pub(super) fn new(
        sagemaker: Arc<SageMaker>,
        credentials: Arc<CredentialStore>,
        calls: Arc<Calls>,
        config: &AwsConfig,
    ) -> Arc<Self> {
        Arc::new(Self {
            sagemaker,
            credentials,
            calls,
            config: config.clone(),
            cache: Cache::builder().max_capacity(MOST_TARGETS).expire_after(ByOutcome).build(),
        })
    }

    /// Never an error: what cannot be found out is [`TargetState::Unknown`]. The caller has the deadline.
    pub(super) async fn look_up(self: &Arc<Self>, mint: &Mint) -> TargetState {
        let key = StateKey::of(mint);
        if let Some(looked_up) = self.cache.get(&key).await {
            return looked_up.state;
        }
        let states = Arc::clone(self);
        let asked = key.clone();
        let looked_up = shared(&self.cache, key, async move {
            let fetch = tokio::time::timeout(states.config.timeout, states.describe_once(&asked));
            let state = fetch.await.unwrap_or_else(|_| Err(AwsError::out_of_time("look-up")));
            Ok(state.map_or_else(LookedUp::failed, |state| LookedUp { state, known_for: KNOWN_FOR }))
        });
        looked_up.await.map_or(TargetState::Unknown, |looked_up| looked_up.state)
    }

    /// Forgets a state that AWS has just contradicted.
    pub(super) async fn contradict(&self, mint: &Mint, state: TargetState) {
        let key = StateKey::of(mint);
        self.cache.insert(key, LookedUp { state, known_for: FAILED_FOR }).await;
    }

    /// Asks AWS now, again where it is throttled, and keeps nothing.
    ///
    /// # Errors
    ///
    /// Why it could not be found out.
    pub(super) async fn describe_retrying(&self, mint: &Mint) -> Result<TargetState, AwsError> {
        read(&Resource::of(&mint.target), self.described(mint).await)
    }

    /// The answer itself.
    ///
    /// # Errors
    ///
    /// [`AwsError`], also where there is no such target.
    pub(super) async fn described(&self, mint: &Mint) -> Result<Described, AwsError> {
        let key = StateKey::of(mint);
        let credentials = self.credentials.acquire(self.session(&key)).await?;
        let call = || self.sagemaker.describe(&key.resource, key.at(), &credentials);
        let operation = key.resource.describe_operation();
        self.calls.retrying(operation, Deadline::after(self.config.timeout), call).await
    }

    async fn describe_once(&self, key: &StateKey) -> Result<TargetState, AwsError> {
        let credentials = self.credentials.acquire(self.session(key)).await?;
        let call = self.sagemaker.describe(&key.resource, key.at(), &credentials);
        let deadline = tokio::time::Instant::now() + self.config.timeout;
        let described = self.calls.once(key.resource.describe_operation(), deadline, call).await;
        read(&key.resource, described)
    }

    fn session(&self, key: &StateKey) -> Option<Arc<AssumeRole>> {
        let role_arn = key.role_arn.as_ref()?;
        let scope = Scope::LookUp { resource: key.resource.clone(), region: key.region.clone() };
        Some(Arc::new(AssumeRole::for_look_up(role_arn, &self.config, Some(scope))))
    }
}

/// That there is nothing is an answer too.
fn read(resource: &Resource, described: Result<Described, AwsError>) -> Result<TargetState, AwsError> {
    match described {
        Ok(described) => Ok(state_of(resource, &described)),
        Err(error) if error.kind == AwsErrorKind::NotFound => Ok(TargetState::Missing),
        Err(error) => Err(error),
    }
}

impl StateKey {
    fn of(mint: &Mint) -> Self {
        Self {
            resource: Resource::of(&mint.target),
            region: mint.region.clone(),
            role_arn: mint.role_arn.clone(),
            endpoint_url: mint.endpoint_url.clone(),
        }
    }

    fn at(&self) -> At<'_> {
        At { region: &self.region, endpoint_url: self.endpoint_url.as_deref() }
    }
}

impl LookedUp {
    #[expect(clippy::needless_pass_by_value, reason = "the end of the error")]
    fn failed(error: AwsError) -> Self {
        tracing::debug!(error = %error, "target.look_up_failed");
        // AWS asked for fewer calls, so this is not asked again soon.
        let is_throttled = matches!(error.kind, AwsErrorKind::Throttled { .. });
        Self { state: TargetState::Unknown, known_for: if is_throttled { KNOWN_FOR } else { FAILED_FOR } }
    }
}

/// Reads AWS's words. A word that does not say whether the target can be used is `Unknown`, and so is a new one.
fn state_of(resource: &Resource, described: &Described) -> TargetState {
    let status = described.status.as_str();
    let inactive = described.is_active == Some(false);
    match (resource.kind(), status) {
        (_, "Deleting" | "Deleted") => TargetState::Missing,
        (_, "Updating" | "MaintenanceInProgress" | "InMaintenance") => TargetState::Pending(status.to_owned()),
        (_, "Failed" | "CreateFailed" | "StartFailed") => TargetState::Failed(status.to_owned()),
        (_, "Stopping" | "Stopped") => TargetState::Stopped,
        (Kind::StudioDomain, "Pending") => TargetState::Pending(status.to_owned()),
        (Kind::NotebookInstance, "Pending") | (_, "Creating" | "Starting") => TargetState::Starting,
        (Kind::MlflowTrackingServer, _) if inactive => TargetState::Stopped,
        (Kind::StudioDomain | Kind::NotebookInstance, "InService")
        | (Kind::MlflowTrackingServer, "Created" | "Updated" | "Started" | "MaintenanceComplete")
        | (Kind::MlflowApp, "Created" | "Updated")
        // A partner app whose update failed is available, by AWS's description of the status.
        | (Kind::PartnerApp, "Available" | "UpdateFailed") => TargetState::Ready,
        _ => TargetState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    fn state(resource: &Resource, status: &str, is_active: Option<bool>) -> TargetState {
        state_of(resource, &Described { status: status.to_owned(), is_active, store: None })
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
        assert_eq!(state(&server, "Starting", Some(false)), TargetState::Starting);
        assert_eq!(state(&server, "StopFailed", Some(true)), TargetState::Unknown);
        assert_eq!(
            state(&server, "CreateFailed", Some(false)),
            TargetState::Failed("CreateFailed".to_owned())
        );
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
        assert_eq!(state(&notebook, "Pending", None), TargetState::Starting);
        assert_eq!(state(&profile, "Pending", None), TargetState::Pending("Pending".to_owned()));
        for resource in [&notebook, &profile] {
            assert_eq!(state(resource, "InService", None), TargetState::Ready);
            assert_eq!(state(resource, "Deleting", None), TargetState::Missing);
        }
        assert_eq!(state(&profile, "Update_Failed", None), TargetState::Unknown);
    }
}
