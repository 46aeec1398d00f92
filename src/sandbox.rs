//! An identity provider, SageMaker, STS and S3 on loopback, for `postern demo` and for tests.
//!
//! Nothing here is a stub: tokens are signed, signatures are verified, inputs are checked against AWS's service model,
//! URLs open once and expire. Faults are switched by [`Faults`], from inside the process only.
//!
//! The AWS account is [`ACCOUNT`]; resources exist under the same names in every region, and in the account of every role
//! that is assumed. Domains: `d-sandbox00001` (profiles `ada`, `max`, `grace`, and `newcomer`, which is pending) and
//! `d-risk00000001` (profile `risk--ada`), both with the authentication mode IAM; `d-singlesignon` with SSO, and
//! `d-unified00001`, which opens in Unified Studio only; `d-newcomers001` has no profiles. Tracking servers:
//! `experiments`, `risk`, and `archive` and every `archive-…`, which are stopped. Notebooks: `grace-notebook`, and
//! `old-notebook`, which is stopped. An MLflow app `mlflow-app/app-EXPERIMENTS1` and a partner app
//! `partner-app/app-COMET0000001`.

mod addresses;
mod behind;
mod callers;
mod calls;
mod configuration;
mod faults;
mod http;
mod identity_provider;
mod keys;
mod landing;
mod lock;
mod options;
mod pages;
mod people;
mod random;
mod s3;
mod sagemaker;
mod session_policy;
mod sigv4;
mod state;
mod sts;
mod tracking;

pub use self::addresses::Addresses;
pub use self::callers::{ACCOUNT, AwsCredentials, Caller};
pub use self::calls::Call;
pub use self::faults::{Fault, Faults, IdentityProviderFaults, Times};
pub use self::keys::{Token, TokenKey};
pub use self::landing::{Opened, UrlStyle};
pub use self::options::SandboxOptions;
pub use self::people::{Person, PersonGroups};

use self::addresses::bind;
use self::behind::Behind;
use self::callers::Callers;
use self::calls::Calls;
use self::identity_provider::provider::{Client, IdentityProvider};
use self::keys::Keys;
use self::landing::Landing;
use self::lock::lock;
use self::people::People;
use self::s3::{Objects, S3};
use self::sagemaker::mlflow::MlflowServers;
use self::sagemaker::{Notebooks, Profiles, SageMaker};
use self::sts::Sts;
use self::tracking::Tracking;
use crate::secret::Secret;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

/// The region that the demo uses; any other works as well.
pub const REGION: &str = "eu-west-1";

/// The running servers. They stop when this is dropped; [`Sandbox::shutdown`] also waits for them.
pub struct Sandbox {
    identity_provider: Arc<IdentityProvider>,
    issuer: Url,
    sagemaker_url: Url,
    sts_url: Url,
    mlflow_url: Url,
    landing_url: Url,
    s3_url: Url,
    objects: Arc<Objects>,
    landing: Arc<Landing>,
    callers: Arc<Callers>,
    calls: Arc<Calls>,
    sagemaker: Arc<SageMaker>,
    stop: watch::Sender<()>,
    servers: JoinSet<()>,
}

