//! The server's address and our credentials there, from a URL that holds a password.

use crate::config::ValkeyConfig;
use crate::secret::Secret;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use url::Url;

const PORT: u16 = 6379;

/// A server's address and our credentials there.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) database: i64,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
}

impl Address {
    /// Whether both name the same data: a rotated secret changes our credentials, not the place of the data.
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        (&self.host, self.port, self.tls, self.database)
            == (&other.host, other.port, other.tls, other.database)
    }

    /// Reads the URL that the configuration names: `rediss://USER:PASSWORD@HOST:PORT/DATABASE`, or its other schemes.
    ///
    /// # Errors
    ///
    /// The fault in the URL, in words for the admin that show no part of the URL.
    pub(super) fn of(url: &Secret, config: &ValkeyConfig) -> Result<Self, String> {
        let at = &config.url;
        let text = str::from_utf8(url.expose()).ok();
        let address = text.and_then(Self::parse).ok_or_else(|| {
            format!(
                "{at} does not hold a URL such as `rediss://USER:PASSWORD@HOST:6379/0`; its scheme is `rediss` or `valkeys`, or without TLS `redis` or `valkey`, and nothing follows the database"
            )
        })?;
        if address.tls || config.insecure_plaintext || address.is_loopback() {
            Ok(address)
        } else {
            Err(format!(
                "{at} names another host without TLS; use `rediss`, or accept that by `insecure_plaintext: true`"
            ))
        }
    }

    /// Stricter than the client's own parser, which would take `#insecure` as permission to skip the check of the
    /// certificate.
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let tls = match url.scheme() {
            "rediss" | "valkeys" => true,
            "redis" | "valkey" => false,
            _ => return None,
        };
        if url.query().is_some() || url.fragment().is_some() {
            return None;
        }
        let database = match url.path().trim_start_matches('/') {
            "" => 0,
            number => number.parse().ok().filter(|number| *number >= 0)?,
        };
        let decoded = |text| percent_decode_str(text).decode_utf8().ok().map(String::from);
        let host = url.host_str().filter(|host| !host.is_empty())?;
        Some(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port().unwrap_or(PORT),
            tls,
            database,
            username: Some(decoded(url.username())?).filter(|name| !name.is_empty()),
            password: match url.password() {
                Some(password) => Some(Secret::new(decoded(password)?)),
                None => None,
            },
        })
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || Ipv4Addr::from_str(&self.host).is_ok_and(|address| address.is_loopback())
            || Ipv6Addr::from_str(&self.host).is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}:{}, tls: {})", self.host, self.port, self.tls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_shows_no_password() {
        let address = Address::parse("rediss://postern:p%40ss@cache.example:6380/3").expect("an address");
        assert_eq!(
            (&*address.host, address.port, address.tls, address.database),
            ("cache.example", 6380, true, 3)
        );
        assert_eq!(address.username.as_deref(), Some("postern"));
        assert_eq!(address.password.as_ref().map(Secret::expose), Some(&b"p@ss"[..]));
        assert_eq!(format!("{address:?}"), "Address(cache.example:6380, tls: true)");
        let address = Address::parse("valkey://[::1]").expect("an address");
        assert_eq!((&*address.host, address.port, address.tls, address.database), ("::1", 6379, false, 0));
        assert!(address.is_loopback() && address.username.is_none() && address.password.is_none());
    }

    #[test]
    fn what_would_be_understood_otherwise_is_refused() {
        for text in [
            "http://cache.example",
            "unix:///run/valkey.sock",
            "redis+unix:///run/valkey.sock",
            "rediss://cache.example#insecure",
            "rediss://cache.example/?protocol=resp3",
            "rediss://cache.example/zero",
            "rediss://cache.example/-1",
            "rediss://",
            "cache.example:6379",
            "",
        ] {
            assert!(Address::parse(text).is_none(), "{text}");
        }
    }
}
