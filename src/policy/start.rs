//! The decision whether a person who may open a target may also start it.

use super::Policy;
use super::expression::Condition;
use super::expression::facts::Facts;
use super::grant::{DenialReason, Grant, StartGrant};
use super::question::Question;
use crate::audit::RuleStep;
use std::net::IpAddr;
use std::sync::Arc;

/// The condition under which people may start a destination's target.
#[derive(Debug)]
pub(super) struct Start {
    /// As written in the configuration.
    pub(super) expression: Arc<str>,
    pub(super) condition: Condition,
}

/// The reason why a person may not start a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoStart {
    /// The destination has no `start`.
    Nobody,
    NotYou,
    /// The expression could not be evaluated, with the reason for the admin.
    Failed {
        reason: DenialReason,
        why: String,
    },
}

impl NoStart {
    /// The stable word that programs and the audit record see.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Nobody | Self::NotYou => "start-denied",
            Self::Failed { reason, .. } => reason.as_str(),
        }
    }
}

impl Policy {
    /// Evaluates `start` of the grant's destination like a rule: what cannot be evaluated does not hold.
    ///
    /// # Errors
    ///
    /// [`NoStart`]
    pub fn may_start(&self, grant: Grant, client_ip: Option<IpAddr>) -> Result<StartGrant, NoStart> {
        let destination = self.destination(grant.destination());
        let start = destination.and_then(|destination| destination.start.as_ref()).ok_or(NoStart::Nobody)?;
        let principal = &Arc::clone(grant.principal());
        let question = Question { principal, client_ip, path: None, query: None };
        let facts = Facts::new(&self.library, &question);
        facts.begin_rule();
        match start.condition.holds(&facts) {
            Ok(true) => Ok(StartGrant::new(grant)),
            Ok(false) => Err(NoStart::NotYou),
            Err(why) => {
                let overage = facts.missed_groups();
                let reason = if overage { DenialReason::GroupsOverage } else { DenialReason::RuleError };
                Err(NoStart::Failed { reason, why })
            }
        }
    }

    /// The decision of [`may_start`](Self::may_start), as `postern explain` shows it; `None` if nobody may start it.
    pub(super) fn explain_start(&self, grant: &Grant, client_ip: Option<IpAddr>) -> Option<RuleStep> {
        let expression = Arc::clone(&self.destination(grant.destination())?.start.as_ref()?.expression);
        let (outcome, detail) = match self.may_start(grant.clone(), client_ip) {
            Ok(_) => ("matched", None),
            Err(NoStart::Nobody | NoStart::NotYou) => ("not-matched", None),
            Err(NoStart::Failed { why, .. }) => ("failed", Some(why)),
        };
        Some(RuleStep { rule: "start".into(), effect: "start", expression, outcome, detail })
    }
}
