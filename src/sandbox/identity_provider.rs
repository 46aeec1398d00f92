//! An OpenID provider: discovery, keys, the code flow with PKCE, refresh, UserInfo, sign-out.
//!
//! OpenID Connect Core 1.0, Discovery 1.0, RP-Initiated Logout 1.0 and Back-Channel Logout 1.0; RFC 6749, 7636, 9068
//! and 9207. There is no single sign-on session: each authorization asks for the person, unless `login_hint` names one.

mod authorize;
mod chooser;
mod client;
mod logout;
pub(super) mod provider;
mod sessions;
mod token;

use self::provider::IdentityProvider;
use super::http::{self, Reply, Request};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

impl IdentityProvider {
    pub(super) async fn answer(self: Arc<Self>, request: Request) -> Reply {
        let faults = self.faults.identity_provider();
        if !faults.slow.is_zero() {
            tokio::time::sleep(faults.slow).await;
        }
        if faults.unavailable {
            return http::text(StatusCode::SERVICE_UNAVAILABLE, "Unavailable by a fault.\n");
        }
        match (&request.method, request.path.as_str()) {
            (&Method::GET, "/.well-known/openid-configuration") => {
                http::json(StatusCode::OK, &self.discovery())
            }
            (&Method::GET, "/jwks") => http::json(StatusCode::OK, &self.keys.published()),
            (&Method::GET | &Method::POST, "/authorize") => self.authorize(&request),
            (&Method::POST, "/token") => self.token(&request),
            (&Method::GET | &Method::POST, "/userinfo") => self.user_info(&request),
            (&Method::GET | &Method::POST, "/end_session") => self.end_session(&request).await,
            _ => http::text(StatusCode::NOT_FOUND, "There is nothing here.\n"),
        }
    }

    fn discovery(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"),
            "jwks_uri": at("/jwks"),
            "end_session_endpoint": at("/end_session"),
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
            "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["sub", "name", "preferred_username", "email", "email_verified", "groups"],
            "authorization_response_iss_parameter_supported": true,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
        })
    }
}
