//! One sign-in of a terminal: from a link to a token (RFC 8252, with PKCE by RFC 7636).

use super::callback::Callback;
use super::error::{TerminalError, shown};
use super::kept::Kept;
use super::machine::machine;
use crate::digest::sha256;
use crate::http_client::HttpClient;
use crate::secret::random;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use url::Url;

pub(crate) struct Login {
    gateway: Url,
    verifier: String,
    state: String,
    /// `None` if the person pastes the code.
    callback: Option<Callback>,
}

impl Login {
    /// `comes_back` is false for a browser on another machine.
    ///
    /// # Errors
    ///
    /// [`TerminalError::NoPort`]
    pub(crate) async fn begin(gateway: Url, comes_back: bool) -> Result<Self, TerminalError> {
        let callback = if comes_back { Some(Callback::listen().await?) } else { None };
        let token = || URL_SAFE_NO_PAD.encode(random::<32>());
        Ok(Self { gateway, verifier: token(), state: token(), callback })
    }

    /// The page of the gateway that asks the person.
    pub(crate) fn link(&self) -> Url {
        let mut link = self.gateway.clone();
        link.set_path("/-/terminal");
        let mut query = link.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("code_challenge", &self.challenge())
            .append_pair("code_challenge_method", "S256")
            .append_pair("state", &self.state)
            .append_pair("machine", &machine());
        if let Some(callback) = &self.callback {
            query.append_pair("redirect_uri", &callback.redirect_uri());
        }
        drop(query);
        link
    }

    /// The number that the page shows, too.
    pub(crate) fn check_word(&self) -> String {
        let digest = sha256(self.challenge().as_bytes());
        let number = digest.iter().take(3).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        format!("{:03}-{:03}", number / 1000 % 1000, number % 1000)
    }

    /// Waits for the browser to bring the code; `None` if the person pastes it.
    ///
    /// # Errors
    ///
    /// [`TerminalError::OutOfTime`]
    pub(crate) async fn code(&mut self) -> Result<Option<String>, TerminalError> {
        match self.callback.take() {
            Some(callback) => callback.code(&self.state).await.map(Some),
            None => Ok(None),
        }
    }

    /// Trades the code for a token.
    ///
    /// # Errors
    ///
    /// [`TerminalError`]
    pub(crate) async fn redeem(self, http: &HttpClient, code: &str) -> Result<Kept, TerminalError> {
        let mut url = self.gateway.clone();
        url.set_path("/-/api/terminal");
        let body = json!({"code": code.trim(), "code_verifier": self.verifier});
        let answer = http.post_json(&url, None, body.to_string().into_bytes()).await?;
        #[derive(Deserialize)]
        struct Redeemed {
            token: String,
            user: String,
            expires_at: String,
        }
        let is_refused = answer.status.as_u16() == 400;
        match serde_json::from_slice::<Redeemed>(&answer.body) {
            Ok(Redeemed { token, user, expires_at }) if answer.status.is_success() => Ok(Kept {
                gateway: self.gateway.to_string(),
                token,
                user: shown(&user),
                expires_at: shown(&expires_at),
            }),
            _ if is_refused => {
                Err(TerminalError::Refused("the code does not count: run `postern login` again".to_owned()))
            }
            _ => Err(TerminalError::NotAGateway),
        }
    }

    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.verifier.as_bytes()))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("gateway", &self.gateway.as_str()).finish_non_exhaustive()
    }
}
