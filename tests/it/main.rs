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
#![allow(clippy::type_complexity, reason = "a table of cases says its columns where it stands")]

mod ahead;
mod answers;
mod architecture;
mod browser;
mod canary;
mod claims;
mod commands;
mod config;
mod coverage;
mod credentials;
mod crowd;
mod deploy;
mod diff;
mod discovery;
mod doctor;
mod documentation;
mod edge;
mod egress;
mod facts;
mod files;
mod first_steps;
mod fuzz;
mod iam;
mod key_floods;
mod keys;
mod launch;
mod links;
mod login;
mod login_answers;
mod login_asked;
mod login_astray;
mod login_peer;
mod login_tabs;
mod logout;
mod mapping;
mod metrics;
mod mlflow;
mod moto;
mod navigation;
mod oidf;
mod observing;
mod openapi;
mod pages;
mod policy;
mod portal;
mod presign;
mod prewarmed;
mod profiles;
mod previews;
mod providers;
mod ready;
mod refusals;
mod reload;
mod return_to;
mod revalidation;
mod run_tokens;
mod sandbox;
mod sandbox_peers;
mod seal;
mod servers;
mod session;
mod sinks;
mod soak;
#[cfg(feature = "bench")]
mod speed;
mod state;
mod target;
mod terminal;
mod token_form;
mod tokens;
mod traces;
mod trail;
mod vectors;
mod wake;

mod support {
    pub(crate) mod aged_session;
    #[allow(dead_code, reason = "the tests of presigning use the rest")]
    pub(crate) mod aws_fake;
    pub(crate) mod issuer_fixture;
    pub(crate) mod browser;
    pub(crate) mod elsewhere;
    pub(crate) mod frames;
    pub(crate) mod jwks_server;
    pub(crate) mod lookalikes;
    pub(crate) mod player;
    pub(crate) mod postern;
    pub(crate) mod program;
    pub(crate) mod provider;
    pub(crate) mod proxy;
    pub(crate) mod raw;
    pub(crate) mod sign_in;
    pub(crate) mod signer;
    pub(crate) mod stage;
    pub(crate) mod tls;
    pub(crate) mod valkey;
    pub(crate) mod visitor;
}
