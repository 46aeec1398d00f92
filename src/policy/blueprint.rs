//! What an allowing rule opens: the target with its templates, resolved for one person.

use super::expression::facts::Facts;
use super::template::Field;
use crate::target::{
    DomainId, ExpiresInSeconds, LandingUri, Mint, MlflowAppArn, NotebookInstanceName, PartnerAppArn, Region,
    RoleArn, SessionExpirationSeconds, SpaceName, Target, TrackingServerName, UserProfileName,
};

#[derive(Clone, Debug)]
pub(super) struct Blueprint {
    pub(super) target: TargetPlan,
    pub(super) region: Field<Region>,
    pub(super) role_arn: Option<Field<RoleArn>>,
    pub(super) endpoint_url: Option<String>,
}

/// [`Target`] before its names are known.
#[derive(Clone, Debug)]
pub(super) enum TargetPlan {
    StudioDomain {
        domain_id: Field<DomainId>,
        user_profile_name: Field<UserProfileName>,
        space_name: Option<Field<SpaceName>>,
        landing_uri: Option<Field<LandingUri>>,
        expires_in: Option<ExpiresInSeconds>,
        session_expiration: Option<SessionExpirationSeconds>,
    },
    MlflowTrackingServer {
        tracking_server_name: Field<TrackingServerName>,
        expires_in: Option<ExpiresInSeconds>,
        session_expiration: Option<SessionExpirationSeconds>,
    },
    MlflowApp {
        arn: Field<MlflowAppArn>,
        expires_in: Option<ExpiresInSeconds>,
        session_expiration: Option<SessionExpirationSeconds>,
    },
    NotebookInstance {
        notebook_instance_name: Field<NotebookInstanceName>,
        session_expiration: Option<SessionExpirationSeconds>,
    },
    PartnerApp {
        arn: Field<PartnerAppArn>,
        expires_in: Option<ExpiresInSeconds>,
        session_expiration: Option<SessionExpirationSeconds>,
    },
}

impl Blueprint {
    /// # Errors
    ///
    /// Which field has no legal value, and why.
    pub(super) fn resolve(&self, facts: &Facts<'_>) -> Result<Mint, String> {
        self.resolve_by(Some(facts))
    }

    /// The mint that is the same for everyone; `None` where a person's facts decide.
    pub(super) fn constant(&self) -> Option<Mint> {
        self.resolve_by(None).ok()
    }

    fn resolve_by(&self, facts: Option<&Facts<'_>>) -> Result<Mint, String> {
        Ok(Mint {
            target: self.target.resolve(facts)?,
            region: self.region.resolve(facts)?,
            role_arn: optional(self.role_arn.as_ref(), facts)?,
            endpoint_url: self.endpoint_url.clone(),
            fragment: None,
        })
    }
}

impl TargetPlan {
    fn resolve(&self, facts: Option<&Facts<'_>>) -> Result<Target, String> {
        Ok(match self {
            Self::StudioDomain {
                domain_id,
                user_profile_name,
                space_name,
                landing_uri,
                expires_in,
                session_expiration,
            } => Target::StudioDomain {
                domain_id: domain_id.resolve(facts)?,
                user_profile_name: user_profile_name.resolve(facts)?,
                space_name: optional(space_name.as_ref(), facts)?,
                landing_uri: optional(landing_uri.as_ref(), facts)?,
                expires_in: *expires_in,
                session_expiration: *session_expiration,
            },
            Self::MlflowTrackingServer { tracking_server_name, expires_in, session_expiration } => {
                Target::MlflowTrackingServer {
                    tracking_server_name: tracking_server_name.resolve(facts)?,
                    expires_in: *expires_in,
                    session_expiration: *session_expiration,
                }
            }
            Self::MlflowApp { arn, expires_in, session_expiration } => Target::MlflowApp {
                arn: arn.resolve(facts)?,
                expires_in: *expires_in,
                session_expiration: *session_expiration,
            },
            Self::NotebookInstance { notebook_instance_name, session_expiration } => {
                Target::NotebookInstance {
                    notebook_instance_name: notebook_instance_name.resolve(facts)?,
                    session_expiration: *session_expiration,
                }
            }
            Self::PartnerApp { arn, expires_in, session_expiration } => Target::PartnerApp {
                arn: arn.resolve(facts)?,
                expires_in: *expires_in,
                session_expiration: *session_expiration,
            },
        })
    }
}

fn optional<T: Clone>(field: Option<&Field<T>>, facts: Option<&Facts<'_>>) -> Result<Option<T>, String> {
    field.map(|field| field.resolve(facts)).transpose()
}
