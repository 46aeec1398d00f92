//! Credentials and sign-ins that do not count, or cannot be checked.

use crate::authn::AuthnError;
use crate::gateway::failure::Failure;
use crate::provider::error::ProviderError;
use crate::sessions::Unusable;
use crate::sign_in::SignInError;
use crate::tokens::error::TokenError;
use hyper::StatusCode;
use std::time::Duration;

pub(super) fn authn(error: &AuthnError) -> Failure {
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
        internal: error.internal(),
        ..Failure::new(StatusCode::UNAUTHORIZED, error.reason(), "You are not signed in", format!("{error}."))
    }
    .advise("Sign in, or send a valid token.")
}

pub(super) fn sign_in(error: &SignInError) -> Failure {
    if error.is_unavailable() {
        return provider_unavailable(error.reason(), error);
    }
    let failure = match error {
        SignInError::MalformedCallback => Failure::new(
            StatusCode::BAD_REQUEST,
            error.reason(),
            "This is not the end of a sign-in",
            "The address lacks what a sign-in brings back, or has it twice.",
        )
        .advise("Start from your bookmark or the list of destinations."),
        SignInError::Refused { error, .. } if error == "access_denied" => Failure::new(
            StatusCode::FORBIDDEN,
            "sign-in-refused",
            "The sign-in was not completed",
            format!("You cancelled it, or your company's sign-in refused it ({error})."),
        )
        .advise("Try again. If you were refused there, those who run that sign-in can tell why."),
        SignInError::Refused { error, .. } => Failure::new(
            StatusCode::FORBIDDEN,
            "sign-in-refused",
            "The sign-in was not completed",
            format!("Your company's sign-in answered with an error ({error}). It is not something you did."),
        )
        .advise("Try again. If it fails again, send the details below to your platform team."),
        SignInError::Provider(ProviderError::Token(TokenError::Mapping(account))) => Failure {
            anew: Some("Use another account"),
            ..Failure::new(
                StatusCode::FORBIDDEN,
                error.reason(),
                "This account cannot be used here",
                format!("Your company's sign-in let you in, but {account}."),
            )
        }
        .advise("If you have another account, use that one. Otherwise send the details below to your platform team."),
        SignInError::Session(_) => Failure::new(
            StatusCode::FORBIDDEN,
            error.reason(),
            "Your session does not fit into the browser",
            "Your company's sign-in says more about you than a cookie can hold, most likely very many groups.",
        )
        .advise("This is for your platform team to mend: send them the details below."),
        _ => Failure::new(
            StatusCode::FORBIDDEN,
            error.reason(),
            "The sign-in failed",
            "What your company's sign-in sent back did not pass the checks, so you were not signed in.",
        )
        .advise("Try once more from your bookmark. If it fails again, send the details below to your platform team."),
    };
    failure.because(error)
}

fn provider_unavailable(reason: &'static str, cause: &impl ToString) -> Failure {
    Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        reason,
        "The sign-in does not answer",
        "Your company's sign-in cannot be reached at the moment.",
    )
    .retry(Duration::from_secs(10))
    .because(cause)
}