impl Sandbox {
    /// Binds all listeners, makes the keys and serves.
    ///
    /// # Errors
    ///
    /// An address is not loopback, or cannot be bound.
    pub async fn start(options: SandboxOptions) -> io::Result<Self> {
        let addresses = options.addresses;
        let (identity_provider_listener, issuer) = bind(addresses.identity_provider).await?;
        let (sagemaker_listener, sagemaker_url) = bind(addresses.sagemaker).await?;
        let (sts_listener, sts_url) = bind(addresses.sts).await?;
        let (mlflow_listener, mlflow_url) = bind(addresses.mlflow).await?;
        let (landing_listener, landing_url) = bind(addresses.landing).await?;
        let (s3_listener, s3_url) = bind(addresses.s3).await?;
        let generated = tokio::task::spawn_blocking(Keys::generate).await.map_err(io::Error::other)?;

        let clock = options.clock;
        let (faults, calls) = (Arc::new(Faults::default()), Arc::new(Calls::default()));
        let callers = Arc::new(Callers::new(clock.clone(), options.signature_clock.clone()));
        let landing = Arc::new(Landing::new(landing_url.clone(), options.urls, clock.clone()));
        let identity_provider = Arc::new(IdentityProvider {
            issuer: issuer.as_str().trim_end_matches('/').to_owned(),
            client: Client {
                id: "postern".to_owned(),
                secret: random::hex::<20>(),
                audience: options.audience,
                redirect_uris: Mutex::new(BTreeSet::from_iter(options.redirect_uris)),
                post_logout_redirect_uris: Mutex::new(BTreeSet::from_iter(options.post_logout_redirect_uris)),
                backchannel_logout_uri: Mutex::new(options.backchannel_logout_uri),
            },
            keys: Arc::new(generated.map_err(io::Error::other)?),
            people: Arc::new(People::of_the_demo()),
            faults: Arc::clone(&faults),
            clock: clock.clone(),
            sessions: Default::default(),
            id_token_key: options.id_token_key,
        });
        let objects = Arc::new(Objects::default());
        let s3 = Arc::new(S3 {
            callers: Arc::clone(&callers),
            calls: Arc::clone(&calls),
            faults: Arc::clone(&faults),
            clock: clock.clone(),
            objects: Arc::clone(&objects),
            server: options.s3_server.map(Behind::new).transpose()?,
        });
        let sagemaker = Arc::new(SageMaker {
            callers: Arc::clone(&callers),
            calls: Arc::clone(&calls),
            faults: Arc::clone(&faults),
            landing: Arc::clone(&landing),
            clock: clock.clone(),
            any_profile: options.any_profile || options.any_target,
            any_target: options.any_target,
            patterns: sagemaker::patterns().map_err(io::Error::other)?,
            mlflow: MlflowServers::new(clock.clone(), options.pace),
            notebooks: Notebooks::new(clock.clone(), options.pace),
            profiles: Profiles::new(clock.clone(), options.pace),
            tracking: Tracking::new(clock.clone(), Arc::clone(&objects)),
            mlflow_server: options.mlflow_server.map(Behind::new).transpose()?,
        });
        let (time, aws_time) = (clock.clone(), options.signature_clock);
        let sts = Arc::new(Sts {
            callers: Arc::clone(&callers),
            calls: Arc::clone(&calls),
            faults,
            clock,
            external_id: options.external_id,
        });

        let (stop, stopped) = watch::channel(());
        let mut servers = JoinSet::new();
        let provider = Arc::clone(&identity_provider);
        servers.spawn(http::serve(
            identity_provider_listener,
            stopped.clone(),
            time.clone(),
            move |request| Arc::clone(&provider).answer(request),
        ));
        let aws = Arc::clone(&sagemaker);
        let data_plane = Arc::clone(&sagemaker);
        servers.spawn(http::serve(mlflow_listener, stopped.clone(), aws_time.clone(), move |request| {
            Arc::clone(&data_plane).answer_program(request)
        }));
        servers.spawn(http::serve(sagemaker_listener, stopped.clone(), aws_time.clone(), move |request| {
            Arc::clone(&aws).answer(request)
        }));
        servers.spawn(http::serve(sts_listener, stopped.clone(), aws_time, move |request| {
            Arc::clone(&sts).answer(request)
        }));
        let (stops, now) = (stopped.clone(), time.clone());
        servers.spawn(http::serve_bodies(s3::LARGEST, s3_listener, stops, now, move |request| {
            Arc::clone(&s3).answer(request)
        }));
        let landings = Arc::clone(&landing);
        servers.spawn(http::serve(landing_listener, stopped, time, move |request| {
            std::future::ready(landings.answer(&request))
        }));
        Ok(Self {
            identity_provider,
            issuer,
            sagemaker_url,
            sts_url,
            mlflow_url,
            landing_url,
            s3_url,
            objects,
            landing,
            callers,
            calls,
            sagemaker,
            stop,
            servers,
        })
    }

    /// The issuer's URL. The exact `iss` is [`Sandbox::issuer_text`], without a slash at its end.
    pub fn issuer(&self) -> &Url {
        &self.issuer
    }

    /// The exact `iss` of tokens.
    pub fn issuer_text(&self) -> &str {
        &self.identity_provider.issuer
    }

    pub fn sagemaker_url(&self) -> &Url {
        &self.sagemaker_url
    }

