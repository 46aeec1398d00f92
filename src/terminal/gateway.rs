//! The address of a gateway, as a person types it.

use super::error::TerminalError;
use url::Url;

/// The gateway at this address: `https`, or `http` on this machine.
///
/// # Errors
///
/// [`TerminalError::Usage`]
pub(crate) fn gateway(text: &str) -> Result<Url, TerminalError> {
    let usage = |why: &str| TerminalError::Usage(format!("`{text}` is not the address of a gateway: {why}"));
    let url = Url::parse(text).map_err(|_| usage("write it like `https://ml.corp.example`"))?;
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if is_here => {}
        _ => return Err(usage("it has to begin with `https://`")),
    }
    if !url.username().is_empty() || url.password().is_some() || url.host_str().is_none() {
        return Err(usage("write it like `https://ml.corp.example`"));
    }
    url.join("/").map_err(|_| usage("write it like `https://ml.corp.example`"))
}
