//! One line of a person's list of destinations.

use super::start_form::StartForm;
use crate::aws::state::TargetState;
use crate::policy::grant::{DenialReason, Grant};
use crate::target::Kind;
use std::sync::Arc;

/// One destination, and whether a person may open it.
#[derive(Debug)]
pub(crate) struct Listed<'a> {
    pub name: &'a str,
    pub title: &'a str,
    pub description: Option<&'a str>,
    pub kind: &'static str,
    /// Its whole URL, to bookmark and to hand on.
    pub address: String,
    /// `MLFLOW_TRACKING_URI`, if the person's programs may call it.
    pub tracking_uri: Option<String>,
    pub grant: Option<Grant>,
    /// The rule that decided.
    pub rule: Option<Arc<str>>,
    pub reason: Option<DenialReason>,
    pub remedy: Option<Arc<str>>,
    /// `None` if it was not looked up or is not known.
    pub state: Option<TargetState>,
    pub target_kind: Kind,
    /// Whether the person may start it where it is stopped.
    pub may_start: bool,
    /// The button that starts it, if it can be started now.
    pub start: Option<StartForm>,
}

impl Listed<'_> {
    pub(crate) fn allowed(&self) -> bool {
        self.grant.is_some()
    }

    /// Whether its name, title, description or kind has the text in it, whatever the case.
    pub(crate) fn has(&self, sought: &str) -> bool {
        let sought = sought.to_lowercase();
        let texts = [Some(self.name), Some(self.title), self.description, Some(self.kind)];
        texts.into_iter().flatten().any(|text| text.to_lowercase().contains(&sought))
    }

    /// The state in a word for programs.
    pub(crate) fn state_word(&self) -> Option<&'static str> {
        match self.state.as_ref()? {
            TargetState::Ready => Some("ready"),
            TargetState::Unknown => None,
            TargetState::Missing => Some("missing"),
            TargetState::Pending(_) => Some("pending"),
            TargetState::Maintenance(_) => Some("maintenance"),
            // It is running, and may open here or elsewhere.
            TargetState::OfIdentityCenter => Some("ready"),
            TargetState::Starting { .. } => Some("starting"),
            TargetState::Stopping => Some("stopping"),
            TargetState::Stopped => Some("stopped"),
            TargetState::Failed { .. } => Some("failed"),
        }
    }
}
