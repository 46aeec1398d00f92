//! Sign-in as the gateway puts it together, for a public URL of its own.

use super::browser::Browser;
use super::provider::{CLIENT_ID, CLIENT_SECRET, Provider};
use super::signer::Signer;
use postern::audit::Audit;
use postern::clock::{Clock, UnixSeconds};
use postern::config::file::ClientAuth;
use postern::config::secrets::{SecretError, Secrets};
use postern::config::{
    Algorithm, ClaimPath, ClaimPaths, ClientAuthentication, IssuerConfig, KeySource, RevalidationConfig,
    SecretSource, SessionConfig, SignInConfig,
};
use postern::files::Files;
use postern::http_client::HttpClient;
use postern::metrics::Metrics;
use postern::provider::issuer::Issuer;
use postern::provider::policy_inputs::{Names, PolicyInputs};
use postern::provider::relying_party::RelyingParty;
use postern::sessions::Sessions;
use postern::sessions::seal::{Sealer, SealingKey};
use postern::sign_in::SignInError;
use postern::sign_in::return_to::ReturnTo;
use postern::sign_in::{Finished, Prompt, SignIn};
use postern::state::State;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

pub(crate) const PUBLIC_URL: &str = "https://ml.corp.example";
/// A return path in which an encoder or decoder too many would show.
pub(crate) const DEEP: &str = "/studio/lab/tree/a%20b?x=1&y=%2F";

pub(crate) struct Stack {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) sign_in: SignIn,
}

impl Stack {
    pub(crate) fn new(
        issuer: IssuerConfig,
        client_authentication: ClientAuthentication,
        clock: &Clock,
    ) -> Result<Self, SecretError> {
        let shared = Shared::new(&issuer.issuer, clock);
        Self::sharing(&shared, issuer, client_authentication, clock)
    }

    /// A replica of a gateway.
    pub(crate) fn sharing(
        shared: &Shared,
        issuer: IssuerConfig,
        client_authentication: ClientAuthentication,
        clock: &Clock,
    ) -> Result<Self, SecretError> {
        let public_url = Url::parse(PUBLIC_URL).unwrap();
        let sealer = shared.sealer.clone();
        let hour = Duration::from_secs(3600);
        let revalidate = shared.revalidate.as_ref().map(|(config, _)| *config);
        let mut sessions = Sessions::new(
            sealer.clone(),
            &SessionConfig { keys: Vec::new(), lifetime: 8 * hour, idle: hour, revalidate },
            &public_url,
            &issuer,
            &shared.reads,
            shared.state.clone(),
            clock.clone(),
        );
        let scopes = ["openid", "email", "profile", "groups"].map(str::to_owned).to_vec();
        let config = SignInConfig {
            issuer: issuer.name.clone(),
            client_id: CLIENT_ID.to_owned(),
            client_authentication,
            scopes,
            client_auth: shared.client_auth,
            parameters: shared.parameters.clone(),
            rp_initiated_logout: false,
        };
        let http = HttpClient::new().unwrap();
        let secrets = Secrets::read([config.named()], &Files::default());
        let issuer = Issuer::new(issuer, &secrets, http.clone(), clock.clone(), &shared.metrics)?;
        let party =
            Arc::new(RelyingParty::new(&config, &secrets, issuer, &shared.reads, http, clock.clone())?);
        if let Some((config, audit)) = &shared.revalidate {
            let metrics = shared.metrics.clone();
            sessions = sessions.with_revalidation(*config, party.clone(), metrics, audit.clone());
        }
        let sessions = Arc::new(sessions);
        let sign_in = SignIn::new(&config, &public_url, party, sessions.clone(), sealer, clock.clone());
        Ok(Self { sessions, sign_in })
    }
}

/// What replicas have in common.
pub(crate) struct Shared {
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) state: State,
    pub(crate) reads: PolicyInputs,
    pub(crate) revalidate: Option<(RevalidationConfig, Audit)>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) client_auth: Option<ClientAuth>,
    pub(crate) parameters: Vec<(String, String)>,
}

impl Shared {
    pub(crate) fn new(issuer: &str, clock: &Clock) -> Self {
        let public_url = Url::parse(PUBLIC_URL).unwrap();
        Self {
            sealer: Arc::new(Sealer::new(&SealingKey::random(), &[], &public_url, issuer)),
            state: State::in_memory(clock.clone()),
            reads: PolicyInputs { claims: Names::All, groups: Names::All },
            revalidate: None,
            metrics: Arc::default(),
            client_auth: None,
            parameters: Vec::new(),
        }
    }
}

