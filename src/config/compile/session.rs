//! The session after a sign-in.

use super::sign_in::secret_source;
use super::texts;
use crate::config::diagnostics::Diagnostic;
use crate::config::file::{self, Document};
use crate::config::findings::{Checked, Findings};
use crate::config::located::Location;
use crate::config::settings::{
    Credentials, LONGEST_SESSION, RevalidationConfig, SecretSource, SessionConfig,
};
use std::path::Path;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DEFAULT_SESSION: Duration = Duration::from_secs(8 * 3600);

pub(super) fn session(
    document: &Document,
    credentials: Option<&Credentials>,
    directory: &Path,
    findings: &mut Findings,
) -> Checked<SessionConfig> {
    let unwritten = file::Session::default();
    let written = document.session.as_ref().map_or(&unwritten, |session| &session.value);
    let ephemeral = findings.insecure(
        "session.insecure_ephemeral_session_key",
        written.insecure_ephemeral_session_key.as_ref(),
        "sessions end with this process, and no other replica opens them",
    );
    let keys = keys(written, directory, findings);
    let lifetime = findings.check_optional("session.lifetime", written.lifetime.as_ref(), |text| {
        texts::duration(text, SECOND, LONGEST_SESSION)
    });
    let longest = lifetime.map_or(LONGEST_SESSION, |lifetime| lifetime.unwrap_or(DEFAULT_SESSION));
    let idle = findings
        .check_optional("session.idle", written.idle.as_ref(), |text| texts::duration(text, SECOND, longest));
    let revalidate = revalidation(written, longest, findings);
    match (&written.keys, ephemeral) {
        (Some(keys), true) => {
            let message = "`session.keys` are given: one of the two must go";
            let at = keys.first().map_or(Location::default(), |key| key.location);
            findings.errors.push(Diagnostic::new("session.insecure_ephemeral_session_key", at, message));
        }
        (None, false) if credentials.is_some_and(|credentials| credentials.session) => {
            let at = document.sign_in.as_ref().map_or(Location::default(), |sign_in| sign_in.issuer.location);
            let message = "the key `keys` is missing: sign-in needs a key that seals sessions";
            let finding = Diagnostic::new(
                "session",
                document.session.as_ref().map_or(at, |session| session.location),
                message,
            );
            findings.errors.push(finding.help("`postern keygen` makes one; write `keys: [{file: PATH}]`"));
        }
        _ => {}
    }
    Ok(SessionConfig {
        keys: keys?,
        lifetime: lifetime?.unwrap_or(DEFAULT_SESSION),
        idle: idle?.unwrap_or(HOUR.min(longest)),
        revalidate: revalidate?,
    })
}

fn revalidation(
    written: &file::Session,
    lifetime: Duration,
    findings: &mut Findings,
) -> Checked<Option<RevalidationConfig>> {
    let interval = findings.check_optional("session.revalidate", written.revalidate.as_ref(), |text| {
        texts::duration(text, SECOND, lifetime)
    })?;
    let path = "session.unconfirmed";
    match (interval, &written.unconfirmed) {
        (None, None) => Ok(None),
        (None, Some(unconfirmed)) => {
            let message = "`revalidate` is missing: without it no session is ever to be confirmed";
            Err(findings.refuse(path, unconfirmed, message))
        }
        (Some(interval), unconfirmed) => {
            let unconfirmed = findings.check_optional(path, unconfirmed.as_ref(), |text| {
                texts::duration(text, interval, lifetime)
            })?;
            let unconfirmed = unconfirmed.unwrap_or((interval * 4).min(lifetime));
            Ok(Some(RevalidationConfig { interval, unconfirmed }))
        }
    }
}

fn keys(written: &file::Session, directory: &Path, findings: &mut Findings) -> Checked<Vec<SecretSource>> {
    let sources: Vec<Checked<SecretSource>> = written
        .keys
        .iter()
        .flatten()
        .enumerate()
        .map(|(index, key)| secret_source(&format!("session.keys[{index}]"), key, directory, findings))
        .collect();
    sources.into_iter().collect()
}
