//! Errors and warnings as they are collected while a configuration is compiled.

pub(super) use super::diagnostics::Checked;
use super::diagnostics::{Diagnostic, Refused};
use super::located::{At, Location};
use crate::target::InvalidName;

#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// As `as_ref`, for another setting that is checked by this one.
pub(super) fn known<T>(checked: &Checked<T>) -> Checked<&T> {
    checked.as_ref().map_err(|refused| *refused)
}

/// The reason to refuse a text.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Findings {
    /// Parses a text, or notes why it is refused.
    pub(super) fn check<T>(
        &mut self,
        path: &str,
        written: &At<String>,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Checked<T> {
        parse(written).map_err(|problem| self.error(problem.at(path, written.location)))
    }

    /// As [`check`](Self::check); a key that is left out is no error.
    pub(super) fn check_optional<T>(
        &mut self,
        path: &str,
        written: Option<&At<String>>,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Checked<Option<T>> {
        written.map(|written| self.check(path, written, parse)).transpose()
    }

    /// Parses every entry of a list.
    pub(super) fn each<T>(
        &mut self,
        path: &str,
        written: &[At<String>],
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Checked<Vec<T>> {
        let parsed: Vec<Checked<T>> = written
            .iter()
            .enumerate()
            .map(|(index, entry)| self.check(&format!("{path}[{index}]"), entry, &parse))
            .collect();
        parsed.into_iter().collect()
    }

    pub(super) fn refuse<T>(&mut self, path: &str, at: &At<T>, message: impl Into<String>) -> Refused {
        self.error(Diagnostic::new(path, at.location, message))
    }

    pub(super) fn error(&mut self, error: Diagnostic) -> Refused {
        Refused::by(error, &mut self.errors)
    }

    /// Notes that a key which weakens security is set; returns false if it is not.
    pub(super) fn insecure(&mut self, path: &str, written: Option<&At<bool>>, consequence: &str) -> bool {
        match written {
            Some(At { value: true, location }) => {
                self.warnings.push(Diagnostic::new(path, *location, consequence));
                true
            }
            _ => false,
        }
    }
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(super) fn at(self, path: &str, location: Location) -> Diagnostic {
        let Self { message, help } = self;
        Diagnostic { help, ..Diagnostic::new(path, location, message) }
    }
}

impl From<InvalidName> for Problem {
    fn from(invalid: InvalidName) -> Self {
        let message = format!("found `{}`; allowed: {}", invalid.found.escape_debug(), invalid.allowed);
        Self { message, help: invalid.help() }
    }
}
