//! What `postern doctor` asks of AWS: the calls of the gateway, made on nobody's behalf.

use super::error::PresignError;
use super::retry::Deadline;
use super::sagemaker::At;
use super::sdk::DateSeen;
use super::session_name::{LOOK_UP, session_name};
use super::session_policy::Scope;
use super::state::TargetState;
use super::sts::AssumeRole;
use super::{MintFacts, Person, Presigner};
use crate::clock::UnixSeconds;
use crate::policy::grant::Grant;
use crate::target::{DomainId, ExpiresInSeconds, Mint, Region, RoleArn, Target};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout_at;

/// The least that AWS allows.
const SHORTEST_LIFE_SECONDS: i64 = 5;

/// Who these credentials are, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: String,
    pub arn: String,
}

impl Presigner {
    /// Who the gateway itself is, and what time it is at AWS, which also a refusal tells.
    pub async fn who_am_i(&self) -> (Result<Identity, PresignError>, Option<UnixSeconds>) {
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
    /// [`PresignError`], within `aws.timeout`.
    pub async fn try_role(&self, role_arn: &RoleArn) -> Result<(), PresignError> {
        let source_identity = self.config.source_identity.then(|| LOOK_UP.to_owned());
        let session = AssumeRole::for_look_up(role_arn, &self.config, None);
        let session = AssumeRole { source_identity, ..session };
        self.in_time("AssumeRole", self.credentials.acquire(Some(Arc::new(session)))).await.map(drop)
    }

    /// `IAM` or `SSO`.
    ///
    /// # Errors
    ///
    /// [`PresignError`], within `aws.timeout`.
    pub async fn domain_auth_mode(
        &self,
        domain_id: &DomainId,
        region: &Region,
        role_arn: Option<&RoleArn>,
        endpoint_url: Option<&str>,
    ) -> Result<String, PresignError> {
        self.in_time("DescribeDomain", async {
            let scope = || Scope::Domain { domain_id: domain_id.clone(), region: region.clone() };
            let session = role_arn.map(|role| AssumeRole::for_look_up(role, &self.config, Some(scope())));
            let credentials = self.credentials.acquire(session.map(Arc::new)).await?;
            let (at, deadline) = (At { region, endpoint_url }, Deadline::after(self.config.timeout));
            let ask = || self.sagemaker.domain_auth_mode(domain_id, at, &credentials);
            self.calls.retrying("DescribeDomain", deadline, ask).await
        })
        .await
    }

    /// Whether a target can be opened now.
    ///
    /// # Errors
    ///
    /// Why that cannot be found out, within `aws.timeout`.
    pub async fn state_of(&self, mint: &Mint) -> Result<TargetState, PresignError> {
        self.in_time("look-up", self.states.describe_retrying(mint)).await
    }

    /// Mints a URL that lives as shortly as AWS allows, in nobody's name, and drops it here: a caller learns whether it can
    /// be done, and never has the URL.
    ///
    /// # Errors
    ///
    /// [`PresignError`], within `aws.timeout`.
    pub async fn rehearse(&self, mint: &Mint) -> Result<MintFacts, PresignError> {
        self.rehearse_as(LOOK_UP.to_owned(), mint).await
    }

    /// The same for a granted request, in its person's name: what their launch would be, but for the URL's life and use.
    ///
    /// # Errors
    ///
    /// As [`Presigner::rehearse`].
    pub async fn rehearse_granted(&self, grant: &Grant) -> Result<MintFacts, PresignError> {
        let person = Person::of(grant.principal());
        let name = session_name(&person, self.sole_realm.as_deref());
        self.rehearse_as(name, grant.mint()).await
    }

    async fn rehearse_as(&self, session_name: String, mint: &Mint) -> Result<MintFacts, PresignError> {
        let mut mint = mint.clone();
        shorten(&mut mint.target);
        let session = self.session(&mint, session_name);
        let deadline = Deadline::after(self.config.timeout);
        let minted = Box::pin(self.mint_until(deadline, &mint, session));
        let minted = timeout_at(deadline.at, minted).await;
        minted
            .unwrap_or_else(|_| Err(PresignError::out_of_time(mint.target.operation())))
            .map(|minted| minted.facts)
    }

    /// What goes along with each AssumeRole, in words.
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

    async fn in_time<T>(
        &self,
        doing: &str,
        asking: impl Future<Output = Result<T, PresignError>>,
    ) -> Result<T, PresignError> {
        // Longer than what fetching credentials may take, so that the error names the culprit.
        let limit = self.config.timeout + Duration::from_millis(500);
        tokio::time::timeout(limit, asking).await.unwrap_or_else(|_| Err(PresignError::out_of_time(doing)))
    }
}

fn shorten(target: &mut Target) {
    let shortest = ExpiresInSeconds::new(SHORTEST_LIFE_SECONDS).ok();
    match target {
        Target::StudioDomain { expires_in, .. }
        | Target::MlflowTrackingServer { expires_in, .. }
        | Target::MlflowApp { expires_in, .. }
        | Target::PartnerApp { expires_in, .. } => *expires_in = shortest,
        Target::NotebookInstance { .. } => {}
    }
}
