//! Postern, an authenticating gateway to Amazon SageMaker.

pub mod authn;
pub mod clock;
pub mod config;
pub mod http_client;
pub mod policy;
pub mod presign;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod secret;
pub mod target;
