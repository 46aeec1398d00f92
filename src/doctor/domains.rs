//! Checks of Studio domains and of the profiles in them.

use super::remedy::{self, Asked, Endpoint, NEW_DOMAIN};
use super::report::{Asking, Check};
use crate::aws::Aws;
use crate::aws::domains::{Domain, NotForIam, Place};
use crate::aws::error::AwsError;
use crate::aws::owners::{PERSON_TAG, REALM_TAG};
use crate::presign::examination::Owned;
use crate::target::{Mint, RoleArn};

/// The check of how people sign in to a domain.
pub(super) const AUTH_MODE: &str = "auth-mode";

pub(super) async fn domain_check(aws: &Aws, place: &Place, redirects: bool, own: &str) -> Vec<Check> {
    let Place { id, region, role_arn, .. } = place;
    let asking = Asking::about(format!("domain {id} in {region}"));
    let error = match aws.domain_in_time(place).await {
        Ok(domain) => return domain_checks(&asking, &domain, redirects, place),
        Err(error) => error,
    };
    let caller = role_arn.as_ref().map_or(own, RoleArn::as_str);
    let asked = Asked { action: "sagemaker:DescribeDomain", caller, endpoint: Endpoint::SageMaker };
    let remedy = remedy::of(&error, asked);
    // Without this permission the presign call decides, so people are served all the same.
    if error.is_denial() {
        return vec![asking.warning(AUTH_MODE, format!("it may not be asked: {}", error.message), remedy)];
    }
    vec![asking.failed(AUTH_MODE, error.message, remedy)]
}

fn domain_checks(
    asking: &Asking,
    domain: &Domain,
    redirects: bool,
    Place { id, region, .. }: &Place,
) -> Vec<Check> {
    match domain.not_for_iam() {
        Some(_) if redirects && domain.url.is_some() => {
            let found = format!("AuthMode {}: people are sent to the domain's own address", domain.auth_mode);
            return vec![asking.skipped(AUTH_MODE, found)];
        }
        Some(NotForIam::IdentityCenter) => {
            let found = format!(
                "it uses AuthMode {}, and presigned URLs are for domains in IAM mode",
                domain.auth_mode
            );
            return vec![asking.failed(AUTH_MODE, found, NEW_DOMAIN)];
        }
        Some(NotForIam::UnifiedStudio) => {
            let found = "it opens in SageMaker Unified Studio only, and presigned URLs are not for it";
            let remedy = "create a domain of its own for these people, or enable access to its Studio portal";
            return vec![asking.failed(AUTH_MODE, found, remedy)];
        }
        Some(NotForIam::PartnerApp) | None => {}
    }
    let names = if domain.names_people {
        asking.ok("session-name", "by default, what Studio does carries the person's name (USER_IDENTITY)")
    } else {
        let command = format!(
            "aws sagemaker update-domain --region {region} --domain-id {id} --default-user-settings \
             '{{\"StudioWebPortalSettings\":{{\"ExecutionRoleSessionNameMode\":\"USER_IDENTITY\"}}}}'"
        );
        asking.ok(
            "session-name",
            format!("by default, what Studio does carries the name SageMaker; to change that: {command}"),
        )
    };
    vec![asking.ok(AUTH_MODE, domain.auth_mode.clone()), names]
}

pub(super) fn owner_check(
    asking: &Asking,
    mint: &Mint,
    owned: Result<Owned, AwsError>,
    caller: &str,
) -> Check {
    let what = mint.target.to_string();
    match owned {
        Ok(Owned::Theirs) => asking.ok("owner", format!("the tags of the {what} name this person")),
        Ok(Owned::Untagged) => asking.warning(
            "owner",
            format!("the {what} was not created by Postern, and is used as it is"),
            format!(
                "if it is this person's, tag it `{REALM_TAG}` and `{PERSON_TAG}` with their realm and user, so that nobody \
                 else is ever let in"
            ),
        ),
        Ok(Owned::ByAnother) => asking.failed(
            "owner",
            format!("the tags of the {what} name another person"),
            "let the rules name another profile for this person, or correct the tags if the profile is theirs",
        ),
        Err(error) => {
            let asked = Asked { action: "sagemaker:ListTags", caller, endpoint: Endpoint::SageMaker };
            asking.failed("owner", error.message.clone(), remedy::of(&error, asked))
        }
    }
}
