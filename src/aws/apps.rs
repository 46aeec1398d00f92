//! The ARNs of declared MLflow Apps. AWS knows an App by its ARN alone, so its name is looked for in the list of all.

use super::credentials::CredentialStore;
use super::error::{AwsError, AwsErrorKind};
use super::mlflow::{AppSummary, MOST_PAGES};
use super::retry::{Calls, Deadline};
use super::sagemaker::{At, SageMaker};
use super::session_policy::Scope;
use super::sts::AssumeRole;
use crate::config::AwsConfig;
use crate::target::{Mint, Region, RoleArn};
use moka::future::Cache;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

const LIST: &str = "ListMlflowApps";
/// An App that was deleted and made anew has another ARN. A launch that finds the old one missing looks it up at once.
/// Other ARNs are looked up again after this time.
const KEPT: Duration = Duration::from_secs(600);
/// The time for which an App is not looked for again after it was not found. Programs repeat their calls.
const MISSED_FOR: Duration = Duration::from_secs(5);
const MOST_APPS: u64 = 1000;

#[derive(Debug)]
pub(super) struct Apps {
    sagemaker: Arc<SageMaker>,
    credentials: Arc<CredentialStore>,
    calls: Arc<Calls>,
    config: AwsConfig,
    arns: Cache<Named, Arc<str>>,
    missed: Cache<Named, AwsError>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Named {
    name: String,
    region: Region,
    role_arn: Option<RoleArn>,
    endpoint_url: Option<String>,
}

impl Apps {
    pub(super) fn new(
        sagemaker: Arc<SageMaker>,
        credentials: Arc<CredentialStore>,
        calls: Arc<Calls>,
        config: &AwsConfig,
    ) -> Self {
        let arns = Cache::builder().max_capacity(MOST_APPS).time_to_live(KEPT).build();
        let missed = Cache::builder().max_capacity(MOST_APPS).time_to_live(MISSED_FOR).build();
        Self { sagemaker, credentials, calls, config: config.clone(), arns, missed }
    }

    /// The same mint with the App's ARN, if it has only an App's declared name.
    ///
    /// # Errors
    ///
    /// [`AwsErrorKind::NotFound`] if no App has the name, [`AwsErrorKind::Ambiguous`] if several have it, or the error
    /// that kept the list from being read within `aws.timeout`.
    pub(super) async fn located<'m>(&self, mint: &'m Mint) -> Result<Cow<'m, Mint>, AwsError> {
        let Some(named) = Named::of(mint) else { return Ok(Cow::Borrowed(mint)) };
        if let Some(error) = self.missed.get(&named).await {
            return Err(error);
        }
        let arn = match self.arns.try_get_with_by_ref(&named, Box::pin(self.look_for(&named))).await {
            Ok(arn) => arn,
            Err(error) => {
                self.missed.insert(named, (*error).clone()).await;
                return Err((*error).clone());
            }
        };
        let not_an_arn = |error| AwsError::new(AwsErrorKind::Refused, format!("{LIST}: {error}"));
        let target = mint.target.located(&arn).map_err(not_an_arn)?;
        Ok(Cow::Owned(Mint { target, ..mint.clone() }))
    }

    /// Asks for the App's ARN again at the next launch.
    pub(super) async fn forget(&self, mint: &Mint) {
        if let Some(named) = Named::of(mint) {
            self.arns.invalidate(&named).await;
        }
    }

    async fn look_for(&self, named: &Named) -> Result<Arc<str>, AwsError> {
        let mut found = self.all(named).await?;
        found.retain(|app| app.is_named(&named.name));
        match found.as_slice() {
            [app] => Ok(app.arn.as_str().into()),
            [] => Err(AwsError::new(
                AwsErrorKind::NotFound,
                format!("{LIST}: no App is named `{}`", named.name),
            )),
            several => {
                let arns: Vec<&str> = several.iter().map(|app| app.arn.as_str()).collect();
                let message = format!("{LIST}: several Apps are named `{}`: {}", named.name, arns.join(", "));
                Err(AwsError::new(AwsErrorKind::Ambiguous, message))
            }
        }
    }

    async fn all(&self, named: &Named) -> Result<Vec<AppSummary>, AwsError> {
        let deadline = Deadline::after(self.config.timeout);
        let look_up = |role| Arc::new(AssumeRole::for_look_up(role, &self.config, Some(Scope::ListApps)));
        let session = named.role_arn.as_ref().map(look_up);
        let at = At { region: &named.region, endpoint_url: named.endpoint_url.as_deref() };
        let (mut apps, mut token) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let page = self.credentials.in_session(session.as_ref(), |credentials| {
                let token = token.clone();
                async move {
                    let ask = || self.sagemaker.apps(at, token.clone(), &credentials);
                    self.calls.retrying(LIST, None, deadline, ask).await
                }
            });
            let (page, next) = page.await?;
            apps.extend(page);
            let Some(next) = next else { return Ok(apps) };
            token = Some(next);
        }
        Err(AwsError::new(AwsErrorKind::Refused, format!("{LIST}: more than {MOST_PAGES} pages")))
    }
}

impl Named {
    fn of(mint: &Mint) -> Option<Self> {
        Some(Self {
            name: mint.target.declared_name()?.to_owned(),
            region: mint.region.clone(),
            role_arn: mint.role_arn.clone(),
            endpoint_url: mint.endpoint_url.clone(),
        })
    }
}
