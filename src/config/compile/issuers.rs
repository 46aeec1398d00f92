//! The issuers whose tokens are believed, and the terms for each.

use super::texts::{self, Plain, mismatch};
use super::{claims, discovery};
use crate::config::algorithm::Algorithm;
use crate::config::claims::ClaimPaths;
use crate::config::diagnostics::{did_you_mean, listed};
use crate::config::file::{Document, Issuer};
use crate::config::findings::{Checked, Findings, Problem, known};
use crate::config::located::{At, Named};
use crate::config::settings::{AwsAlb, IssuerConfig, KeySource, SignedHeaderConfig};
use crate::files::Files;
use crate::target::{Region, arn};
use hyper::header::HeaderName;
use std::path::Path;
use std::sync::Arc;
use url::Url;

const ALB_HEADER: HeaderName = HeaderName::from_static("x-amzn-oidc-data");

pub(super) fn issuers(
    document: &Document,
    directory: &Path,
    files: &Files,
    findings: &mut Findings,
) -> Checked<Vec<IssuerConfig>> {
    let written = &document.issuers;
    let compiled: Vec<Checked<IssuerConfig>> = written
        .iter()
        .map(|(name, issuer)| issuer_of(name, issuer, document, directory, files, findings))
        .collect();
    let issuers: Vec<IssuerConfig> = compiled.into_iter().collect::<Checked<_>>()?;
    let mut apart: Checked<()> = Ok(());
    for (index, (second, (name, issuer))) in issuers.iter().zip(written).enumerate() {
        if let Some(first) = issuers.iter().take(index).find(|first| are_confused(first, second)) {
            let path = format!("issuers.{}.issuer", **name);
            let message =
                format!("issuer `{}` has the same `issuer` and reads tokens from the same place", first.name);
            apart = Err(findings.refuse(&path, &issuer.issuer, message));
        }
    }
    for (name, issuer) in written {
        let Some(programs) = &issuer.programs else { continue };
        if let Some(people) = issuers.iter().find(|people| *people.realm == *programs.realm.value) {
            let path = format!("issuers.{}.programs.realm", **name);
            let message = format!(
                "the people of issuer `{}` are of this realm: a program must not be one of them",
                people.name
            );
            apart = Err(findings.refuse(&path, &programs.realm, message));
        }
    }
    apart.map(|()| issuers)
}

/// Whether a token could belong to either: the same `iss` in the same place, and no signer that tells them apart.
fn are_confused(first: &IssuerConfig, second: &IssuerConfig) -> bool {
    first.issuer == second.issuer
        && match (&first.signed_header, &second.signed_header) {
            (None, None) => true,
            (Some(first), Some(second)) => {
                let signers = (first.aws_alb.as_ref(), second.aws_alb.as_ref());
                let told_apart =
                    matches!(signers, (Some(first), Some(second)) if first.signer != second.signer);
                first.header == second.header && !told_apart
            }
            _ => false,
        }
}

