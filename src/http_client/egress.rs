//! The way by which a request leaves this machine: directly, or through the proxy that the environment names.
//!
//! The variables are those of curl and of the AWS SDK: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, each also
//! in lower case. They are read once, at the start.

use hyper::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use url::{Host, Url};

/// In upper case; the lower-case form of each counts where the upper-case one is not set.
const PROXIES: [&str; 3] = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"];

/// The most hosts whose way is noted. A configuration names fewer.
const MOST_NOTED: usize = 256;

/// Variables that name a place of AWS credentials, which may stand anywhere.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>,
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html>
const CREDENTIAL_PLACES: [&str; 2] =
    ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"];

#[derive(Clone, Debug)]
pub struct Egress(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    proxies: Matcher,
    /// The proxies for `https` and for `http`, before any exception.
    https: Option<Intercept>,
    http: Option<Intercept>,
    credential_hosts: Vec<Host>,
    /// The way that each host was asked, by host and port.
    taken: Mutex<BTreeMap<String, String>>,
}

/// The way to one host.
#[derive(Clone, Debug)]
pub enum Way {
    Direct,
    Proxy(Intercept),
}

impl Egress {
    /// # Errors
    ///
    /// A variable is set to something else than the URL of an HTTP proxy: requests would go past the proxy.
    pub fn from_environment() -> Result<Self, String> {
        let [https, http, all] = PROXIES.map(proxy_variable);
        let whatever_is_excepted = Matcher::builder().https(https?).http(http?).all(all?).build();
        let places = CREDENTIAL_PLACES.iter().filter_map(|name| std::env::var(name).ok());
        let credential_hosts =
            places.filter_map(|place| Url::parse(&place).ok()?.host().map(|host| host.to_owned()));
        Ok(Self(Arc::new(Rules {
            proxies: Matcher::from_env(),
            https: whatever_is_excepted.intercept(&Uri::from_static("https://host.example/")),
            http: whatever_is_excepted.intercept(&Uri::from_static("http://host.example/")),
            credential_hosts: credential_hosts.collect(),
            taken: Mutex::default(),
        })))
    }

    /// The way to a URL with a scheme and a host, which is noted.
    ///
    /// This machine, its link and the endpoints of AWS credentials are asked directly, whatever the variables say: such
    /// a request carries a token or returns credentials, and a proxy would see both.
    pub fn way(&self, url: &Uri) -> Way {
        let is_at_hand = url.host().is_some_and(|host| self.is_at_hand(host));
        let proxy = if is_at_hand { None } else { self.0.proxies.intercept(url) };
        let way = proxy.map_or(Way::Direct, Way::Proxy);
        self.note(url, &way);
        way
    }

    pub(crate) fn has_proxies(&self) -> bool {
        self.0.https.is_some() || self.0.http.is_some()
    }

    /// The proxies for `https` and for `http`, as far as there are any.
    pub(super) fn proxies(&self) -> [Option<&Intercept>; 2] {
        [self.0.https.as_ref(), self.0.http.as_ref()]
    }

    /// The hosts that were asked so far and the way of each, by name.
    pub fn ways_taken(&self) -> Vec<(String, String)> {
        let taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.iter().map(|(host, way)| (host.clone(), way.clone())).collect()
    }

    fn note(&self, url: &Uri, way: &Way) {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let host = host_of(url);
        if taken.len() < MOST_NOTED && !taken.contains_key(host) {
            tracing::info!(host, %way, "egress");
            taken.insert(host.to_owned(), way.to_string());
        }
    }

    fn is_at_hand(&self, host: &str) -> bool {
        let Ok(host) = Host::parse(host.trim_end_matches('.')) else { return false };
        let is_own = match &host {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => is_own(*address),
            Host::Ipv6(address) => match address.to_ipv4_mapped() {
                Some(address) => is_own(address),
                // `fd00:ec2::/32` holds the metadata and credential services of EC2 and EKS.
                None => {
                    let is_of_ec2 = matches!(address.segments(), [0xfd00, 0x0ec2, ..]);
                    is_of_ec2
                        || address.is_loopback()
                        || address.is_unspecified()
                        || address.is_unicast_link_local()
                }
            },
        };
        is_own || self.0.credential_hosts.contains(&host)
    }
}

/// Loopback, and the link-local network, where EC2 and ECS have their metadata and credential services. The unspecified
/// address also leads to this machine.
fn is_own(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_link_local() || address.is_unspecified()
}

