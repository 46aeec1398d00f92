//! The token endpoint's answer to a code or to a refresh token. Nothing here is verified yet or ever shown.
//!
//! RFC 6749, sections 5.1 and 5.2; OpenID Connect Core 1.0, sections 3.1.3.3 and 12.2.

use super::error::{ProviderError, described, error_code};
use crate::http_client::Answer;
use crate::tokens::json;
use hyper::StatusCode;
use serde_json::{Map, Value};

/// A bound, because the token is kept for each session.
const LONGEST_REFRESH_TOKEN: usize = 16 * 1024;

pub(crate) struct Tokens {
    /// A refresh may bring none (OpenID Connect Core 1.0, section 12.2).
    pub(crate) id_token: Option<String>,
    /// A sign-in may bring none where `UserInfo` is not needed: Azure AD B2C gives none for the scope `openid` alone.
    pub(crate) access_token: Option<String>,
    pub(crate) refresh_token: Option<String>,
}

impl Tokens {
    /// An error in the answer counts whatever the status is, as long as the provider is in order. An access token must
    /// say its type (section 5.1), and only a bearer token is taken.
    ///
    /// # Errors
    ///
    /// [`ProviderError::ProviderFailed`] where the provider is out of order, [`ProviderError::TokenRefused`] or
    /// [`ProviderError::TokenStatus`] where it gives no tokens, [`ProviderError::MalformedTokens`] where its tokens
    /// cannot be read.
    pub(super) fn of(answer: &Answer) -> Result<Self, ProviderError> {
        check_working(answer.status)?;
        let content_type = answer.content_type.as_deref();
        let members = json::object(&answer.body);
        if let Some(error) = members.as_ref().and_then(|members| said(members, "error")) {
            let description = members.as_ref().and_then(|members| members.get("error_description"));
            return Err(ProviderError::TokenRefused {
                error: error.as_str().map_or_else(|| "other".to_owned(), error_code),
                description: description.and_then(Value::as_str).map(described),
            });
        }
        if answer.status != StatusCode::OK {
            let content_type = content_type.map(str::to_owned);
            return Err(ProviderError::TokenStatus { status: answer.status.as_u16(), content_type });
        }
        let members = members.ok_or_else(|| {
            let kind = content_type.unwrap_or("none");
            let what = "it is not a JSON object that names each member once";
            ProviderError::malformed(format!("{what} (content type: {kind})"))
        })?;
        let access_token = text(&members, "access_token")?;
        let token_type = text(&members, "token_type")?;
        if access_token.is_some() {
            match token_type {
                Some(kind) if kind.eq_ignore_ascii_case("bearer") => {}
                Some(kind) => {
                    let kind = described(&kind);
                    return Err(ProviderError::malformed(format!(
                        "its `token_type` is `{kind}`, not Bearer"
                    )));
                }
                None => {
                    let what = "its `token_type` is missing, which RFC 6749, section 5.1, requires";
                    return Err(ProviderError::malformed(what));
                }
            }
        }
        let (id_token, refresh_token) = (text(&members, "id_token")?, text(&members, "refresh_token")?);
        if refresh_token.as_ref().is_some_and(|token| token.len() > LONGEST_REFRESH_TOKEN) {
            return Err(ProviderError::malformed("its `refresh_token` is longer than 16 KiB"));
        }
        Ok(Self { id_token, access_token, refresh_token })
    }
}

/// A provider that is out of order says nothing about the person.
pub(super) fn check_working(status: StatusCode) -> Result<(), ProviderError> {
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(ProviderError::ProviderFailed { status: status.as_u16() });
    }
    Ok(())
}

/// A member that says something: providers that fill in every member send `null` or an empty text for one that they do not
/// mean.
pub(super) fn said<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    members.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
}

/// A token, or its type: printable ASCII (RFC 6749, appendix A).
fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, ProviderError> {
    match said(members, name) {
        None => Ok(None),
        Some(Value::String(text)) if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => {
            Ok(Some(text.clone()))
        }
        Some(Value::String(_)) => {
            Err(ProviderError::malformed(format!("its `{name}` is not printable ASCII")))
        }
        Some(other) => Err(ProviderError::malformed(format!("its `{name}` is {}, not text", kind(other)))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
