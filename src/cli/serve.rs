//! `postern serve`

mod reload;
mod process;

use self::process::Own;
use self::process::Process;
use self::reload::Reloader;
use super::args::ServeArgs;
use super::configuration::{Configuration, load};
use super::output::Failed;
use super::prepared::{Examined, Prepared};
use super::runtime::{LAST_FLUSH, block_on};
use crate::admin;
use crate::audit::{Audit, Event, Record};
use crate::aws::SharedCredentialsProvider;
use crate::config::Drain;
use crate::files::Files;
use crate::gateway::{Gateway, access};
use crate::metrics::Metrics;
use crate::server::Body;
use crate::server::peer::Peer;
use crate::server::readiness::Readiness;
use crate::server::settings::ListenerSettings;
use crate::server::systemd::{self, Sockets};
use crate::server::{self, Answers, Serving, WhenFull};
use crate::telemetry::{self, Log, LogFormat};
use arc_swap::ArcSwap;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the program waits at its end for logs and audit records.
pub(super) const FLUSH: Duration = Duration::from_secs(5);

pub(super) fn run(args: &ServeArgs) -> Result<(), Failed> {
    let files = Files::default();
    let configuration = load(&args.config, &files)?.passing().map_err(Failed::Usage)?;
    // Before there is a second thread.
    let sockets = Sockets::from_environment().map_err(Failed::ran)?;
    let log = install_logger(args.log_format)?;
    let prepared = prepare(configuration, &files);
    let served = prepared
        .and_then(|prepared| block_on(serve(prepared, Some(&args.config), sockets, None, &log, |_| {})));
    // Requests that were cut off wrote their records when the runtime ended.
    let served = served.map(|audit| audit.flush(FLUSH));
    log.flush(FLUSH);
    served
}

/// Reads and tries the files and variables that the configuration names. Logs every fault.
pub(super) fn prepare(configuration: Configuration, files: &Files) -> Result<Prepared, Failed> {
    let prepared = Prepared::read(configuration, files).map_err(Failed::ran)?;
    let Examined { wrong, warnings } = prepared.examine();
    for warning in warnings {
        tracing::warn!(warning = %warning.message, path = %warning.path, "config.insecure");
    }
    for error in &wrong {
        tracing::error!(path = error.key, reason = %error, "secret.unusable");
    }
    if wrong.is_empty() { Ok(prepared) } else { Err(Failed::Ran(None)) }
}

/// `POSTERN_LOG` chooses what is logged, in the syntax of `RUST_LOG`.
pub(super) fn install_logger(format: LogFormat) -> Result<Log, Failed> {
    telemetry::install(format, std::env::var("POSTERN_LOG").ok().as_deref()).map_err(Failed::Usage)
}

/// Runs until a signal asks to stop, and leaves the audit trail to be flushed. `ready` gets the address once requests
/// are answered.
///
/// `file` is that of the configuration, for reloads; `credentials` replace AWS's default chain.
pub(super) async fn serve(
    prepared: Prepared,
    file: Option<&Path>,
    sockets: Sockets,
    credentials: Option<SharedCredentialsProvider>,
    log: &Log,
    ready: impl FnOnce(SocketAddr),
) -> Result<Audit, Failed> {
    let stop = Stop::listen()?;
    let Prepared { configuration, secrets, http, files } = prepared;
    let reloader = match file {
        Some(file) => {
            Some(Reloader::new(file, &configuration.loaded, files.clone()).await.map_err(Failed::ran)?)
        }
        None => None,
    };
    let Configuration { loaded, policy, .. } = configuration;
    for warning in &loaded.warnings {
        tracing::warn!(warning = %warning.message, path = %warning.path, "config.insecure");
    }
    let own = Own { secrets: &secrets, http: &http, files: &files };
    let process = Process::open(&loaded.gateway, own, credentials, log).map_err(Failed::ran)?;
    let settings = process.listener_settings(&loaded.gateway, &secrets, None).map_err(Failed::ran)?;
    let listen = listener("listen.address", sockets.main, loaded.gateway.listen.address).await?;
    let admin = listener("admin.address", sockets.admin, loaded.gateway.admin).await?;
    let limits = loaded.gateway.limits.clone();
    let gateway = Box::pin(process.gateway(loaded.gateway, &secrets, policy, &loaded.digest, None));
    let gateway = gateway.await.map_err(Failed::ran)?;

    let address = listen.local_addr().map_err(Failed::ran)?;
    let admin_address = admin.local_addr().map_err(Failed::ran)?;
    gateway.audit().record(&Record::new(Event::Start));
    tracing::info!(address = %address, admin = %admin_address, version = env!("CARGO_PKG_VERSION"), config_digest = %loaded.digest, "started");
    process.announce(&settings, None);
    process.in_force(&loaded.digest);
    let (metrics, readiness) = (Arc::clone(&process.metrics), process.readiness.clone());
    let shown = Arc::clone(&process.shown);
    tokio::spawn(async move { admin::serve(admin, &limits, metrics, readiness, shown).await });
    ready(address);

    let process = Arc::new(process);
    let current = Arc::new(Running {
        gateway: ArcSwap::from_pointee(gateway),
        settings: Arc::new(ArcSwap::from_pointee(settings)),
    });
    if let Some(reloader) = reloader {
        tokio::spawn(reloader.run(Arc::clone(&process), Arc::clone(&current)));
    }
    let stop = stop.asked(process.readiness.clone(), Arc::clone(&current), log.clone());
    let serving = Serving {
        settings: Arc::clone(&current.settings),
        when_full: WhenFull::Wait,
        readiness: process.readiness.clone(),
        open: process.metrics.connections.clone(),
        refused: process.metrics.connections_refused.clone(),
        active: process.metrics.connections_active.clone(),
        handler: Handler { current, metrics: Arc::clone(&process.metrics) },
    };
    systemd::ready();
    tokio::spawn(systemd::keep_telling());
    server::serve(listen, serving, stop).await.map_err(Failed::ran)?;
    tracing::info!("stopped");
    Ok(process.audit.clone())
}

