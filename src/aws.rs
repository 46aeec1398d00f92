//! The only room that knows the AWS SDK: clients, credentials, sessions of roles, retries, states, and the meaning of
//! errors.
//!
//! It calls what it is told to call. The rooms above decide who may open which target, and use the URLs.

mod apps;
mod artifacts;
mod begun;
pub(crate) mod call;
mod credentials;
pub mod domains;
pub mod error;
mod examination;
mod http;
pub(crate) mod mlflow;
mod names;
pub(crate) mod operator;
pub(crate) mod permissions;
pub(crate) mod owners;
mod profiles;
mod resource;
mod retry;
pub(crate) mod s3;
mod sagemaker;
mod sdk;
pub(crate) mod session_name;
mod session_policy;
mod share;
mod start;
mod signature;
pub mod state;
mod states;
mod stores;
mod sts;
pub(crate) mod studio;

pub use aws_credential_types::Credentials;
pub use aws_credential_types::provider::SharedCredentialsProvider;
pub use examination::Identity;
pub use http::Connections;
pub(crate) use retry::Deadline;
pub(crate) use sagemaker::Minted;
pub(crate) use sdk::shown_id;
pub(crate) use states::Outlook;
pub(crate) use stores::NoStore;
pub(crate) use sts::AssumeRole;

use crate::clock::Clock;
use crate::config::AwsConfig;
use crate::metrics::Metrics;
use crate::state::State;
use crate::target::Mint;
use apps::Apps;
use begun::Begun;
use credentials::CredentialStore;
use domains::{Domain, Domains, Place};
use error::{AwsError, AwsErrorKind};
use owners::Owners;
use resource::Resource;
use retry::Calls;
use sagemaker::SageMaker;
use session_policy::Scope;
use share::Share;
use state::TargetState;
use states::States;
use std::borrow::Cow;
use std::sync::Arc;
use sts::Sts;

/// AWS as reached by one configuration.
#[derive(Debug)]
pub struct Aws {
    sagemaker: Arc<SageMaker>,
    credentials: Arc<CredentialStore>,
    states: Arc<States>,
    apps: Apps,
    domains: Domains,
    owners: Owners,
    calls: Arc<Calls>,
    config: AwsConfig,
    clock: Clock,
}

impl Aws {
    /// Reads the environment and profile files as AWS's tools do; asks no network, so credentials are first looked for
    /// by the first call. `credentials` stand in for the default chain. Requests leave over `connections`. By `state`,
    /// replicas tell one another of the targets that they start.
    ///
    /// # Errors
    ///
    /// There is no source of credentials.
    pub async fn new(
        config: &AwsConfig,
        clock: Clock,
        state: State,
        metrics: Arc<Metrics>,
        connections: &Connections,
        credentials: Option<SharedCredentialsProvider>,
    ) -> Result<Arc<Self>, String> {
        let sdk = sdk::settings(config, connections.0.clone(), credentials).await;
        let provider = sdk.credentials_provider().ok_or("no source of AWS credentials is configured")?;
        let sagemaker = Arc::new(SageMaker::new(&sdk, config.endpoint_url.as_ref().map(ToString::to_string)));
        let sts = Sts::new(&sdk, config.sts_endpoint_url.as_ref().map(ToString::to_string));
        let calls = Arc::new(Calls::new(config.timeout, config.calls_at_once, metrics));
        let credentials =
            CredentialStore::new(provider, sts, Arc::clone(&calls), clock.clone(), config.timeout);
        let apps = Apps::new(Arc::clone(&sagemaker), Arc::clone(&credentials), Arc::clone(&calls), config);
        let domains =
            Domains::new(Arc::clone(&sagemaker), Arc::clone(&credentials), Arc::clone(&calls), config);
        let states = States::new(
            Arc::clone(&sagemaker),
            Arc::clone(&credentials),
            Arc::clone(&calls),
            config,
            Begun::new(state, clock.clone()),
            clock.clone(),
        );
        Ok(Arc::new(Self {
            sagemaker,
            credentials,
            states,
            apps,
            domains,
            owners: Owners::new(),
            calls,
            config: config.clone(),
            clock,
        }))
    }

    /// The mint with the ARN of its target, which is looked up where the mint has a declared name. Everything else here
    /// takes such a mint.
    ///
    /// # Errors
    ///
    /// [`AwsError`]; the caller has the deadline.
    pub(crate) async fn located<'m>(&self, mint: &'m Mint) -> Result<Cow<'m, Mint>, AwsError> {
        self.apps.located(mint).await
    }

    /// Asks for the ARN of a declared name again at its next use.
    pub(crate) async fn forget_location(&self, mint: &Mint) {
        self.apps.forget(mint).await;
    }

    /// The session of the assumed role that presigns for a person, under that person's name. `None` where no role is
    /// assumed.
    pub(crate) fn session(&self, mint: &Mint, session_name: String) -> Option<Arc<AssumeRole>> {
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
                access: mint.access,
            }),
        }))
    }

    /// Begins a session, so that the next call in it need not wait for that.
    ///
    /// # Errors
    ///
    /// [`AwsError`]; the caller has the deadline.
    pub(crate) async fn begin(&self, session: Option<&Arc<AssumeRole>>) -> Result<(), AwsError> {
        self.credentials.acquire(session.cloned()).await.map(drop)
    }

    /// Asks for a URL, in a session or, without one, as the gateway itself.
    ///
    /// # Errors
    ///
    /// [`AwsError`]; the caller must set a deadline, too: that of the call does not end the wait for credentials.
    pub(crate) async fn presigned_url(
        &self,
        mint: &Mint,
        session: Option<&Arc<AssumeRole>>,
        deadline: Deadline,
    ) -> Result<Minted, AwsError> {
        let (endpoint_url, role_arn) = (mint.endpoint_url.as_deref(), mint.role_arn.as_ref());
        let share = &Share::of(&Resource::of(&mint.target), &mint.region, endpoint_url, role_arn);
        let minted = self.credentials.in_session(session, |credentials| async move {
            let ask = || self.sagemaker.presign(mint, &credentials);
            self.calls.retrying(mint.target.operation(), Some(share), deadline, ask).await
        });
        let minted = minted.await;
        if minted.as_ref().is_err_and(|error| error.kind == AwsErrorKind::NotFound) {
            self.states.contradict(mint, TargetState::Missing).await;
        }
        minted
    }

    /// The known state of a target, without waiting.
    pub(crate) async fn outlook(&self, mint: &Mint) -> Outlook {
        self.states.outlook(mint).await
    }

    /// Whether a target can be opened now, as of some seconds ago. The caller has the deadline.
    pub(crate) async fn state(&self, mint: &Mint) -> TargetState {
        self.states.state(mint).await
    }

    /// A Studio domain, as of an hour ago at most. The caller has the deadline.
    ///
    /// # Errors
    ///
    /// The error that hid it.
    pub(crate) async fn domain(&self, place: &Place) -> Result<Arc<Domain>, AwsError> {
        self.domains.domain(place).await
    }

    /// How long a call may take, with credentials, state look-up and all retries.
    pub(crate) fn timeout(&self) -> std::time::Duration {
        self.config.timeout
    }
}
