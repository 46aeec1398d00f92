//! The calls that make a stopped target start.

use super::Aws;
use super::error::AwsError;
use super::resource::Resource;
use super::retry::Deadline;
use super::sagemaker::At;
use super::session_policy::Scope;
use super::share::Share;
use super::state::TargetState;
use super::sts::AssumeRole;
use crate::target::Mint;
use std::sync::Arc;

impl Aws {
    /// The session in which a person starts a target. `None` if no role is assumed.
    pub(crate) fn start_session(&self, mint: &Mint, session_name: String) -> Option<Arc<AssumeRole>> {
        let session = self.session(mint, session_name)?;
        let (resource, region) = (Resource::of(&mint.target), mint.region.clone());
        let scope = self.config.scoped_session_policy.then_some(Scope::Start { resource, region });
        Some(Arc::new(AssumeRole { scope, ..(*session).clone() }))
    }

    /// Starts a target, and returns AWS's id of the call.
    ///
    /// # Errors
    ///
    /// [`AwsError`]; the caller must set a deadline, too: that of the call does not end the wait for credentials.
    pub(crate) async fn start(
        &self,
        mint: &Mint,
        session: Option<&Arc<AssumeRole>>,
        deadline: Deadline,
    ) -> Result<Option<String>, AwsError> {
        let (resource, endpoint_url) = (&Resource::of(&mint.target), mint.endpoint_url.as_deref());
        let at = At { region: &mint.region, endpoint_url };
        let share = &Share::of(resource, &mint.region, endpoint_url, mint.role_arn.as_ref());
        let operation = resource.kind().start_operation().unwrap_or("start");
        let started = self.credentials.in_session(session, |credentials| async move {
            let ask = || self.sagemaker.start(resource, at, &credentials);
            self.calls.retrying(operation, Some(share), deadline, ask).await
        });
        started.await
    }

    /// Whether the caller is the one to change this state of the target: of several, in all replicas, only one gets
    /// `true`.
    pub(crate) async fn claim_change(&self, mint: &Mint, from: &TargetState) -> bool {
        self.states.claim_change(mint, from).await
    }

    /// The change of a target was not made: another caller may make it at once.
    pub(crate) async fn abandon_change(&self, mint: &Mint, from: &TargetState) {
        self.states.abandon_change(mint, from).await;
    }
}