/// The configuration in force.
#[derive(Debug)]
struct Running {
    gateway: ArcSwap<Gateway>,
    settings: Arc<ArcSwap<ListenerSettings>>,
}

impl Running {
    /// Applies the settings to new connections from now on.
    fn meet(&self, process: &Process, settings: ListenerSettings) {
        let settings = Arc::new(settings);
        let before = self.settings.swap(Arc::clone(&settings));
        process.announce(&settings, Some(&before));
    }
}

struct Handler {
    current: Arc<Running>,
    metrics: Arc<Metrics>,
}

impl Answers for Handler {
    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        // One configuration answers a request from its beginning to its end.
        self.current.gateway.load_full().handle(request, peer).await
    }

    async fn refused(&self, peer: Peer, status: StatusCode) {
        access::refused(peer.address, status, &self.metrics).await;
    }
}

/// The socket that was passed on, or a new one.
async fn listener(
    key: &str,
    passed: Option<std::net::TcpListener>,
    address: SocketAddr,
) -> Result<TcpListener, Failed> {
    let listener = match passed {
        Some(passed) => passed.set_nonblocking(true).and_then(|()| TcpListener::from_std(passed)),
        None => TcpListener::bind(address).await,
    };
    listener.map_err(|error| Failed::ran(format!("{key}: cannot listen on {address}: {error}")))
}

/// SIGTERM asks for a stop that no client notices: readiness fails first, and new connections are accepted for `drain.delay`.
/// SIGINT comes from a terminal, without a balancer, and skips the delay. A second signal ends the process at once.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Handles signals from here on. SIGUSR1, SIGUSR2 and SIGQUIT, which would kill the process by default, do nothing.
    fn listen() -> Result<Self, Failed> {
        for ignored in [SignalKind::user_defined1(), SignalKind::user_defined2(), SignalKind::quit()] {
            // tokio never removes a handler that was installed once.
            drop(signal(ignored).map_err(Failed::ran)?);
        }
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(Failed::ran)?,
            interrupt: signal(SignalKind::interrupt()).map_err(Failed::ran)?,
        })
    }

    /// Resolves with the time that running requests may still take.
    async fn asked(mut self, readiness: Readiness, current: Arc<Running>, log: Log) -> Duration {
        let is_balanced = self.is_terminate().await;
        readiness.drain();
        systemd::stopping();
        tracing::info!("stopping");
        let audit = current.gateway.load().audit().clone();
        tokio::spawn(async move {
            self.is_terminate().await;
            // A URL that was handed out must stand in the trail, however hurried the end.
            audit.flush(LAST_FLUSH);
            log.flush(LAST_FLUSH);
            std::process::exit(1);
        });
        let Drain { delay, grace } = current.gateway.load().settings().drain;
        if is_balanced {
            tokio::time::sleep(delay).await;
        }
        grace
    }

    /// Waits for the next signal, and tells whether it is SIGTERM.
    async fn is_terminate(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => true,
            _ = self.interrupt.recv() => false,
        }
    }
}
