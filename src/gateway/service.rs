//! A gateway in service: one configuration, and all the parts that it needs.

use super::ahead::LastOpened;
use super::limit::Rate;
use super::pages::Pages;
use super::told::Told;
use crate::audit::Audit;
use crate::authn::Authenticator;
use crate::clock::Clock;
use crate::config::secrets::{SecretError, Secrets};
use crate::config::{self, IssuerConfig, KeySource};
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::mlflow::{self, Bridge};
use crate::policy::{Destination, Policy};
use crate::presign::Presigner;
use crate::provider::issuer::Issuer;
use crate::provider::policy_inputs::PolicyInputs;
use crate::provider::relying_party::RelyingParty;
use crate::server::readiness::Readiness;
use crate::sessions::Sessions;
use crate::sessions::run_tokens::RunTokens;
use crate::sessions::seal::Sealer;
use crate::sign_in::SignIn;
use crate::sign_in::logout::{Hints, Logout};
use crate::state::State;
use crate::target::Access;
use crate::wake::{self, Waker};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Look-ups of states for lists at once, for all people together. Launches have the rest of the calls to AWS.
const LOOK_UPS_AT_ONCE: usize = 16;
/// Run tokens that one person may make.
const TOKENS_PER_MINUTE: u32 = 60;

#[derive(Debug)]
pub(crate) struct Gateway {
    pub(super) settings: config::Gateway,
    pub(super) authenticator: Authenticator,
    pub(super) sessions: Option<Arc<Sessions>>,
    pub(super) sign_in: Option<SignIn>,
    pub(super) sealer: Option<Arc<Sealer>>,
    /// `None` if there are no run tokens.
    pub(super) run_tokens: Option<Arc<RunTokens>>,
    pub(super) issuers: Vec<Arc<Issuer>>,
    pub(super) logout: Option<Logout>,
    pub(super) policy: Policy,
    pub(super) presigner: Arc<Presigner>,
    pub(super) bridge: Arc<Bridge>,
    pub(super) waker: Waker,
    pub(super) told: Told,
    pub(super) mint_rate: Arc<Rate>,
    pub(super) token_rate: Arc<Rate>,
    pub(super) last_opened: LastOpened,
    pub(super) look_ups: Arc<Semaphore>,
    pub(super) pages: Pages,
    pub(super) metrics: Arc<Metrics>,
    pub(super) audit: Audit,
    pub(super) readiness: Readiness,
    pub(super) state: State,
    pub(super) clock: Clock,
}

/// The parts of a gateway beside its configuration.
#[derive(Debug)]
pub(crate) struct Parts {
    pub presigner: Arc<Presigner>,
    pub bridge: Arc<Bridge>,
    pub http: HttpClient,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    pub audit: Audit,
    pub state: State,
    pub readiness: Readiness,
}

