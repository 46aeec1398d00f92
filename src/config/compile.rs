//! From the written form to the final one: URLs, networks, names and durations are parsed, defaults filled in, and what
//! one key says about another is checked. Every error is collected with its place.

mod aws;
mod branding;
mod claims;
mod edge;
mod issuers;
mod limits;
mod servers;
mod sign_in;
mod state;
mod texts;

pub(crate) use aws::endpoint_url;
pub(super) use servers::servers;
pub(crate) use texts::is_loopback;

use super::Gateway;
use super::diagnostics::Diagnostic;
use super::file::{Document, Portal};
use super::located::{At, Location};
use crate::target::InvalidName;
use std::path::Path;

#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// Why a text is refused.
#[derive(Debug)]
struct Problem {
    message: String,
    help: Option<String>,
}

/// The final form; `None` where `findings` got an error.
pub(super) fn gateway(document: &Document, directory: &Path, findings: &mut Findings) -> Option<Gateway> {
    let public_url = edge::public_url(&document.public_url, findings);
    let aliases = findings.each("aliases", &document.aliases, texts::host_name);
    let listen = edge::listen(document, directory, findings);
    let admin = edge::admin(document.admin.as_ref(), listen.as_ref(), findings);
    let trusted_proxies = edge::trusted_proxies(document, findings);
    let issuers = issuers::issuers(&document.issuers, directory, findings);
    let sign_in = sign_in::sign_in(document, issuers.as_deref(), directory, findings);
    let credentials = sign_in::credentials(document, findings);
    let session = sign_in::session(document, credentials.as_ref(), directory, findings);
    let aws = aws::aws(&document.aws, limits::aws_calls(document.limits.as_ref()), findings);
    let limits = limits::limits(document.limits.as_ref(), findings);
    let branding = branding::branding(document.branding.as_ref(), directory, findings);
    let drain = edge::drain(document.drain.as_ref(), findings);
    let audit_file = edge::audit_file(document.audit.as_ref(), directory, findings);
    let state = state::state(document, credentials.as_ref(), directory, findings);
    Some(Gateway {
        public_url: public_url?,
        aliases: aliases?,
        listen: listen?,
        admin: admin?,
        trusted_proxies: trusted_proxies?,
        issuers: issuers?,
        credentials: credentials?,
        sign_in: sign_in?,
        session: session?,
        aws: aws?,
        limits: limits?,
        portal: document.portal.unwrap_or(Portal::Show),
        branding: branding?.into(),
        drain: drain?,
        state: state?,
        audit_file: audit_file?,
    })
}

impl Findings {
    /// Parses a text, or notes why it is refused.
    fn check<T>(
        &mut self,
        path: &str,
        written: &At<String>,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        match parse(written) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.errors.push(problem.at(path, written.location));
                None
            }
        }
    }

    /// As [`check`](Self::check); a key that is left out is no error.
    fn check_optional<T>(
        &mut self,
        path: &str,
        written: Option<&At<String>>,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<Option<T>> {
        match written {
            Some(written) => self.check(path, written, parse).map(Some),
            None => Some(None),
        }
    }

    /// Parses every entry of a list.
    fn each<T>(
        &mut self,
        path: &str,
        written: &[At<String>],
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Option<Vec<T>> {
        let parsed: Vec<Option<T>> = written
            .iter()
            .enumerate()
            .map(|(index, entry)| self.check(&format!("{path}[{index}]"), entry, &parse))
            .collect();
        parsed.into_iter().collect()
    }

    fn refuse<T>(&mut self, path: &str, at: &At<T>, message: impl Into<String>) {
        self.errors.push(Diagnostic::new(path, at.location, message));
    }

    /// Notes that a key which weakens security is set; false where it is not.
    fn insecure(&mut self, path: &str, written: Option<&At<bool>>, consequence: &str) -> bool {
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
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    fn at(self, path: &str, location: Location) -> Diagnostic {
        let Self { message, help } = self;
        Diagnostic { help, ..Diagnostic::new(path, location, message) }
    }
}

impl From<InvalidName> for Problem {
    fn from(invalid: InvalidName) -> Self {
        Self::new(format!("found `{}`; allowed: {}", invalid.found.escape_debug(), invalid.allowed))
    }
}
