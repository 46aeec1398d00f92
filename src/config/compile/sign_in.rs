//! The credentials that count, and sign-in.

use super::texts::{self, mismatch};
use crate::config::diagnostics::{Diagnostic, did_you_mean, listed};
use crate::config::file::{self, Credential, Document, SecretReference, SignIn};
use crate::config::findings::{Checked, Findings, Problem};
use crate::config::located::{At, Named};
use crate::config::settings::{
    ClientAuthentication, Credentials, IssuerConfig, KeySource, SecretSource, SignInConfig,
};
use std::path::Path;

/// The parameters of an authorization request that the gateway sets itself.
const OURS: [&str; 8] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];
const MOST_PARAMETERS: usize = 32;
const LONGEST_PARAMETER: usize = 1024;

/// The name of the issuer is not checked if an issuer was refused.
pub(super) fn sign_in(
    document: &Document,
    issuers: Checked<&[IssuerConfig]>,
    directory: &Path,
    findings: &mut Findings,
) -> Checked<Option<SignInConfig>> {
    let Some(written) = &document.sign_in else { return Ok(None) };
    let issuer = match issuers {
        Ok(issuers) => findings.check("sign_in.issuer", &written.issuer, |text| provider(text, issuers)),
        Err(refused) => Err(refused),
    };
    let client_id = findings.check("sign_in.client_id", &written.client_id, texts::identifier);
    let client_authentication = client_authentication(written, directory, findings);
    let scopes = scopes(written, findings);
    let parameters = parameters(&written.parameters, findings);
    warn_of_shared_audience(document, written, findings);
    Ok(Some(SignInConfig {
        issuer: issuer?,
        client_id: client_id?,
        client_authentication: client_authentication?,
        client_auth: written.client_auth.as_ref().map(|method| method.value),
        scopes: scopes?,
        parameters: parameters?,
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
    let message = format!("issuer `{name}` has no discovery, which sign-in takes its endpoints from");
    let is_of_people = matches!(issuer.keys, KeySource::Discovery | KeySource::JwksUri(_));
    if issuer.signed_header.is_some() || !is_of_people {
        return Err(Problem::new(message).help("name an issuer without `header` and `jwks_file`"));
    }
    if issuer.discovery().is_none() {
        let help = format!(
            "`{}` is not fetched over `http`; `discovery_url` says where the document is",
            issuer.issuer
        );
        return Err(Problem::new(message).help(help));
    }
    Ok(issuer.name.clone())
}

fn client_authentication(
    written: &SignIn,
    directory: &Path,
    findings: &mut Findings,
) -> Checked<ClientAuthentication> {
    if let (Some(method), None) = (&written.client_auth, &written.client_secret) {
        let message = "it says how `client_secret` is sent, which is not given";
        findings.errors.push(Diagnostic::new("sign_in.client_auth", method.location, message));
    }
    match (&written.client_secret, &written.private_key_jwt) {
        (Some(secret), None) => secret_source("sign_in.client_secret", secret, directory, findings)
            .map(ClientAuthentication::Secret),
        (None, Some(key)) => secret_source("sign_in.private_key_jwt", key, directory, findings)
            .map(ClientAuthentication::PrivateKeyJwt),
        _ => {
            let message = "exactly one of `client_secret` and `private_key_jwt` is needed";
            Err(findings.refuse("sign_in", &written.client_id, message))
        }
    }
}

pub(super) fn secret_source(
    path: &str,
    written: &At<SecretReference>,
    directory: &Path,
    findings: &mut Findings,
) -> Checked<SecretSource> {
    match &written.value {
        SecretReference::File(file) => Ok(SecretSource::File(texts::path(file, directory))),
        SecretReference::Env(name) => {
            // Someone may have put the secret itself here.
            let hidden = At::new(name.value.clone(), name.location.hidden());
            findings.check(&format!("{path}.env"), &hidden, texts::variable).map(SecretSource::Env)
        }
    }
}

fn scopes(written: &SignIn, findings: &mut Findings) -> Checked<Vec<String>> {
    let Some(written) = &written.scopes else {
        return Ok(["openid", "profile", "email"].map(str::to_owned).to_vec());
    };
    let scopes = findings.each("sign_in.scopes", written, scope)?;
    if !scopes.iter().any(|scope| scope == "openid") {
        let at = written.first().map(|scope| scope.location).unwrap_or_default();
        let message = "`openid` is missing: without it the provider gives no ID token";
        return Err(findings.error(Diagnostic::new("sign_in.scopes", at, message)));
    }
    Ok(scopes)
}

/// RFC 6749, 3.3.
fn scope(text: &str) -> Result<String, Problem> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
        Ok(text.to_owned())
    } else {
        Err(mismatch(text, "a scope: ASCII without spaces, quotes and backslashes"))
    }
}

fn parameters(written: &Named<At<String>>, findings: &mut Findings) -> Checked<Vec<(String, String)>> {
    let checked: Vec<Checked<(String, String)>> = written
        .iter()
        .map(|(name, value)| {
            let path = format!("sign_in.parameters.{}", **name);
            let name = findings.check(&path, name, parameter_name);
            let value = findings.check(&path, value, |text| parameter_value(name.as_deref().ok(), text));
            Ok((name?, value?))
        })
        .collect();
    if let Some((name, _)) = written.iter().nth(MOST_PARAMETERS) {
        let message = format!("more than {MOST_PARAMETERS} parameters");
        return Err(findings.refuse("sign_in.parameters", name, message));
    }
    checked.into_iter().collect()
}

fn parameter_name(name: &str) -> Result<String, Problem> {
    if OURS.contains(&name) {
        let problem = Problem::new(format!("`{name}` is set by Postern in every authorization request"));
        return Err(match name {
            "scope" => problem.help("`sign_in.scopes` says which are asked for"),
            "client_id" => problem.help("`sign_in.client_id` says it"),
            "redirect_uri" => problem.help("it is `public_url` and `/-/callback`"),
            _ => problem,
        });
    }
    match name {
        // RFC 9101, section 6.3: parameters beside it no longer count.
        "request" | "request_uri" => Err(Problem::new(format!(
            "`{name}` would replace what Postern sets, such as `state` and `nonce`"
        ))),
        "response_mode" => Err(Problem::new("Postern takes the answer in the query, which is the default")),
        _ if (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte)) =>
        {
            Ok(name.to_owned())
        }
        _ => Err(mismatch(name, "the name of a parameter: 1 to 64 letters, digits, `.`, `_`, `:` and `-`")),
    }
}

fn parameter_value(name: Option<&str>, text: &str) -> Result<String, Problem> {
    if text.len() > LONGEST_PARAMETER || text.contains(char::is_control) {
        return Err(Problem::new(format!(
            "a value is at most {LONGEST_PARAMETER} bytes long and without control characters"
        )));
    }
    if name == Some("prompt") && text.split(' ').any(|value| value == "none") {
        let message = "with `prompt: none` the provider may not ask anybody to sign in";
        return Err(Problem::new(message).help("allowed: `login`, `consent`, `select_account`, or several"));
    }
    Ok(text.to_owned())
}

/// The credentials that count. A named one must be configured; a configured one that is not named gets a warning.
pub(super) fn credentials(document: &Document, findings: &mut Findings) -> Checked<Credentials> {
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
    Ok(credentials)
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
