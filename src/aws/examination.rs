//! The calls by which `postern doctor` asks AWS beside presigning; they are made for no person.

use super::domains::{Domain, Place};
use super::error::AwsError;
use super::sagemaker::StoreOwnership;
use super::sdk::DateSeen;
use super::session_name::LOOK_UP;
use super::state::TargetState;
use super::{AssumeRole, Aws};
use crate::clock::UnixSeconds;
use crate::target::{Mint, RoleArn};
use std::sync::Arc;
use std::time::Duration;

/// The identity behind the gateway's credentials, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: String,
    pub arn: String,
}

impl Aws {
    /// The gateway's own identity, and AWS's time, which a refusal tells, too.
    pub async fn who_am_i(&self) -> (Result<Identity, AwsError>, Option<UnixSeconds>) {
        let seen = DateSeen::default();
        let asked = self.in_time("GetCallerIdentity", async {
            let own = self.credentials.acquire(None).await?;
            let (account, arn) = self.credentials.sts().identity(&own, seen.clone()).await?;
            Ok(Identity { account, arn })
        });
        let identity = asked.await;
        (identity, seen.date())
    }

    /// Assumes the role as for a person, with everything but the session policy, and lets go of it.
    ///
    /// # Errors
    ///
    /// [`AwsError`], within `aws.timeout`.
    pub async fn try_role(&self, role_arn: &RoleArn) -> Result<(), AwsError> {
        let source_identity = self.config.source_identity.then(|| LOOK_UP.to_owned());
        let session = AssumeRole::for_look_up(role_arn, &self.config, None);
        let session = AssumeRole { source_identity, ..session };
        self.in_time("AssumeRole", self.credentials.acquire(Some(Arc::new(session)))).await.map(drop)
    }

    /// A Studio domain.
    ///
    /// # Errors
    ///
    /// [`AwsError`], within `aws.timeout`.
    pub(crate) async fn domain_in_time(&self, place: &Place) -> Result<Arc<Domain>, AwsError> {
        self.in_time("DescribeDomain", self.domain(place)).await
    }

    /// Whether a target can be opened now.
    ///
    /// # Errors
    ///
    /// The error that hid the state, within `aws.timeout`.
    pub async fn state_of(&self, mint: &Mint) -> Result<TargetState, AwsError> {
        self.in_time("look-up", async {
            let mint = self.located(mint).await?;
            self.states.describe_retrying(&mint).await
        })
        .await
    }

    /// The owner that AWS expects of a tracking server's bucket; `None` for other targets.
    ///
    /// # Errors
    ///
    /// [`AwsError`], within `aws.timeout`.
    pub(crate) async fn store_ownership(&self, mint: &Mint) -> Result<Option<StoreOwnership>, AwsError> {
        let described = self.in_time("look-up", async {
            let mint = self.located(mint).await?;
            self.states.described(&mint).await
        });
        Ok(described.await?.store)
    }

    /// The parameters that go along with each AssumeRole, in words.
    pub fn assumed_with(&self) -> String {
        let config = &self.config;
        let parts = [
            ("an ExternalId", config.external_id.is_some()),
            ("a SourceIdentity", config.source_identity),
            ("session tags", !config.session_tags.is_empty()),
        ];
        let parts: Vec<&str> = parts.into_iter().filter(|(_, given)| *given).map(|(part, _)| part).collect();
        if parts.is_empty() { "by its ARN alone".to_owned() } else { format!("with {}", parts.join(", ")) }
    }

    pub fn has_external_id(&self) -> bool {
        self.config.external_id.is_some()
    }

    pub(super) async fn in_time<T>(
        &self,
        doing: &str,
        asking: impl Future<Output = Result<T, AwsError>>,
    ) -> Result<T, AwsError> {
        // Longer than what fetching credentials may take, so that the error names the culprit.
        let limit = self.config.timeout + Duration::from_millis(500);
        tokio::time::timeout(limit, asking).await.unwrap_or_else(|_| Err(AwsError::out_of_time(doing)))
    }
}
