//! What an allowing rule opens: the target with its templates, resolved for one person.

use super::apart::Folds;
use super::expression::facts::Facts;
use super::name_pattern::NamePattern;
use super::template::Template;
use crate::target::{
    DomainId, ExpiresInSeconds, InvalidName, LandingUri, Mint, MlflowAppArn, NotebookInstanceName,
    PartnerAppArn, Region, RoleArn, SessionExpirationSeconds, SpaceName, Target, TrackingServerName,
    UserProfileName,
};
use std::sync::Arc;

/// How much of a name that is not legal is told.
const LONGEST_SHOWN: usize = 80;
const LOWER_CASE: &str =
    "a computed name is lower case, since AWS compares it without case; `profile_name(…)` keeps people apart";

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

/// A value of a target: checked at load where it is constant, at each decision where it is computed.
#[derive(Clone, Debug)]
pub(super) enum Field<T> {
    Constant(T),
    Computed(Arc<Computed<T>>),
}

#[derive(Debug)]
pub(super) struct Computed<T> {
    pub(super) key: &'static str,
    pub(super) template: Template,
    pub(super) parse: fn(&str) -> Result<T, InvalidName>,
    pub(super) folds: Folds,
    /// The values that it can have, with gaps where a person's facts decide.
    pub(super) patterns: Vec<NamePattern>,
}

impl<T: Clone> Field<T> {
    /// Without facts, only a constant has a value.
    ///
    /// # Errors
    ///
    /// Which field has no legal value, and why.
    pub(super) fn resolve(&self, facts: Option<&Facts<'_>>) -> Result<T, String> {
        match (self, facts) {
            (Self::Constant(value), _) => Ok(value.clone()),
            (Self::Computed(computed), None) => Err(format!("`{}` depends on the person", computed.key)),
            (Self::Computed(computed), Some(facts)) => {
                computed.resolve(facts).map_err(|reason| format!("`{}`: {reason}", computed.key))
            }
        }
    }
}

impl<T> Computed<T> {
    fn resolve(&self, facts: &Facts<'_>) -> Result<T, String> {
        let shortened = |invalid: InvalidName| {
            let found = invalid.found.chars().take(LONGEST_SHOWN).collect();
            InvalidName { found, ..invalid }.to_string()
        };
        let text = self.template.resolve(facts)?;
        let principal = facts.principal();
        let folded = [(self.folds.user, &principal.user), (self.folds.subject, &principal.subject)];
        let upper =
            |(folds, own): &(bool, &String)| *folds && own.bytes().any(|byte| byte.is_ascii_uppercase());
        if let Some((_, own)) = folded.into_iter().find(upper) {
            return Err(shortened(InvalidName { found: own.clone(), allowed: LOWER_CASE }));
        }
        (self.parse)(&text).map_err(shortened)
    }
}

impl<T: ToString> Field<T> {
    /// The values that it can have, with gaps where a person's facts decide.
    pub(super) fn patterns(&self) -> Vec<NamePattern> {
        match self {
            Self::Constant(value) => vec![NamePattern::text(value.to_string())],
            Self::Computed(computed) => computed.patterns.clone(),
        }
    }
}