fn issuer_of(
    name: &At<String>,
    written: &At<Issuer>,
    document: &Document,
    directory: &Path,
    files: &Files,
    findings: &mut Findings,
) -> Checked<IssuerConfig> {
    let at = format!("issuers.{}", **name);
    let path = |key: &str| format!("{at}.{key}");
    let key = findings.check(&at, name, |text| texts::label(text).map(Arc::<str>::from));
    let insecure_http = discovery::insecure_http(&at, name, written, document, findings);
    let unmarked_email = findings.insecure(
        &path("insecure_unmarked_email"),
        written.insecure_unmarked_email.as_ref(),
        "e-mail addresses count without `email_verified: true`",
    );
    let discovery::Reach { plain, is_name_only } = discovery::reach(written);
    let issuer = findings.check(&path("issuer"), &written.issuer, |text| {
        let plain = if is_name_only { Plain::Accepted } else { plain };
        if let Some((issuer, _)) = text.split_once("/.well-known/") {
            let problem =
                mismatch(text, "the issuer's own name, which its discovery document has under `issuer`");
            let help = format!("probably `{issuer}`; `discovery_url` takes the address of a document");
            return Err(problem.help(help));
        }
        texts::url(text, plain)
    });
    let discovery_url = discovery::url(&at, written, plain, findings);
    let realm = findings.check_optional(&path("realm"), written.realm.as_ref(), |text| {
        texts::label(text).map(Arc::<str>::from)
    });
    let claims = claims::paths(&path("claims"), written.claims.as_ref(), findings);
    let groups = known(&claims).map(|claims| &claims.groups);
    let programs = written.programs.as_ref();
    let programs =
        programs.map(|written| claims::programs(&path("programs"), written, groups, findings)).transpose();
    let access_tokens = claims::access_tokens(&at, written, findings);
    let user_domains = user_domains(&at, name, written, &document.issuers, known(&claims), findings);
    let trust = match &written.preset {
        Some(_) => aws_alb(&at, name, written, plain, findings),
        None => plain_issuer(&at, name, written, plain, directory, files, findings),
    };
    let (key, trust) = (key?, trust?);
    issuer?;
    Ok(IssuerConfig {
        issuer: written.issuer.value.clone(),
        realm: realm?.unwrap_or_else(|| key.clone()),
        name: key,
        algorithms: trust.algorithms,
        audience: trust.audience,
        access_tokens: access_tokens?,
        keys: trust.keys,
        discovery_url: discovery_url?,
        insecure_http,
        claims: claims?,
        programs: programs?,
        user_domains: user_domains?,
        unmarked_email,
        signed_header: trust.signed_header,
    })
}

/// The means to check a token's signature and audience, and the header that carries the token.
struct Trust {
    algorithms: Vec<Algorithm>,
    audience: Vec<String>,
    keys: KeySource,
    signed_header: Option<SignedHeaderConfig>,
}

