//! The options of a sandbox.

use super::addresses::Addresses;
use super::keys::TokenKey;
use super::landing::UrlStyle;
use crate::clock::Clock;
use std::net::SocketAddr;
use std::time::Duration;
use url::Url;

#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// The addresses of the identity provider, SageMaker, STS, MLflow, S3 and the issued URLs: loopback only.
    pub addresses: Addresses,
    /// The clock by which codes, tokens, AWS sessions and issued URLs expire.
    pub clock: Clock,
    /// The clock by which AWS judges signatures. SDKs sign by the machine's clock, so this one is moved only to be
    /// wrong.
    pub signature_clock: Clock,
    /// The exact addresses to which sign-in may return; see also [`Sandbox::register_redirect`].
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    /// The address at which the gateway is told of sign-outs.
    pub backchannel_logout_uri: Option<Url>,
    /// `aud` of access tokens.
    pub audience: String,
    /// The key that signs ID tokens.
    pub id_token_key: TokenKey,
    /// Every user profile and space exists, whatever its name.
    pub any_profile: bool,
    /// Everything that can be opened exists, whatever its name or account, and is ready.
    pub any_target: bool,
    pub urls: UrlStyle,
    /// The time in which a tracking server, App or notebook instance is created, updated, started or stopped; minutes at
    /// AWS.
    pub pace: Duration,
    /// Roles are assumed with this ExternalId only.
    pub external_id: Option<String>,
    /// An MLflow that answers the calls to tracking servers and Apps that are admitted, in place of the sandbox's own.
    pub mlflow_server: Option<SocketAddr>,
    /// The same for S3.
    pub s3_server: Option<SocketAddr>,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            addresses: Addresses::default(),
            clock: Clock::system(),
            signature_clock: Clock::system(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            audience: "postern-api".to_owned(),
            id_token_key: TokenKey::Rs256,
            any_profile: false,
            any_target: false,
            urls: UrlStyle::default(),
            pace: Duration::from_secs(3),
            external_id: None,
            mlflow_server: None,
            s3_server: None,
        }
    }
}
