//! The settings of the calls to AWS, and the roles that they use.

use super::texts::{self, Plain, mismatch};
use crate::config::diagnostics::Diagnostic;
use crate::config::file::{Aws, SessionPolicy, SourceIdentity};
use crate::config::findings::{Checked, Findings, Problem};
use crate::config::located::{At, Named};
use crate::config::settings::{AuthorizedHost, AwsConfig};
use crate::target::{Region, RoleArn, arn};
use std::collections::HashSet;
use std::time::Duration;
use url::{Host, Url};

pub(super) fn aws(written: &Aws, calls_at_once: usize, findings: &mut Findings) -> Checked<AwsConfig> {
    let region = findings.check("aws.region", &written.region, |text| Ok(Region::parse(text)?));
    let role_arn = findings.check_optional("aws.role_arn", written.role_arn.as_ref(), |text| {
        let role_arn = RoleArn::parse(text)?;
        match region.as_ref().map(Region::partition) {
            Ok(partition) if partition != arn::partition(text) => {
                Err(mismatch(text, &format!("a role of the region's partition, `arn:{partition}:iam::…`")))
            }
            _ => Ok(role_arn),
        }
    });
    let external_id = findings.check_optional("aws.external_id", written.external_id.as_ref(), external_id);
    let session_tags = tags("aws.session_tags", "session tags", &written.session_tags, findings);
    let timeout = findings.check_optional("aws.timeout", written.timeout.as_ref(), |text| {
        texts::duration(text, Duration::from_secs(1), Duration::from_secs(30))
    });
    let endpoint_url = endpoint("aws.endpoint_url", written.endpoint_url.as_ref(), findings);
    let sts_endpoint_url = endpoint("aws.sts_endpoint_url", written.sts_endpoint_url.as_ref(), findings);
    let hosts = findings.each("aws.authorized_url_hosts", &written.authorized_url_hosts, authorized_url_host);
    if let (Ok(region), Ok([])) = (&region, hosts.as_deref())
        && region.url_suffixes().is_empty()
    {
        let message = format!(
            "AWS does not publish where presigned URLs stand in the partition `{}`",
            region.partition()
        );
        let warning = Diagnostic::new("aws.region", written.region.location, message);
        let help = "list the hosts under `aws.authorized_url_hosts`; without them, each launch ends in 502 `bad-answer`";
        findings.warnings.push(warning.help(help));
    }
    Ok(AwsConfig {
        region: region?,
        role_arn: role_arn?,
        source_identity: written.source_identity.unwrap_or(SourceIdentity::User) == SourceIdentity::User,
        scoped_session_policy: written.session_policy.unwrap_or(SessionPolicy::Scoped)
            == SessionPolicy::Scoped,
        external_id: external_id?,
        session_tags: session_tags?,
        timeout: timeout?.unwrap_or(Duration::from_secs(5)),
        calls_at_once,
        endpoint_url: endpoint_url?,
        sts_endpoint_url: sts_endpoint_url?,
        authorized_url_hosts: hosts?,
    })
}

fn endpoint(path: &str, written: Option<&At<String>>, findings: &mut Findings) -> Checked<Option<Url>> {
    findings.check_optional(path, written, |text| texts::url(text, Plain::OnLoopback))
}

/// A destination's own endpoint of AWS, in place of `aws.endpoint_url`.
pub(crate) fn endpoint_url(path: &str, written: &At<String>) -> Result<Url, Diagnostic> {
    texts::url(written, Plain::OnLoopback).map_err(|problem| problem.at(path, written.location))
}

/// The most bytes of one uploaded file.
pub(crate) fn upload_size(path: &str, written: &At<String>) -> Result<u64, Diagnostic> {
    texts::upload_size(written).map_err(|problem| problem.at(path, written.location))
}

/// `ExternalId` of `AssumeRole`: 2 to 1224 of `[\w+=,.@:\/-]`.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
fn external_id(text: &str) -> Result<String, Problem> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte);
    if (2..=1224).contains(&text.len()) && text.bytes().all(legal) {
        Ok(text.to_owned())
    } else {
        Err(mismatch(text, "2 to 1224 letters, digits and `_+=,.@:/-`"))
    }
}

