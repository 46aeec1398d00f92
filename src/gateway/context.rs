//! The facts about a request that are known before authentication.

use super::error::Error;
use crate::config;
use crate::server::peer::Peer;
use crate::telemetry::request_ids::RequestIds;
use hyper::HeaderMap;
use hyper::header::{ACCEPT, AUTHORIZATION, FORWARDED, HeaderName, USER_AGENT};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use tokio::time::Instant;

const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_USER: HeaderName = HeaderName::from_static("sec-fetch-user");
/// Browsers send `Sec-Purpose: prefetch;prerender` today; older ones send the others.
const PURPOSES: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];

#[derive(Debug)]
pub(crate) struct RequestContext {
    /// Shown on pages, in logs and in the audit trail, so that support can join them.
    pub ids: RequestIds,
    /// The deadline for answering the request as a whole.
    pub deadline: Instant,
    /// The person's own address, or `None` if no trusted source named it.
    pub client_ip: Option<IpAddr>,
    /// A trusted proxy sent an `X-Forwarded-For` that is not a list of addresses.
    malformed_addresses: bool,
    /// The effective peer is one of `trusted_proxies`. Only then its headers count, signed ones included. With the PROXY
    /// protocol the peer is the address in that header, not the balancer: a balancer of bytes passes a client's headers on
    /// unchanged.
    pub from_trusted_proxy: bool,
    /// For the audit trail, cut to a bounded length.
    pub user_agent: Option<String>,
    pub audience: Audience,
    pub navigation: Navigation,
}

/// The reader of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person with a browser: HTML, and redirects to sign in.
    Person,
    /// A program: JSON, and never a login page.
    Program,
    /// MLflow's client, by the path: JSON in its own form, and never a redirect.
    MlflowClient,
}

/// The kind of request by Fetch Metadata (<https://www.w3.org/TR/fetch-metadata/>) and `Sec-Purpose`. A request without these
/// headers counts as deliberate: a web page can neither forge nor remove them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Navigation {
    /// A person opened this page: a click, a bookmark, a typed address, a restored tab.
    Deliberate,
    /// Another site sent the browser here and nobody clicked.
    Unasked,
    /// Not a page being opened: a prefetch, a frame, an image, a script's request.
    Not,
}

/// Not a list of addresses.
struct MalformedForwardedFor;

impl RequestContext {
    pub(crate) fn new(ids: RequestIds, peer: Peer, headers: &HeaderMap, settings: &config::Gateway) -> Self {
        let (trusted_proxies, address) = (&settings.trusted_proxies, peer.address.ip().to_canonical());
        let from_trusted_proxy = peer.is_somebody && is_listed(trusted_proxies, address);
        let client_ip = if from_trusted_proxy {
            forwarded_client(headers, trusted_proxies)
        } else {
            // If proxies are listed, an unlisted peer is the client itself. If it speaks for others, it is a forgotten
            // balancer, and its address would stand for everybody.
            let is_client = is_alone(settings) || !speaks_for_others(headers);
            Ok((peer.is_somebody && settings.knows_clients() && is_client).then_some(address))
        };
        Self {
            ids,
            deadline: Instant::now() + settings.limits.deadlines.request,
            malformed_addresses: client_ip.is_err(),
            client_ip: client_ip.unwrap_or(None),
            from_trusted_proxy,
            user_agent: header(headers, &USER_AGENT)
                .map(|agent| agent.get(..256).unwrap_or(agent).to_owned()),
            audience: audience(headers),
            navigation: navigation(headers),
        }
    }

    /// # Errors
    ///
    /// The client's address cannot be known: a trusted proxy sent something other than a list of addresses.
    pub(crate) fn check_addresses(&self) -> Result<(), Error> {
        if self.malformed_addresses { Err(Error::Malformed) } else { Ok(()) }
    }
}

/// Whether the peer's address is the client's by configuration, whatever the headers say.
fn is_alone(settings: &config::Gateway) -> bool {
    settings.listen.direct_clients || settings.listen.proxy_protocol
}

fn speaks_for_others(headers: &HeaderMap) -> bool {
    headers.contains_key("x-forwarded-for") || headers.contains_key(FORWARDED)
}

fn is_listed(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// The right-most hop of `X-Forwarded-For` that is not a trusted proxy. Clients can write everything left of it.
fn forwarded_client(
    headers: &HeaderMap,
    trusted_proxies: &[IpNet],
) -> Result<Option<IpAddr>, MalformedForwardedFor> {
    const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    for value in headers.get_all(FORWARDED_FOR).iter().rev() {
        let value = value.to_str().map_err(|_| MalformedForwardedFor)?;
        for hop in value.rsplit(',') {
            let address = hop_address(hop.trim()).ok_or(MalformedForwardedFor)?;
            if !is_listed(trusted_proxies, address) {
                return Ok(Some(address));
            }
        }
    }
    Ok(None)
}

/// An address, with or without a port: some load balancers add one.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip())).ok()?;
    Some(address.to_canonical())
}

