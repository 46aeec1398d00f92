//! The host names that this gateway answers to.

use super::error::Error;
use super::service::Gateway;
use crate::config;
use hyper::header::HOST;
use hyper::http::request;
use std::net::Ipv6Addr;

impl Gateway {
    /// Answers 421 to a request for another host (RFC 9110, section 15.5.20): nothing is said under a foreign name.
    pub(super) fn check_host(&self, head: &request::Parts) -> Result<(), Error> {
        let mut hosts = head.headers.get_all(HOST).iter();
        let named = hosts.next().map(|host| host.to_str().unwrap_or_default());
        let authority = head.uri.authority().map(|authority| authority.as_str());
        let is_single =
            hosts.next().is_none() && (named.is_none() || authority.is_none() || named == authority);
        let host = authority.or(named).filter(|_| is_single).ok_or(Error::Malformed)?;
        match parse(host) {
            None => Err(Error::Malformed),
            Some(parsed) if self.settings.has_name(parsed) => Ok(()),
            Some(_) => Err(Error::misdirected(host, &self.settings.public_url)),
        }
    }
}

impl config::Gateway {
    /// Whether `host`, written as in a `Host` header, is one of ours.
    pub(super) fn answers_to(&self, host: &str) -> bool {
        parse(host).is_some_and(|host| self.has_name(host))
    }

    /// Compared without case, as host names are; the port must be the public URL's or absent.
    fn has_name(&self, (name, port): (&str, Option<u16>)) -> bool {
        let is_ours = self.public_url.host_str().is_some_and(|ours| ours.eq_ignore_ascii_case(name))
            || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name));
        is_ours && port.is_none_or(|port| Some(port) == self.public_url.port_or_known_default())
    }
}

/// The name and the port of `uri-host [ ":" port ]` (RFC 9110, section 7.2), where an empty port is an absent one (RFC 3986,
/// section 3.2.3).
fn parse(host: &str) -> Option<(&str, Option<u16>)> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, ""),
    };
    let is_name = match name.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => !name.is_empty() && name.bytes().all(is_of_name),
    };
    let is_port = port.bytes().all(|digit| digit.is_ascii_digit());
    let port = if port.is_empty() { None } else { Some(port.parse().ok()?) };
    (is_name && is_port).then_some((name, port))
}

/// Whether a registered name may have this byte (RFC 3986, section 3.2.2).
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_the_rfc_writes_them() {
        for (host, parsed) in [
            ("h", Some(("h", None))),
            ("h:443", Some(("h", Some(443)))),
            ("h:", Some(("h", None))),
            ("[::1]", Some(("[::1]", None))),
            ("[::1]:443", Some(("[::1]", Some(443)))),
            ("127.0.0.1:80", Some(("127.0.0.1", Some(80)))),
            ("a_b.example", Some(("a_b.example", None))),
            ("", None),
            (":443", None),
            ("h:+443", None),
            ("h:-1", None),
            ("h:65536", None),
            ("h:4 43", None),
            ("h:x", None),
            ("h:443:443", None),
            ("::1", None),
            ("[::1", None),
            ("[h]", None),
            ("user@h", None),
            ("h/path", None),
            ("h, h", None),
            ("h\\", None),
        ] {
            assert_eq!(parse(host), parsed, "{host:?}");
        }
    }
}
