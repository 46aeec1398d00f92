//! Studio domains: how people sign in to them, and where they open. A domain's mode never changes.

use super::credentials::CredentialStore;
use super::error::AwsError;
use super::retry::{Calls, Deadline};
use super::sagemaker::{At, SageMaker};
use super::session_policy::Scope;
use super::sts::AssumeRole;
use crate::config::AwsConfig;
use crate::target::{DOMAIN_ID, DomainId, Mint, Region, RoleArn};
use moka::future::Cache;
use std::sync::Arc;
use std::time::Duration;

const DESCRIBE: &str = "DescribeDomain";
const KEPT: Duration = Duration::from_secs(3600);
/// The permission may be missing on purpose, so it is not asked for at each launch.
const NOT_KNOWN_FOR: Duration = Duration::from_secs(60);
const MOST: u64 = 1000;

/// A Studio domain as AWS describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domain {
    /// `IAM` or `SSO`.
    pub auth_mode: String,
    /// The stable address at which people of a domain in SSO mode sign in.
    pub url: Option<String>,
    /// It opens in SageMaker Unified Studio only.
    pub unified_studio_only: bool,
    /// Whether calls of Studio carry the person's name: the default of the domain's profiles.
    pub names_people: bool,
}

/// The reason why no URL can be presigned for a target that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotForIam {
    /// People sign in to the domain by IAM Identity Center.
    IdentityCenter,
    UnifiedStudio,
    /// People sign in to the partner app by IAM Identity Center.
    PartnerApp,
}

impl NotForIam {
    /// The stable word for logs, metrics and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IdentityCenter | Self::UnifiedStudio => "sso-domain",
            Self::PartnerApp => "sso-app",
        }
    }
}

#[derive(Debug)]
pub(super) struct Domains {
    sagemaker: Arc<SageMaker>,
    credentials: Arc<CredentialStore>,
    calls: Arc<Calls>,
    config: AwsConfig,
    known: Cache<Place, Arc<Domain>>,
    not_known: Cache<Place, AwsError>,
}

/// A domain and how it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) id: DomainId,
    pub(crate) region: Region,
    pub(crate) role_arn: Option<RoleArn>,
    pub(crate) endpoint_url: Option<String>,
}

impl Domain {
    pub fn not_for_iam(&self) -> Option<NotForIam> {
        if self.auth_mode == "SSO" {
            Some(NotForIam::IdentityCenter)
        } else {
            self.unified_studio_only.then_some(NotForIam::UnifiedStudio)
        }
    }
}

impl Domains {
    pub(super) fn new(
        sagemaker: Arc<SageMaker>,
        credentials: Arc<CredentialStore>,
        calls: Arc<Calls>,
        config: &AwsConfig,
    ) -> Self {
        let known = Cache::builder().max_capacity(MOST).time_to_live(KEPT).build();
        let not_known = Cache::builder().max_capacity(MOST).time_to_live(NOT_KNOWN_FOR).build();
        Self { sagemaker, credentials, calls, config: config.clone(), known, not_known }
    }

    /// The domain, asked for once for all callers.
    ///
    /// # Errors
    ///
    /// [`AwsError`], which is kept for a minute.
    pub(super) async fn domain(&self, place: &Place) -> Result<Arc<Domain>, AwsError> {
        if let Some(error) = self.not_known.get(place).await {
            return Err(error);
        }
        match self.known.try_get_with_by_ref(place, Box::pin(self.describe(place))).await {
            Ok(domain) => Ok(domain),
            Err(error) => {
                self.not_known.insert(place.clone(), (*error).clone()).await;
                Err((*error).clone())
            }
        }
    }

    async fn describe(&self, place: &Place) -> Result<Arc<Domain>, AwsError> {
        let Place { id, region, role_arn, endpoint_url } = place;
        let scope = Scope::LookUp { region: region.clone() };
        let look_up = |role| Arc::new(AssumeRole::for_look_up(role, &self.config, Some(scope.clone())));
        let session = role_arn.as_ref().map(look_up);
        let at = At { region, endpoint_url: endpoint_url.as_deref() };
        let deadline = Deadline::after(self.config.timeout);
        let described = self.credentials.in_session(session.as_ref(), |credentials| async move {
            let ask = || self.sagemaker.domain(id, at, &credentials);
            self.calls.retrying(DESCRIBE, None, deadline, ask).await
        });
        described.await.map(Arc::new)
    }
}

impl Place {
    /// `None` for another kind of target.
    pub(crate) fn of(mint: &Mint) -> Option<Self> {
        Some(Self {
            id: DomainId::parse(mint.target.text(DOMAIN_ID)?).ok()?,
            region: mint.region.clone(),
            role_arn: mint.role_arn.clone(),
            endpoint_url: mint.endpoint_url.clone(),
        })
    }
}
