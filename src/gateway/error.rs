//! Everything that can go wrong with a request, and the table that gives it a status, a word and a sentence.

mod aws;
mod call;
mod sign_in;
mod wake;
mod token;

use self::aws::{out_of_time, presign};
use self::call::call;
use self::sign_in::{authn, sign_in};
use self::token::{not_made, token_only};
use self::wake::{may_not_start, wake};
use super::failure::Failure;
use super::request_body::BadBody;
use crate::authn::AuthnError;
use crate::mlflow::CallError;
use crate::policy::NO_SUCH_PATH;
use crate::policy::grant::{Denial, DenialReason, Outcome};
use crate::policy::start::NoStart;
use crate::presign::error::PresignError;
use crate::sessions::run_tokens::NotMade;
use crate::sign_in::SignInError;
use crate::sign_in::return_to::ReturnTo;
use crate::wake::WakeError;
use hyper::StatusCode;
use hyper::http::request;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

#[derive(Debug)]
pub(crate) enum Error {
    Authn(AuthnError),
    /// An API path was asked without a bearer token; a session does not count there.
    BearerOnly,
    Denied(Box<Denial>),
    NoSuchDestination,
    /// The destination exists, the page below it is not one of its `paths`.
    NoSuchPath,
    NotFound,
    MethodNotAllowed {
        allow: &'static str,
    },
    Malformed,
    /// The request names a host that is not ours.
    Misdirected {
        host: String,
        public_url: Url,
    },
    TooManyHeaders,
    /// A preview, not a visit. The answer is never a 2xx, not even an empty one: Chromium takes a successful answer to a
    /// prefetch for the visit itself, and asks again otherwise.
    /// <https://wicg.github.io/nav-speculation/prefetch.html>
    NotANavigation,
    /// A form came from another site.
    ForeignForm,
    /// A form of ours was sent twice, too late, or from a page of another session.
    StaleForm,
    TooManyMints {
        wait: Duration,
    },
    TooManyTokens {
        wait: Duration,
    },
    /// The request for a run token is not understood, for this reason.
    BadTokenRequest(String),
    /// A sign-in of a terminal is not understood, for this reason.
    BadTerminalRequest(&'static str),
    /// A terminal's code is unknown, used, too old, or another terminal's.
    InvalidCode,
    /// A run token is not made.
    NotMade(NotMade),
    /// An address that takes the run token itself was asked without one.
    RunTokenOnly,
    Body(BadBody),
    Presign(PresignError),
    /// `start` of the destination does not hold for this person.
    MayNotStart(NoStart),
    /// A target was not started; `return_to` is the page that was asked for.
    Wake {
        error: WakeError,
        return_to: String,
    },
    /// A call to MLflow was not forwarded, or has no answer.
    Call(CallError),
    /// A sign-in failed on the way to this page.
    SignIn {
        error: SignInError,
        return_to: ReturnTo,
    },
    /// The sign-in went astray twice: the browser keeps no cookies, or somebody else began it.
    SignInAstray {
        return_to: ReturnTo,
    },
    NoSignIn,
    OutOfTime,
}

impl Error {
    /// Keeps as much of the host as a name may have (RFC 1035, section 2.3.4).
    pub(crate) fn misdirected(host: &str, public_url: &Url) -> Self {
        Self::Misdirected { host: host.chars().take(255).collect(), public_url: public_url.clone() }
    }

    /// A person in this state is sent to sign in before anything else is said.
    pub(crate) fn asks_to_sign_in(&self) -> bool {
        matches!(self, Self::Authn(error) if error.is_anonymous())
    }

