//! Run tokens that do not count, or are not made.

use crate::gateway::failure::Failure;
use crate::sessions::run_tokens::{NotMade, RunTokenError};
use hyper::StatusCode;
use std::time::Duration;

/// A run token that was presented.
pub(super) fn run_token(error: RunTokenError) -> Failure {
    let reason = error.as_str();
    let detail = capitalised(&error.to_string());
    if error == RunTokenError::StateAway {
        return Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            reason,
            "Your run token cannot be checked right now",
            detail,
        )
        .retry(Duration::from_secs(5));
    }
    let failure = Failure::new(StatusCode::UNAUTHORIZED, reason, "This run token does not count", detail);
    failure.advise(match error {
        RunTokenError::OtherDestination => "Make one for this destination, at `/-/tokens`.",
        RunTokenError::NotHere => {
            "Open this address in a browser, or send a token of your company's sign-in."
        }
        RunTokenError::Unconfirmed => "Sign in again, with `postern login`.",
        _ => "Make a new one, at `/-/tokens` or `/-/api/tokens`.",
    })
}

pub(super) fn not_made(error: &NotMade) -> Failure {
    let failure = match error {
        NotMade::TooBig { .. } => Failure::new(
            StatusCode::FORBIDDEN,
            "token-too-big",
            "A run token cannot hold so much",
            "Your company's sign-in says more about you than a run token can hold, most likely very many groups.",
        )
        .advise("This is for your platform team to mend: send them the details below."),
        NotMade::StateAway => Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "state-away",
            "No run token can be made right now",
            "The list of run tokens is out of reach, so none was made.",
        )
        .retry(Duration::from_secs(5)),
    };
    failure.because(error)
}

pub(super) fn token_only() -> Failure {
    Failure::new(
        StatusCode::UNAUTHORIZED,
        "no-credential",
        "A run token is needed",
        "This address takes the run token itself, as a bearer token.",
    )
    .advise("Send the run token that is to be taken back.")
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