/// [`Stack`] against the small provider of the tests, on a clock that stands still.
pub(crate) struct World {
    pub(crate) provider: Provider,
    pub(crate) clock: Clock,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) sign_in: SignIn,
    _secret: tempfile::NamedTempFile,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let clock = Clock::manual(UnixSeconds(1_800_000_000));
        let provider = Provider::start(clock.clone()).await;
        let secret = CLIENT_SECRET.to_owned();
        let mut setup = Setup {
            secret,
            private_key: false,
            discovery: json!({}),
            signer: None,
            user: None,
            asked: Names::All,
            issuer: Box::new(|_| {}),
            client_auth: None,
            parameters: &[],
        };
        change(&mut setup);
        let mut issuer = issuer(&provider.issuer);
        if let Some(path) = setup.user {
            issuer.claims.user = vec![path];
        }
        if let Some(signer) = setup.signer {
            assert_eq!(signer.alg, "RS256");
            issuer.algorithms = vec![Algorithm::Rs256];
            provider.now_says().rotate(signer);
        }
        (setup.issuer)(&mut issuer);
        provider.now_says().discovery = setup.discovery;
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        secret.write_all(setup.secret.as_bytes()).unwrap();
        let source = SecretSource::File(secret.path().to_owned());
        let authentication = if setup.private_key {
            ClientAuthentication::PrivateKeyJwt(source)
        } else {
            ClientAuthentication::Secret(source)
        };
        let mut shared = Shared::new(&issuer.issuer, &clock);
        shared.reads.claims = setup.asked;
        shared.client_auth = setup.client_auth;
        shared.parameters =
            setup.parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let Stack { sessions, sign_in } = Stack::sharing(&shared, issuer, authentication, &clock).unwrap();
        Self { provider, clock, sessions, sign_in, _secret: secret }
    }

    pub(crate) async fn start(&self, browser: &mut Browser, return_to: &str) -> Url {
        let started = self
            .sign_in
            .start(&ReturnTo::parse(return_to), true, Prompt::Default, &browser.headers())
            .await
            .unwrap();
        assert!(started.location.is_sensitive());
        browser.keep_all(&started.cookies);
        Url::parse(started.location.to_str().unwrap()).unwrap()
    }

    pub(crate) async fn finish(&self, browser: &Browser, query: &str) -> Result<Finished, SignInError> {
        self.sign_in.finish(query, &browser.headers()).await.map_err(|failed| failed.error)
    }

    /// The whole way, from no cookie at all.
    pub(crate) async fn sign_in(&self) -> Result<Finished, SignInError> {
        let mut browser = Browser::default();
        let location = self.start(&mut browser, DEEP).await;
        self.finish(&browser, &self.provider.sign_in(&location)).await
    }
}

/// What a test changes before the start.
pub(crate) struct Setup {
    pub(crate) secret: String,
    pub(crate) private_key: bool,
    pub(crate) discovery: Value,
    /// For RS256; by default a key for ES256 signs.
    pub(crate) signer: Option<Signer>,
    /// The path of the claim that names the user, by default `email`.
    pub(crate) user: Option<ClaimPath>,
    /// The claims that the rules ask about.
    pub(crate) asked: Names,
    /// What else is changed in the issuer's configuration.
    pub(crate) issuer: Box<dyn FnOnce(&mut IssuerConfig)>,
    pub(crate) client_auth: Option<ClientAuth>,
    pub(crate) parameters: &'static [(&'static str, &'static str)],
}

pub(crate) fn issuer(url: &str) -> IssuerConfig {
    IssuerConfig {
        name: "corp".into(),
        issuer: url.to_owned(),
        realm: "staff".into(),
        algorithms: vec![Algorithm::Es256],
        audience: Vec::new(),
        keys: KeySource::Discovery,
        discovery_url: None,
        insecure_http: true,
        claims: ClaimPaths { user: vec!["email".into()], groups: "groups".into(), name: "name".into() },
        user_domains: Some(vec!["corp.example".to_owned()]),
        programs: None,
        unmarked_email: false,
        access_tokens: None,
        signed_header: None,
    }
}
