//! `postern serve`

use super::{Configuration, Failed, ServeArgs, install_logger, load};
use crate::audit::{Audit, Event, Record};
use crate::clock::Clock;
use crate::gateway::{Gateway, Parts};
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::presign::Presigner;
use crate::secret::Secret;
use crate::state::State;
use crate::{admin, server};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long the end of the program waits for what is still to be written.
pub(super) const FLUSH: Duration = Duration::from_secs(5);

pub(super) fn run(args: &ServeArgs) -> Result<(), Failed> {
    let configuration = load(&args.config)?;
    if let Some(failed) = configuration.run_tests().iter().find(|outcome| !outcome.passed()) {
        let message = format!("the policy test `{}` fails; `postern check` says why", failed.name);
        return Err(Failed::Usage(message));
    }
    let log = install_logger(args.log_format)?;
    let served = block_on(serve(configuration, None, |_| {}));
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
/// `access_key` stands in for AWS's default chain of credentials.
pub(super) async fn serve(
    configuration: Configuration,
    access_key: Option<(String, Secret)>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Failed> {
    let Configuration { loaded, policy, .. } = configuration;
    for warning in &loaded.warnings {
        tracing::warn!(warning = %warning.message, path = %warning.path, "config.insecure");
    }
    let clock = Clock::system();
    let metrics = Arc::new(Metrics::default());
    let audit = Audit::start(std::io::stdout(), clock.clone(), loaded.digest.as_str().into())
        .map_err(|error| Failed::Ran(Some(format!("the audit writer cannot be started: {error}"))))?;
    let http = HttpClient::new().map_err(ran)?;
    let listen = bind("listen.address", loaded.gateway.listen.address).await?;
    let admin = match loaded.gateway.admin {
        Some(address) => Some(bind("admin.address", address).await?),
        None => None,
    };
    let most = loaded.gateway.limits.connections;
    let (aws, realm) = (&loaded.gateway.aws, loaded.gateway.sole_realm());
    let presigner = match access_key {
        Some((id, secret)) => Presigner::with_access_key(aws, realm, clock.clone(), &id, &secret).await,
        None => Presigner::new(aws, realm, clock.clone()).await,
    };
    let presigner = presigner.map_err(ran)?;
    let gateway = &loaded.gateway;
    let state =
        State::open(&gateway.state, &gateway.public_url, clock.clone(), metrics.state_up()).map_err(ran)?;
    let parts = Parts { presigner, http, clock, metrics: Arc::clone(&metrics), audit: audit.clone(), state };
    let gateway = Arc::new(Gateway::new(loaded.gateway, policy, parts).map_err(ran)?);

    let address = listen.local_addr().map_err(ran)?;
    let admin_address = admin.as_ref().and_then(|admin| admin.local_addr().ok());
    audit.record(&Record::new(Event::Start));
    tracing::info!(address = %address, admin = admin_address.map(tracing::field::display), version = env!("CARGO_PKG_VERSION"), config_digest = %loaded.digest, "started");
    if let Some(admin) = admin {
        tokio::spawn(admin::serve(admin, Arc::clone(&metrics), audit.clone()));
    }
    ready(address);

    let handler = move |request, peer| {
        let gateway = Arc::clone(&gateway);
        async move { gateway.handle(request, peer).await }
    };
    server::serve(listen, handler, most, metrics.connections(), stop()?).await;
    tracing::info!("stopped");
    audit.flush(FLUSH);
    Ok(())
}

async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, Failed> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failed::Ran(Some(format!("{key}: cannot listen on {address}: {error}"))))
}

/// SIGTERM and SIGINT ask for a graceful stop; a second one ends the process at once, as signals do by default.
fn stop() -> Result<impl Future<Output = ()>, Failed> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ran)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ran)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

fn ran(error: impl std::fmt::Display) -> Failed {
    Failed::Ran(Some(error.to_string()))
}
