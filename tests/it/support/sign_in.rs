//! Sign-in as the gateway puts it together, for a public URL of its own.

use super::provider::CLIENT_ID;
use postern::authn::issuer::Issuer;
use postern::authn::login::SignIn;
use postern::authn::seal::{Sealer, SealingKey};
use postern::authn::session::{Revocations, Sessions};
use postern::clock::Clock;
use postern::config::{
    Algorithm, ClaimPaths, ClientAuthentication, IssuerConfig, KeySource, SessionConfig, SignInConfig,
};
use postern::http_client::HttpClient;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

pub(crate) const PUBLIC_URL: &str = "https://ml.corp.example";

pub(crate) struct Stack {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) sign_in: SignIn,
}

impl Stack {
    pub(crate) fn new(
        issuer: IssuerConfig,
        client_authentication: ClientAuthentication,
        clock: &Clock,
    ) -> Result<Self, String> {
        let public_url = Url::parse(PUBLIC_URL).unwrap();
        let sealer = Arc::new(Sealer::new(&SealingKey::random(), &[], &public_url, &issuer.issuer));
        let hour = Duration::from_secs(3600);
        let sessions = Arc::new(Sessions::new(
            sealer.clone(),
            &SessionConfig { keys: Vec::new(), lifetime: 8 * hour, idle: hour },
            &public_url,
            std::slice::from_ref(&issuer),
            None,
            Arc::new(Revocations::new(8 * hour)),
            clock.clone(),
        ));
        let scopes = ["openid", "email", "profile", "groups"].map(str::to_owned).to_vec();
        let config = SignInConfig {
            issuer: issuer.name.clone(),
            client_id: CLIENT_ID.to_owned(),
            client_authentication,
            scopes,
        };
        let http = HttpClient::new()?;
        let issuer = Issuer::new(issuer, http.clone(), clock.clone())?;
        let sign_in =
            SignIn::new(&config, &public_url, issuer, sessions.clone(), sealer, http, clock.clone())?;
        Ok(Self { sessions, sign_in })
    }
}

pub(crate) fn issuer(url: &str) -> IssuerConfig {
    let path = |name: &str| vec![name.to_owned()];
    IssuerConfig {
        name: "corp".into(),
        issuer: url.to_owned(),
        realm: "staff".into(),
        algorithms: vec![Algorithm::Es256],
        audience: Vec::new(),
        keys: KeySource::Discovery,
        claims: ClaimPaths { user: path("email"), groups: path("groups"), name: path("name") },
        user_domains: Some(vec!["corp.example".to_owned()]),
        unmarked_email: false,
        signed_header: None,
    }
}
