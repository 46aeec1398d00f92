//! How people prove who they are: which credentials count, sign-in, and the session after it.

use super::texts::{self, mismatch};
use super::{Findings, Problem};
use crate::config::diagnostics::{Diagnostic, did_you_mean, listed};
use crate::config::file::{self, Credential, Document, SecretReference, SignIn};
use crate::config::located::{At, Location};
use crate::config::{
    ClientAuthentication, Credentials, IssuerConfig, KeySource, LONGEST_SESSION, RevalidationConfig,
    SecretSource, SessionConfig, SignInConfig,
};
use std::path::Path;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// `issuers` is `None` where an issuer is refused: then nothing is said about the name.
pub(super) fn sign_in(
    document: &Document,
    issuers: Option<&[IssuerConfig]>,
    directory: &Path,
    findings: &mut Findings,
) -> Option<Option<SignInConfig>> {
    let Some(written) = &document.sign_in else { return Some(None) };
    let issuer = match issuers {
        Some(issuers) => findings.check("sign_in.issuer", &written.issuer, |text| provider(text, issuers)),
        None => None,
    };
    let client_id = findings.check("sign_in.client_id", &written.client_id, texts::identifier);
    let client_authentication = client_authentication(written, directory, findings);
    let scopes = scopes(written, findings);
    warn_of_shared_audience(document, written, findings);
    Some(Some(SignInConfig {
        issuer: issuer?,
        client_id: client_id?,
        client_authentication: client_authentication?,
        scopes: scopes?,
        rp_initiated_logout: written.rp_initiated_logout.unwrap_or(true),
    }))
}

/// An ID token's `aud` is the client id: as an audience of bearer tokens it would let ID tokens pass for them.
fn warn_of_shared_audience(document: &Document, written: &SignIn, findings: &mut Findings) {
    let provider = document.issuers.iter().find(|(name, _)| **name == *written.issuer);
    for audience in provider.iter().flat_map(|(_, issuer)| issuer.audience.iter().flatten()) {
        if **audience == *written.client_id {
            let path = format!("issuers.{}.audience", *written.issuer);
            let message =
                "this is `sign_in.client_id`, too: ID tokens carry it and could pass for bearer tokens";
            findings.warnings.push(Diagnostic::new(path, audience.location, message));
        }
    }
}

/// The issuer of that name, which must have discovery: the code flow needs its endpoints.
fn provider(name: &str, issuers: &[IssuerConfig]) -> Result<std::sync::Arc<str>, Problem> {
    let names = || issuers.iter().map(|issuer| &*issuer.name);
    let Some(issuer) = issuers.iter().find(|issuer| &*issuer.name == name) else {
        let message = format!("no issuer `{name}`; there is {}", listed(names()));
        return Err(Problem { message, help: did_you_mean(name, names()) });
    };
    if issuer.signed_header.is_some() || !matches!(issuer.keys, KeySource::Discovery) {
        let message = format!("issuer `{name}` has no discovery, which sign-in takes its endpoints from");
        return Err(Problem::new(message).help("name an issuer without `header`, `jwks_uri` and `jwks_file`"));
    }
    Ok(issuer.name.clone())
}

fn client_authentication(
    written: &SignIn,
    directory: &Path,
    findings: &mut Findings,
) -> Option<ClientAuthentication> {
    match (&written.client_secret, &written.private_key_jwt) {
        (Some(secret), None) => secret_source("sign_in.client_secret", secret, directory, findings)
            .map(ClientAuthentication::Secret),
        (None, Some(key)) => secret_source("sign_in.private_key_jwt", key, directory, findings)
            .map(ClientAuthentication::PrivateKeyJwt),
        _ => {
            let message = "exactly one of `client_secret` and `private_key_jwt` is needed";
            findings.errors.push(Diagnostic::new("sign_in", written.client_id.location, message));
            None
        }
    }
}

pub(super) fn secret_source(
    path: &str,
    written: &At<SecretReference>,
    directory: &Path,
    findings: &mut Findings,
) -> Option<SecretSource> {
    match &written.value {
        SecretReference::File(file) => Some(SecretSource::File(texts::path(file, directory))),
        SecretReference::Env(name) => {
            // Someone may have put the secret itself here.
            let hidden = At::new(name.value.clone(), name.location.hidden());
            findings.check(&format!("{path}.env"), &hidden, texts::variable).map(SecretSource::Env)
        }
    }
}

fn scopes(written: &SignIn, findings: &mut Findings) -> Option<Vec<String>> {
    let Some(written) = &written.scopes else {
        return Some(["openid", "profile", "email"].map(str::to_owned).to_vec());
    };
    let scopes = findings.each("sign_in.scopes", written, scope)?;
    if !scopes.iter().any(|scope| scope == "openid") {
        let at = written.first().map(|scope| scope.location).unwrap_or_default();
        let message = "`openid` is missing: without it the provider gives no ID token";
        findings.errors.push(Diagnostic::new("sign_in.scopes", at, message));
        return None;
    }
    Some(scopes)
}