fn plain_issuer(
    at: &str,
    name: &At<String>,
    written: &Issuer,
    plain: Plain,
    directory: &Path,
    files: &Files,
    findings: &mut Findings,
) -> Checked<Trust> {
    let path = |key: &str| format!("{at}.{key}");
    let of_preset = [
        ("region", &written.region),
        ("signer", &written.signer),
        ("client_id", &written.client_id),
        ("keys_url", &written.keys_url),
    ];
    let mut legal = Ok(());
    for (key, value) in of_preset {
        if let Some(value) = value {
            let message = format!("`{key}` belongs to `preset: aws_alb`, which is not set");
            legal = Err(findings.refuse(&path(key), value, message));
        }
    }
    let audience = findings.each(&path("audience"), list(written.audience.as_ref()), texts::identifier);
    let algorithms = findings.each(&path("algorithms"), list(written.algorithms.as_ref()), algorithm);
    if written.algorithms.is_none() {
        legal = Err(findings.refuse(at, name, "the key `algorithms` is missing"));
    }
    if written.header.is_some() && written.audience.is_none() {
        let message = "the key `audience` is missing: tokens in `header` are checked by it";
        legal = Err(findings.refuse(at, name, message));
    }
    let keys = match (&written.jwks_uri, &written.jwks_file) {
        (Some(uri), None) => {
            let uri = findings.check(&path("jwks_uri"), uri, |text| texts::document_url(text, plain));
            uri.map(KeySource::JwksUri)
        }
        (None, Some(file)) => findings
            .check(&path("jwks_file"), file, |text| existing_file(text, directory, files))
            .map(KeySource::JwksFile),
        (None, None) => Ok(KeySource::Discovery),
        (Some(_), Some(file)) => {
            Err(findings.refuse(&path("jwks_file"), file, "`jwks_uri` is given, too: one of the two must go"))
        }
    };
    let header = findings.check_optional(&path("header"), written.header.as_ref(), header_name);
    let signed_header = header?.map(|header| SignedHeaderConfig { header, aws_alb: None });
    let (audience, algorithms, keys) = (audience?, algorithms?, keys?);
    legal.map(|()| Trust { algorithms, audience, keys, signed_header })
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html>
fn aws_alb(
    at: &str,
    name: &At<String>,
    written: &Issuer,
    plain: Plain,
    findings: &mut Findings,
) -> Checked<Trust> {
    let path = |key: &str| format!("{at}.{key}");
    let mut legal = Ok(());
    let set_by_preset = [
        ("audience", written.audience.as_ref().and_then(|list| list.first())),
        ("algorithms", written.algorithms.as_ref().and_then(|list| list.first())),
        ("jwks_uri", written.jwks_uri.as_ref()),
        ("jwks_file", written.jwks_file.as_ref()),
    ];
    for (key, value) in set_by_preset {
        if let Some(value) = value {
            let message = format!("`{key}` cannot be set beside `preset: aws_alb`");
            legal = Err(findings.refuse(&path(key), value, message));
        }
    }
    let mut needed = |key: &str, value: &Option<At<String>>| {
        let message = format!("the key `{key}` is missing: `preset: aws_alb` needs it");
        value.clone().ok_or_else(|| findings.refuse(at, name, message))
    };
    let region_name = needed("region", &written.region);
    let signer_arn = needed("signer", &written.signer);
    let client_id = needed("client_id", &written.client_id);
    let header = findings.check_optional(&path("header"), written.header.as_ref(), header_name);
    let region = known(&region_name)
        .and_then(|text| findings.check(&path("region"), text, |text| Ok(Region::parse(text)?)));
    let signer = known(&signer_arn).and_then(|text| findings.check(&path("signer"), text, load_balancer_arn));
    let client_id = client_id.and_then(|text| findings.check(&path("client_id"), &text, texts::identifier));
    let keys_url =
        findings.check_optional(&path("keys_url"), written.keys_url.as_ref(), |text| key_folder(text, plain));
    let (region, region_name, signer, signer_arn) = (region?, region_name?, signer?, signer_arn?);
    if signer.region != region.as_str() {
        let message = format!("this load balancer is in `{}`, `region` is `{region}`", signer.region);
        legal = Err(findings.refuse(&path("signer"), &signer_arn, message));
    }
    let keys = match keys_url? {
        Some(url) => url,
        None => {
            findings.check(&path("region"), &region_name, |_| aws_key_folder(&region, &signer.partition))?
        }
    };
    let (header, client_id) = (header?.unwrap_or(ALB_HEADER), client_id?);
    let aws_alb = Some(AwsAlb { signer: signer.arn, client_id });
    legal.map(|()| Trust {
        algorithms: vec![Algorithm::Es256],
        audience: Vec::new(),
        keys: KeySource::PemPerKey(keys),
        signed_header: Some(SignedHeaderConfig { header, aws_alb }),
    })
}

struct LoadBalancer {
    arn: String,
    partition: String,
    region: String,
}

/// `arn:PARTITION:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID`.
fn load_balancer_arn(text: &str) -> Result<LoadBalancer, Problem> {
    let refused = || {
        mismatch(text, "`arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID`, all of it")
    };
    let [
        "arn",
        partition @ ("aws" | "aws-cn" | "aws-us-gov"),
        "elasticloadbalancing",
        region,
        account,
        resource,
    ] = arn::fields(text).unwrap_or_default()
    else {
        return Err(refused());
    };
    let segments: Vec<&str> = resource.split('/').collect();
    let ["loadbalancer", "app", name, id] = segments.as_slice() else { return Err(refused()) };
    let is_name = |text: &str| {
        (1..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_id =
        id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if !(is_name(name) && is_id && is_account && Region::parse(region).is_ok()) {
        return Err(refused());
    }
    Ok(LoadBalancer { arn: text.to_owned(), partition: partition.to_owned(), region: region.to_owned() })
}

/// The URL below which AWS publishes the load balancers' public keys, one PEM file per key id.
fn aws_key_folder(region: &Region, partition: &str) -> Result<Url, Problem> {
    let url = match partition {
        "aws-us-gov" => format!("https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}/"),
        "aws-cn" => format!("https://public-keys.auth.elb.{region}.amazonaws.com.cn/"),
        _ => format!("https://public-keys.auth.elb.{region}.amazonaws.com/"),
    };
    Url::parse(&url).map_err(|_| mismatch(region.as_str(), "a region of AWS"))
}

/// A URL below which keys stand: its path ends with a slash.
fn key_folder(text: &str, plain: Plain) -> Result<Url, Problem> {
    let mut url = texts::url(text, plain)?;
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn existing_file(text: &str, directory: &Path, files: &Files) -> Result<std::path::PathBuf, Problem> {
    let path = texts::path(text, directory);
    match files.metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(path),
        Ok(_) => Err(Problem::new(format!("`{text}` is not a file"))),
        Err(error) => Err(Problem::new(format!("`{text}` {error}"))),
    }
}

fn algorithm(text: &str) -> Result<Algorithm, Problem> {
    if let Some(algorithm) = Algorithm::named(text) {
        return Ok(algorithm);
    }
    let names = || Algorithm::NAMES.into_iter().map(|(name, _)| name);
    if matches!(text, "HS256" | "HS384" | "HS512") {
        let message = format!("`{text}` is symmetric: whoever can check a token could also make one");
        return Err(Problem::new(message).help(format!("allowed: {}", listed(names()))));
    }
    if text.eq_ignore_ascii_case("none") {
        return Err(Problem::new("`none` is no signature").help(format!("allowed: {}", listed(names()))));
    }
    Err(Problem { help: did_you_mean(text, names()), ..mismatch(text, &listed(names())) })
}

fn header_name(text: &str) -> Result<HeaderName, Problem> {
    let name = HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| mismatch(text, "the name of a request header, such as `x-amzn-oidc-data`"))?;
    if ["authorization", "cookie", "host"].contains(&name.as_str()) {
        let message = format!("`{name}` is not a load balancer's own header");
        return Err(Problem::new(message).help("tokens in `Authorization` are the credential `bearer`"));
    }
    Ok(name)
}

fn user_domains(
    at: &str,
    name: &At<String>,
    written: &Issuer,
    all: &Named<At<Issuer>>,
    claims: Checked<&ClaimPaths>,
    findings: &mut Findings,
) -> Checked<Option<Vec<String>>> {
    match written.user_domains.as_ref().or_else(|| domains_of_sibling(name, written, all)) {
        Some(domains) => findings.each(&format!("{at}.user_domains"), domains, texts::domain).map(Some),
        None if claims?.user.iter().any(|path| path.ends_in("email")) => {
            let message = "the key `user_domains` is missing: the user is an e-mail address, and it says whose \
                           addresses this issuer may assert";
            Err(findings.refuse(at, name, message))
        }
        None => Ok(None),
    }
}

/// The domains of another configured issuer with the same `iss` and realm: a load balancer that passes on that issuer's
/// claims may assert the same.
fn domains_of_sibling<'a>(
    name: &At<String>,
    written: &Issuer,
    all: &'a Named<At<Issuer>>,
) -> Option<&'a Vec<At<String>>> {
    let realm = |name: &At<String>, issuer: &Issuer| {
        issuer.realm.as_ref().map_or_else(|| name.value.clone(), |realm| realm.value.clone())
    };
    let own = realm(name, written);
    all.iter()
        .filter(|(other, issuer)| other.value != name.value && realm(other, issuer) == own)
        .filter(|(_, issuer)| issuer.issuer.value == written.issuer.value)
        .find_map(|(_, issuer)| issuer.user_domains.as_ref())
}

fn list(written: Option<&Vec<At<String>>>) -> &[At<String>] {
    written.map_or(&[], Vec::as_slice)
}
