//! The integration tests: one binary, a module per subject.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod architecture;
mod config;
mod login;
mod login_peer;
mod return_to;
mod seal;
mod session;

mod support {
    pub(crate) mod browser;
    pub(crate) mod postern;
    pub(crate) mod provider;
    pub(crate) mod sign_in;
    pub(crate) mod visitor;
}
