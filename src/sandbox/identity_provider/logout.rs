//! Sign-out that the gateway starts (OpenID Connect RP-Initiated Logout 1.0), and the notice of it to the gateway
//! (Back-Channel Logout 1.0).

use super::provider::{IdentityProvider, Parameters, with_query};
use crate::http_client::HttpClient;
use crate::sandbox::http::{self, Reply, Request};
use crate::sandbox::keys::Token;
use crate::sandbox::lock::lock;
use crate::sandbox::pages;
use hyper::{Method, StatusCode};
use maud::html;
use serde_json::Value;
use url::form_urlencoded;

impl IdentityProvider {
    /// Ends the refresh tokens and, by the back channel, the sessions of the person whom `id_token_hint` names. Sends
    /// the browser back only to a registered address.
    pub(super) async fn end_session(&self, request: &Request) -> Reply {
        let text = if request.method == Method::POST { &request.body[..] } else { request.query.as_bytes() };
        let parameters = Parameters::read(text);
        let hint = parameters.one("id_token_hint");
        let claims = hint.and_then(|token| self.keys.open(token));
        let hinted_client = claims.as_ref().and_then(|claims| claims.get("aud")).and_then(Value::as_str);
        let client = parameters.one("client_id").or(hinted_client);
        let hint_is_good = hint.is_none() || hinted_client == Some(&self.client.id);
        if !hint_is_good || client.is_some_and(|client| client != self.client.id) {
            return page(
                StatusCode::BAD_REQUEST,
                "This sign-out cannot go on",
                "It names another client or token.",
            );
        }
        if let Some(subject) = claims.as_ref().and_then(|claims| claims.get("sub")).and_then(Value::as_str) {
            self.sessions.end_subject(subject);
            self.tell_the_gateway(subject).await;
        }
        let registered = |uri: &&str| lock(&self.client.post_logout_redirect_uris).contains(*uri);
        match (parameters.one("post_logout_redirect_uri"), client) {
            (None, _) => page(StatusCode::OK, "You are signed out", "You can close this page."),
            (Some(uri), Some(_)) if registered(&uri) => {
                let state: Vec<_> =
                    parameters.one("state").map(|state| ("state", state)).into_iter().collect();
                match with_query(uri, &state) {
                    Some(location) => http::redirect(&location),
                    None => page(StatusCode::OK, "You are signed out", "You can close this page."),
                }
            }
            (Some(_), _) => page(
                StatusCode::BAD_REQUEST,
                "You are signed out",
                "The address to go back to is not registered.",
            ),
        }
    }
}

impl IdentityProvider {
    /// Waits for the gateway's answer, so that all sessions have ended when the browser is sent on; its content is
    /// ignored.
    async fn tell_the_gateway(&self, subject: &str) {
        let uri = lock(&self.client.backchannel_logout_uri).clone();
        let token = Token::new(self.logout_claims(subject)).header("typ", "logout+jwt");
        if let (Some(uri), Ok(token), Ok(http)) = (uri, self.keys.sign(&token), HttpClient::new()) {
            let form =
                form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", &token).finish();
            _ = http.post_form(&uri, None, form).await;
        }
    }
}

fn page(status: StatusCode, title: &str, text: &str) -> Reply {
    http::html(status, pages::page(title, &html! { p { (text) } }))
}
