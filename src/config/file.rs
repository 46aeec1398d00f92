//! The configuration as it is written: texts with their places, nothing resolved. The JSON Schema that editors complete
//! by and that loading checks a file against is generated from these types.

mod claims;
pub mod fields;
mod limits;
pub mod policy;
pub mod servers;
mod tokens;

pub use claims::{Absent, ClaimName, Claims, Described, FirstOf, GroupsClaim, GroupsFormat, Programs};
pub use limits::{Deadlines, Limits};
pub use tokens::Tokens;

use super::located::{At, Named};
use policy::{DenyRule, Destination, Lookup, Test};
use schemars::JsonSchema;
use serde::Deserialize;

/// Postern's configuration. Top-level keys that start with `x-` are free, for YAML anchors.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false, "patternProperties" = {"^x-": true}))]
pub struct Document {
    /// The address at which people reach the gateway: `https`, a host and perhaps a port.
    pub public_url: At<String>,
    /// Further host names that are answered.
    #[serde(default)]
    pub aliases: Vec<At<String>>,
    pub listen: Listen,
    pub admin: Option<Admin>,
    /// The networks of the load balancers in front; nobody is trusted by default.
    #[serde(default)]
    pub trusted_proxies: Vec<At<String>>,
    /// Accepts networks in `trusted_proxies` that contain everyone: any client can then claim any address.
    pub insecure_trust_everyone: Option<At<bool>>,
    /// The issuers whose tokens are believed, by name.
    #[schemars(extend("minProperties" = 1))]
    pub issuers: Named<At<Issuer>>,
    /// The credentials that count; by default `bearer` and `session`, as far as they are configured.
    #[schemars(length(min = 1))]
    pub credentials: Option<Vec<At<Credential>>>,
    pub sign_in: Option<At<SignIn>>,
    pub session: Option<At<Session>>,
    pub tokens: Option<At<Tokens>>,
    pub aws: Aws,
    pub limits: Option<Limits>,
    /// Whether `/` is skipped where there is nothing to choose; by default `show`.
    pub portal: Option<Portal>,
    pub branding: Option<Branding>,
    pub drain: Option<Drain>,
    pub audit: Option<Audit>,
    /// The store that replicas share: ended sessions and rates. By default `memory`, with a warning where people sign
    /// in.
    pub state: Option<At<State>>,
    /// Tables for `lookup('name', key)`.
    #[serde(default)]
    pub lookups: Named<Lookup>,
    /// Tracking servers that `postern servers` creates and keeps as declared, by name.
    #[serde(default)]
    pub mlflow_tracking_servers: Named<At<servers::TrackingServer>>,
    /// MLflow Apps that `postern servers` creates and keeps as declared, by name.
    #[serde(default)]
    pub mlflow_apps: Named<At<servers::MlflowApp>>,
    /// Rules that deny, tried before every destination's own.
    #[serde(default)]
    pub deny: Vec<DenyRule>,
    /// The targets that people may open, by name.
    #[schemars(extend("minProperties" = 1))]
    pub destinations: Named<Destination>,
    /// Tests of the policy, run by `postern check`.
    #[serde(default)]
    pub tests: Vec<Test>,
}

/// The listener to which people and balancers connect.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// An address and a port, such as `[::]:8443`.
    pub address: At<String>,
    /// Ends TLS here; without it, a balancer in front must do so.
    pub tls: Option<At<Tls>>,
    /// Whether connections begin with a PROXY protocol header, version 1 or 2; by default `off`.
    pub proxy_protocol: Option<At<ProxyProtocol>>,
    /// No proxy stands in front: the TCP peer is the client. Excludes `trusted_proxies`.
    #[serde(default)]
    pub direct_clients: bool,
}

/// The server's certificate and its key, read again when they change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A PEM file: the server's certificate, then those of the authorities between it and the root.
    pub certificate: At<String>,
    /// A PEM file: the certificate's private key, not encrypted.
    pub private_key: At<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocol {
    /// A connection begins with TLS or HTTP.
    Off,
    /// A connection begins with a header, from one of `trusted_proxies`; any other is closed.
    Required,
}

/// The listener for health checks and metrics.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// By default `127.0.0.1:9901`.
    pub address: Option<At<String>>,
}

