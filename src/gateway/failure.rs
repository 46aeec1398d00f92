//! An error as an answer: for the person, for the program, and, in part, for the operator only.

use super::start_form::StartForm;
use super::try_again::{self, NextTry, Patience};
use crate::aws::state::TargetState;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

const PLATFORM: &str = "If it stays like this, send the details below to your platform team.";

/// An error in words.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: StatusCode,
    /// The stable word for programs.
    pub reason: &'static str,
    pub title: &'static str,
    /// The event, in a sentence for the reader.
    pub detail: Cow<'static, str>,
    /// The reader's next step.
    pub advice: &'static str,
    /// The rule author's advice.
    pub remedy: Option<Arc<str>>,
    pub retry_after: Option<Duration>,
    pub allow: Option<&'static str>,
    pub set_cookie: Option<HeaderValue>,
    /// The address to try again, if that may help.
    pub again: Option<String>,
    /// The text of a link to a new sign-in, if that may help.
    pub anew: Option<&'static str>,
    /// The number of automatic tries of the page so far.
    pub tries: u32,
    pub(super) patience: Patience,
    /// The state of the target, if that is the failure.
    pub(super) state: Option<TargetState>,
    /// A button that starts the target.
    pub start: Option<StartForm>,
    /// AWS's own words for the person: one line, bounded, without URLs.
    pub said: Option<String>,
    /// The name of the destination that a mistyped address most likely means.
    pub meant: Option<String>,
    /// The title of the destination that was asked for.
    pub opens: Option<String>,
    pub person: Option<String>,
    /// The person's facts that the rules read.
    pub facts: Vec<(&'static str, String)>,
    /// Rule and outcome, in order.
    pub trace: Option<Vec<(Arc<str>, &'static str)>>,
    /// The cause, for the operator only.
    pub(super) internal: Option<String>,
}

impl Failure {
    pub(super) fn new(
        status: StatusCode,
        reason: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            reason,
            title,
            detail: detail.into(),
            advice: PLATFORM,
            remedy: None,
            retry_after: None,
            allow: None,
            set_cookie: None,
            again: None,
            anew: None,
            tries: 0,
            patience: try_again::USUAL,
            state: None,
            start: None,
            said: None,
            meant: None,
            opens: None,
            person: None,
            facts: Vec::new(),
            trace: None,
            internal: None,
        }
    }

    pub(super) fn advise(self, advice: &'static str) -> Self {
        Self { advice, ..self }
    }

    pub(super) fn retry(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }

    pub(super) fn because(self, internal: &impl ToString) -> Self {
        Self { internal: Some(internal.to_string()), ..self }
    }

    /// Takes the count out of the address that is tried again.
    pub(super) fn counting_tries(mut self) -> Self {
        if let Some(again) = self.again.take() {
            let (address, tries) = try_again::split(&again);
            (self.again, self.tries) = (Some(address), tries);
        }
        self
    }

    /// The page tries again for as long as a start may take.
    pub(super) fn waits_for_a_start(&mut self) {
        self.patience = try_again::OF_A_START;
    }

    pub(crate) fn waits_long(&self) -> bool {
        self.patience == try_again::OF_A_START
    }

    /// Whether the page has tried as often as it does.
    pub(crate) fn has_given_up(&self) -> bool {
        self.tries >= self.patience.most
    }

    /// The page does not try again by itself.
    pub(super) fn only_asked(self) -> Self {
        Self { tries: self.patience.most, ..self }
    }

    /// The next automatic try of the page, if there is one.
    pub(crate) fn next_attempt(&self) -> Option<NextTry> {
        try_again::next(self.again.as_deref()?, self.tries, self.retry_seconds()?, self.patience)
    }

    /// The event and the next step in one text: clients of MLflow show nothing else.
    pub(crate) fn sentence(&self) -> String {
        let remedy = self.remedy.as_deref().map(|remedy| format!(" {remedy}")).unwrap_or_default();
        format!("{} {}{remedy}", self.detail, self.advice)
    }

    /// The wait in whole seconds, rounded up.
    pub(crate) fn retry_seconds(&self) -> Option<u64> {
        self.retry_after
            .map(|wait| wait.as_millis().div_ceil(1000).max(1))
            .and_then(|seconds| seconds.try_into().ok())
    }

    /// Logs the cause, which the person is not shown.
    pub(super) fn log(&self) {
        let reason = self.reason;
        match &self.internal {
            Some(cause) if self.status.is_server_error() => {
                tracing::error!(reason, cause, "request.failed");
            }
            Some(cause) => tracing::warn!(reason, cause, "request.refused"),
            None => {}
        }
    }
}
