//! From the written form to the final one: URLs, networks, names and durations are parsed, defaults filled in, and keys
//! checked against each other. Every error is collected with its place.

mod aws;
mod branding;
mod claims;
mod discovery;
mod edge;
mod issuers;
mod limits;
mod servers;
mod session;
mod sign_in;
mod state;
mod texts;
mod tokens;

pub(crate) use aws::{endpoint_url, tags_of, upload_size};
pub(super) use servers::servers;
pub(crate) use texts::is_loopback;

use super::file::{Document, Portal};
use super::findings::{Checked, Findings, known};
use super::settings::Gateway;
use crate::files::Files;
use std::path::Path;

/// The final form.
pub(super) fn gateway(
    document: &Document,
    directory: &Path,
    files: &Files,
    findings: &mut Findings,
) -> Checked<Gateway> {
    let public_url = edge::public_url(&document.public_url, findings);
    let aliases = findings.each("aliases", &document.aliases, texts::host_name);
    let listen = edge::listen(document, directory, findings);
    let admin = edge::admin(document.admin.as_ref(), listen.as_ref().ok(), findings);
    let trusted_proxies = edge::trusted_proxies(document, findings);
    let issuers = issuers::issuers(document, directory, files, findings);
    let sign_in = sign_in::sign_in(document, known(&issuers).map(Vec::as_slice), directory, findings);
    let credentials = sign_in::credentials(document, findings);
    let session = session::session(document, credentials.as_ref().ok(), directory, findings);
    let tokens = tokens::tokens(document, findings);
    let aws = aws::aws(&document.aws, limits::aws_calls(document.limits.as_ref()), findings);
    let limits = limits::limits(document.limits.as_ref(), findings);
    let branding = branding::branding(document.branding.as_ref(), directory, files, findings);
    let drain = edge::drain(document.drain.as_ref(), findings);
    let audit_file = edge::audit_file(document.audit.as_ref(), directory, findings);
    let state = state::state(document, credentials.as_ref().ok(), directory, findings);
    Ok(Gateway {
        public_url: public_url?,
        aliases: aliases?,
        listen: listen?,
        admin: admin?,
        trusted_proxies: trusted_proxies?,
        issuers: issuers?,
        credentials: credentials?,
        sign_in: sign_in?,
        session: session?,
        tokens: tokens?,
        aws: aws?,
        limits: limits?,
        portal: document.portal.unwrap_or(Portal::Show),
        branding: branding?.into(),
        drain: drain?,
        state: state?,
        audit_file: audit_file?,
        audit_facts: document.audit.as_ref().and_then(|audit| audit.facts).unwrap_or(true),
    })
}
