//! Credentials and sign-ins that do not count, or cannot be checked.

use super::token::run_token;
use crate::authn::AuthnError;
use crate::gateway::failure::Failure;
use crate::provider::error::ProviderError;
use crate::sessions::Unusable;
use crate::sign_in::SignInError;
use crate::tokens::error::TokenError;
use crate::tokens::mapping_error::MappingError;
use hyper::StatusCode;
use std::time::Duration;

pub(super) fn authn(error: &AuthnError) -> Failure {
    if let AuthnError::RunToken(refused) = error {
        return run_token(refused.error);
    }
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
                unusable(account),
            )
        }
        .advise(match account.reason() {
            "email-unverified" => {
                "Have your address confirmed by those who run that sign-in, and sign in again. If you have another account, use that one."
            }
            _ => "If you have another account, use that one. Otherwise send the details below to your platform team.",
        }),
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

/// Why an account names nobody here, in words for the owner of the account.
fn unusable(account: &MappingError) -> String {
    let address = account.stated().map(|stated| format!(" {stated}")).unwrap_or_default();
    let why = match account.reason() {
        "email-unverified" => format!("your address{address} is not confirmed there"),
        "email-domain" => {
            format!("your address{address} is not of a company or department that is let in here")
        }
        "email-invalid" => {
            format!("what it calls you{address} is not an e-mail address that can be used here")
        }
        "user-invalid" => format!("what it calls you{address} cannot be used here"),
        "user-missing" => "it did not say by which address or name you are known here".to_owned(),
        "subject-invalid" => "it did not say who you are in a form that can be used here".to_owned(),
        "program-signed-in" => "this is a program's account, and programs do not sign in here".to_owned(),
        _ => "it did not say clearly whether this is a person's account or a program's".to_owned(),
    };
    format!("Your company's sign-in let you in, but {why}.")
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
