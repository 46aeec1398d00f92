//! From a [`Grant`] to an [`AuthorizedUrl`].
//!
//! A URL comes from a slot that was filled ahead for this very person and input, or from one call of its own. It is
//! never shared: two requests never get the same URL, not even by waiting for the same call.

pub mod authorized_url;
mod credentials;
pub mod error;
mod examination;
mod http;
pub(crate) mod permissions;
mod resource;
mod retry;
mod sagemaker;
mod sdk;
pub(crate) mod session_name;
mod session_policy;
mod slots;
pub mod state;
mod sts;
#[cfg(test)]
mod tests;

pub use examination::Identity;

use crate::clock::Clock;
use crate::config::AwsConfig;
use crate::http_client::egress::Egress;
use crate::metrics::Metrics;
use crate::policy::grant::Grant;
use crate::provider::principal::Principal;
use crate::target::Mint;
use authorized_url::{AuthorizedHosts, AuthorizedUrl};
use aws_sdk_sagemaker::config::SharedCredentialsProvider;
use credentials::CredentialStore;
use error::{PresignError, PresignErrorKind};
use resource::Resource;
use retry::{Calls, Deadline};
use sagemaker::SageMaker;
use session_policy::Scope;
use slots::{SlotKey, Slots};
use state::{States, TargetState};
use std::sync::Arc;
use sts::{AssumeRole, Sts};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Slots being filled at once; people who wait have the other places.
const PREWARMING_AT_ONCE: usize = 16;

/// Mints authorized URLs, for granted requests only.
#[derive(Debug)]
pub struct Presigner {
    sagemaker: Arc<SageMaker>,
    credentials: Arc<CredentialStore>,
    states: Arc<States>,
    calls: Arc<Calls>,
    slots: Arc<Slots>,
    hosts: AuthorizedHosts,
    prewarming: Arc<Semaphore>,
    sole_realm: Option<Arc<str>>,
    config: AwsConfig,
    metrics: Arc<Metrics>,
}

/// A URL, and what the audit record says of it.
#[derive(Debug)]
pub struct Presigned {
    pub url: AuthorizedUrl,
    pub facts: MintFacts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MintFacts {
    pub operation: &'static str,
    pub aws_request_id: Option<String>,
    /// The person's name in AWS; `None` where no role is assumed.
    pub role_session_name: Option<String>,
    pub from_slot: bool,
}

/// Whom a URL is for: a person *is* these two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Person {
    realm: Arc<str>,
    user: String,
}

impl Presigner {
    /// Reads the environment and profile files as AWS's tools do; asks no network, so credentials are first looked for
    /// by the first mint. `credentials` stand in for the default chain.
    ///
    /// `sole_realm` is the realm of all issuers, where they have one in common: it then need not be part of a person's
    /// `RoleSessionName`.
    ///
    /// # Errors
    ///
    /// There is no source of credentials, or a variable that should name a proxy does not.
    pub async fn new(
        config: &AwsConfig,
        sole_realm: Option<Arc<str>>,
        clock: Clock,
        metrics: Arc<Metrics>,
        credentials: Option<SharedCredentialsProvider>,
    ) -> Result<Self, String> {
        let sdk = sdk::settings(config, Egress::from_environment()?, credentials).await;
        let provider = sdk.credentials_provider().ok_or("no source of AWS credentials is configured")?;
        let sagemaker = Arc::new(SageMaker::new(&sdk, config.endpoint_url.as_ref().map(ToString::to_string)));
        let sts = Sts::new(&sdk, config.sts_endpoint_url.as_ref().map(ToString::to_string));
        let calls = Arc::new(Calls::new(config.timeout, config.calls_at_once, Arc::clone(&metrics)));
        let credentials =
            CredentialStore::new(provider, sts, Arc::clone(&calls), clock.clone(), config.timeout);
        let states =
            States::new(Arc::clone(&sagemaker), Arc::clone(&credentials), Arc::clone(&calls), config);
        Ok(Self {
            sagemaker,
            credentials,
            states,
            calls,
            slots: Slots::new(clock, metrics.slots.clone()),
            hosts: AuthorizedHosts::new(&config.authorized_url_hosts),
            prewarming: Arc::new(Semaphore::new(PREWARMING_AT_ONCE)),
            sole_realm,
            config: config.clone(),
            metrics,
        })
    }

    /// Takes the person's URL out of its slot, or mints one.
    ///
    /// A caller that goes away takes the mint with it: its URL is dropped and never kept for anyone.
    ///
    /// # Errors
    ///
    /// [`PresignError`], within `aws.timeout` and by the caller's own deadline.
    pub async fn presign(&self, grant: &Grant, by: Instant) -> Result<Presigned, PresignError> {
        let key = SlotKey { person: Person::of(grant.principal()), mint: grant.mint().clone() };
        match self.slots.take(&key) {
            Some(presigned) => Ok(presigned),
            None => self.mint(grant, &key.person, Deadline::after(self.config.timeout).or(by)).await,
        }
    }

