//! Run tokens.

use super::texts;
use crate::config::diagnostics::Diagnostic;
use crate::config::file::{Document, Tokens};
use crate::config::findings::{Checked, Findings};
use crate::config::settings::{LONGEST_SESSION, TokensConfig};
use std::time::Duration;

const SHORTEST: Duration = Duration::from_secs(1);
const DEFAULT: Duration = Duration::from_secs(12 * 3600);

/// `None` if there are none.
pub(super) fn tokens(document: &Document, findings: &mut Findings) -> Checked<Option<TokensConfig>> {
    let unwritten = Tokens::default();
    let written = document.tokens.as_ref().map_or(&unwritten, |tokens| &tokens.value);
    let lifetime = findings.check_optional("tokens.lifetime", written.lifetime.as_ref(), |text| {
        texts::duration(text, SHORTEST, LONGEST_SESSION)
    });
    let session = document.session.as_ref().map(|session| &session.value);
    let has_key = session.is_some_and(|session| {
        session.keys.is_some()
            || session.insecure_ephemeral_session_key.as_ref().is_some_and(|ephemeral| ephemeral.value)
    });
    let enabled = written.enabled.unwrap_or(true);
    if let (Some(tokens), true, false) = (&document.tokens, enabled, has_key) {
        let message = "`session.keys` is missing: run tokens need a key that seals them";
        let finding = Diagnostic::new("tokens", tokens.location, message);
        let finding = finding.help("`postern keygen` makes one; write `session: {keys: [{file: PATH}]}`");
        return Err(findings.error(finding));
    }
    let lifetime = lifetime?.unwrap_or(DEFAULT);
    Ok((enabled && has_key).then_some(TokensConfig { lifetime }))
}
