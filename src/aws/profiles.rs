//! User profiles that Postern creates for people, and the people whose they are.

use super::Aws;
use super::error::{AwsError, AwsErrorKind};
use super::owners::{Owner, PERSON_TAG, REALM_TAG, tag_value};
use super::resource::Resource;
use super::retry::Deadline;
use super::sagemaker::At;
use super::session_policy::Scope;
use super::share::Share;
use super::sts::AssumeRole;
use crate::target::{Mint, NewProfile};
use std::sync::Arc;

/// A profile has 50 tags at most; AWS answers a hundred on a page.
const MOST_PAGES: usize = 4;

impl Aws {
    /// The session in which a person's profile is created. `None` if no role is assumed.
    pub(crate) fn creation_session(
        &self,
        mint: &Mint,
        profile: &NewProfile,
        session_name: String,
    ) -> Option<Arc<AssumeRole>> {
        let session = self.session(mint, session_name)?;
        let scope = self.config.scoped_session_policy.then(|| Scope::CreateProfile {
            resource: Resource::of(&mint.target),
            region: mint.region.clone(),
            execution_role: profile.execution_role.clone(),
        });
        Some(Arc::new(AssumeRole { scope, ..(*session).clone() }))
    }

    /// Creates the user profile of a mint, with tags that name this person, and returns AWS's id of the call.
    ///
    /// # Errors
    ///
    /// [`AwsError`]; the caller must set a deadline, too: that of the call does not end the wait for credentials.
    pub(crate) async fn create_profile(
        &self,
        mint: &Mint,
        profile: &NewProfile,
        (realm, user): (&str, &str),
        session: Option<&Arc<AssumeRole>>,
        deadline: Deadline,
    ) -> Result<Option<String>, AwsError> {
        let (resource, endpoint_url) = (&Resource::of(&mint.target), mint.endpoint_url.as_deref());
        let at = At { region: &mint.region, endpoint_url };
        let share = &Share::of(resource, &mint.region, endpoint_url, mint.role_arn.as_ref());
        let own = [(REALM_TAG, tag_value(realm)), (PERSON_TAG, tag_value(user))];
        let own = own.into_iter().map(|(key, value)| (key.to_owned(), value));
        let tags: &Vec<(String, String)> = &own.chain(profile.tags.iter().cloned()).collect();
        let created = self.credentials.in_session(session, |credentials| async move {
            let ask = || self.sagemaker.create_profile(resource, profile, tags, at, &credentials);
            self.calls.retrying("CreateUserProfile", Some(share), deadline, ask).await
        });
        created.await
    }

    /// The person that the profile's tags name, as of some seconds ago.
    ///
    /// # Errors
    ///
    /// [`AwsError`], also if the profile does not exist; the caller has the deadline.
    pub(crate) async fn profile_owner(&self, mint: &Mint) -> Result<Owner, AwsError> {
        let resource = Resource::of(&mint.target);
        let arns = mint.role_arn.as_ref().map(|role| resource.arns(role, &mint.region)).unwrap_or_default();
        // The last spelling is in lower case.
        let arn = arns.into_iter().next_back().ok_or_else(|| {
            AwsError::new(AwsErrorKind::Refused, "ListTags: without a role the account is not known")
        })?;
        let key = (arn.clone(), mint.endpoint_url.clone());
        let owner = self.owners.0.try_get_with(key, Box::pin(self.list_tags(mint, arn)));
        owner.await.map_err(|error| (*error).clone())
    }

    /// The same within `aws.timeout`.
    ///
    /// # Errors
    ///
    /// As [`profile_owner`](Self::profile_owner).
    pub(crate) async fn owner_in_time(&self, mint: &Mint) -> Result<Owner, AwsError> {
        self.in_time("ListTags", self.profile_owner(mint)).await
    }

    async fn list_tags(&self, mint: &Mint, arn: String) -> Result<Owner, AwsError> {
        let scope = Scope::LookUp { region: mint.region.clone() };
        let look_up = |role| Arc::new(AssumeRole::for_look_up(role, &self.config, Some(scope.clone())));
        let session = mint.role_arn.as_ref().map(look_up);
        let at = At { region: &mint.region, endpoint_url: mint.endpoint_url.as_deref() };
        let (deadline, arn) = (Deadline::after(self.config.timeout), &arn);
        let (mut tags, mut token) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let page = self.credentials.in_session(session.as_ref(), |credentials| {
                let token = token.clone();
                async move {
                    let ask = || self.sagemaker.tags(arn, token.clone(), at, &credentials);
                    self.calls.retrying("ListTags", None, deadline, ask).await
                }
            });
            let (page, next) = page.await?;
            tags.extend(page);
            let Some(next) = next else { return Ok(Owner::of(&tags)) };
            token = Some(next);
        }
        Err(AwsError::new(AwsErrorKind::Refused, format!("ListTags: more than {MOST_PAGES} pages")))
    }
}
