//! `postern login`, `token`, `open` and `logout`: the client of a gateway for people at a terminal.
//!
//! It knows what the person typed, what the gateway answers and what it keeps in the person's own folder; nothing of a
//! gateway's configuration or secrets.

mod browser;
mod callback;
mod error;
mod gateway;
mod kept;
mod login;
mod machine;

pub(crate) use self::browser::opens;
pub(crate) use self::error::TerminalError;
pub(crate) use self::gateway::gateway;
pub(crate) use self::kept::{Kept, Store};
pub(crate) use self::login::Login;
pub(crate) use self::machine::machine;

use self::error::shown;
use crate::http_client::{Answer, HttpClient};
use serde::Deserialize;
use serde_json::json;
use url::Url;

/// The access and the time that are asked for a run token; what is not said is left to the gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) destination: &'a str,
    pub(crate) access: Option<&'a str>,
    pub(crate) seconds: Option<u64>,
}

/// A gateway's refusal (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
    remedy: Option<String>,
    reason: Option<String>,
}

/// A run token for the person.
///
/// # Errors
///
/// [`TerminalError`]
pub(crate) async fn run_token(
    http: &HttpClient,
    kept: &Kept,
    wanted: Wanted<'_>,
    machine: &str,
) -> Result<String, TerminalError> {
    let Wanted { destination, access, seconds } = wanted;
    let body = json!({"destination": destination, "access": access, "expires_in": seconds, "name": machine});
    let url = kept.at("/-/api/tokens")?;
    let answer = http.post_json(&url, Some(&kept.authorization()), body.to_string().into_bytes()).await?;
    if answer.status.as_u16() != 201 {
        return Err(refused(&answer, kept));
    }
    #[derive(Deserialize)]
    struct Made {
        token: String,
    }
    let made: Made = serde_json::from_slice(&answer.body).map_err(|_| TerminalError::NotAGateway)?;
    let is_plain = made.token.bytes().all(|byte| byte.is_ascii_graphic()) && !made.token.is_empty();
    if is_plain { Ok(made.token) } else { Err(TerminalError::NotAGateway) }
}

/// Takes the terminal's own token back.
///
/// # Errors
///
/// [`TerminalError`]; a token that does not count any more is no error.
pub(crate) async fn give_back(http: &HttpClient, kept: &Kept) -> Result<(), TerminalError> {
    let answer = http.delete(&kept.at("/-/api/tokens/current")?, &kept.authorization()).await?;
    match answer.status.as_u16() {
        204 | 401 | 404 => Ok(()),
        _ => Err(refused(&answer, kept)),
    }
}

/// The address of a destination, with the path below it.
///
/// # Errors
///
/// [`TerminalError::Usage`]
pub(crate) fn link(kept: &Kept, text: &str) -> Result<Url, TerminalError> {
    let (name, path) = text.split_once('/').map_or((text, None), |(name, path)| (name, Some(path)));
    is_name(name)?;
    match path {
        Some(path) => kept.at(&format!("/{name}/{path}")),
        None => kept.at(&format!("/{name}")),
    }
}

/// # Errors
///
/// No destination has such a name.
pub(crate) fn is_name(name: &str) -> Result<(), TerminalError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !name.is_empty() && name.len() <= 63 && name.bytes().all(is_plain) && !name.starts_with('-') {
        return Ok(());
    }
    Err(TerminalError::Usage(format!("`{name}` is not a destination's name: those have a-z, 0-9 and `-`")))
}

fn refused(answer: &Answer, kept: &Kept) -> TerminalError {
    let problem = serde_json::from_slice::<Problem>(&answer.body).ok();
    let is_signed_out = answer.status.as_u16() == 401;
    match problem {
        _ if is_signed_out => TerminalError::SignedOut { gateway: kept.gateway.clone() },
        Some(Problem { detail, remedy, reason }) => {
            let remedy = remedy.map(|remedy| format!(" {remedy}")).unwrap_or_default();
            let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            TerminalError::Refused(shown(&format!("{detail}{remedy}{reason}")))
        }
        None => TerminalError::NotAGateway,
    }
}