/// RFC 6749, 3.3.
fn scope(text: &str) -> Result<String, Problem> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
        Ok(text.to_owned())
    } else {
        Err(mismatch(text, "a scope: ASCII without spaces, quotes and backslashes"))
    }
}

/// Which credentials count. What is named must be configured; what is configured and not named is warned of.
pub(super) fn credentials(document: &Document, findings: &mut Findings) -> Option<Credentials> {
    let issuers = || document.issuers.iter().map(|(_, issuer)| &issuer.value);
    let is_header = |issuer: &file::Issuer| issuer.header.is_some() || issuer.preset.is_some();
    let has_bearer = issuers().any(|issuer| !is_header(issuer) && issuer.audience.is_some());
    let has_header = issuers().any(is_header);
    let credentials = match &document.credentials {
        None => Credentials { bearer: has_bearer, session: document.sign_in.is_some(), signed_header: false },
        Some(named) => {
            let is_named = |word| named.iter().any(|credential| credential.value == word);
            Credentials {
                bearer: is_named(Credential::Bearer),
                session: is_named(Credential::Session),
                signed_header: is_named(Credential::SignedHeader),
            }
        }
    };
    let mut missing = |word: Credential, what: &str| {
        let named = document.credentials.iter().flatten().enumerate();
        for (index, credential) in named.filter(|(_, credential)| credential.value == word) {
            let path = format!("credentials[{index}]");
            findings.errors.push(Diagnostic::new(
                path,
                credential.location,
                format!("{what} for this credential"),
            ));
        }
    };
    if !has_bearer {
        missing(Credential::Bearer, "no issuer without `header` has an `audience`");
    }
    if document.sign_in.is_none() {
        missing(Credential::Session, "there is no `sign_in`");
    }
    if !has_header {
        missing(Credential::SignedHeader, "no issuer has a `header`");
    } else if document.trusted_proxies.is_empty() {
        missing(Credential::SignedHeader, "`trusted_proxies` is empty, so nobody may send a signed header");
    }
    if !(credentials.bearer || credentials.session || credentials.signed_header) {
        let message = "nobody can prove who they are: there is no `sign_in`, no issuer has an `audience`, and \
                       `credentials` does not name `signed_header`";
        let at = document.issuers.iter().next().map(|(name, _)| name.location).unwrap_or_default();
        findings.errors.push(Diagnostic::new("credentials", at, message));
    }
    unused(document, &credentials, findings);
    Some(credentials)
}

fn unused(document: &Document, credentials: &Credentials, findings: &mut Findings) {
    for (name, issuer) in &document.issuers {
        if !credentials.signed_header && (issuer.header.is_some() || issuer.preset.is_some()) {
            let path = format!("issuers.{}", **name);
            let message = "its tokens are never read: `credentials` does not name `signed_header`";
            findings.warnings.push(Diagnostic::new(path, name.location, message));
        }
    }
    if let (Some(sign_in), false) = (&document.sign_in, credentials.session) {
        let message = "nobody is signed in by it: `credentials` does not name `session`";
        findings.warnings.push(Diagnostic::new("sign_in", sign_in.issuer.location, message));
    }
}

pub(super) fn session(
    document: &Document,
    credentials: Option<&Credentials>,
    directory: &Path,
    findings: &mut Findings,
) -> Option<SessionConfig> {
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
    let longest = lifetime.flatten().unwrap_or(if lifetime.is_some() { 8 * HOUR } else { LONGEST_SESSION });
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
    Some(SessionConfig {
        keys: keys?,
        lifetime: lifetime?.unwrap_or(8 * HOUR),
        idle: idle?.unwrap_or(HOUR.min(longest)),
        revalidate: revalidate?,
    })
}

fn revalidation(
    written: &file::Session,
    lifetime: Duration,
    findings: &mut Findings,
) -> Option<Option<RevalidationConfig>> {
    let interval = findings.check_optional("session.revalidate", written.revalidate.as_ref(), |text| {
        texts::duration(text, SECOND, lifetime)
    })?;
    let path = "session.unconfirmed";
    match (interval, &written.unconfirmed) {
        (None, None) => Some(None),
        (None, Some(unconfirmed)) => {
            let message = "`revalidate` is missing: without it no session is ever to be confirmed";
            findings.refuse(path, unconfirmed, message);
            None
        }
        (Some(interval), unconfirmed) => {
            let unconfirmed = findings.check_optional(path, unconfirmed.as_ref(), |text| {
                texts::duration(text, interval, lifetime)
            })?;
            let unconfirmed = unconfirmed.unwrap_or((interval * 4).min(lifetime));
            Some(Some(RevalidationConfig { interval, unconfirmed }))
        }
    }
}

fn keys(written: &file::Session, directory: &Path, findings: &mut Findings) -> Option<Vec<SecretSource>> {
    let sources: Vec<Option<SecretSource>> = written
        .keys
        .iter()
        .flatten()
        .enumerate()
        .map(|(index, key)| secret_source(&format!("session.keys[{index}]"), key, directory, findings))
        .collect();
    sources.into_iter().collect()
}
