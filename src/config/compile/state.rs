//! The store of the state that replicas share.

use super::sign_in::secret_source;
use super::texts;
use crate::config::diagnostics::Diagnostic;
use crate::config::file::{self, Document, State};
use crate::config::findings::{Checked, Findings};
use crate::config::settings::{Credentials, StateConfig, ValkeyConfig, WhenAway};
use std::path::Path;
use std::time::Duration;

const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(250);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn state(
    document: &Document,
    credentials: Option<&Credentials>,
    directory: &Path,
    findings: &mut Findings,
) -> Checked<StateConfig> {
    match document.state.as_ref().map(|state| &state.value) {
        Some(State::Memory(_)) => Ok(StateConfig::Memory),
        Some(State::Valkey(written)) => valkey(written, directory, findings).map(StateConfig::Valkey),
        None => {
            if let (Some(sign_in), true) =
                (&document.sign_in, credentials.is_some_and(|credentials| credentials.session))
            {
                let message = "sign-out and back-channel logout end sessions in this process only";
                let help =
                    "with several replicas, set `state.valkey`; `state: {memory: {}}` says that there is one";
                findings.warnings.push(Diagnostic::new("state", sign_in.location, message).help(help));
            }
            Ok(StateConfig::Memory)
        }
    }
}

fn valkey(written: &file::Valkey, directory: &Path, findings: &mut Findings) -> Checked<ValkeyConfig> {
    let url = secret_source("state.valkey.url", &written.url, directory, findings);
    let timeout = findings.check_optional("state.valkey.timeout", written.timeout.as_ref(), |text| {
        texts::duration(text, SHORTEST_TIMEOUT, LONGEST_TIMEOUT)
    });
    let insecure_plaintext = findings.insecure(
        "state.valkey.insecure_plaintext",
        written.insecure_plaintext.as_ref(),
        "without TLS, whoever is on the way to the server can read its password and undo sign-outs",
    );
    let when_away = match written.when_away {
        Some(file::WhenAway::Serve) => {
            let message = "while the server is away, sessions that were ended at another replica count";
            findings.warnings.push(Diagnostic::new("state.valkey.when_away", written.url.location, message));
            WhenAway::Serve
        }
        Some(file::WhenAway::Refuse) | None => WhenAway::Refuse,
    };
    let ca_certificate = written.ca_certificate.as_ref().map(|path| texts::path(path, directory));
    Ok(ValkeyConfig {
        url: url?,
        timeout: timeout?.unwrap_or(DEFAULT_TIMEOUT),
        when_away,
        ca_certificate,
        insecure_plaintext,
    })
}
