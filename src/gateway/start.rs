//! Putting the parts together.

use super::Gateway;
use super::limit::MintRate;
use super::pages::Pages;
use crate::audit::Audit;
use crate::authn::Authenticator;
use crate::authn::issuer::Issuer;
use crate::authn::login::{RelyingParty, SignIn};
use crate::authn::seal::Sealer;
use crate::authn::session::{Revalidation, Sessions};
use crate::clock::Clock;
use crate::config;
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::policy::Policy;
use crate::policy::reads::Reads;
use crate::presign::Presigner;
use crate::state::State;
use hyper::header::ORIGIN;
use hyper::http::request;
use std::sync::Arc;

/// What a gateway is made of beside its configuration.
#[derive(Debug)]
pub struct Parts {
    pub presigner: Presigner,
    pub http: HttpClient,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    pub audit: Audit,
    pub state: State,
}

impl Gateway {
    /// Reads the secrets and key files that the configuration names. Asks no network.
    ///
    /// # Errors
    ///
    /// What cannot be read or is not usable, in words for the admin.
    pub fn new(settings: config::Gateway, policy: Policy, parts: Parts) -> Result<Self, String> {
        let Parts { presigner, http, clock, metrics, audit, state } = parts;
        let issuers: Vec<Arc<Issuer>> = settings
            .issuers
            .iter()
            .map(|issuer| Issuer::new(issuer.clone(), http.clone(), clock.clone()))
            .collect::<Result<_, _>>()?;
        let observers = (Arc::clone(&metrics), audit.clone());
        let (sessions, sign_in) =
            browser_sign_in(&settings, &issuers, policy.reads(), &http, &clock, state, Some(observers))?;
        Ok(Self {
            authenticator: Authenticator::new(&issuers, &settings.credentials, sessions.clone())?,
            mint_rate: MintRate::new(settings.limits.mints_per_minute),
            presigner: Arc::new(presigner),
            pages: Pages::default(),
            sessions,
            sign_in,
            policy,
            metrics,
            audit,
            settings,
        })
    }

    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Whether a form was sent from one of our own pages. Browsers say so: by `Sec-Fetch-Site`, and older ones by an
    /// `Origin`, which is `null` wherever a page's referrer policy is ours. A client that says nothing is no browser and
    /// has no session that somebody else could make it use.
    pub(super) fn is_own_form(&self, head: &request::Parts) -> bool {
        let says = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        match (says("sec-fetch-site"), says(ORIGIN.as_str())) {
            (Some(site), _) => matches!(site, "same-origin" | "none"),
            (None, Some(origin)) => {
                let host = origin
                    .split_once("://")
                    .filter(|(scheme, _)| *scheme == self.settings.public_url.scheme());
                host.is_some_and(|(_, host)| self.settings.answers_to(host))
            }
            (None, None) => true,
        }
    }
}

impl config::Gateway {
    /// Whether `host`, as a `Host` header has it, is one of ours. Compared without case, as host names are; a port must
    /// be the public URL's or absent.
    pub fn answers_to(&self, host: &str) -> bool {
        let public_port = self.public_url.port_or_known_default();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !name.is_empty() && !port.ends_with(']') => {
                (name, port.parse::<u16>().ok())
            }
            _ => (host, public_port),
        };
        let is_ours = self.public_url.host_str().is_some_and(|ours| ours.eq_ignore_ascii_case(name))
            || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name));
        is_ours && port.is_some() && port == public_port
    }
}

pub type BrowserSignIn = (Option<Arc<Sessions>>, Option<SignIn>);

/// What a browser needs to sign in, where the configuration has it. Without observers, sessions are not asked about again.
///
/// # Errors
///
/// A key or a secret that cannot be read or is not usable, in words for the admin.
pub fn browser_sign_in(
    settings: &config::Gateway,
    issuers: &[Arc<Issuer>],
    reads: &Reads,
    http: &HttpClient,
    clock: &Clock,
    state: State,
    observers: Option<(Arc<Metrics>, Audit)>,
) -> Result<BrowserSignIn, String> {
    let (true, Some(sign_in)) = (settings.credentials.session, &settings.sign_in) else {
        return Ok((None, None));
    };
    let issuer = issuers
        .iter()
        .find(|issuer| *issuer.name() == sign_in.issuer)
        .ok_or_else(|| format!("sign_in.issuer: no issuer is named `{}`", sign_in.issuer))?;
    let public_url = &settings.public_url;
    let sealer = Sealer::load(&settings.session.keys, public_url, &issuer.config().issuer);
    let sealer = Arc::new(sealer.map_err(|error| format!("session.keys: {error}"))?);
    let party = RelyingParty::new(sign_in, Arc::clone(issuer), http.clone(), clock.clone());
    let party = Arc::new(party.map_err(|error| format!("{}: {error}", sign_in.secret_key()))?);
    let mut sessions = Sessions::new(
        Arc::clone(&sealer),
        &settings.session,
        public_url,
        &settings.issuers,
        reads,
        state,
        clock.clone(),
    );
    if let (Some(interval), Some((metrics, audit))) = (settings.session.revalidate, observers) {
        let revalidation = Revalidation::new(interval, Arc::clone(&party), metrics, audit);
        sessions = sessions.with_revalidation(revalidation);
    }
    let sessions = Arc::new(sessions);
    let sign_in = SignIn::new(sign_in, public_url, party, Arc::clone(&sessions), sealer, clock.clone());
    Ok((Some(sessions), Some(sign_in)))
}