    pub fn sts_url(&self) -> &Url {
        &self.sts_url
    }

    /// The address at which programs call tracking servers and Apps.
    pub fn mlflow_url(&self) -> &Url {
        &self.mlflow_url
    }

    /// The address of S3.
    pub fn s3_url(&self) -> &Url {
        &self.s3_url
    }

    /// The address of issued URLs.
    pub fn landing_url(&self) -> &Url {
        &self.landing_url
    }

    /// Opens an issued URL like a browser that follows it, but without the network. It opens once.
    ///
    /// # Errors
    ///
    /// The title of the page that the browser would see instead.
    pub fn open(&self, url: &Url) -> Result<Opened, &'static str> {
        self.landing.open(url.query().unwrap_or_default())
    }

    /// The client's id and secret at the identity provider.
    pub fn client(&self) -> (&str, Secret) {
        let client = &self.identity_provider.client;
        (&client.id, Secret::new(client.secret.as_bytes()))
    }

    /// Long-lived AWS credentials, good at this sandbox alone.
    pub fn credentials(&self) -> &AwsCredentials {
        self.callers.base()
    }

    pub fn faults(&self) -> &Faults {
        &self.identity_provider.faults
    }

    /// Lets sign-in return to this URI, character by character.
    pub fn register_redirect(&self, uri: impl Into<String>) {
        lock(&self.identity_provider.client.redirect_uris).insert(uri.into());
    }

    pub fn register_post_logout_redirect(&self, uri: impl Into<String>) {
        lock(&self.identity_provider.client.post_logout_redirect_uris).insert(uri.into());
    }

    pub fn register_backchannel_logout(&self, uri: Url) {
        *lock(&self.identity_provider.client.backchannel_logout_uri) = Some(uri);
    }

    pub fn people(&self) -> Vec<Person> {
        self.identity_provider.people.all()
    }

    /// Adds the person, or replaces the one with the same id. The next token and refresh have the new claims.
    pub fn put_person(&self, person: Person) {
        self.identity_provider.people.put(person);
    }

    /// Removes the person: sign-in and their refresh tokens fail.
    pub fn remove_person(&self, id: &str) {
        self.identity_provider.people.remove(id);
    }

    /// The claims of an access token for the person with this id or e-mail address, good for ten minutes. For an
    /// unknown person, the text becomes the `sub`, without groups.
    pub fn access_claims(&self, person: &str) -> Map<String, Value> {
        self.identity_provider.access_claims(&self.person(person))
    }

    /// The same for an ID token, without a nonce.
    pub fn id_claims(&self, person: &str) -> Map<String, Value> {
        self.identity_provider.id_claims(&self.person(person))
    }

    /// The claims of a logout token for all sessions of the person.
    pub fn logout_claims(&self, person: &str) -> Map<String, Value> {
        let subject = self.person(person).claims().get("sub").cloned().unwrap_or_default();
        self.identity_provider.logout_claims(subject.as_str().unwrap_or_default())
    }

    /// Signs any token.
    ///
    /// # Errors
    ///
    /// The cryptographic library failed.
    pub fn token(&self, token: &Token) -> io::Result<String> {
        self.identity_provider.keys.sign(token).map_err(io::Error::other)
    }

    /// The published JWK set.
    pub fn jwks(&self) -> Value {
        self.identity_provider.keys.published()
    }

    /// Replaces the signing keys: older tokens no longer verify by the published set.
    ///
    /// # Errors
    ///
    /// The cryptographic library failed.
    pub fn rotate_keys(&self) -> io::Result<()> {
        self.identity_provider.keys.rotate().map_err(io::Error::other)
    }

    /// Stops accepting, lets open requests finish for half a second, and returns when all is over.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(());
        while self.servers.join_next().await.is_some() {}
    }

    fn person(&self, hint: &str) -> Person {
        self.identity_provider.people.find(hint).unwrap_or_else(|| Person {
            id: hint.to_owned(),
            name: hint.to_owned(),
            subject: hint.to_owned(),
            email: format!("{hint}@corp.example"),
            groups: PersonGroups::Listed(Vec::new()),
        })
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("issuer", &self.issuer_text()).finish_non_exhaustive()
    }
}
