//! The URLs of an issuer's documents, and the use of `http` for them.

use super::texts::{self, Plain};
use crate::config::file::{Document, Issuer};
use crate::config::findings::{Checked, Findings};
use crate::config::located::At;
use url::Url;

/// The ways to an issuer's documents.
pub(super) struct Reach {
    pub(super) plain: Plain,
    /// `issuer` is a name that is compared and never fetched, so its scheme does not matter.
    pub(super) is_name_only: bool,
}

pub(super) fn reach(written: &Issuer) -> Reach {
    let accepts_http = written.insecure_http.as_ref().is_some_and(|accepts| accepts.value);
    Reach {
        plain: if accepts_http { Plain::Accepted } else { Plain::Refused("insecure_http") },
        is_name_only: written.discovery_url.is_some()
            || written.jwks_uri.is_some()
            || written.jwks_file.is_some()
            || written.preset.is_some(),
    }
}

pub(super) fn url(at: &str, written: &Issuer, plain: Plain, findings: &mut Findings) -> Checked<Option<Url>> {
    let path = format!("{at}.discovery_url");
    match (&written.discovery_url, &written.preset) {
        (Some(url), Some(_)) => {
            Err(findings.refuse(&path, url, "`discovery_url` cannot be set beside `preset: aws_alb`"))
        }
        (url, _) => findings.check_optional(&path, url.as_ref(), |text| texts::document_url(text, plain)),
    }
}

/// Warns of `insecure_http` if `http` may be used for any document.
pub(super) fn insecure_http(
    at: &str,
    name: &str,
    written: &Issuer,
    document: &Document,
    findings: &mut Findings,
) -> bool {
    let is_http = |url: &Option<At<String>>| url.as_ref().is_some_and(|url| url.starts_with("http:"));
    let signs_in = document.sign_in.as_ref().is_some_and(|sign_in| sign_in.issuer.value == name);
    let discovers = written.jwks_uri.is_none() && written.jwks_file.is_none() && written.preset.is_none();
    let is_used = is_http(&written.jwks_uri) || is_http(&written.keys_url) || signs_in || discovers;
    let path = format!("{at}.insecure_http");
    let accepts = written.insecure_http.as_ref().filter(|_| is_used);
    let consequence = "keys are fetched unencrypted: whoever is on the network path can sign people in";
    findings.insecure(&path, accepts, consequence);
    written.insecure_http.as_ref().is_some_and(|accepts| accepts.value)
}