/// Tags within the limits that STS sets for a session and SageMaker for a resource: 50 at most, keys of 1 to 128
/// characters that differ in more than case, values of at most 256. `words` is the name of such tags in messages.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>
pub(super) fn tags(
    path: &str,
    words: &str,
    written: &Named<At<String>>,
    findings: &mut Findings,
) -> Checked<Vec<(String, String)>> {
    let mut keys = HashSet::new();
    let mut tags = Vec::new();
    let mut legal = Ok(());
    for (index, (key, value)) in written.iter().enumerate() {
        let path = format!("{path}.{}", **key);
        let checked_key = findings.check(&path, key, |text| {
            if index >= 50 {
                Err(Problem::new(format!("more than 50 {words}")))
            } else if text.to_ascii_lowercase().starts_with("aws:") {
                Err(Problem::new("tag keys that start with `aws:` are reserved by AWS"))
            } else if !keys.insert(text.to_lowercase()) {
                Err(Problem::new(format!("`{text}` differs from another tag key in case only")))
            } else {
                tag_text(text, 128)
            }
        });
        let checked_value = findings.check(&path, value, |text| tag_text(text, 256));
        match (checked_key, checked_value) {
            (Ok(key), Ok(value)) => tags.push((key, value)),
            (Err(refused), _) | (_, Err(refused)) => legal = Err(refused),
        }
    }
    legal.map(|()| tags)
}

/// The tags of a resource, for the parts of the configuration that are compiled elsewhere.
///
/// # Errors
///
/// There are tags that AWS does not take; each is among the findings.
pub(crate) fn tags_of(
    path: &str,
    written: &Named<At<String>>,
    into: &mut Vec<Diagnostic>,
) -> Checked<Vec<(String, String)>> {
    let mut findings = Findings::default();
    let tags = tags(path, "tags", written, &mut findings);
    into.append(&mut findings.errors);
    tags
}

pub(super) fn tag_text(text: &str, longest: usize) -> Result<String, Problem> {
    let legal = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    if text.chars().count() <= longest && text.chars().all(legal) {
        Ok(text.to_owned())
    } else {
        Err(mismatch(text, &format!("at most {longest} letters, digits, spaces and `_.:/=+-@`")))
    }
}

/// `.suffix.example`, `host` or `host:port`, in lower case; a port that is not the default one.
fn authorized_url_host(text: &str) -> Result<AuthorizedHost, Problem> {
    let allowed =
        "`.suffix.example` for all hosts below it, `host.example` or `host.example:8443`, without a scheme";
    match text.strip_prefix('.') {
        Some(suffix) if texts::is_domain(suffix) && suffix.contains('.') => {
            Ok(AuthorizedHost { host: text.to_ascii_lowercase(), port: None })
        }
        Some(_) => Err(mismatch(text, allowed)),
        None => single_host(text).ok_or_else(|| mismatch(text, allowed)),
    }
}

fn single_host(text: &str) -> Option<AuthorizedHost> {
    let url = Url::parse(&format!("https://{text}/")).ok()?;
    let is_known = match url.host()? {
        Host::Domain(name) => texts::is_domain(name) && (name.contains('.') || name == "localhost"),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    };
    let host = AuthorizedHost { host: url.host_str()?.to_owned(), port: url.port() };
    // Compared as written, so that no other spelling of a host slips through.
    (is_known && host.to_string().eq_ignore_ascii_case(text)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_what_is_none() {
        let host = |text| authorized_url_host(text).map(|host| (host.host, host.port)).ok();
        for (text, read, port) in [
            (".Corp.example", ".corp.example", None),
            ("studio.corp.example:8443", "studio.corp.example", Some(8443)),
            ("localhost:4010", "localhost", Some(4010)),
            ("127.0.0.1:4010", "127.0.0.1", Some(4010)),
            ("[::1]", "[::1]", None),
        ] {
            assert_eq!(host(text), Some((read.to_owned(), port)), "{text}");
        }
        for text in [
            "",
            ".",
            "*.sagemaker.aws",
            "https://a.example",
            "a.example/",
            "a b",
            ".127.0.0.1",
            "a@b.example",
            "127.1",
            "a.example:443",
        ] {
            assert_eq!(host(text), None, "{text}");
        }
    }
}