    /// Fills the person's slot in a task of its own, so that their next request need not wait for AWS.
    ///
    /// Does nothing where the slot is filled or being filled, where many others are being filled, and for a target
    /// whose URLs live for a time that neither the config nor AWS's documentation names.
    pub fn prewarm(self: &Arc<Self>, grant: Grant) {
        let Some(life) = slots::life(&grant.mint().target) else { return };
        let Ok(permit) = Arc::clone(&self.prewarming).try_acquire_owned() else { return };
        let key = SlotKey { person: Person::of(grant.principal()), mint: grant.mint().clone() };
        let Some(filling) = self.slots.reserve(key, life) else { return };
        let presigner = Arc::clone(self);
        tokio::spawn(async move {
            let _permit = permit;
            let deadline = Deadline::after(presigner.config.timeout);
            match presigner.mint(&grant, &Person::of(grant.principal()), deadline).await {
                Ok(presigned) => filling.fill(presigned),
                Err(error) => {
                    presigner.metrics.slots.failed.inc();
                    tracing::debug!(error = %error, "slot.not_filled");
                }
            }
        });
    }

    /// Drops the person's unused URLs, those still being minted included.
    pub fn forget(&self, realm: &str, user: &str) {
        self.slots.forget(realm, user);
    }

    /// Whether the grant's target can be opened now, as of some seconds ago.
    pub async fn describe(&self, grant: &Grant) -> TargetState {
        let limit = tokio::time::timeout(self.config.timeout, self.states.look_up(grant.mint()));
        limit.await.unwrap_or(TargetState::Unknown)
    }

    /// One mint: state and credentials at the same time, then the presign call, then the check of its answer.
    async fn mint(
        &self,
        grant: &Grant,
        person: &Person,
        deadline: Deadline,
    ) -> Result<Presigned, PresignError> {
        let (mint, operation) = (grant.mint(), grant.mint().target.operation());
        let counted = self.metrics.mint(grant.destination(), operation);
        let session = self.session(mint, session_name::session_name(person, self.sole_realm.as_deref()));
        let minted = timeout_at(deadline.at, Box::pin(self.mint_until(deadline, mint, session)))
            .await
            .unwrap_or_else(|_| Err(PresignError::out_of_time(operation)));
        counted.ended(minted.as_ref().map_or_else(|error| error.kind.as_str(), |_| "ok"));
        minted
    }

    async fn mint_until(
        &self,
        deadline: Deadline,
        mint: &Mint,
        session: Option<Arc<AssumeRole>>,
    ) -> Result<Presigned, PresignError> {
        // A look-up spares the person a dead end; it is not worth more waiting than that.
        let patience = self.config.timeout / 4;
        let (state, credentials) = tokio::join!(
            tokio::time::timeout(patience, self.states.look_up(mint)),
            self.credentials.acquire(session.clone())
        );
        let state = state.unwrap_or(TargetState::Unknown);
        if !state.may_open() {
            let operation = mint.target.operation();
            let message = format!("{operation}: not asked for, the target is {state:?}");
            return Err(PresignError::new(PresignErrorKind::NotReady(state), message));
        }
        let credentials = credentials?;
        let operation = mint.target.operation();
        let minted =
            self.calls.retrying(operation, deadline, || self.sagemaker.presign(mint, &credentials)).await;
        let minted = match minted {
            Ok(minted) => minted,
            Err(error) => {
                match &error.kind {
                    PresignErrorKind::Credentials => self.credentials.discard(session.as_ref()).await,
                    PresignErrorKind::NotReady(state) => self.states.contradict(mint, state.clone()).await,
                    _ => {}
                }
                return Err(error);
            }
        };
        let aws_request_id = minted.aws_request_id;
        let url = self.hosts.check(minted.url).and_then(|url| match &mint.fragment {
            Some(page) => url.at(page),
            None => Ok(url),
        });
        let url = url.map_err(|why| PresignError {
            aws_request_id: aws_request_id.clone(),
            message: format!("{operation}: {why}"),
            ..why.into()
        })?;
        let role_session_name = session.map(|session| session.session_name.clone());
        Ok(Presigned {
            url,
            facts: MintFacts { operation, aws_request_id, role_session_name, from_slot: false },
        })
    }

    /// The session of the assumed role in which a URL is minted, under a person's name.
    fn session(&self, mint: &Mint, session_name: String) -> Option<Arc<AssumeRole>> {
        let role_arn = mint.role_arn.as_ref()?;
        let config = &self.config;
        Some(Arc::new(AssumeRole {
            role_arn: role_arn.clone(),
            source_identity: config.source_identity.then(|| session_name.clone()),
            session_name,
            external_id: config.external_id.clone(),
            tags: config.session_tags.clone(),
            scope: config.scoped_session_policy.then(|| Scope::Mint {
                resource: Resource::of(&mint.target),
                region: mint.region.clone(),
                tagged: !config.session_tags.is_empty(),
            }),
        }))
    }
}

impl Person {
    fn of(principal: &Principal) -> Self {
        Self { realm: Arc::clone(&principal.realm), user: principal.user.clone() }
    }
}