/// The value of a variable; empty if it is not set. The value may hold a password, so it is never shown.
fn proxy_variable(name: &str) -> Result<String, String> {
    let lower = name.to_ascii_lowercase();
    let set = [name, &lower].into_iter().find_map(|name| Some((name, std::env::var_os(name)?)));
    let Some((name, value)) = set else { return Ok(String::new()) };
    let is_proxy = |value: &str| {
        let proxy =
            Matcher::builder().all(value).build().intercept(&Uri::from_static("http://host.example/"));
        proxy.is_some_and(|proxy| matches!(proxy.uri().scheme_str(), Some("http" | "https")))
    };
    match value.into_string() {
        Ok(value) if value.is_empty() || is_proxy(&value) => Ok(value),
        _ => Err(format!(
            "the environment variable {name} is not the URL of an HTTP proxy; allowed: `http://HOST:PORT` or \
             `https://HOST:PORT`, with `USER:PASSWORD@` before the host where the proxy asks for it"
        )),
    }
}

/// The host of a URL, with its port where the URL names one.
pub(crate) fn host_of(url: &Uri) -> &str {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    authority.rsplit('@').next().unwrap_or_default()
}

impl Way {
    /// The host and port of the proxy.
    pub(crate) fn proxy(&self) -> Option<&str> {
        match self {
            Self::Direct => None,
            Self::Proxy(proxy) => Some(host_of(proxy.uri())),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.proxy() {
            None => f.write_str("directly"),
            Some(proxy) => write!(f, "through the proxy {proxy}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(proxies: Matcher) -> Egress {
        let credential_hosts =
            ["credentials.corp.example", "10.9.8.7"].map(|host| Host::parse(host).unwrap()).to_vec();
        let taken = Mutex::default();
        Egress(Arc::new(Rules { proxies, https: None, http: None, credential_hosts, taken }))
    }

    fn is_direct(url: &str) -> bool {
        let proxies = Matcher::builder().all("http://u:p@proxy.example:3128").no("direct.example").build();
        matches!(egress(proxies).way(&url.parse().unwrap()), Way::Direct)
    }

    #[test]
    fn this_machine_its_link_and_the_places_of_credentials_are_asked_directly() {
        for host in [
            "127.0.0.1",
            "127.8.8.8",
            "127.1",
            "0x7f000001",
            "0.0.0.0",
            "localhost",
            "LOCALHOST",
            "a.localhost",
            "localhost.",
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "169.254.0.1",
            "2852039166",
            "[::1]",
            "[::]",
            "[::ffff:169.254.169.254]",
            "[::ffff:7f00:1]",
            "[fe80::1]",
            "[febf::1]",
            "[fd00:ec2::23]",
            "[fd00:ec2::254]",
            "credentials.corp.example",
            "CREDENTIALS.corp.example.",
            "10.9.8.7",
        ] {
            for (scheme, port) in [("http", ""), ("https", ""), ("http", ":1338"), ("https", ":8443")] {
                assert!(is_direct(&format!("{scheme}://{host}{port}/")), "{scheme} {host}{port}");
            }
        }
    }

    #[test]
    fn everything_else_goes_to_the_proxy_unless_it_is_excepted() {
        for host in [
            "idp.corp.example",
            "169.253.255.255",
            "169.255.0.1",
            "10.0.0.1",
            "128.0.0.1",
            "[fec0::1]",
            "[fd00:ec3::1]",
            "[2001:db8::1]",
            "notlocalhost",
            "localhost.example",
            "x.credentials.corp.example",
            "10.9.8.70",
            "169.254.169.254.example",
        ] {
            assert!(!is_direct(&format!("https://{host}/")), "{host}");
        }
        assert!(is_direct("https://direct.example/") && is_direct("https://below.direct.example/"));
    }

    #[test]
    fn a_way_shows_no_password() {
        let egress = egress(Matcher::builder().all("http://user:hidden@proxy.example:3128").build());
        let way = egress.way(&Uri::from_static("https://idp.corp.example:8443/path?query"));
        assert_eq!(way.to_string(), "through the proxy proxy.example:3128");
        assert_eq!(egress.ways_taken(), [("idp.corp.example:8443".to_owned(), way.to_string())]);
        assert!(!format!("{way:?} {egress:?}").contains("hidden"));
    }
}
