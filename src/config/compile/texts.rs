//! Parsers of single texts.

use crate::config::findings::Problem;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::{Host, Url};

type Parsed<T> = Result<T, Problem>;

/// A problem that shows `found` and says what is allowed.
pub(super) fn mismatch(found: &str, allowed: &str) -> Problem {
    let shown: String = found.chars().take(200).collect();
    Problem::new(format!("found `{}`; allowed: {allowed}", shown.escape_debug()))
}

/// An absolute URL with a host and without user, query or fragment; `http` where `plain` says so.
pub(super) fn url(text: &str, plain: Plain) -> Parsed<Url> {
    let allowed = "an absolute `https` URL without user, query or fragment";
    let url = document_url_as(text, plain, allowed)?;
    if url.query().is_some() { Err(mismatch(text, allowed)) } else { Ok(url) }
}

/// As [`url`], but a query is allowed: some documents need one.
pub(super) fn document_url(text: &str, plain: Plain) -> Parsed<Url> {
    document_url_as(text, plain, "an absolute `https` URL without user or fragment")
}

fn document_url_as(text: &str, plain: Plain, allowed: &str) -> Parsed<Url> {
    if text.contains('@') {
        return Err(Problem::new(format!("found a URL with a user; allowed: {allowed}")));
    }
    let strange = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    let url = match Url::parse(text) {
        Ok(url) if !text.contains(strange) && names_host(&url, text) => url,
        _ => return Err(mismatch(text, allowed)),
    };
    if url.fragment().is_some() {
        return Err(mismatch(text, allowed));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" => match plain {
            Plain::Accepted => Ok(url),
            Plain::OnLoopback if is_loopback(&url) => Ok(url),
            Plain::OnLoopback => {
                Err(mismatch(text, allowed)
                    .help("`http` is allowed for loopback addresses and `localhost` only"))
            }
            Plain::Never => Err(mismatch(text, allowed)),
            Plain::Refused(key) => Err(mismatch(text, allowed).help(format!("`{key}: true` accepts `http`"))),
        },
        _ => Err(mismatch(text, allowed)),
    }
}

/// Whether the text spells the host as it is parsed: no other form of an address, no impossible domain.
fn names_host(url: &Url, text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let is_legal = match url.host() {
        Some(Host::Domain(name)) => is_domain(name),
        Some(Host::Ipv4(address)) => rest.starts_with(&address.to_string()),
        Some(Host::Ipv6(_)) => true,
        None => false,
    };
    is_legal && url.port() != Some(0) && !rest.starts_with('/') && text.starts_with(url.scheme())
}

/// Whether `http` may stand where `https` should.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plain {
    Accepted,
    OnLoopback,
    /// Only with the key of this name.
    Refused(&'static str),
    Never,
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A host name in lower case, or an IP address; no port.
pub(super) fn host_name(text: &str) -> Parsed<String> {
    let folded = text.to_ascii_lowercase();
    let is_address = folded.parse::<IpAddr>().is_ok();
    if is_address || is_domain(&folded) {
        return Ok(folded);
    }
    let problem = mismatch(text, "a host name such as `ml.corp.example`, without scheme, port or path");
    Err(if text.contains('*') { problem.help("no wildcard counts here: name each host") } else { problem })
}

/// A DNS name in lower case.
pub(super) fn domain(text: &str) -> Parsed<String> {
    let folded = text.to_ascii_lowercase();
    if is_domain(&folded) {
        return Ok(folded);
    }
    let problem = mismatch(text, "a domain such as `corp.example`");
    Err(match text {
        _ if text.contains('*') => problem.help("no wildcard counts here: name each domain, subdomains too"),
        _ if text.contains('@') => problem.help("write what stands behind the `@`"),
        _ => problem,
    })
}

/// RFC 1123 labels, in which names inside of a network may have underscores; at most 253 characters; the last label is not a
/// number.
pub(super) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.len() <= 253
        && text.split('.').all(label)
        && text.rsplit('.').next().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The name of an issuer or realm: it becomes a metric label and part of the audit trail.
pub(super) fn label(text: &str) -> Parsed<&str> {
    let legal = (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if legal {
        Ok(text)
    } else {
        Err(mismatch(text, "1 to 63 letters, digits, `-` and `_`, a letter or digit first"))
    }
}

/// A time such as `8h` or `1h 30m`, between two bounds.
pub(super) fn duration(text: &str, least: Duration, most: Duration) -> Parsed<Duration> {
    match humantime::parse_duration(text) {
        Ok(duration) if (least..=most).contains(&duration) => Ok(duration),
        _ => {
            let short = |bound| humantime::format_duration(bound).to_string().replace("days", "d");
            let (least, most) = (short(least), short(most));
            Err(mismatch(
                text,
                &format!("a time with its unit, such as `90s`, `15m` or `8h`, from {least} to {most}"),
            ))
        }
    }
}

/// A number of bytes such as `64KiB`, between two bounds.
pub(super) fn size(text: &str, least: usize, most: usize) -> Parsed<usize> {
    let units = [("KiB", 1024), ("MiB", 1024 * 1024)];
    let found = units.into_iter().find_map(|(unit, bytes)| {
        let number: usize = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(bytes)
    });
    match found {
        Some(size) if (least..=most).contains(&size) => Ok(size),
        _ => {
            let (least, most) = (least / 1024, most / 1024);
            let allowed =
                format!("a size with its unit, such as `64KiB` or `1MiB`, from {least}KiB to {most}KiB");
            Err(mismatch(text, &allowed))
        }
    }
}

/// A number of bytes such as `1GiB`, up to what S3 takes as one object in one request.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html>
pub(super) fn upload_size(text: &str) -> Parsed<u64> {
    const MIB: u64 = 1024 * 1024;
    let units = [("KiB", 1024), ("MiB", MIB), ("GiB", 1024 * MIB)];
    let found = units.into_iter().find_map(|(unit, bytes)| {
        let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(bytes)
    });
    found
        .filter(|size| (MIB..=5 * 1024 * MIB).contains(size))
        .ok_or_else(|| mismatch(text, "a size with its unit, such as `512MiB` or `1GiB`, from 1MiB to 5GiB"))
}

/// The name of an environment variable.
pub(super) fn variable(text: &str) -> Parsed<String> {
    let legal = !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if legal { Ok(text.to_owned()) } else { Err(Problem::new("not the name of an environment variable")) }
}

/// A path; a relative one starts at the configuration's folder.
pub(super) fn path(text: &str, directory: &Path) -> PathBuf {
    directory.join(text)
}

/// Visible characters without spaces, such as a client id or an audience.
pub(super) fn identifier(text: &str) -> Parsed<String> {
    if text == "*" {
        Err(Problem::new("`*` is compared as it is, and stands for no other").help("name each one"))
    } else if text.len() <= 1024 && !text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        Ok(text.to_owned())
    } else {
        Err(mismatch(text, "at most 1024 characters without spaces"))
    }
}