impl Gateway {
    /// Asks no network and reads no file.
    ///
    /// Takes over from `before` all parts whose configuration is unchanged: keys of issuers, people's mint rates, a
    /// session key that was made at the start.
    ///
    /// # Errors
    ///
    /// Each secret that was not read or is not usable.
    pub(crate) fn new(
        settings: config::Gateway,
        secrets: &Secrets,
        policy: Policy,
        parts: Parts,
        before: Option<&Self>,
    ) -> Result<Self, Vec<SecretError>> {
        let Parts { presigner, bridge, http, clock, metrics, audit, state, readiness } = parts;
        let issuers = issuers(&settings, secrets, &http, &clock, &metrics, before)?;
        let ephemeral = before.filter(|before| {
            before.settings.session.keys.is_empty() && before.settings.provider() == settings.provider()
        });
        let sealer = match ephemeral.and_then(|before| before.sealer.clone()) {
            Some(sealer) if settings.session.keys.is_empty() => Some(sealer),
            _ => sealer(&settings, secrets)?,
        };
        let party = party(&settings, secrets, &issuers, policy.reads(), &http, &clock);
        let party = party.map_err(|error| vec![error])?;
        let observers = (Arc::clone(&metrics), audit.clone());
        let surroundings = Surroundings { clock: &clock, state: &state, observers };
        let BrowserSignIn { sessions, sign_in, logout } =
            browser_sign_in(&settings, party, sealer.as_ref(), policy.reads(), surroundings);
        for destination in policy.destinations() {
            metrics.expect_destination(destination.name(), destination.kind().presign_operation());
            if destination.can_be_started() {
                metrics.wakes.expect(destination.name(), &wake::OUTCOMES);
            }
            if destination.has_api() {
                for access in Access::ALL {
                    metrics.calls.expect(destination.name(), access.as_str(), &mlflow::OUTCOMES);
                }
            }
        }
        let mints_per_minute = settings.limits.mints_per_minute;
        let mint_rate = before.map(|before| &before.mint_rate).filter(|rate| rate.is_at(mints_per_minute));
        let token_rate = before.map(|before| &before.token_rate);
        let rate = |action, per_minute| Arc::new(Rate::new(action, per_minute, state.clone()));
        let has_api = policy.destinations().any(Destination::has_api);
        let run_tokens = settings.tokens.filter(|_| has_api).zip(sealer.as_ref()).map(|(tokens, sealer)| {
            let (sealer, state) = (Arc::clone(sealer), state.clone());
            let (issuers, reads) = (&settings.issuers, policy.reads());
            let lifetimes = [tokens.lifetime, settings.session.lifetime];
            Arc::new(RunTokens::new(sealer, lifetimes, issuers, reads, state, clock.clone()))
        });
        let (credentials, counted) = (&settings.credentials, Arc::clone(&metrics));
        Ok(Self {
            waker: Waker::new(Arc::clone(presigner.aws()), settings.sole_realm(), Arc::clone(&metrics)),
            authenticator: Authenticator::new(&issuers, credentials, sessions.clone(), counted)
                .with_run_tokens(run_tokens.clone()),
            mint_rate: mint_rate.map_or_else(|| rate("mint", mints_per_minute), Arc::clone),
            token_rate: token_rate.map_or_else(|| rate("run-token", TOKENS_PER_MINUTE), Arc::clone),
            presigner,
            bridge,
            told: Told::new(),
            last_opened: before.map_or_else(LastOpened::new, |before| before.last_opened.clone()),
            look_ups: Arc::new(Semaphore::new(LOOK_UPS_AT_ONCE)),
            pages: Pages::new(Arc::clone(&settings.branding), settings.portal, clock.clone())
                .with_run_tokens(run_tokens.is_some()),
            run_tokens,
            sessions,
            sign_in,
            logout,
            sealer,
            issuers,
            policy,
            metrics,
            audit,
            readiness,
            state,
            clock,
            settings,
        })
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    pub(crate) fn settings(&self) -> &config::Gateway {
        &self.settings
    }

    /// The presigner and the bridge, if `settings` need the same ones.
    pub(crate) fn callers_for(&self, settings: &config::Gateway) -> Option<(Arc<Presigner>, Arc<Bridge>)> {
        let is_same =
            self.settings.aws == settings.aws && self.settings.sole_realm() == settings.sole_realm();
        is_same.then(|| (Arc::clone(&self.presigner), Arc::clone(&self.bridge)))
    }

    /// The issuer with its keys, if its configuration is the same. A key file is read again each time.
    fn issuer(&self, config: &IssuerConfig) -> Option<Arc<Issuer>> {
        let is_fetched = !matches!(config.keys, KeySource::JwksFile(_));
        self.issuers.iter().find(|issuer| is_fetched && issuer.config() == config).cloned()
    }
}

impl config::Gateway {
    /// The exact `iss` of the provider that people sign in at.
    fn provider(&self) -> Option<&str> {
        let name = &self.sign_in.as_ref()?.issuer;
        self.issuers.iter().find(|issuer| issuer.name == *name).map(|issuer| issuer.issuer.as_str())
    }
}

/// The configured issuers; those of `before` keep the keys that they have.
///
/// # Errors
///
/// Each key file that was not read or is not usable.
pub(crate) fn issuers(
    settings: &config::Gateway,
    secrets: &Secrets,
    http: &HttpClient,
    clock: &Clock,
    metrics: &Metrics,
    before: Option<&Gateway>,
) -> Result<Vec<Arc<Issuer>>, Vec<SecretError>> {
    let (mut made, mut wrong) = (Vec::new(), Vec::new());
    for issuer in &settings.issuers {
        match before.and_then(|before| before.issuer(issuer)) {
            Some(same) => made.push(same),
            None => match Issuer::new(issuer.clone(), secrets, http.clone(), clock.clone(), metrics) {
                Ok(issuer) => made.push(issuer),
                Err(error) => wrong.push(error),
            },
        }
    }
    if wrong.is_empty() { Ok(made) } else { Err(wrong) }
}

/// The sealer of sessions, sign-ins and run tokens, if there are any.
///
/// # Errors
///
/// Each key that was not read or is weak.
pub fn sealer(
    settings: &config::Gateway,
    secrets: &Secrets,
) -> Result<Option<Arc<Sealer>>, Vec<SecretError>> {
    let issuer = match (&settings.sign_in, settings.provider()) {
        (Some(_), Some(issuer)) => issuer,
        (None, _) if settings.tokens.is_some() => "",
        _ => return Ok(None),
    };
    let keys = settings.session.keys.len();
    let sealer = Sealer::load(keys, secrets, &settings.public_url, issuer)?;
    Ok(Some(Arc::new(sealer)))
}

/// The provider at which people sign in, with the gateway as its client.
#[derive(Debug)]
pub(crate) struct Party {
    issuer: Arc<Issuer>,
    party: Arc<RelyingParty>,
}

/// # Errors
///
/// The client's secret or key was not read, or is not usable.
pub(crate) fn party(
    settings: &config::Gateway,
    secrets: &Secrets,
    issuers: &[Arc<Issuer>],
    reads: &PolicyInputs,
    http: &HttpClient,
    clock: &Clock,
) -> Result<Option<Party>, SecretError> {
    let (true, Some(sign_in)) = (settings.credentials.session, &settings.sign_in) else { return Ok(None) };
    let named = |issuer: &&Arc<Issuer>| *issuer.name() == sign_in.issuer;
    let issuer = issuers.iter().find(named).ok_or_else(|| {
        SecretError::unusable("sign_in.issuer", format!("no issuer is named `{}`", sign_in.issuer))
    })?;
    let issuer = Arc::clone(issuer);
    let party = RelyingParty::new(sign_in, secrets, Arc::clone(&issuer), reads, http.clone(), clock.clone())?;
    Ok(Some(Party { issuer, party: Arc::new(party) }))
}

/// Sign-in, sessions and logout of browsers.
#[derive(Debug, Default)]
pub(crate) struct BrowserSignIn {
    sessions: Option<Arc<Sessions>>,
    sign_in: Option<SignIn>,
    logout: Option<Logout>,
}

/// The parts of sign-in beside its configuration.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    pub clock: &'a Clock,
    pub state: &'a State,
    /// The metrics and the audit trail of revalidation.
    pub observers: (Arc<Metrics>, Audit),
}

