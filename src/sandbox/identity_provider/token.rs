//! The token endpoint and UserInfo.

use super::client::ClientError;
use super::provider::{IdentityProvider, Parameters, REFRESH_LIFETIME, TOKEN_LIFETIME, failure};
use super::sessions::Consent;
use crate::sandbox::http::{self, Reply, Request, set};
use crate::sandbox::keys::{Token, put};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use serde_json::{Value, json};

impl IdentityProvider {
    pub(super) fn token(&self, request: &Request) -> Reply {
        let form = Parameters::read(&request.body);
        let content_type = request.header("content-type").unwrap_or_default();
        if !content_type.starts_with("application/x-www-form-urlencoded") || form.repeated() {
            return failure(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "A form without repetitions is asked for.",
            );
        }
        match self.client.authenticate(request, &form) {
            Ok(()) => {}
            Err(ClientError::Ambiguous) => {
                return failure(
                    StatusCode::BAD_REQUEST,
                    "invalid_request",
                    "The client authenticates in two ways.",
                );
            }
            Err(ClientError::Invalid) => {
                let mut reply =
                    failure(StatusCode::UNAUTHORIZED, "invalid_client", "The client is not known.");
                set(&mut reply, WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"sandbox\""));
                return reply;
            }
        }
        match form.one("grant_type") {
            Some("authorization_code") => self.code_grant(&form),
            Some("refresh_token") => self.refresh_grant(&form),
            _ => {
                failure(StatusCode::BAD_REQUEST, "unsupported_grant_type", "The grant type is not supported.")
            }
        }
    }

    fn code_grant(&self, form: &Parameters) -> Reply {
        let code = form.one("code").and_then(|code| self.sessions.take_code(code, self.clock.now()));
        let Some(code) = code else {
            return invalid_grant("The code is unknown, used or expired.");
        };
        if form.one("redirect_uri") != Some(&code.redirect_uri) {
            return invalid_grant("The redirect URI is not that of the authorization request.");
        }
        let verifier = form.one("code_verifier").unwrap_or_default();
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        if !(43..=128).contains(&verifier.len()) || challenge != code.challenge {
            return invalid_grant("The PKCE verifier is not that of the challenge.");
        }
        self.issue(code.consent, code.nonce)
    }

    fn refresh_grant(&self, form: &Parameters) -> Reply {
        let token = form.one("refresh_token");
        let consent = token.and_then(|token| self.sessions.take_refresh_token(token, self.clock.now()));
        match consent {
            Some(consent) => self.issue(consent, None),
            None => invalid_grant("The refresh token is unknown, used or expired."),
        }
    }

    fn issue(&self, consent: Consent, nonce: Option<String>) -> Reply {
        let Some(person) = self.people.by_subject(&consent.subject) else {
            return invalid_grant("The person is no longer known.");
        };
        let mut access = self.access_claims(&person);
        put(&mut access, "aud", json!([self.client.audience, self.issuer]));
        put(&mut access, "scope", json!(consent.scope));
        let Ok(access_token) = self.keys.sign(&Token::new(access)) else {
            return failure(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "Signing failed.");
        };
        // OpenID Connect Core, section 3.1.3.6: the left half of the hash that the signature uses.
        let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
        let left_half = hash.as_ref().get(..16).unwrap_or_default();
        let mut id = self.id_claims(&person);
        put(&mut id, "auth_time", json!(consent.auth_time));
        put(&mut id, "sid", json!(consent.family));
        put(&mut id, "at_hash", json!(URL_SAFE_NO_PAD.encode(left_half)));
        put(&mut id, "nonce", nonce.map_or(Value::Null, Value::from));
        let Some(id_token) = self.sign_id_token(id) else {
            return failure(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "Signing failed.");
        };
        let now = self.clock.now();
        self.sessions.add_access_token(access_token.clone(), consent.clone(), now.plus(TOKEN_LIFETIME));
        let scope = consent.scope.clone();
        let refresh_token = self.sessions.add_refresh_token(consent, now.plus(REFRESH_LIFETIME));
        http::json(
            StatusCode::OK,
            &json!({
                "token_type": "Bearer", "access_token": access_token, "expires_in": TOKEN_LIFETIME.as_secs(),
                "refresh_token": refresh_token, "id_token": id_token, "scope": scope,
            }),
        )
    }

    /// OpenID Connect Core, section 5.3.
    pub(super) fn user_info(&self, request: &Request) -> Reply {
        let bearer = request.header("authorization").and_then(|value| value.split_once(' '));
        let person = bearer
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .and_then(|(_, token)| self.sessions.by_access_token(token, self.clock.now()))
            .and_then(|consent| self.people.by_subject(&consent.subject));
        let Some(person) = person else {
            let mut reply =
                failure(StatusCode::UNAUTHORIZED, "invalid_token", "The access token is not known here.");
            set(&mut reply, WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
            return reply;
        };
        let mut claims = person.claims();
        for (name, value) in self.faults.identity_provider().user_info_claims {
            put(&mut claims, &name, value);
        }
        http::json(StatusCode::OK, &Value::Object(claims))
    }
}

fn invalid_grant(why: &str) -> Reply {
    failure(StatusCode::BAD_REQUEST, "invalid_grant", why)
}
