//! The one integration-test binary: a file per subject.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod credentials;
mod keys;
mod login;
mod login_answers;
mod login_peer;
mod mapping;
mod return_to;
mod seal;
mod session;
mod tokens;
mod vectors;

mod support {
    pub(crate) mod believer;
    pub(crate) mod browser;
    pub(crate) mod jwks_server;
    pub(crate) mod provider;
    pub(crate) mod sign_in;
    pub(crate) mod signer;
}
