//! Client authentication at the token endpoint (RFC 6749, section 2.3.1).

use super::provider::{Client, Parameters};
use crate::sandbox::http::Request;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientError {
    /// The request authenticates by two methods at once.
    Ambiguous,
    /// No authentication, or one that does not prove the client.
    Invalid,
}

impl Client {
    pub(super) fn authenticate(&self, request: &Request, form: &Parameters) -> Result<(), ClientError> {
        let basic = request.headers.contains_key("authorization");
        let posted = form.one("client_secret").is_some();
        let (id, secret) = match (basic, posted) {
            (true, true) => return Err(ClientError::Ambiguous),
            (true, false) => {
                request.header("authorization").and_then(read_basic).ok_or(ClientError::Invalid)?
            }
            (false, _) => {
                let text = |name| form.one(name).unwrap_or_default().to_owned();
                (text("client_id"), text("client_secret"))
            }
        };
        let same =
            |found: &str, known: &str| verify_slices_are_equal(found.as_bytes(), known.as_bytes()).is_ok();
        let same_in_form = form.one("client_id").is_none_or(|form_id| form_id == id);
        if same(&id, &self.id) & same(&secret, &self.secret) && same_in_form {
            Ok(())
        } else {
            Err(ClientError::Invalid)
        }
    }
}

/// Both halves are form-encoded before they are joined.
fn read_basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let form_decoded = |text: &str| {
        url::form_urlencoded::parse(format!("v={text}").as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
    };
    Some((form_decoded(id)?, form_decoded(secret)?))
}
