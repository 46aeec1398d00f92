//! Remedies for errors of AWS.

use crate::aws::domains::NotForIam;
use crate::aws::error::{AwsError, AwsErrorKind};
use crate::aws::state::TargetState;
use crate::presign::error::{BadUrl, PresignError};

/// The caller and the action of a request to AWS.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// The action in IAM's words, such as `sagemaker:DescribeDomain`.
    pub(super) action: &'a str,
    /// The role or user that the call was signed by.
    pub(super) caller: &'a str,
    pub(super) endpoint: Endpoint,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Endpoint {
    SageMaker,
    Sts,
}

/// The reason why a session has tags although the configuration names none.
pub(super) const TAGS_OF_EKS_POD_IDENTITY: &str = "if Postern runs with EKS Pod Identity, it is for the tags that EKS passes on, which `disableSessionTags` on the \
     association switches off";

/// The remedy for a domain that presigned URLs are not for.
pub(super) const NEW_DOMAIN: &str = "create a new domain in IAM mode, for the mode of a domain never changes; or let `sso_domain: redirect` send \
     people to the domain's own address";

pub(super) fn of_presign(error: &PresignError, asked: Asked<'_>) -> String {
    match error {
        PresignError::Aws(error) => of(error, asked),
        PresignError::NotReady { state, .. } => of_state(state),
        PresignError::BadUrl { why: BadUrl::ForeignHost, .. } => {
            "list the host that your URLs stand on under `aws.authorized_url_hosts`, if it is yours"
                .to_owned()
        }
        PresignError::BadUrl { .. } => of_changed_answer(),
        PresignError::ProfileOfAnother { .. } => {
            "let the rules name another profile for this person, or correct the tags if the profile is theirs"
                .to_owned()
        }
        PresignError::NotForIam { why: NotForIam::PartnerApp, .. } => {
            "create the app anew with AuthType IAM; or let people open it from your company's AWS access portal"
                .to_owned()
        }
        PresignError::NotForIam { .. } => NEW_DOMAIN.to_owned(),
    }
}

pub(super) fn of(error: &AwsError, asked: Asked<'_>) -> String {
    let Asked { action, caller, endpoint } = asked;
    match &error.kind {
        AwsErrorKind::Refused if error.is_denial() => {
            let action = denied_action(&error.message).unwrap_or(action);
            format!(
                "allow {action} for {caller}, in its own policies and in those of the VPC endpoint and the organization; \
                 `postern iam` prints what is needed"
            )
        }
        AwsErrorKind::Refused if error.code.as_deref().is_some_and(|code| code.starts_with("PackedPolicyTooLarge")) => {
            "the session policy and the tags of a session are too large together: shorten or leave out \
             `aws.session_tags`; with EKS Pod Identity, whose tags count too, set `disableSessionTags` on the association"
                .to_owned()
        }
        AwsErrorKind::Ambiguous => {
            "name the App by its `arn`, or delete those that are not meant: AWS lets several carry one name".to_owned()
        }
        AwsErrorKind::Refused => "AWS does not accept the request: its message says why".to_owned(),
        AwsErrorKind::Credentials => {
            "give Postern credentials that AWS accepts (environment, profile, web identity, ECS or EC2 role), and check \
             that the machine's clock is right"
                .to_owned()
        }
        AwsErrorKind::Throttled { .. } => format!(
            "AWS asks to slow down: try again in a minute; if it goes on, ask for a higher quota of {action} in Service \
             Quotas"
        ),
        AwsErrorKind::Unavailable if error.message.contains("CaUsedAsEndEntity") => {
            OF_AUTHORITY_AS_SERVER.to_owned()
        }
        AwsErrorKind::Unavailable if is_about_certificate(&error.message) => of_certificate("the endpoint's"),
        AwsErrorKind::Unavailable | AwsErrorKind::OutOfTime => {
            let key = match endpoint {
                Endpoint::SageMaker => "`endpoint_url`",
                Endpoint::Sts => "`aws.sts_endpoint_url`",
            };
            format!(
                "check that this machine reaches the endpoint: {key} or the region's public one, its name in DNS, the \
                 route to it, and the security group of the VPC endpoint (port 443)"
            )
        }
        AwsErrorKind::Quota => format!("ask for a higher quota in Service Quotas: {action} found it used up"),
        AwsErrorKind::Capacity => {
            "AWS has no such machine free at the moment: try again later, or take another instance type".to_owned()
        }
        AwsErrorKind::NotFound => of_state(&TargetState::Missing),
        AwsErrorKind::BadAnswer(_) => of_changed_answer(),
    }
}

fn of_changed_answer() -> String {
    "something between here and AWS changes its answers: look for a proxy on the way to the endpoint"
        .to_owned()
}

pub(super) fn of_state(state: &TargetState) -> String {
    match state {
        TargetState::Missing => {
            "create it, or correct its name, region or account (the role's) in the configuration".to_owned()
        }
        TargetState::Stopped => "start it: a visit starts nothing, and people get 409 until then".to_owned(),
        TargetState::Starting { .. } | TargetState::Stopping | TargetState::Pending(_) => {
            "wait until AWS has finished, and ask again".to_owned()
        }
        TargetState::Failed { .. } => {
            "look at its FailureReason in SageMaker, and repair or replace it".to_owned()
        }
        TargetState::Ready
        | TargetState::Unknown
        | TargetState::Maintenance(_)
        | TargetState::OfIdentityCenter => "nothing".to_owned(),
    }
}

/// Whether a TLS certificate was refused; only the error's text tells.
pub(super) fn is_about_certificate(error: &str) -> bool {
    error.contains("certificate")
}

/// The remedy for a server that presents its authority's own certificate.
pub(super) const OF_AUTHORITY_AS_SERVER: &str = "have a certificate for the server issued from that authority (`basicConstraints=CA:FALSE`, with the host under \
     `subjectAltName`), and serve that one";

pub(super) fn of_certificate(whose: &str) -> String {
    format!(
        "{whose} TLS certificate is not accepted: renew it, or add its authority to this machine's certificate authorities \
         (or name a bundle by SSL_CERT_FILE, which then counts in their place)"
    )
}

/// The action that AWS says is missing.
pub(super) fn denied_action(message: &str) -> Option<&str> {
    let action = message.split_once("not authorized to perform: ")?.1.split_whitespace().next()?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b':' || b == b'-';
    (action.contains(':') && action.bytes().all(legal)).then_some(action)
}

#[cfg(test)]
mod tests {
    use super::denied_action;

    #[test]
    fn the_missing_action_is_read_from_the_message() {
        let message = "AssumeRole: AccessDenied (HTTP 403): User: arn:x is not authorized to perform: sts:TagSession on \
                       resource: arn:y";
        assert_eq!(denied_action(message), Some("sts:TagSession"));
        assert_eq!(denied_action("Access is denied."), None);
    }
}
