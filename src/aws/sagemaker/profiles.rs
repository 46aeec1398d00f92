//! The calls about a domain's user profiles that only `postern doctor` makes.

use super::{At, SageMaker};
use crate::aws::error::AwsError;
use crate::aws::sdk::{fault, signed_with};
use crate::aws::studio::Listed;
use crate::target::DomainId;
use aws_credential_types::Credentials;
use aws_sdk_sagemaker::operation::describe_user_profile::DescribeUserProfileOutput;
use aws_sdk_sagemaker::types::ExecutionRoleSessionNameMode;

impl SageMaker {
    /// The first page of `ListUserProfiles`.
    ///
    /// # Errors
    ///
    /// [`AwsError`], already classified.
    pub(in crate::aws) async fn profiles(
        &self,
        domain_id: &DomainId,
        at: At<'_>,
        credentials: &Credentials,
    ) -> Result<Listed, AwsError> {
        let request =
            self.client(at).list_user_profiles().domain_id_equals(domain_id.as_str()).max_results(100);
        let output = Box::pin(signed_with(credentials, request.send()))
            .await
            .map_err(|error| fault("ListUserProfiles", &error))?;
        let is_cut = output.next_token.is_some();
        let profiles = output.user_profiles.unwrap_or_default().into_iter();
        Ok(Listed { names: profiles.filter_map(|profile| profile.user_profile_name).collect(), is_cut })
    }

    /// The profile's own setting; `None` if it has none.
    ///
    /// # Errors
    ///
    /// [`AwsError`], already classified.
    pub(in crate::aws) async fn names_people(
        &self,
        domain_id: &DomainId,
        name: &str,
        at: At<'_>,
        credentials: &Credentials,
    ) -> Result<Option<bool>, AwsError> {
        let request = self.client(at).describe_user_profile().domain_id(domain_id.as_str());
        let output = Box::pin(signed_with(credentials, request.user_profile_name(name).send()))
            .await
            .map_err(|error| fault("DescribeUserProfile", &error))?;
        Ok(mode(output).map(|mode| mode == ExecutionRoleSessionNameMode::UserIdentity))
    }
}

fn mode(output: DescribeUserProfileOutput) -> Option<ExecutionRoleSessionNameMode> {
    output.user_settings?.studio_web_portal_settings?.execution_role_session_name_mode
}
