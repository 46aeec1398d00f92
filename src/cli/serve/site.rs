//! What stays while configurations come and go.

use crate::audit::Audit;
use crate::clock::Clock;
use crate::config;
use crate::gateway::{Gateway, Parts};
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::policy::Policy;
use crate::presign::Presigner;
use crate::secret::Secret;
use crate::server::edge::Edge;
use crate::server::readiness::Readiness;
use crate::state::State;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Site {
    pub(super) metrics: Arc<Metrics>,
    pub(super) audit: Audit,
    pub(super) readiness: Readiness,
    clock: Clock,
    http: HttpClient,
    state: State,
    access_key: Option<(String, Secret)>,
}

impl Site {
    /// # Errors
    ///
    /// In words for the admin, such as an address of the shared state that is none.
    pub(super) fn open(
        settings: &config::Gateway,
        access_key: Option<(String, Secret)>,
    ) -> Result<Self, String> {
        let clock = Clock::system();
        let metrics = Arc::new(Metrics::default());
        let state = State::open(&settings.state, &settings.public_url, clock.clone(), metrics.state_up())?;
        let audit = Audit::start(std::io::stdout(), clock.clone(), Arc::from(""))
            .map_err(|error| format!("the audit writer cannot be started: {error}"))?;
        Ok(Self {
            metrics,
            audit,
            readiness: Readiness::default(),
            http: HttpClient::new()?,
            state,
            clock,
            access_key,
        })
    }

    /// The gateway of a configuration. What `before` has learnt, and what it still answers, goes on.
    pub(super) async fn gateway(
        &self,
        settings: config::Gateway,
        policy: Policy,
        digest: &str,
        before: Option<&Gateway>,
    ) -> Result<Gateway, String> {
        let presigner = match before.and_then(|before| before.presigner_for(&settings)) {
            Some(presigner) => presigner,
            None => Arc::new(self.presigner(&settings).await?),
        };
        let parts = Parts {
            presigner,
            http: self.http.clone(),
            clock: self.clock.clone(),
            metrics: Arc::clone(&self.metrics),
            audit: self.audit.under(digest.into()),
            state: self.state.clone(),
            readiness: self.readiness.clone(),
        };
        Gateway::new(settings, policy, parts, before)
    }

    /// What connections are met with from now on.
    pub(super) fn edge(&self, settings: &config::Gateway, before: Option<&Edge>) -> Result<Edge, String> {
        let now = self.clock.now_system();
        let edge = Edge::load(settings, before, now)?;
        let certificate = edge
            .tls()
            .filter(|tls| before.and_then(Edge::tls).is_none_or(|before| !Arc::ptr_eq(before, tls)));
        if let Some(certificate) = certificate {
            let until = humantime::format_rfc3339_seconds(certificate.validity().not_after);
            match certificate.validity().complaint(now) {
                Some(complaint) => tracing::warn!(%until, "tls.certificate: it {complaint}"),
                None => tracing::info!(%until, "tls.certificate"),
            }
        }
        Ok(edge)
    }

    async fn presigner(&self, settings: &config::Gateway) -> Result<Presigner, String> {
        let (aws, realm, clock) = (&settings.aws, settings.sole_realm(), self.clock.clone());
        match &self.access_key {
            Some((id, secret)) => Presigner::with_access_key(aws, realm, clock, id, secret).await,
            None => Presigner::new(aws, realm, clock).await,
        }
    }
}
