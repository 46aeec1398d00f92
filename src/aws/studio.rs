//! The user profiles of a Studio domain, as `postern doctor` looks at them. No person's visit asks for them.

use super::Aws;
use super::domains::Place;
use super::error::{AwsError, AwsErrorKind};
use super::owners::Owner;
use super::retry::Deadline;
use super::sagemaker::At;
use super::session_policy::Scope;
use super::sts::AssumeRole;
use crate::target::{DOMAIN_ID, Kind, Mint, Target, USER_PROFILE_NAME, Value};
use std::sync::Arc;

/// AWS answers a hundred on a page, by default those that were created first.
const LIST: &str = "ListUserProfiles";

/// Profiles of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) names: Vec<String>,
    /// The domain has more.
    pub(crate) is_cut: bool,
}

impl Aws {
    /// The first hundred profiles of a domain.
    ///
    /// # Errors
    ///
    /// [`AwsError`], within `aws.timeout`.
    pub(crate) async fn profiles_in_time(&self, place: &Place) -> Result<Listed, AwsError> {
        let session = self.look_up_session(place, Scope::ListProfiles);
        let at = At { region: &place.region, endpoint_url: place.endpoint_url.as_deref() };
        let deadline = Deadline::after(self.config.timeout);
        let listed = self.credentials.in_session(session.as_ref(), |credentials| async move {
            let ask = || self.sagemaker.profiles(&place.id, at, &credentials);
            self.calls.retrying(LIST, None, deadline, ask).await
        });
        self.in_time(LIST, listed).await
    }

    /// The person that a profile's tags name.
    ///
    /// # Errors
    ///
    /// [`AwsError`], within `aws.timeout`.
    pub(crate) async fn owner_of(&self, place: &Place, name: &str) -> Result<Owner, AwsError> {
        let text = |text: &str| Value::Text(text.into());
        let names = vec![(DOMAIN_ID, text(place.id.as_str())), (USER_PROFILE_NAME, text(name))];
        let target = Target::new(Kind::StudioDomain, names)
            .map_err(|error| AwsError::new(AwsErrorKind::Refused, format!("{LIST}: {error}")))?;
        let mint = Mint {
            target,
            region: place.region.clone(),
            role_arn: place.role_arn.clone(),
            endpoint_url: place.endpoint_url.clone(),
            fragment: None,
            access: None,
        };
        self.owner_in_time(&mint).await
    }

    /// Whether calls of Studio carry the person's name in this profile; `None` if the domain decides.
    ///
    /// # Errors
    ///
    /// [`AwsError`], within `aws.timeout`.
    pub(crate) async fn names_people(&self, place: &Place, name: &str) -> Result<Option<bool>, AwsError> {
        let session = self.look_up_session(place, Scope::LookUp { region: place.region.clone() });
        let at = At { region: &place.region, endpoint_url: place.endpoint_url.as_deref() };
        let (operation, deadline) =
            (Kind::StudioDomain.describe_operation(), Deadline::after(self.config.timeout));
        let told = self.credentials.in_session(session.as_ref(), |credentials| async move {
            let ask = || self.sagemaker.names_people(&place.id, name, at, &credentials);
            self.calls.retrying(operation, None, deadline, ask).await
        });
        self.in_time(operation, told).await
    }

    fn look_up_session(&self, place: &Place, scope: Scope) -> Option<Arc<AssumeRole>> {
        let role_arn = place.role_arn.as_ref()?;
        Some(Arc::new(AssumeRole::for_look_up(role_arn, &self.config, Some(scope))))
    }
}