/// One party whose tokens are believed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    pub preset: Option<At<Preset>>,
    /// The exact `iss` of its tokens, and of its discovery document.
    pub issuer: At<String>,
    /// The URL of its discovery document, if not `/.well-known/openid-configuration` below `issuer`; a query is
    /// allowed.
    pub discovery_url: Option<At<String>>,
    /// The URL of its JWK set, whatever the discovery document says; a query is allowed.
    pub jwks_uri: Option<At<String>>,
    /// In place of OpenID Connect Discovery: a JWK set on disk.
    pub jwks_file: Option<At<String>>,
    /// `aud` values of bearer tokens, or of the tokens in `header`.
    #[schemars(length(min = 1))]
    pub audience: Option<Vec<At<String>>>,
    /// JWS algorithms, such as `RS256`; symmetric ones are refused.
    #[schemars(length(min = 1))]
    pub algorithms: Option<Vec<At<String>>>,
    /// The form of bearer tokens that may name their audience elsewhere than in `aud`; by default `aud` is required.
    pub access_tokens: Option<At<AccessTokens>>,
    pub claims: Option<Claims>,
    /// Programs whose tokens are of this issuer; without it, every token is taken for a person's.
    pub programs: Option<At<Programs>>,
    /// The domains whose e-mail addresses this issuer may assert; required where `claims.user` is an e-mail address.
    #[schemars(length(min = 1))]
    pub user_domains: Option<Vec<At<String>>>,
    /// A person is (realm, user); by default the issuer's key.
    pub realm: Option<At<String>>,
    /// The request header that a load balancer puts this issuer's signed tokens into.
    pub header: Option<At<String>>,
    /// `aws_alb`: the load balancer's region.
    pub region: Option<At<String>>,
    /// `aws_alb`: the load balancer's ARN.
    pub signer: Option<At<String>>,
    /// `aws_alb`: the client id that the load balancer signs people in with.
    pub client_id: Option<At<String>>,
    /// `aws_alb`: the URL of the public keys, in place of AWS's regional host (a mirror inside a closed network).
    pub keys_url: Option<At<String>>,
    /// Accepts `http` for this issuer's URLs: whoever is on the network path can then sign people in.
    pub insecure_http: Option<At<bool>>,
    /// Accepts e-mail addresses without `email_verified: true`.
    pub insecure_unmarked_email: Option<At<bool>>,
}

/// A kind of issuer whose tokens are read in a way of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// An AWS Application Load Balancer that signs people in.
    AwsAlb,
}

/// Access tokens of a form of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessTokens {
    /// Amazon Cognito's: `token_use` is `access`, and without `aud` the `client_id` is one of `audience`.
    Cognito,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    Bearer,
    Session,
    SignedHeader,
}

/// Sign-in in the browser by the OIDC code flow.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["client_secret"]}, {"required": ["private_key_jwt"]}]))]
pub struct SignIn {
    /// One of `issuers`, by its key.
    pub issuer: At<String>,
    /// The id by which the provider knows this gateway.
    pub client_id: At<String>,
    pub client_secret: Option<At<SecretReference>>,
    /// A PEM private key that signs client assertions (RFC 7523).
    pub private_key_jwt: Option<At<SecretReference>>,
    /// How the secret is sent to the token endpoint: as the client is registered. By default `basic`, or `post` where the
    /// discovery document lists no `client_secret_basic`.
    pub client_auth: Option<At<ClientAuth>>,
    /// By default `openid`, `profile` and `email`.
    #[schemars(length(min = 1))]
    pub scopes: Option<Vec<At<String>>>,
    /// Further parameters of the authorization request, such as `prompt: consent`. The provider gets them by the person's
    /// browser, which can change them.
    #[serde(default)]
    pub parameters: Named<At<String>>,
    /// Whether a sign-out goes on to the provider and ends its session, too; by default `true`.
    pub rp_initiated_logout: Option<bool>,
}

/// RFC 6749, section 2.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// `client_secret_basic`: in the `Authorization` header.
    Basic,
    /// `client_secret_post`: in the form.
    Post,
}

/// The source of a secret; the secret itself never stands in the configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-secret" = true))]
pub enum SecretReference {
    /// The name of an environment variable.
    Env(At<String>),
    /// A file, relative to the configuration's folder.
    File(At<String>),
}

/// The session after a sign-in.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The first seals, all open: rotation.
    #[schemars(length(min = 1))]
    pub keys: Option<Vec<At<SecretReference>>>,
    /// By default `8h`; `1s` to `7d`.
    pub lifetime: Option<At<String>>,
    /// By default `1h`; `1s` to `lifetime`.
    pub idle: Option<At<String>>,
    /// Asks the provider again, by refresh token; `1s` to `lifetime`. By default never.
    pub revalidate: Option<At<String>>,
    /// How long a session may go on while the provider refuses this gateway's client, so that nobody can be confirmed;
    /// `revalidate` to `lifetime`. By default four times `revalidate`.
    pub unconfirmed: Option<At<String>>,
    /// Seals sessions by a random key in place of `keys`: they end with the process and no other replica opens them.
    pub insecure_ephemeral_session_key: Option<At<bool>>,
}

