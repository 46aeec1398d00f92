//! The final form of a configuration: no value here still needs checking.

use super::algorithm::Algorithm;
use super::branding::Branding;
use super::claims::{ClaimPaths, Programs};
use super::file::{self, AccessTokens, Portal};
use crate::target::{Region, RoleArn};
use hyper::header::HeaderName;
use ipnet::IpNet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The source of a secret, which is read when the program starts, or by `check --with-secrets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    Env(String),
    File(PathBuf),
}

/// An issuer whose tokens are believed, and the terms for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerConfig {
    /// Its key in the config: the `issuer` of expressions, metrics and the audit trail.
    pub name: Arc<str>,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    pub realm: Arc<str>,
    pub algorithms: Vec<Algorithm>,
    /// `aud` values that a bearer token (or a generic signed header) may carry; empty means bearer tokens of this
    /// issuer are not accepted.
    pub audience: Vec<String>,
    /// `None` if bearer tokens must name their audience in `aud`.
    pub access_tokens: Option<AccessTokens>,
    pub keys: KeySource,
    /// The URL of its discovery document, if not below `issuer`: see [`IssuerConfig::discovery`].
    pub discovery_url: Option<Url>,
    /// The discovery document, and the URLs that it names, may be `http`.
    pub insecure_http: bool,
    pub claims: ClaimPaths,
    /// `None` if every token is taken for a person's.
    pub programs: Option<Programs>,
    /// The domains whose e-mail addresses this issuer may assert, lower case; `None` where `user` is not an e-mail
    /// address.
    pub user_domains: Option<Vec<String>>,
    /// E-mail addresses count without `email_verified: true` (`insecure_unmarked_email`).
    pub unmarked_email: bool,
    /// Set for issuers whose tokens arrive in a header of the load balancer.
    pub signed_header: Option<SignedHeaderConfig>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The JWK set that the discovery document names.
    Discovery,
    JwksUri(Url),
    /// A JWK set on disk, read when the configuration is loaded.
    JwksFile(PathBuf),
    /// One PEM public key per key id below this URL, as AWS's load balancers publish them.
    PemPerKey(Url),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeaderConfig {
    pub header: HeaderName,
    /// The `signer` and `client` that an Application Load Balancer puts into the token's header; `None` for others.
    pub aws_alb: Option<AwsAlb>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsAlb {
    pub signer: String,
    pub client_id: String,
}

/// Sign-in in the browser by the OIDC code flow.
#[derive(Clone, Debug)]
pub struct SignInConfig {
    /// One of the configured issuers, by name.
    pub issuer: Arc<str>,
    pub client_id: String,
    pub client_authentication: ClientAuthentication,
    /// How a secret is sent; `None` follows the provider's discovery document, basic first.
    pub client_auth: Option<file::ClientAuth>,
    /// Contains `openid`.
    pub scopes: Vec<String>,
    /// Further parameters of the authorization request.
    pub parameters: Vec<(String, String)>,
    /// A sign-out goes on to the provider, if it has an `end_session_endpoint`.
    pub rp_initiated_logout: bool,
}

#[derive(Clone, Debug)]
pub enum ClientAuthentication {
    Secret(SecretSource),
    /// A PEM private key; RFC 7523 assertions.
    PrivateKeyJwt(SecretSource),
}

/// The longest `session.lifetime` that there is.
pub const LONGEST_SESSION: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The first seals, all open. Empty: one random key for this process's life (the sandbox).
    pub keys: Vec<SecretSource>,
    pub lifetime: Duration,
    pub idle: Duration,
    pub revalidate: Option<RevalidationConfig>,
}

/// Run tokens, which the first of the session's keys seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokensConfig {
    /// The longest life of a run token, at most [`LONGEST_SESSION`].
    pub lifetime: Duration,
}

/// Asking the provider again about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevalidationConfig {
    /// How long the provider's answer about a person counts before the provider is asked again.
    pub interval: Duration,
    /// How long a session goes on unconfirmed while the provider refuses this gateway's client.
    pub unconfirmed: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsConfig {
    pub region: Region,
    pub role_arn: Option<RoleArn>,
    /// `SourceIdentity` carries the user.
    pub source_identity: bool,
    /// The inline session policy is scoped to the one target.
    pub scoped_session_policy: bool,
    pub external_id: Option<String>,
    /// Static session tags; a value is constant text.
    pub session_tags: Vec<(String, String)>,
    /// One deadline over credentials, state look-up, presign and all retries.
    pub timeout: Duration,
    /// Calls under way at one time (`limits.aws_calls`).
    pub calls_at_once: usize,
    pub endpoint_url: Option<Url>,
    pub sts_endpoint_url: Option<Url>,
    /// The hosts beside AWS's own on which a minted URL may stand.
    pub authorized_url_hosts: Vec<AuthorizedHost>,
}

/// A host that minted URLs may stand on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedHost {
    /// In lower case, as a URL has it. With a leading dot, any name below it; without, this host.
    pub host: String,
    /// `None` is the scheme's default port.
    pub port: Option<u16>,
}

impl fmt::Display for AuthorizedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[derive(Clone, Debug)]
pub struct Listen {
    pub address: SocketAddr,
    pub tls: Option<TlsConfig>,
    /// Connections begin with a PROXY header.
    pub proxy_protocol: bool,
    /// No proxy stands in front: the TCP peer is the client.
    pub direct_clients: bool,
}

/// The files of the server's certificate and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    pub certificate: PathBuf,
    pub private_key: PathBuf,
}

#[derive(Clone, Debug)]
pub struct Limits {
    /// Per person; over it, 429.
    pub mints_per_minute: u32,
    pub connections: usize,
    /// Under way at one time on one HTTP/2 connection.
    pub streams: u32,
    pub header_fields: usize,
    /// Bytes.
    pub head_size: usize,
    /// Bytes.
    pub body_size: usize,
    pub deadlines: Deadlines,
}

/// The deadline of each phase of a connection.
#[derive(Clone, Debug)]
pub struct Deadlines {
    pub first_byte: Duration,
    pub proxy_header: Duration,
    pub tls_handshake: Duration,
    pub request_head: Duration,
    pub request_body: Duration,
    pub request: Duration,
    pub write: Duration,
    pub idle: Duration,
}

#[derive(Clone, Debug)]
pub struct Credentials {
    pub bearer: bool,
    pub session: bool,
    pub signed_header: bool,
}

/// The store of the state that replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateConfig {
    /// In this process alone.
    Memory,
    Valkey(ValkeyConfig),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValkeyConfig {
    /// A URL that may hold a password.
    pub url: SecretSource,
    /// The time for one operation.
    pub timeout: Duration,
    pub when_away: WhenAway,
    /// PEM; in place of the machine's certificate authorities.
    pub ca_certificate: Option<PathBuf>,
    /// Another host may be asked without TLS.
    pub insecure_plaintext: bool,
}

/// The treatment of sessions while the server does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenAway {
    /// No session counts, as any of them may have been ended: 503.
    Refuse,
    /// Sessions count unless this process knows that they were ended.
    Serve,
}

/// Everything that `serve` needs but the policy.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub public_url: Url,
    /// Further host names that are answered, lower case.
    pub aliases: Vec<String>,
    pub listen: Listen,
    pub admin: SocketAddr,
    pub trusted_proxies: Vec<IpNet>,
    pub issuers: Vec<IssuerConfig>,
    pub credentials: Credentials,
    pub sign_in: Option<SignInConfig>,
    pub session: SessionConfig,
    /// `None` if there are no run tokens.
    pub tokens: Option<TokensConfig>,
    pub aws: AwsConfig,
    pub limits: Limits,
    /// The answer to `GET /` for a person who may open exactly one destination.
    pub portal: Portal,
    pub branding: Arc<Branding>,
    pub drain: Drain,
    pub state: StateConfig,
    /// The file of the audit trail; by default standard output.
    pub audit_file: Option<PathBuf>,
    /// Whether a decision's record holds what the rules read.
    pub audit_facts: bool,
}

/// The stop on SIGTERM.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// From "not ready" until no new connection is taken.
    pub delay: Duration,
    /// The time that running requests may take after that.
    pub grace: Duration,
}

impl SignInConfig {
    /// The configuration's key of the client's secret or private key.
    pub fn secret_key(&self) -> &'static str {
        match self.client_authentication {
            ClientAuthentication::Secret(_) => "sign_in.client_secret",
            ClientAuthentication::PrivateKeyJwt(_) => "sign_in.private_key_jwt",
        }
    }
}

impl Gateway {
    /// The files that are read when the configuration takes effect: secrets, keys, certificates, the logo.
    pub fn files(&self) -> Vec<PathBuf> {
        let named = self.named().into_iter().filter_map(|named| match named.source {
            SecretSource::File(path) => Some(path),
            SecretSource::Env(_) => None,
        });
        named.chain(self.branding.logo_file.clone()).collect()
    }

    /// Whether a client's address can be known at all.
    pub fn knows_clients(&self) -> bool {
        self.listen.direct_clients || self.listen.proxy_protocol || !self.trusted_proxies.is_empty()
    }

    /// The realm of all people and programs, if they have one in common.
    pub fn sole_realm(&self) -> Option<Arc<str>> {
        let mut realms = self.issuers.iter().flat_map(|issuer| {
            std::iter::once(&issuer.realm).chain(issuer.programs.as_ref().map(|programs| &programs.realm))
        });
        let first = realms.next()?;
        realms.all(|realm| realm == first).then(|| Arc::clone(first))
    }
}
