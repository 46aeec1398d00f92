//! The configuration in its final form: every name resolved, every number in range, every expression parsed.
//!
//! An admin writes `config::file`; the program runs on these types. `load` is the only way from one to the other, and
//! no value here still needs checking.

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
mod outline;
mod patterns;
mod schema;
pub mod secrets;
pub mod servers;
mod settings;
mod slips;
mod tree;

pub use algorithm::Algorithm;
pub use claims::{ClaimPath, ClaimPaths, GroupsClaim, Programs};
pub(crate) use compile::{endpoint_url, is_loopback, tags_of, upload_size};
pub use file::{Absent, AccessTokens, GroupsFormat};
pub use load::{LARGEST_FILE, Loaded, load, load_by, load_text};
pub use outline::Outline;
pub use schema::schema;
pub use settings::{
    AuthorizedHost, AwsAlb, AwsConfig, ClientAuthentication, Credentials, Deadlines, Drain, Gateway,
    IssuerConfig, KeySource, LONGEST_SESSION, Limits, Listen, RevalidationConfig, SecretSource,
    SessionConfig, SignInConfig, SignedHeaderConfig, StateConfig, TlsConfig, TokensConfig, ValkeyConfig,
    WhenAway,
};
