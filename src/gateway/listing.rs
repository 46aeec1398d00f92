//! The destinations that a person may open, and their states.

use super::context::RequestContext;
use super::listed::Listed;
use super::service::Gateway;
use crate::config::diagnostics::nearest;
use crate::policy::{Destination, Question, Refusal};
use crate::provider::principal::Principal;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The longest wait for states. A later answer of AWS is cached for the next visit.
const PATIENCE: Duration = Duration::from_secs(1);

impl Gateway {
    /// Every destination and whether this person may open it, by the same decision that a launch would get.
    pub(super) fn access(&self, principal: &Arc<Principal>, context: &RequestContext) -> Vec<Listed<'_>> {
        let question = Question { principal, client_ip: context.client_ip, path: None, query: None };
        let row = |destination| self.row(destination, &question);
        self.policy.destinations().map(row).collect()
    }

    fn row<'a>(&'a self, destination: &'a Destination, question: &Question<'_>) -> Listed<'a> {
        let (grant, trace, denial) = match self.policy.authorize(destination, question) {
            Ok(grant) => {
                let trace = grant.trace().clone();
                (Some(grant), trace, None)
            }
            Err(Refusal::Denied(denial)) => (None, denial.trace, Some((denial.reason, denial.remedy))),
            Err(Refusal::NoSuchPath(trace)) => (None, trace, None),
        };
        let is_callable = grant.as_ref().is_some_and(|grant| grant.api().is_some());
        Listed {
            address: self.address(destination.name()),
            tracking_uri: is_callable.then(|| self.address(destination.name())),
            name: destination.name(),
            title: destination.title(),
            description: destination.description(),
            may_start: grant
                .clone()
                .is_some_and(|grant| self.policy.may_start(grant, question.client_ip).is_ok()),
            start: None,
            target_kind: destination.kind(),
            kind: destination.kind().description().title,
            grant,
            rule: trace.deciding().map(|step| Arc::clone(&step.rule)),
            reason: denial.as_ref().map(|(reason, _)| *reason),
            remedy: denial.and_then(|(_, remedy)| remedy),
            state: None,
        }
    }

    /// Asks for the states of everything that may be opened, all at the same time. Nothing is minted or started.
    pub(super) async fn look_up_states(&self, access: &mut [Listed<'_>]) {
        let deadline = Instant::now() + PATIENCE;
        let mut looking = Vec::new();
        for row in access {
            let Some(grant) = row.grant.clone() else { continue };
            let place = timeout_at(deadline, Arc::clone(&self.look_ups).acquire_owned());
            let Ok(Ok(place)) = place.await else { break };
            let presigner = Arc::clone(&self.presigner);
            let look_up = tokio::spawn(async move {
                let _place = place;
                presigner.describe(&grant).await
            });
            looking.push((row, look_up));
        }
        for (row, look_up) in looking {
            row.state = timeout_at(deadline, look_up).await.ok().and_then(Result::ok);
        }
    }

    /// The destination that a mistyped address most likely means, among those that this person may open.
    pub(super) fn meant(
        &self,
        path: &str,
        principal: &Arc<Principal>,
        context: &RequestContext,
    ) -> Option<&str> {
        let written = percent_encoding::percent_decode_str(path.trim_start_matches('/')).decode_utf8_lossy();
        let written = written.split('/').next().unwrap_or_default();
        // An address that was copied from a sentence may have punctuation around it.
        let written = written.trim_matches(|c: char| !c.is_alphanumeric()).to_ascii_lowercase();
        let open = self.access(principal, context).into_iter().filter(Listed::allowed).map(|row| row.name);
        if written.is_empty() { None } else { nearest(&written, open) }
    }
}
