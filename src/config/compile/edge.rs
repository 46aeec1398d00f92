//! The gateway's listeners, its host names, and the proxies that it believes about clients.

use super::texts::{self, Plain, mismatch};
use crate::config::diagnostics::Diagnostic;
use crate::config::file::{self, Document, ProxyProtocol};
use crate::config::findings::{Checked, Findings, Problem};
use crate::config::located::At;
use crate::config::settings::{Drain, Listen, TlsConfig};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);

pub(super) fn public_url(written: &At<String>, findings: &mut Findings) -> Checked<Url> {
    let url = findings.check("public_url", written, |text| {
        let url = texts::url(text, Plain::OnLoopback)?;
        let has_path =
            text.split_once("://").is_none_or(|(_, rest)| rest.trim_end_matches('/').contains('/'));
        let allowed = "`https`, a host and perhaps a port, without a path";
        if has_path || url.path() != "/" { Err(mismatch(text, allowed)) } else { Ok(url) }
    })?;
    if url.scheme() == "http" {
        let message = "cookies and one-time URLs travel unencrypted; fit for one machine only";
        findings.warnings.push(Diagnostic::new("public_url", written.location, message));
    }
    Ok(url)
}

pub(super) fn listen(document: &Document, directory: &Path, findings: &mut Findings) -> Checked<Listen> {
    let written = &document.listen;
    let address = findings.check("listen.address", &written.address, socket_address);
    let tls = written.tls.as_ref().map(|tls| TlsConfig {
        certificate: texts::path(&tls.certificate, directory),
        private_key: texts::path(&tls.private_key, directory),
    });
    let header = written.proxy_protocol.as_ref().filter(|header| header.value == ProxyProtocol::Required);
    if let Some(header) = header {
        let path = "listen.proxy_protocol";
        if document.trusted_proxies.is_empty() {
            findings.refuse(path, header, "nobody may send the header: `trusted_proxies` names no balancer");
        }
        if written.direct_clients {
            findings.refuse(path, header, "`direct_clients: true` says that no balancer stands in front");
        }
    }
    if let Some(proxy) =
        document.trusted_proxies.first().filter(|_| header.is_none() && written.direct_clients)
    {
        let message =
            "`listen.direct_clients: true` says that no proxy stands in front; allowed: one of the two";
        findings.refuse("trusted_proxies", proxy, message);
    }
    let proxy_protocol = header.is_some();
    Ok(Listen { address: address?, tls, proxy_protocol, direct_clients: written.direct_clients })
}

pub(super) fn admin(
    written: Option<&file::Admin>,
    listen: Option<&Listen>,
    findings: &mut Findings,
) -> Checked<SocketAddr> {
    let Some(written) = written.and_then(|admin| admin.address.as_ref()) else { return Ok(ADMIN) };
    findings.check("admin.address", written, |text| {
        let address = socket_address(text)?;
        match listen.map(|listen| listen.address) {
            Some(taken) if collide(taken, address) => {
                Err(Problem::new(format!("`{address}` is taken by `listen.address`, `{taken}`")))
            }
            _ => Ok(address),
        }
    })
}

/// Whether only one of the two can be listened on: `0.0.0.0` stands for all addresses of IPv4, `[::]` for all there are.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |wide: IpAddr, narrow: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4());
    let (a, b) = (one.ip(), other.ip());
    one.port() == other.port() && one.port() != 0 && (a == b || covers(a, b) || covers(b, a))
}

fn socket_address(text: &str) -> Result<SocketAddr, Problem> {
    let allowed = "an IP address and a port, such as `127.0.0.1:8443` or `[::]:8443`";
    text.parse().map_err(|_| {
        let problem = mismatch(text, allowed);
        match text.rsplit_once(':').map_or(("", text), |(host, port)| (host, port)) {
            ("" | "*", port) if port.parse::<u16>().is_ok() => {
                problem.help(format!("for all addresses of this machine, write `[::]:{port}`"))
            }
            ("localhost", port) => problem.help(format!("write `127.0.0.1:{port}`")),
            _ if text.parse::<IpAddr>().is_ok() => problem.help("the port is missing"),
            _ => problem,
        }
    })
}

pub(super) fn trusted_proxies(document: &Document, findings: &mut Findings) -> Checked<Vec<IpNet>> {
    let everyone = findings.insecure(
        "insecure_trust_everyone",
        document.insecure_trust_everyone.as_ref(),
        "whoever can connect may claim any client address and pass signed headers on",
    );
    findings.each("trusted_proxies", &document.trusted_proxies, |text| network(text, everyone))
}

fn network(text: &str, everyone: bool) -> Result<IpNet, Problem> {
    let allowed = "a network such as `10.0.100.0/24`, or an address";
    let network = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => network,
        (_, Ok(address)) => IpNet::from(address),
        _ if text.contains('*') => {
            return Err(mismatch(text, allowed).help("name the load balancer's own subnets"));
        }
        _ => return Err(mismatch(text, allowed)),
    };
    if network.addr() != network.network() {
        let help = format!("the network is `{}`", network.trunc());
        return Err(mismatch(text, "a network without host bits").help(help));
    }
    // No organisation owns a wider network. Without this limit, everyone would be accepted in two halves.
    let widest = if matches!(network, IpNet::V4(_)) { 8 } else { 7 };
    if network.prefix_len() < widest && !everyone {
        let problem =
            Problem::new(format!("`{text}` contains everyone; a trusted proxy may speak for any client"));
        return Err(problem
            .help("name the load balancer's own subnets; `insecure_trust_everyone: true` accepts this"));
    }
    if let IpNet::V6(network) = network
        && let Some(address) = network.addr().to_ipv4_mapped()
    {
        let help = format!("write `{address}/{}`", network.prefix_len().saturating_sub(96));
        return Err(Problem::new(format!("`{text}` is an IPv4 network in IPv6 form")).help(help));
    }
    Ok(network)
}

pub(super) fn audit_file(
    written: Option<&file::Audit>,
    directory: &Path,
    findings: &mut Findings,
) -> Checked<Option<PathBuf>> {
    findings.check_optional("audit.file", written.and_then(|audit| audit.file.as_ref()), |text| {
        let names_file = !text.trim().is_empty() && !text.ends_with('/');
        if names_file { Ok(texts::path(text, directory)) } else { Err(mismatch(text, "the path of a file")) }
    })
}

pub(super) fn drain(written: Option<&file::Drain>, findings: &mut Findings) -> Checked<Drain> {
    let (delay, grace) = written.map_or((None, None), |drain| (drain.delay.as_ref(), drain.grace.as_ref()));
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let delay = findings
        .check_optional("drain.delay", delay, |text| texts::duration(text, Duration::ZERO, minutes(5)));
    let grace = findings
        .check_optional("drain.grace", grace, |text| texts::duration(text, Duration::ZERO, minutes(10)));
    Ok(Drain {
        delay: delay?.unwrap_or(Duration::from_secs(5)),
        grace: grace?.unwrap_or(Duration::from_secs(20)),
    })
}
