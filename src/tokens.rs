//! JOSE: tokens before they are believed, the keys of their issuers, and the one place that proves a signature.
//!
//! A token is an [`UnverifiedToken`](jws::UnverifiedToken) until a key set has proven its signature ([`jwks`]) and its claims
//! were checked ([`claims`]).

pub(crate) mod claim;
pub mod claims;
mod date;
pub mod error;
pub mod evidence;
pub(crate) mod json;
pub mod jwks;
pub mod jws;
pub(crate) mod mapping_error;
mod public_key;
pub(crate) mod signed_header;
