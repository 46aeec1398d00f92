//! Postern, an authenticating gateway to Amazon SageMaker.
//!
//! It answers one question per request: *may this person open this destination, and if so, what is the one-time link?*
//!
//! # The way of a request
//!
//! ```text
//! TcpStream ── slot ── accept ── [PROXY header] ── [TLS] ── hyper, HTTP/1.1 and HTTP/2             server
//!   → RequestContext   request id, client address (behind trusted proxies only)                  gateway::context
//!   → Route            the one place that knows what a path asks for                             gateway::route
//!   → Principal        session cookie | bearer | signed header → UnverifiedToken → Claims        authn
//!   → Grant            Principal × Destination → Grant | Denial; pure, synchronous, no I/O       policy
//!   → AuthorizedUrl    Grant → take-once slot | SageMaker                                        presign
//!   → Response         302, no-store, no-referrer; one access-log event, one audit record        gateway::respond
//! ```
//!
//! # Invariants
//!
//! `tests/it/architecture.rs` holds what the compiler does not.
//!
//! - A URL is presigned only for a [`Grant`](policy::grant::Grant), and only `policy` makes one: its fields are private
//!   and so is its constructor. Presigning without authorising does not compile. `postern doctor` rehearses what is the
//!   same for everyone; its URLs end inside `presign`.
//! - An [`AuthorizedUrl`](presign::authorized_url::AuthorizedUrl) leaves the process once: both ways out consume it. It has
//!   no `Display`, no `Clone`, no `Serialize`, and its `Debug` shows nothing.
//! - `policy` performs no I/O when it decides and is never `async`.
//! - A token is unverified until its type says otherwise: only `tokens::claims` makes [`Claims`](tokens::claims::Claims).
//! - The AWS SDK is known to `aws`, `jsonwebtoken` to `tokens` (also to `provider::client`, which signs its own
//!   assertions, and to the sandbox, which issues tokens), and `SystemTime::now` to `clock`.
//! - Every request ends in exactly one access-log event, but for a head over the limit on HTTP/2, which `h2` answers without
//!   telling anybody; every decision in exactly one audit record. The event and the record of a grant are written when a
//!   value is dropped, so that a client that hangs up leaves them too.
//! - Everything that waits has a deadline; everything that grows has a bound.
//!
//! # A walkthrough
//!
//! Ada opens `https://ml.corp.example/studio`. `gateway::Gateway::handle` finds no session, so her browser goes to the
//! company's sign-in with the path sealed into `state` ([`sign_in`]), and comes back with a session cookie
//! ([`sessions`]). The same request, now with a [`Principal`](provider::principal::Principal), meets the rules:
//! [`policy::Policy::authorize`] tries them in order and the first that matches resolves the target's templates into AWS
//! names ([`target`]), which is a [`Grant`](policy::grant::Grant). [`presign::Presigner::presign`] assumes the role as Ada, with a
//! session policy for this one profile, asks SageMaker for the URL, checks its host, and the answer's `Location` is the only
//! place where it is ever seen.

#[cfg(feature = "sandbox")]
pub mod sandbox;

// In reading order.
pub mod cli;
pub mod gateway;
pub mod authn;
pub mod sign_in;
pub mod sessions;
pub mod provider;
pub mod tokens;
pub mod policy;
pub mod target;
pub mod presign;
pub mod aws;
pub(crate) mod iam;
pub(crate) mod servers;
pub(crate) mod doctor;
pub mod config;
pub mod server;
pub(crate) mod admin;
pub mod audit;
pub mod metrics;
pub mod telemetry;
pub mod sink;
pub mod state;
pub mod http_client;
pub mod clock;
pub mod secret;
mod digest;