/// Sign-in for browsers, if the configuration has it.
pub(crate) fn browser_sign_in(
    settings: &config::Gateway,
    party: Option<Party>,
    sealer: Option<&Arc<Sealer>>,
    reads: &PolicyInputs,
    surroundings: Surroundings<'_>,
) -> BrowserSignIn {
    let Surroundings { clock, state, observers: (metrics, audit) } = surroundings;
    let (Some(sign_in), Some(Party { issuer, party }), Some(sealer)) = (&settings.sign_in, party, sealer)
    else {
        return BrowserSignIn::default();
    };
    let public_url = &settings.public_url;
    let mut sessions = Sessions::new(
        Arc::clone(sealer),
        &settings.session,
        public_url,
        issuer.config(),
        reads,
        state.clone(),
        clock.clone(),
    );
    if let Some(config) = settings.session.revalidate {
        sessions = sessions.with_revalidation(config, Arc::clone(&party), metrics, audit);
    }
    let sessions = Arc::new(sessions);
    let lifetime = settings.session.lifetime;
    let hints = sign_in.rp_initiated_logout.then(|| Hints::new(Arc::clone(sealer), state.clone(), lifetime));
    let logout = Logout::new(
        &sign_in.client_id,
        public_url,
        issuer,
        Arc::clone(&sessions),
        hints.clone(),
        clock.clone(),
    );
    let sign_in =
        SignIn::new(sign_in, public_url, party, Arc::clone(&sessions), Arc::clone(sealer), clock.clone())
            .with_hints(hints);
    BrowserSignIn { sessions: Some(sessions), sign_in: Some(sign_in), logout: Some(logout) }
}
