//! Everything that can go wrong with a request, and the one table that gives it a status, a word and a sentence.

mod sign_in;

use self::sign_in::{provider_unavailable, sign_in};
use super::failure::Failure;
use crate::authn::AuthnError;
use crate::aws::error::AwsErrorKind;
use crate::aws::state::TargetState;
use crate::policy::NO_SUCH_PATH;
use crate::policy::grant::{Denial, DenialReason, Outcome};
use crate::presign::error::PresignError;
use crate::provider::error::SignInError;
use crate::sessions::Unusable;
use crate::sign_in::return_to::ReturnTo;
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
    /// A look, not a visit. Never told by a success, an empty one neither: Chromium takes what a prefetch was answered with
    /// for the visit itself where the status is 2xx, and asks again otherwise.
    /// <https://wicg.github.io/nav-speculation/prefetch.html>
    NotANavigation,
    /// A form came from another site.
    ForeignForm,
    TooManyMints {
        wait: Duration,
    },
    Presign(PresignError),
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
    /// Of the host, no more is told than a name may have (RFC 1035, section 2.3.4).
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
            Self::TooManyMints { wait } => Failure::new(
                S::TOO_MANY_REQUESTS,
                "too-many-launches",
                "That is too often",
                "You have opened very many links within a minute.",
            )
            .retry(wait)
            .advise("A script, or a tab that reloads itself, can be the cause."),
            Self::Presign(error) => presign(&error),
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
            // A callback's address holds a code and is good only once: what helps there is to start over.
            let here = head.uri.path_and_query().filter(|here| !here.path().starts_with("/-/"));
            failure.again = Some(here.map_or("/", |here| here.as_str()).to_owned());
        }
        failure
    }
}

fn authn(error: &AuthnError) -> Failure {
    if matches!(error, AuthnError::Session { reason: Unusable::RulesDiffer, .. }) {
        return Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            error.reason(),
            "The rules here are being changed",
            "You are signed in, but for some minutes not every server here has the same rules.",
        )
        .retry(Duration::from_secs(30))
        .because(error);
    }
    if *error == AuthnError::StateAway {
        return Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            error.reason(),
            "Your session cannot be checked right now",
            "We cannot tell right now whether your session still counts, so nothing was opened.",
        )
        .retry(Duration::from_secs(5));
    }
    if error.is_unavailable() {
        return provider_unavailable(error.reason(), error);
    }
    Failure {
        set_cookie: error.clear_cookie().cloned(),
        ..Failure::new(StatusCode::UNAUTHORIZED, error.reason(), "You are not signed in", format!("{error}."))
    }
    .advise("Sign in, or send a valid token.")
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
        ..Failure::new(StatusCode::FORBIDDEN, denial.reason.as_str(), title, detail)
    }
    .advise(advice)
}

/// The person sees which rule failed, not on what: that is in the audit record.
fn told(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Matched => "matched",
        Outcome::NotMatched => "did not match",
        Outcome::Failed(_) => "could not be applied",
    }
}

fn presign(error: &PresignError) -> Failure {
    let failure = match error {
        PresignError::NotReady { state, .. } => not_ready(state),
        PresignError::BadUrl { .. } => refused_by_aws(error.as_str()),
        PresignError::Aws(error) => aws(&error.kind),
    };
    failure.because(error)
}

fn aws(error: &AwsErrorKind) -> Failure {
    use AwsErrorKind as K;
    match error {
        K::NotFound => not_ready(&TargetState::Missing),
        K::Refused | K::Credentials | K::BadAnswer(_) => refused_by_aws(error.as_str()),
        K::Throttled { retry_after } => Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "throttled",
            "AWS is busy",
            "SageMaker is getting more requests than it takes at the moment.",
        )
        .retry(*retry_after),
        K::Unavailable => Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "aws-unavailable",
            "AWS does not answer",
            "SageMaker cannot be reached or is out of order at the moment.",
        )
        .retry(Duration::from_secs(5)),
        K::OutOfTime => out_of_time(),
    }
}

fn not_ready(state: &TargetState) -> Failure {
    let detail = match state {
        TargetState::Missing => "It does not exist, or not yet: nobody has created it for you.",
        TargetState::Stopped => "It is stopped. Opening the link starts nothing.",
        TargetState::Starting | TargetState::Pending(_) => "It is being prepared and not usable yet.",
        TargetState::Failed(_) => "It is in a failed state.",
        TargetState::Ready | TargetState::Unknown => "It cannot be opened at the moment.",
    };
    let failure = Failure::new(StatusCode::CONFLICT, "not-ready", "This is not ready to be opened", detail);
    match state {
        TargetState::Starting | TargetState::Pending(_) => {
            failure.retry(Duration::from_secs(20)).advise("It usually takes a few minutes.")
        }
        TargetState::Stopped => failure.advise("Ask whoever runs it to start it, then open the link again."),
        _ => failure.advise("Your platform team can create or mend it: send them the details below."),
    }
}

fn refused_by_aws(reason: &'static str) -> Failure {
    Failure::new(
        StatusCode::BAD_GATEWAY,
        reason,
        "AWS did not let us open this",
        "You were let through here, but SageMaker gave no usable answer. It is not something you did.",
    )
    .advise("Send the request number below to your platform team; the cause is in their log.")
}

fn out_of_time() -> Failure {
    Failure::new(
        StatusCode::GATEWAY_TIMEOUT,
        "out-of-time",
        "This took too long",
        "The answer did not come in time. Nothing was opened.",
    )
    .retry(Duration::from_secs(5))
}

impl From<AuthnError> for Error {
    fn from(error: AuthnError) -> Self {
        Self::Authn(error)
    }
}

impl From<PresignError> for Error {
    fn from(error: PresignError) -> Self {
        Self::Presign(error)
    }
}