    /// The table.
    pub(crate) fn failure(self, head: &request::Parts) -> Failure {
        use StatusCode as S;
        let mut failure = match self {
            Self::Authn(error) => authn(&error),
            Self::BearerOnly => Failure::new(
                S::UNAUTHORIZED,
                "no-credential",
                "A token is needed",
                "This address is for programs and takes a bearer token only.",
            ),
            Self::Denied(denial) => denied(*denial),
            Self::NoSuchDestination => Failure::new(
                S::NOT_FOUND,
                "no-such-destination",
                "There is no such destination",
                "No destination of this name is configured here.",
            )
            .advise("Check the address, or pick a destination from the list."),
            Self::NoSuchPath => Failure::new(
                S::NOT_FOUND,
                NO_SUCH_PATH,
                "This page cannot be opened directly",
                "The destination exists, but this path below it is not one that can be linked to.",
            )
            .advise("Open the destination itself and go on from there."),
            Self::NotFound => {
                Failure::new(S::NOT_FOUND, "not-found", "Not found", "There is nothing at this address.")
                    .advise("Check the address, or pick a destination from the list.")
            }
            Self::MethodNotAllowed { allow } => Failure {
                allow: Some(allow),
                ..Failure::new(
                    S::METHOD_NOT_ALLOWED,
                    "method-not-allowed",
                    "Method not allowed",
                    "This address does not take that method.",
                )
            },
            Self::Malformed => Failure::new(
                S::BAD_REQUEST,
                "malformed-request",
                "Malformed request",
                "The request is not one that can be understood.",
            ),
            Self::TooManyHeaders => Failure::new(
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "too-many-headers",
                "Too many headers",
                "The request has more header fields than are taken.",
            ),
            Self::Misdirected { host, public_url } => Failure {
                again: Some(public_url.to_string()),
                ..Failure::new(
                    S::MISDIRECTED_REQUEST,
                    "misdirected-request",
                    "Wrong host",
                    format!("This server answers as `{}` only.", public_url.authority()),
                )
            }
            .because(&format!("it names the host `{host}`")),
            Self::NotANavigation => Failure::new(
                S::FORBIDDEN,
                "not-a-navigation",
                "Open this in a tab of its own",
                "Destinations open only as a page that a person goes to, not as a preview, a frame or a script's request.",
            )
            .advise("Open the link in a tab of its own."),
            Self::ForeignForm => Failure::new(
                S::FORBIDDEN,
                "foreign-form",
                "This form came from another site",
                "Nothing was changed.",
            ),
            Self::StaleForm => Failure {
                again: Some(head.uri.path().to_owned()),
                ..Failure::new(
                    S::CONFLICT,
                    "stale-form",
                    "This form no longer counts",
                    "It was sent before, or its page is of an earlier session. Nothing was changed.",
                )
            }
            .advise("Load the page again and fill it in anew."),
            Self::TooManyMints { wait } => Failure::new(
                S::TOO_MANY_REQUESTS,
                "too-many-launches",
                "That is too often",
                "You have opened very many links within a minute.",
            )
            .retry(wait)
            .advise("A script, or a tab that reloads itself, can be the cause."),
            Self::TooManyTokens { wait } => Failure::new(
                S::TOO_MANY_REQUESTS,
                "too-many-tokens",
                "That is too often",
                "You have made very many run tokens within a minute.",
            )
            .retry(wait)
            .advise("One token serves many programs for as long as it lives."),
            Self::BadTokenRequest(why) => {
                Failure::new(S::BAD_REQUEST, "malformed-request", "Malformed request", why)
                    .advise("Mend the request and send it again.")
            }
            Self::BadTerminalRequest(why) => {
                Failure::new(S::BAD_REQUEST, "malformed-request", "This is not the link of a terminal", why)
                    .advise("Start `postern login` again, and open its link as it is.")
            }
            Self::InvalidCode => Failure::new(
                S::BAD_REQUEST,
                "code-invalid",
                "This code does not count",
                "It was used before, is too old, or belongs to another terminal.",
            )
            .advise("Start `postern login` again."),
            Self::NotMade(error) => not_made(&error),
            Self::RunTokenOnly => token_only(),
            Self::Body(bad) => {
                let why = "The request's body is of another type, too large, or did not come in time.";
                Failure::new(bad.status(), bad.outcome(), "Malformed request", why)
            }
            Self::Presign(error) => presign(&error),
            Self::MayNotStart(no) => may_not_start(&no),
            Self::Wake { error, return_to } => Failure { again: Some(return_to), ..wake(&error) },
            Self::Call(error) => call(&error),
            Self::SignIn { error, return_to } => {
                Failure { again: Some(return_to.as_str().to_owned()), ..sign_in(&error) }
            }
            Self::SignInAstray { return_to } => Failure {
                again: Some(return_to.as_str().to_owned()),
                ..Failure::new(
                    S::BAD_REQUEST,
                    "sign-in-astray",
                    "The sign-in did not come back to this browser",
                    "This browser did not return the cookie that ties the sign-in to it, or the sign-in was begun elsewhere.",
                )
            }
            .advise("Allow cookies for this site and try again."),
            Self::NoSignIn => Failure::new(
                S::UNAUTHORIZED,
                "no-credential",
                "No sign-in is set up here",
                "This gateway takes tokens only; there is no sign-in in the browser.",
            ),
            Self::OutOfTime => out_of_time(),
        };
        let may_change = failure.retry_after.is_some()
            || failure.remedy.is_some()
            || failure.status.is_server_error()
            || failure.status == S::CONFLICT;
        if failure.again.is_none() && (may_change || failure.anew.is_some()) {
            // The address of a callback holds a code and works once, so only starting over helps.
            let here = head.uri.path_and_query().filter(|here| !here.path().starts_with("/-/"));
            failure.again = Some(here.map_or("/", |here| here.as_str()).to_owned());
        }
        failure
    }
}

fn denied(denial: Denial) -> Failure {
    let (title, detail, advice) = match denial.reason {
        DenialReason::RuleDenied => (
            "You may not open this",
            "A rule of your platform team refuses it.",
            "If you think that you should have access, send the details below to your platform team.",
        ),
        DenialReason::NoRule => (
            "You have no access to this yet",
            "No rule of your platform team gives you access.",
            "Ask your platform team for access. If it comes with a group, sign in again once you are in it.",
        ),
        DenialReason::RuleError => (
            "Your access could not be decided",
            "A rule could not be applied to you, so nothing was opened.",
            "This is for your platform team to mend: send them the details below.",
        ),
        DenialReason::GroupsOverage => (
            "Your groups did not arrive",
            "You are in so many groups that your company's sign-in left them all out, so no rule could be applied.",
            "This is for your platform team to mend: send them the details below.",
        ),
    };
    let steps = denial.trace.steps.iter().map(|step| (Arc::clone(&step.rule), told(&step.outcome)));
    let anew = (denial.reason == DenialReason::NoRule).then_some("Sign in again");
    Failure {
        anew,
        remedy: denial.remedy,
        trace: Some(steps.collect()),
        internal: denial.trace.failure(),
        ..Failure::new(StatusCode::FORBIDDEN, denial.reason.as_str(), title, detail)
    }
    .advise(advice)
}

/// The reason for the person: it names the rule that failed, not the value; the log and the audit record have that.
fn told(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Matched => "matched",
        Outcome::NotMatched => "did not match",
        Outcome::Failed(_) => "could not be applied",
    }
}

impl From<AuthnError> for Error {
    fn from(error: AuthnError) -> Self {
        Self::Authn(error)
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<PresignError> for Error {
    fn from(error: PresignError) -> Self {
        Self::Presign(error)
    }
}
