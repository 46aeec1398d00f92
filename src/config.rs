//! The configuration in its final form: every name resolved, every number in range, every expression parsed.
//!
//! `config::file` is what an admin wrote; this is what the program runs on. There is no way from one to the other but
//! through `load`, and no value here that still needs checking.

mod algorithm;
pub mod branding;
mod claims;
mod compile;
mod concealed;
pub mod diagnostics;
mod discovery;
pub mod file;
mod findings;
mod lint;
mod load;
pub mod located;
mod patterns;
mod schema;
pub mod secrets;
pub mod servers;
mod settings;
mod slips;
mod tree;

pub use algorithm::Algorithm;
pub use claims::{ClaimPath, ClaimPaths, GroupsClaim, Programs};
pub(crate) use compile::{endpoint_url, is_loopback};
pub use file::{Absent, AccessTokens, GroupsFormat};
pub use load::{Loaded, load, load_by, load_text};
pub use schema::schema;
pub use settings::{
    AuthorizedHost, AwsAlb, AwsConfig, ClientAuthentication, Credentials, Deadlines, Drain, Gateway,
    IssuerConfig, KeySource, LONGEST_SESSION, Limits, Listen, RevalidationConfig, SecretSource,
    SessionConfig, SignInConfig, SignedHeaderConfig, StateConfig, TlsConfig, ValkeyConfig, WhenAway,
};
