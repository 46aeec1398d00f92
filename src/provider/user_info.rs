//! The answer of `UserInfo`: claims in JSON, or a token that carries them (OpenID Connect Core 1.0, section 5.3).

use super::error::ProviderError;
use super::token_answer::{check_working, said};
use crate::http_client::Answer;
use crate::tokens::json;
use hyper::StatusCode;
use serde_json::{Map, Value};

pub(super) enum UserInfo {
    /// Claims whose sender TLS proves.
    Plain(Map<String, Value>),
    /// A token that is not verified yet. The client's registration asks for it with `userinfo_signed_response_alg`.
    Signed(String),
}

impl UserInfo {
    /// # Errors
    ///
    /// [`ProviderError::ProviderFailed`] where the provider is out of order, [`ProviderError::UserInfo`] where there are no claims.
    pub(super) fn of(answer: &Answer) -> Result<Self, ProviderError> {
        check_working(answer.status)?;
        let refused = || ProviderError::UserInfo {
            status: answer.status.as_u16(),
            content_type: answer.content_type.clone(),
        };
        if answer.status != StatusCode::OK {
            return Err(refused());
        }
        if is_jwt(answer.content_type.as_deref()) {
            let token = String::from_utf8(answer.body.to_vec()).map_err(|_| refused())?;
            return Ok(Self::Signed(token.trim().to_owned()));
        }
        // An `error` contradicts the rest of the answer.
        let claims = json::object(&answer.body).filter(|claims| said(claims, "error").is_none());
        claims.map(Self::Plain).ok_or_else(refused)
    }
}

fn is_jwt(content_type: Option<&str>) -> bool {
    let kind = content_type.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/jwt"))
}
