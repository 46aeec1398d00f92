//! Under which names we answer.

use super::Gateway;
use super::error::Error;
use crate::config;
use hyper::header::HOST;
use hyper::http::request;

impl Gateway {
    /// Requests for other hosts get 421 (RFC 9110, section 15.5.20): nothing here is said under a name that is not ours.
    pub(super) fn check_host(&self, head: &request::Parts) -> Result<(), Error> {
        let mut hosts = head.headers.get_all(HOST).iter();
        let named = hosts.next().map(|host| host.to_str().unwrap_or_default());
        let authority = head.uri.authority().map(|authority| authority.as_str());
        let is_single =
            hosts.next().is_none() && (named.is_none() || authority.is_none() || named == authority);
        let host = authority.or(named).filter(|_| is_single).ok_or(Error::Malformed)?;
        if self.settings.answers_to(host) { Ok(()) } else { Err(Error::Misdirected) }
    }
}

impl config::Gateway {
    /// Whether `host`, as a `Host` header has it, is one of ours. Compared without case, as host names are; a port must
    /// be the public URL's or absent.
    pub(super) fn answers_to(&self, host: &str) -> bool {
        let public_port = self.public_url.port_or_known_default();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !name.is_empty() && !port.ends_with(']') => {
                (name, port.parse::<u16>().ok())
            }
            _ => (host, public_port),
        };
        let is_ours = self.public_url.host_str().is_some_and(|ours| ours.eq_ignore_ascii_case(name))
            || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name));
        is_ours && port.is_some() && port == public_port
    }
}
