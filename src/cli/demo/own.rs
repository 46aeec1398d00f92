//! `postern demo --config FILE`: somebody's own provider and rules before the sandbox's AWS.

use crate::cli::args::DemoArgs;
use crate::cli::output::Failed;
use crate::config::file::policy::Artifacts;
use crate::config::located::At;
use crate::config::{self, AuthorizedHost, Loaded, StateConfig};
use crate::files::Files;
use crate::sandbox::Sandbox;
use crate::target::APP_NAME;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use url::Url;

/// The port of a demo with the sandbox's own configuration.
const PORT: u16 = 8080;

/// The configuration, and the port of its own `public_url` if the demo can be reached there.
pub(super) fn load(path: &Path, asked: Option<u16>) -> Result<(Loaded, Option<u16>), Failed> {
    let loaded = config::load_by(path, &Files::default()).map_err(Box::new)?;
    let refuse = |why: String| Err(Failed::Usage(format!("{}: {why}", path.display())));
    let settings = &loaded.gateway;
    if !settings.credentials.session && !settings.credentials.bearer {
        return refuse(
            "`credentials` lets nobody in here: people of a `signed_header` come by a load balancer, and the demo has none"
                .to_owned(),
        );
    }
    let partition = settings.aws.region.partition();
    if partition != "aws" {
        return refuse(format!(
            "`aws.region` is in the partition `{partition}`, and the demo's AWS is of `aws` only"
        ));
    }
    for (name, destination) in &loaded.policy.destinations {
        let sets = destination.rules.iter().filter_map(|rule| rule.set.as_ref());
        let fields = sets.map(|set| &set.value.0).chain([&destination.target.fields]);
        if fields.into_iter().any(|fields| fields.find(APP_NAME).is_some()) {
            return refuse(format!(
                "`destinations.{}` names an MLflow App by `{APP_NAME}`, and the demo's AWS knows Apps by their `arn` only",
                name.value
            ));
        }
    }
    let own = own_port(&settings.public_url).filter(|own| asked.is_none_or(|asked| asked == *own));
    Ok((loaded, own))
}

pub(super) fn port(args: &DemoArgs, own: Option<u16>) -> u16 {
    own.or(args.port).unwrap_or(PORT)
}

/// The port of a `public_url` at which a demo can be reached without a change.
fn own_port(public_url: &Url) -> Option<u16> {
    let is_here = matches!(public_url.host_str(), Some("localhost" | "127.0.0.1"));
    (public_url.scheme() == "http" && is_here).then(|| public_url.port_or_known_default()).flatten()
}

/// Replaces all that leads to AWS or to other processes in place. Returns one line for each replacement.
pub(super) fn adapt(
    loaded: &mut Loaded,
    own: Option<u16>,
    address: SocketAddr,
    sandbox: &Sandbox,
) -> Vec<String> {
    let mut replaced = Vec::new();
    let mut say = |key: &str, by: &str| replaced.push(format!("{key}: {by}"));
    let settings = &mut loaded.gateway;

    say("AWS credentials", "the sandbox's own; roles are assumed at the sandbox");
    say("aws.endpoint_url", sandbox.sagemaker_url().as_str());
    settings.aws.endpoint_url = Some(sandbox.sagemaker_url().clone());
    say("aws.sts_endpoint_url", sandbox.sts_url().as_str());
    settings.aws.sts_endpoint_url = Some(sandbox.sts_url().clone());
    let landing = sandbox.landing_url();
    let host =
        AuthorizedHost { host: landing.host_str().unwrap_or_default().to_owned(), port: landing.port() };
    say("aws.authorized_url_hosts", &format!("`{host}` only"));
    settings.aws.authorized_url_hosts = vec![host];
    for (name, destination) in &mut loaded.policy.destinations.0 {
        if destination.endpoint_url.take().is_some() {
            say(&format!("destinations.{}.endpoint_url", name.value), sandbox.sagemaker_url().as_str());
        }
        if let Some(api) = &mut destination.api {
            let mlflow = sandbox.mlflow_url().as_str().trim_end_matches('/');
            say(&format!("destinations.{}.api.endpoint_url", name.value), mlflow);
            api.value.endpoint_url = Some(At::new(mlflow.to_owned(), api.location));
            if api.value.artifacts.as_ref().is_none_or(|written| written.value == Artifacts::S3) {
                let s3 = sandbox.s3_url().as_str().trim_end_matches('/');
                say(&format!("destinations.{}.api.s3_endpoint_url", name.value), s3);
                api.value.s3_endpoint_url = Some(At::new(s3.to_owned(), api.location));
            }
        }
    }

    if own.is_none() {
        let url = format!("http://localhost:{}", address.port());
        say("public_url", &url);
        if let Ok(url) = Url::parse(&url) {
            settings.public_url = url;
        }
        if !settings.aliases.is_empty() {
            say("aliases", "none");
            settings.aliases.clear();
        }
    }
    let is_direct = settings.listen.tls.is_none()
        && !settings.listen.proxy_protocol
        && settings.trusted_proxies.is_empty()
        && settings.listen.direct_clients;
    let unencrypted = if is_direct {
        ""
    } else {
        ", without TLS and balancer: the client's address is that of the connection"
    };
    say("listen", &format!("{address}{unencrypted}"));
    settings.listen = config::Listen { address, tls: None, proxy_protocol: false, direct_clients: true };
    settings.trusted_proxies.clear();
    say("admin.address", "a free port of 127.0.0.1");
    settings.admin = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    if settings.credentials.signed_header {
        say("credentials", "without `signed_header`: no load balancer stands in front");
        settings.credentials.signed_header = false;
    }
    if !settings.session.keys.is_empty() {
        say("session.keys", "one that ends with the demo");
        settings.session.keys.clear();
    }
    if settings.state != StateConfig::Memory {
        say("state", "this process alone");
        settings.state = StateConfig::Memory;
    }
    if settings.audit_file.take().is_some() {
        say("audit.file", "standard output");
    }
    replaced
}