fn audience(headers: &HeaderMap) -> Audience {
    let accepts_html = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|range| {
            let kind = range.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml")
        })
    });
    let is_fetched = header(headers, &FETCH_MODE).is_some_and(|mode| mode != "navigate");
    if accepts_html && !is_fetched && !headers.contains_key(AUTHORIZATION) {
        Audience::Person
    } else {
        Audience::Program
    }
}

fn navigation(headers: &HeaderMap) -> Navigation {
    let is_speculative = PURPOSES.iter().any(|name| {
        headers.get_all(name).iter().any(|value| {
            let value = value.to_str().unwrap_or("prefetch").to_ascii_lowercase();
            ["prefetch", "prerender", "preview"].iter().any(|purpose| value.contains(purpose))
        })
    });
    let is_document = header(headers, &FETCH_DEST).is_none_or(|destination| destination == "document");
    let is_navigation = header(headers, &FETCH_MODE).is_none_or(|mode| mode == "navigate");
    if is_speculative || !is_document || !is_navigation {
        return Navigation::Not;
    }
    let is_cross_site = header(headers, &FETCH_SITE)
        .is_some_and(|site| !matches!(site, "none" | "same-origin" | "same-site"));
    let is_asked_for = header(headers, &FETCH_USER).is_some_and(|user| user == "?1");
    if is_cross_site && !is_asked_for { Navigation::Unasked } else { Navigation::Deliberate }
}

/// A header's text. A repeated or non-ASCII header counts as present with an empty value.
fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(if values.next().is_some() { "" } else { first.to_str().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(written: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in written {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_person_is_who_takes_html_and_proves_nothing_by_a_header() {
        const HTML: (&str, &str) = ("accept", "text/html,application/xml;q=0.9,*/*;q=0.8");
        for (written, audience) in [
            (&[HTML][..], Audience::Person),
            (&[("accept", "application/json, Text/HTML; q=0.1")], Audience::Person),
            (&[("accept", "application/xhtml+xml")], Audience::Person),
            (&[("accept", "application/json"), HTML], Audience::Person),
            (&[HTML, ("sec-fetch-mode", "navigate")], Audience::Person),
            (&[HTML, ("sec-fetch-mode", "cors")], Audience::Program),
            (&[HTML, ("sec-fetch-mode", "no-cors")], Audience::Program),
            (&[HTML, ("authorization", "Bearer x")], Audience::Program),
            (&[("accept", "*/*")], Audience::Program),
            (&[("accept", "application/json; profile=\"text/html\"")], Audience::Program),
            (&[], Audience::Program),
        ] {
            assert_eq!(super::audience(&headers(written)), audience, "{written:?}");
        }
    }

    #[test]
    fn a_visit_from_elsewhere_counts_where_somebody_clicked() {
        const ELSEWHERE: (&str, &str) = ("sec-fetch-site", "cross-site");
        for (written, navigation) in [
            (&[][..], Navigation::Deliberate),
            (&[("sec-fetch-site", "none")], Navigation::Deliberate),
            (&[("sec-fetch-site", "same-origin")], Navigation::Deliberate),
            (&[("sec-fetch-site", "same-site")], Navigation::Deliberate),
            (&[ELSEWHERE, ("sec-fetch-user", "?1")], Navigation::Deliberate),
            (&[ELSEWHERE], Navigation::Unasked),
            (&[ELSEWHERE, ("sec-fetch-user", "?0")], Navigation::Unasked),
            (&[ELSEWHERE, ("sec-fetch-user", "?1"), ("sec-fetch-user", "?1")], Navigation::Unasked),
            (&[("sec-fetch-site", "a-word-of-tomorrow")], Navigation::Unasked),
            (&[("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate")], Navigation::Deliberate),
            (&[("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "navigate")], Navigation::Not),
            (&[("sec-fetch-dest", "document"), ("sec-fetch-mode", "cors")], Navigation::Not),
            (&[("sec-purpose", "a-purpose-of-tomorrow")], Navigation::Deliberate),
            (&[("x-moz", "prefetch")], Navigation::Not),
            (&[("purpose", "preview")], Navigation::Not),
            (&[("sec-purpose", "prefetch;prerender")], Navigation::Not),
        ] {
            assert_eq!(super::navigation(&headers(written)), navigation, "{written:?}");
        }
    }
}