/// The calls to AWS: region, role, sessions and endpoints.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    /// Such as `eu-west-1`.
    pub region: At<String>,
    /// The role that is assumed for each person.
    pub role_arn: Option<At<String>>,
    /// Whether `SourceIdentity` carries the user; by default `user`.
    pub source_identity: Option<SourceIdentity>,
    /// Whether the assumed role is narrowed to the one target; by default `scoped`.
    pub session_policy: Option<SessionPolicy>,
    /// `ExternalId`, if the role's trust policy asks for one.
    pub external_id: Option<At<String>>,
    /// Static session tags, at most 50.
    #[serde(default)]
    pub session_tags: Named<At<String>>,
    /// The time for one mint in all; by default `5s`; `1s` to `30s`.
    pub timeout: Option<At<String>>,
    /// SageMaker's endpoint, in place of the region's public one.
    pub endpoint_url: Option<At<String>>,
    /// The endpoint of STS, in place of the region's public one.
    pub sts_endpoint_url: Option<At<String>>,
    /// Hosts beside AWS's own on which a minted URL may stand: `.suffix.example`, `host` or `host:port`.
    #[serde(default)]
    pub authorized_url_hosts: Vec<At<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceIdentity {
    User,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionPolicy {
    Scoped,
    Off,
}

/// The stop on SIGTERM.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// How long `/-/ready` says 503 while new connections are still taken, for balancers to notice. By default `5s`; up
    /// to `5m`.
    pub delay: Option<At<String>>,
    /// How long running requests may take after that; by default `20s`; up to `10m`.
    pub grace: Option<At<String>>,
}

/// The audit trail: the record of all decisions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The file that records are appended to, relative to the configuration's folder; created for its owner alone. By
    /// default standard output.
    pub file: Option<At<String>>,
    /// Whether a decision's record holds what the rules read, which is personal data; by default `true`.
    pub facts: Option<bool>,
}

/// The store of the state that replicas share.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There is one process.
    Memory(Memory),
    /// A Valkey or Redis server; not a cluster.
    Valkey(Box<Valkey>),
}

/// `memory` has no settings.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Memory {}

/// A server that speaks Valkey's protocol.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Valkey {
    /// `rediss://USER:PASSWORD@HOST:PORT/DATABASE`; also `valkeys`, and without TLS `redis` and `valkey`.
    pub url: At<SecretReference>,
    /// The time for one operation; by default `250ms`; `10ms` to `5s`.
    pub timeout: Option<At<String>>,
    /// The treatment of sessions while the server does not answer; by default `refuse`.
    pub when_away: Option<WhenAway>,
    /// A PEM file of the certificate authorities that the server's certificate must come from; by default the machine's.
    pub ca_certificate: Option<At<String>>,
    /// Accepts a server on another host without TLS: anyone on the network path can then undo sign-outs.
    pub insecure_plaintext: Option<At<bool>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenAway {
    /// No session counts, as any of them may have been ended: 503.
    Refuse,
    /// Sessions count unless this process knows that they were ended.
    Serve,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Portal {
    /// `/` lists what a person may open.
    Show,
    /// `/` goes straight to the destination if the person may open exactly one.
    Skip,
}

/// The look of pages.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Branding {
    /// The name by which people know the gateway, at most 64 characters; by default `Postern`.
    #[schemars(extend("x-text" = "prose"))]
    pub product_name: Option<At<String>>,
    pub logo: Option<LogoFile>,
    /// `"#rrggbb"`, in quotes. Pages use it as it is or, where it could not be read on their background, darker or
    /// lighter.
    pub accent_color: Option<At<String>>,
    pub support_contact: Option<SupportContact>,
}

/// An image for the top of every page.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoFile {
    /// An SVG, PNG, JPEG or WebP image of at most 64 KiB, relative to the configuration's folder.
    pub file: At<String>,
}

/// The contact for people when something fails.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SupportContact {
    /// At most 64 characters.
    #[schemars(extend("x-text" = "prose"))]
    pub name: At<String>,
    /// Such as `ml-platform@corp.example`.
    pub email: Option<At<String>>,
    /// An `https` URL: a chat channel or a ticket form.
    pub url: Option<At<String>>,
}
