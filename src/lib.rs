//! Postern, an authenticating gateway to Amazon SageMaker.
//!
//! It answers one question per request: *may this person open this destination, and if so, what is the one-time link?*
//!
//! # The way of a request
//!
//! Each stage turns one type into the next.
//!
//! ```text
//! TcpStream ── slot ── accept ── [PROXY header] ── [TLS] ── hyper, HTTP/1.1 and HTTP/2             server
//!   → RequestContext   request id, client address (behind trusted proxies only)                  gateway::context
//!   → Route            the one place that reads a path                                           gateway::route
//!   → Principal        session cookie | run token | bearer or header → UnverifiedToken → Claims  authn
//!   → Grant            Principal × Destination → Grant | Denial; pure, synchronous, no I/O       policy
//!   → AuthorizedUrl    Grant → take-once slot | SageMaker                                        presign
//!     or Woken         StartGrant → the target starts                                              wake
//!     or Answered      Grant × access class → signed request → MLflow's data plane or S3, streamed mlflow
//!   → Response         302, no-store, no-referrer; one access-log event, one audit record        gateway::respond
//! ```
//!
//! # Invariants
//!
//! The compiler or `tests/it/architecture.rs` holds each of them.
//!
//! - **No URL without a grant.** A URL is presigned only for a [`Grant`](policy::grant::Grant), and only `policy` makes one:
//!   its fields and its constructor are private to that room. Presigning without authorising does not compile,
//!   and neither does a call to MLflow: [`mlflow::Bridge`] takes a grant as well. A target is started only for a
//!   [`StartGrant`](policy::grant::StartGrant), which only `policy` makes, from a grant; and a profile is created only for
//!   a grant.
//!   Without a grant, `postern doctor` presigns targets that are the same for everyone, and these URLs are dropped
//!   inside `presign`.
//! - **A URL leaves once.** An [`AuthorizedUrl`](presign::authorized_url::AuthorizedUrl) goes into one `Location` header or
//!   one API answer: both ways out consume it. Four things keep it out of logs: its type has no `Display`, no `Clone` and no
//!   `Serialize`, and its `Debug` shows nothing; one file alone reads the SDK's outputs that hold URLs; the log caps the
//!   targets of the SDK and of HTTP at warnings, whatever `POSTERN_LOG` says ([`telemetry`]); and what AWS says in an
//!   error reaches the log through `for_log`, which leaves out words that may be secrets.
//! - **A decision is pure.** `policy` performs no I/O when it decides and is never `async`.
//! - **A token is unverified until its type says otherwise.** One function proves signatures
//!   (`tokens::public_key::PublicKey::proves`, which asks AWS-LC), and one function checks claims
//!   ([`tokens::claims`]), of a token with a proven signature only. Nothing else makes [`Claims`](tokens::claims::Claims).
//! - **Unknown input is not "nothing".** A claim, an answer or a header of an unexpected form is an error of its own,
//!   and fails closed.
//! - **Libraries have one home.** The AWS SDK is known to `aws`, `jsonwebtoken` to `tokens` (also to
//!   `provider::client`, which signs its own assertions, and to the sandbox, which issues tokens), and `SystemTime::now` to
//!   `clock`.
//! - **Every request ends in exactly one access-log event,** but for a head over the limit on HTTP/2, which `h2` answers
//!   without telling anybody; **every decision in exactly one audit record.** The event and the record of a grant are
//!   written when a value is dropped, so that a client that hangs up leaves them too.
//! - **Everything that waits has a deadline; everything that grows has a bound.**
//! - **Rooms import downwards only,** in the order at the end of this file.
//!
//! # A walkthrough
//!
//! Ada opens `https://ml.corp.example/studio`. `gateway::Gateway::handle` finds no session ([`authn`]), so her browser goes to
//! the company's sign-in with the path sealed into `state` ([`sign_in`]). It comes back with a code, which the provider
//! trades for an ID token ([`provider`]). Once its signature is proven and its claims are checked ([`tokens`]), it names a
//! [`Principal`](provider::principal::Principal), and the answer sets a session cookie ([`sessions`]).
//!
//! The same request, now with a principal, meets the rules: [`policy::Policy::authorize`] tries them in order, and the first
//! that matches resolves the target's templates into AWS names ([`target`]), which is a
//! [`Grant`](policy::grant::Grant). [`presign::Presigner::presign`] assumes the role as Ada, with a session policy for this
//! one profile, asks SageMaker for the URL and checks its host. The answer's `Location` is the only place where that URL is
//! ever seen.

// The rooms, from the top floor down: each imports from those below it only.
pub mod cli; //                  parse → load → run → exit code
pub(crate) mod terminal; //      a gateway's client for people at a terminal
pub(crate) mod admin; //         the listener for metrics and health
pub(crate) mod doctor; //        examines everything that the configuration relies on
pub(crate) mod iam; //           the permissions that AWS has to give
pub(crate) mod servers; //       keeps tracking servers and Apps as declared
pub mod diff; //                the people who gain and lose by a change of the rules
pub mod gateway; //              the pipeline, and the answers to people and programs
pub mod presign; //              Grant → AuthorizedUrl
pub mod mlflow; //               Grant → a signed call to MLflow's API, and its answer
pub mod wake; //                 StartGrant → a target that starts; Grant → a profile
pub mod policy; //               the decision on access: data and a pure function
pub mod authn; //                the person who asks: session | bearer | signed header | run token → Principal
pub mod sign_in; //              sign-in in the browser, sign-out at the provider
pub mod sessions; //             sealed cookies and run tokens, records, revocation
pub mod provider; //             one identity provider: discovery, keys, token endpoint, claims → person
pub mod tokens; //               unverified tokens, the proof of a signature, and the checks of claims
pub mod aws; //                  the SDK: credentials, sessions of roles, calls, states
#[cfg(feature = "sandbox")]
pub mod sandbox; //              an identity provider and SageMaker for `postern demo` and the tests
pub mod server; //               accept → serve → drain
pub mod state; //                the state that replicas share
pub mod config; //               the written form → the final form
pub mod target; //               the things that can be opened, as AWS names them
pub mod audit; //                one record per decision
pub mod metrics;
pub mod telemetry; //            the log
pub mod sink; //                 lines that leave without making anybody wait
pub mod http_client; //          for identity providers
pub mod files; //                regular files, in time and size, off the runtime
pub mod clock;
pub mod secret;
mod digest;
