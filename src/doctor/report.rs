//! The findings, for people and for programs.

use serde::Serialize;
use std::fmt;

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// The subject, by its place in the configuration or by its name in AWS.
    pub subject: String,
    /// A stable word for the question.
    pub check: &'static str,
    pub outcome: Outcome,
    pub found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Ok,
    /// Not asked, because it depends on the answer to another question or on a person's claims.
    Skipped,
    /// It works, and somebody should look at it.
    Warning,
    Failed,
}

/// All answers, in an order that does not depend on who answered first.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub checks: Vec<Check>,
}

/// Makes the checks of one subject.
#[derive(Clone, Debug)]
pub(super) struct Asking(String);

impl Report {
    pub(crate) fn failed(&self) -> bool {
        self.count(Outcome::Failed) > 0
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }
}

impl Asking {
    pub(super) fn about(subject: impl Into<String>) -> Self {
        Self(subject.into())
    }

    pub(super) fn ok(&self, check: &'static str, found: impl Into<String>) -> Check {
        self.answered(check, Outcome::Ok, found, None)
    }

    pub(super) fn skipped(&self, check: &'static str, why: impl Into<String>) -> Check {
        self.answered(check, Outcome::Skipped, why, None)
    }

    pub(super) fn warning(
        &self,
        check: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        self.answered(check, Outcome::Warning, found, Some(remedy.into()))
    }

    pub(super) fn failed(
        &self,
        check: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        self.answered(check, Outcome::Failed, found, Some(remedy.into()))
    }

    fn answered(
        &self,
        check: &'static str,
        outcome: Outcome,
        found: impl Into<String>,
        remedy: Option<String>,
    ) -> Check {
        Check { subject: self.0.clone(), check, outcome, found: found.into(), remedy }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Failed => "failed",
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { subject, check, outcome, found, remedy } in &self.checks {
            writeln!(f, "{outcome:<8} {subject}, {check}: {found}")?;
            if let Some(remedy) = remedy {
                writeln!(f, "         to do: {remedy}")?;
            }
        }
        let [ok, warnings] = [Outcome::Ok, Outcome::Warning].map(|outcome| self.count(outcome));
        let [failed, skipped] = [Outcome::Failed, Outcome::Skipped].map(|outcome| self.count(outcome));
        write!(f, "{ok} ok, {warnings} warnings, {failed} failed, {skipped} skipped")
    }
}
