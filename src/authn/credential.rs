//! The places in a request where a token may stand.

use super::error::AuthnError;
use crate::sessions::run_tokens::RunTokens;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;

/// The parts of a request's head that may name a person.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    pub headers: &'a HeaderMap,
    /// The TCP peer is one of `trusted_proxies`.
    pub from_trusted_proxy: bool,
    /// The client's address, if known.
    pub client_ip: Option<IpAddr>,
}

/// The token of the one `Authorization: Bearer` (RFC 6750, section 2.1; the scheme without case as RFC 9110 has it).
///
/// `Authorization` with another scheme is no credential of ours. A token in a query or a form is never looked for.
///
/// # Errors
///
/// Two `Authorization` headers, or a bearer header without exactly one token.
pub(super) fn bearer<'a>(presented: &Presented<'a>) -> Result<Option<&'a str>, AuthnError> {
    let Some(value) = only(presented.headers, &AUTHORIZATION)? else {
        return Ok(None);
    };
    let (scheme, rest) = match value.as_bytes().iter().position(|byte| *byte == b' ') {
        Some(end) => value.as_bytes().split_at(end),
        None => (value.as_bytes(), &[][..]),
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(None);
    }
    token(rest.trim_ascii_start()).map(Some)
}

/// The bearer token, if it has the form of a run token. Faults of the header are for [`bearer`] to tell.
pub fn run_token<'a>(presented: &Presented<'a>) -> Option<&'a str> {
    bearer(presented).ok().flatten().filter(|text| RunTokens::is_one(text))
}

/// The token in a header that a proxy sets.
///
/// # Errors
///
/// The header from a peer that is not trusted, or twice, or beside a twin such as `x_amzn_oidc_data` that other software
/// takes for the same.
pub(super) fn signed_header<'a>(
    presented: &Presented<'a>,
    name: &HeaderName,
) -> Result<Option<&'a str>, AuthnError> {
    let is_twin = |other: &HeaderName| other != name && other.as_str().replace('_', "-") == name.as_str();
    if presented.headers.keys().filter(|other| other.as_str().len() == name.as_str().len()).any(is_twin) {
        return Err(AuthnError::UntrustedHeader);
    }
    match only(presented.headers, name)? {
        None => Ok(None),
        Some(_) if !presented.from_trusted_proxy => Err(AuthnError::UntrustedHeader),
        Some(value) => token(value.as_bytes()).map(Some),
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, AuthnError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(AuthnError::DuplicateCredential),
    }
}

/// Visible ASCII without white space; the token's own form is judged by its parser.
fn token(bytes: &[u8]) -> Result<&str, AuthnError> {
    // No early exit: the compiler then checks many bytes per instruction.
    let plain = bytes.iter().fold(true, |plain, byte| plain & byte.is_ascii_graphic());
    (plain && !bytes.is_empty())
        .then(|| std::str::from_utf8(bytes).ok())
        .flatten()
        .ok_or(AuthnError::MalformedCredential)
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented")
            .field("from_trusted_proxy", &self.from_trusted_proxy)
            .finish_non_exhaustive()
    }
}
