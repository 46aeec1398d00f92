//! `postern serve`

mod reload;
mod site;

use self::reload::Reloader;
use self::site::Site;
use super::{Configuration, Failed, ServeArgs, install_logger, load};
use crate::audit::{Event, Record};
use crate::config::Drain;
use crate::gateway::Gateway;
use crate::secret::Secret;
use crate::server::readiness::Readiness;
use crate::telemetry::Log;
use crate::{admin, server};
use arc_swap::ArcSwap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long the end of the program waits for what is still to be written.
pub(super) const FLUSH: Duration = Duration::from_secs(5);

pub(super) fn run(args: &ServeArgs) -> Result<(), Failed> {
    let configuration = load(&args.config)?;
    if let Some(message) = configuration.failing_test() {
        return Err(Failed::Usage(message));
    }
    let log = install_logger(args.log_format)?;
    let served = block_on(serve(configuration, Some(&args.config), None, &log, |_| {}));
    log.flush(FLUSH);
    served
}

pub(super) fn block_on(task: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::Ran(Some(format!("the runtime cannot be started: {error}"))))?
        .block_on(task)
}

/// Runs until a signal asks to stop. `ready` is told the address once requests are answered.
///
/// `file` is where the configuration is read again from; `access_key` stands in for AWS's default chain of credentials.
pub(super) async fn serve(
    configuration: Configuration,
    file: Option<&Path>,
    access_key: Option<(String, Secret)>,
    log: &Log,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Failed> {
    let reloader = file.map(|file| Reloader::new(file, &configuration.loaded)).transpose().map_err(ran)?;
    let Configuration { loaded, policy, .. } = configuration;
    for warning in &loaded.warnings {
        tracing::warn!(warning = %warning.message, path = %warning.path, "config.insecure");
    }
    let listen = bind("listen.address", loaded.gateway.listen.address).await?;
    let admin = match loaded.gateway.admin {
        Some(address) => Some(bind("admin.address", address).await?),
        None => None,
    };
    let most = loaded.gateway.limits.connections;
    let site = Site::open(&loaded.gateway, access_key, log).map_err(ran)?;
    let gateway = Box::pin(site.gateway(loaded.gateway, policy, &loaded.digest, None)).await.map_err(ran)?;

    let address = listen.local_addr().map_err(ran)?;
    let admin_address = admin.as_ref().and_then(|admin| admin.local_addr().ok());
    gateway.audit().record(&Record::new(Event::Start));
    tracing::info!(address = %address, admin = admin_address.map(tracing::field::display), version = env!("CARGO_PKG_VERSION"), config_digest = %loaded.digest, "started");
    if let Some(admin) = admin {
        let (metrics, readiness) = (Arc::clone(&site.metrics), site.readiness.clone());
        tokio::spawn(admin::serve(admin, metrics, readiness));
    }
    ready(address);

    let site = Arc::new(site);
    let current = Arc::new(ArcSwap::from_pointee(gateway));
    if let Some(reloader) = reloader {
        tokio::spawn(reloader.run(Arc::clone(&site), Arc::clone(&current)));
    }
    let stop = stop(site.readiness.clone(), Arc::clone(&current))?;
    let handler = move |request, peer| {
        // A request is answered by one configuration from its beginning to its end.
        let gateway = current.load_full();
        async move { gateway.handle(request, peer).await }
    };
    server::serve(listen, handler, most, &site.metrics.connections, stop).await;
    tracing::info!("stopped");
    site.audit.flush(FLUSH);
    Ok(())
}

impl Configuration {
    /// Why the configuration is not to be run, although it loads.
    fn failing_test(&self) -> Option<String> {
        let outcomes = self.run_tests();
        let failed = outcomes.iter().find(|outcome| !outcome.passed())?;
        Some(format!("the policy test `{}` fails: {}", failed.name, failed.failures.join("; ")))
    }
}

async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, Failed> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failed::Ran(Some(format!("{key}: cannot listen on {address}: {error}"))))
}

/// SIGTERM asks for a stop that no client notices: readiness fails first, and new connections are taken for a while yet.
/// SIGINT comes from a terminal, where nobody balances. A second signal ends the process at once.
///
/// Resolves with the time that running requests may still take.
fn stop(
    readiness: Readiness,
    current: Arc<ArcSwap<Gateway>>,
) -> Result<impl Future<Output = Duration>, Failed> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ran)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ran)?;
    Ok(async move {
        let balanced = tokio::select! {
            _ = terminate.recv() => true,
            _ = interrupt.recv() => false,
        };
        readiness.drain();
        tracing::info!("stopping");
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(1);
        });
        let Drain { delay, grace } = current.load().settings().drain;
        if balanced {
            tokio::time::sleep(delay).await;
        }
        grace
    })
}

fn ran(error: impl std::fmt::Display) -> Failed {
    Failed::Ran(Some(error.to_string()))
}
