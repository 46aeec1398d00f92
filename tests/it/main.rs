#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_debug_implementations,
    unreachable_pub,
    reason = "a test that panics has told what it found; clippy exempts test functions only, not what they call"
)]

mod support {
    pub mod believer;
    pub mod jwks_server;
    pub mod signer;
}
mod credentials;
mod discovery;
mod keys;
mod mapping;
mod token_form;
mod tokens;
mod vectors;
