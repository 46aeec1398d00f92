//! The parts of the process that outlive a configuration.

use crate::admin::InForce;
use crate::audit::Audit;
use crate::audit::file::AuditFile;
use crate::aws::{Aws, Connections, SharedCredentialsProvider};
use crate::clock::{Clock, UnixSeconds};
use crate::config;
use crate::config::secrets::{SecretError, Secrets};
use crate::files::Files;
use crate::gateway::{Gateway, Parts};
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::mlflow::Bridge;
use crate::policy::Policy;
use crate::presign::Presigner;
use crate::server::readiness::Readiness;
use crate::server::settings::ListenerSettings;
use crate::state::{Means, State};
use crate::telemetry::Log;
use arc_swap::ArcSwap;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use url::Url;

#[derive(Debug)]
pub(super) struct Process {
    pub(super) metrics: Arc<Metrics>,
    pub(super) audit: Audit,
    pub(super) readiness: Readiness,
    pub(super) shown: Arc<ArcSwap<InForce>>,
    /// It never changes while the process runs.
    public_url: Url,
    clock: Clock,
    http: HttpClient,
    connections: Connections,
    state: State,
    credentials: Option<SharedCredentialsProvider>,
}

/// The parts that the process has of its own, read before anything runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own<'a> {
    pub(super) secrets: &'a Secrets,
    pub(super) http: &'a HttpClient,
    pub(super) files: &'a Files,
}

impl Process {
    /// # Errors
    ///
    /// A part cannot be set up; the text is for the admin.
    pub(super) fn open(
        settings: &config::Gateway,
        own: Own<'_>,
        credentials: Option<SharedCredentialsProvider>,
        log: &Log,
    ) -> Result<Self, String> {
        let Own { secrets, http, files } = own;
        let clock = Clock::system();
        let metrics = Arc::new(Metrics::new(log.lost()));
        metrics.connections_limit.set(settings.limits.connections.try_into().unwrap_or(i64::MAX));
        let means = Means { secrets, authorities: http.authorities() };
        let public_url = &settings.public_url;
        let state = State::open(&settings.state, means, public_url, clock.clone(), &metrics.state_up)
            .map_err(|error| error.to_string())?;
        let audit = audit(settings.audit_file.as_deref(), files, &metrics, clock.clone())?;
        Ok(Self {
            metrics,
            audit,
            readiness: Readiness::default(),
            shown: Arc::new(ArcSwap::from_pointee(InForce {
                digest: String::new(),
                since: clock.now_system(),
                refused: None,
            })),
            public_url: settings.public_url.clone(),
            http: http.clone(),
            connections: Connections::new(http)?,
            state,
            clock,
            credentials,
        })
    }

    /// The gateway of a configuration. It takes over the unchanged parts of `before`.
    pub(super) async fn gateway(
        &self,
        settings: config::Gateway,
        secrets: &Secrets,
        policy: Policy,
        digest: &str,
        before: Option<&Gateway>,
    ) -> Result<Gateway, String> {
        let (presigner, bridge) = match before.and_then(|before| before.callers_for(&settings)) {
            Some(callers) => callers,
            None => self.callers(&settings).await?,
        };
        let parts = Parts {
            presigner,
            bridge,
            http: self.http.clone(),
            clock: self.clock.clone(),
            metrics: Arc::clone(&self.metrics),
            audit: self.audit.under(digest.into()),
            state: self.state.clone(),
            readiness: self.readiness.clone(),
        };
        Gateway::new(settings, secrets, policy, parts, before).map_err(|errors| listed(&errors))
    }

    /// Connects to the shared state with its current secret.
    pub(super) async fn renew_state(
        &self,
        settings: &config::Gateway,
        secrets: &Secrets,
    ) -> Result<(), String> {
        self.state.renew(&settings.state, Means { secrets, authorities: self.http.authorities() }).await
    }

    /// Notes that the configuration of this digest is in force from now on.
    pub(super) fn in_force(&self, digest: &str) {
        self.metrics.config_in_force(digest, self.clock.now());
        let before = self.shown.load();
        let since = if before.digest == digest { before.since } else { self.clock.now_system() };
        self.shown.store(Arc::new(InForce { digest: digest.to_owned(), since, refused: None }));
    }

    /// Notes that the file on disk was refused, and how it differs from the configuration in force.
    pub(super) fn refused(&self, differs: Option<Vec<String>>) {
        let before = InForce::clone(&self.shown.load());
        let since = before.refused.as_ref().map_or_else(|| self.clock.now_system(), |(since, _)| *since);
        self.shown.store(Arc::new(InForce { refused: Some((since, differs)), ..before }));
    }

    /// The settings of new connections under a configuration.
    pub(super) fn listener_settings(
        &self,
        settings: &config::Gateway,
        secrets: &Secrets,
        before: Option<&ListenerSettings>,
    ) -> Result<ListenerSettings, String> {
        let listener = ListenerSettings::new(settings, secrets, before, self.clock.now_system());
        listener.map_err(|error| error.to_string())
    }

    /// Logs the certificate that is served from now on, if it has changed.
    pub(super) fn announce(&self, settings: &ListenerSettings, before: Option<&ListenerSettings>) {
        let known = before.and_then(ListenerSettings::tls);
        let Some(tls) = settings.tls().filter(|tls| known.is_none_or(|known| !Arc::ptr_eq(known, tls)))
        else {
            return;
        };
        let until = tls.validity().not_after;
        self.metrics.certificate_expires(UnixSeconds::of(until));
        let until = humantime::format_rfc3339_seconds(until);
        match tls.complaint(&self.public_url, self.clock.now_system()) {
            Some(complaint) => tracing::warn!(%until, complaint, "tls.certificate"),
            None => tracing::info!(%until, "tls.certificate"),
        }
    }

    /// The parts that call AWS.
    async fn callers(&self, settings: &config::Gateway) -> Result<(Arc<Presigner>, Arc<Bridge>), String> {
        let (clock, metrics) = (self.clock.clone(), Arc::clone(&self.metrics));
        let credentials = self.credentials.clone();
        let (state, aws_metrics) = (self.state.clone(), Arc::clone(&metrics));
        let aws = Aws::new(&settings.aws, clock.clone(), state, aws_metrics, &self.connections, credentials);
        let (aws, realm) = (aws.await?, settings.sole_realm());
        let write = settings.limits.deadlines.write;
        let bridge = Bridge::new(Arc::clone(&aws), &self.http, write, realm.clone(), Arc::clone(&metrics))?;
        let further_hosts = &settings.aws.authorized_url_hosts;
        let presigner = Presigner::new(aws, further_hosts, realm, clock, metrics);
        Ok((Arc::new(presigner), Arc::new(bridge)))
    }
}

/// All errors in one line.
pub(super) fn listed(errors: &[SecretError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn audit(file: Option<&Path>, files: &Files, metrics: &Metrics, clock: Clock) -> Result<Audit, String> {
    let (lost, digest) = (metrics.audit_lost.clone(), Arc::from(""));
    let started = match file {
        Some(path) => {
            let file = AuditFile::open_in_time(path, files)
                .map_err(|error| format!("audit.file: cannot write `{}`: {error}", path.display()))?;
            Audit::start(file, lost, clock, digest)
        }
        // Without the standard library's buffer, each write tells what the stream took.
        None => {
            let stdout = std::io::stdout().as_fd().try_clone_to_owned();
            stdout.and_then(|stdout| Audit::start(File::from(stdout), lost, clock, digest))
        }
    };
    started.map_err(|error| format!("the audit trail cannot be started: {error}"))
}
