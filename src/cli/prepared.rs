//! The files and variables that a configuration names are read once, before anything runs, and tried: `check` reports
//! their faults, and `serve` refuses to start with one.

use super::configuration::Configuration;
use crate::audit::file::AuditFile;
use crate::clock::Clock;
use crate::config::diagnostics::Diagnostic;
use crate::config::located::Location;
use crate::config::secrets::{CERTIFICATE, SecretError, Secrets};
use crate::files::Files;
use crate::gateway::service::{issuers, party, sealer};
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::provider::policy_inputs::PolicyInputs;
use crate::server::tls::Tls;
use crate::state::{Means, State};

/// A configuration, with all that it needs from this machine.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) configuration: Configuration,
    pub(super) secrets: Secrets,
    pub(super) http: HttpClient,
    pub(super) files: Files,
}

/// The findings in the files and variables that the configuration names.
#[derive(Debug, Default)]
pub(super) struct Examined {
    pub(super) wrong: Vec<SecretError>,
    /// Findings of which `serve` only warns.
    pub(super) warnings: Vec<Diagnostic>,
}

impl Prepared {
    /// Blocks while files are read.
    ///
    /// # Errors
    ///
    /// There are no certificate authorities, or a variable that should name a proxy does not.
    /// [`examine`](Self::examine) tells the faults of the secrets.
    pub(super) fn read(configuration: Configuration, files: &Files) -> Result<Self, String> {
        let secrets = Secrets::read(configuration.loaded.gateway.named(), files);
        Ok(Self { configuration, secrets, http: HttpClient::new()?, files: files.clone() })
    }

    /// Uses the secrets as `serve` does, and reports every fault.
    pub(super) fn examine(&self) -> Examined {
        let Self { configuration, secrets, http, files } = self;
        let (settings, clock) = (&configuration.loaded.gateway, Clock::system());
        let mut examined = Examined { wrong: secrets.errors(), warnings: Vec::new() };
        for (key, exposure) in secrets.exposed() {
            examined.warn(
                key,
                exposure.clone(),
                Some("take the right to read it from others: `chmod o-r FILE`"),
            );
        }
        let made = issuers(settings, secrets, http, &clock, &Metrics::default(), None);
        if let Ok(issuers) = &made {
            let party = party(settings, secrets, issuers, &PolicyInputs::default(), http, &clock);
            examined.refuse(party.err());
        }
        examined.refuse(made.err().into_iter().flatten());
        examined.refuse(sealer(settings, secrets).err().into_iter().flatten());
        let means = Means { secrets, authorities: http.authorities() };
        examined.refuse(State::check(&settings.state, means).err());
        match settings.listen.tls.as_ref().map(|files| Tls::new(files, secrets, None)) {
            Some(Ok(tls)) => {
                let now = clock.now_system();
                match tls.complaint(&settings.public_url, now) {
                    Some(complaint) if tls.validity().contains(now) => {
                        examined.warn(CERTIFICATE, format!("it {complaint}"), None);
                    }
                    Some(complaint) => {
                        examined.refuse([SecretError::unusable(CERTIFICATE, format!("it {complaint}"))]);
                    }
                    None => {}
                }
            }
            Some(Err(error)) => examined.refuse([error]),
            None => {}
        }
        match settings.audit_file.as_deref().map(|file| (file.display(), AuditFile::examine(file, files))) {
            Some((file, Ok(Some(complaint)))) => {
                examined.warn("audit.file", format!("`{file}`: {complaint}"), None);
            }
            Some((file, Err(error))) => {
                let why = format!("cannot write `{file}`: {error}");
                examined.refuse([SecretError::unusable("audit.file", why)]);
            }
            _ => {}
        }
        examined
    }
}

impl Examined {
    /// Keeps the first error of each key.
    fn refuse(&mut self, errors: impl IntoIterator<Item = SecretError>) {
        for error in errors {
            if self.wrong.iter().all(|known| known.key != error.key) {
                self.wrong.push(error);
            }
        }
    }

    fn warn(&mut self, key: &str, message: String, help: Option<&str>) {
        let warning = Diagnostic::new(key, Location::default(), message);
        self.warnings.push(match help {
            Some(help) => warning.help(help),
            None => warning,
        });
    }
}
