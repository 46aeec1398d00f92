//! The sign-in of a terminal (`postern login`), by the authorization code flow for native apps (RFC 8252) with PKCE
//! (RFC 7636): the gateway asks the person, and gives the terminal a code by a redirect to the person's own machine, or
//! on a page to be pasted.

use super::context::RequestContext;
use super::error::Error;
use super::launch::person;
use super::request_body;
use super::respond::{self, with_cookies};
use super::service::Gateway;
use super::token_page::{Fields, fields};
use crate::audit::{Event, Record};
use crate::clock::UnixSeconds;
use crate::digest::sha256;
use crate::secret::random;
use crate::server::Body;
use crate::sessions::run_tokens::NotMade;
use crate::sessions::seal::Purpose;
use crate::state::{Key, Namespace, Unavailable};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::body::Incoming;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use hyper::http::request;
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use url::form_urlencoded;

/// The purpose of the page's form.
const PURPOSE: &str = "terminal";
/// A code counts for so long: time to paste it.
const LIFETIME: Duration = Duration::from_secs(300);
/// The length of base64url of SHA-256.
const CHALLENGE: usize = 43;
const LONGEST_STATE: usize = 128;
const LONGEST_MACHINE: usize = 64;

/// The question of a terminal.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(super) challenge: String,
    pub(super) state: String,
    /// The port on the person's own machine; without one, the person pastes the code.
    pub(super) port: Option<u16>,
    /// The machine's name, as the terminal says.
    pub(super) machine: String,
}

/// An allowed terminal, until it fetches its token.
#[derive(Serialize, Deserialize)]
struct Allowed {
    challenge: String,
    token: String,
    user: String,
    expires: UnixSeconds,
    /// The end of the code.
    until: UnixSeconds,
}

/// The body of `POST /-/api/terminal`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    code: String,
    code_verifier: String,
}

impl Gateway {
    /// `GET /-/terminal`: asks; changes nothing.
    pub(super) async fn ask_about_terminal(
        &self,
        head: &request::Parts,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let run_tokens = self.run_tokens.as_ref().ok_or(Error::NotFound)?;
        let caller = self.authenticate_person(head, context).await?;
        let asking = Asking::read(&fields(head.uri.query().unwrap_or_default().as_bytes())?)?;
        let Some(root) = &caller.root else { return Err(Error::NoSignIn) };
        let until = root.established().plus(self.settings.session.lifetime);
        let form = self.form_token(&caller, PURPOSE).unwrap_or_default();
        let page =
            self.pages.ask_about_terminal(&asking, &caller.principal, until, run_tokens.lifetime(), &form);
        let mut response = respond::html(StatusCode::OK, page, &self.pages);
        if let Some(port) = asking.port {
            let policy = self.pages.content_security_policy_to_terminal(&format!("http://127.0.0.1:{port}"));
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        }
        Ok(with_cookies(response, caller.set_cookie))
    }

    /// `POST /-/terminal`: the person allows it.
    pub(super) async fn allow_terminal(
        &self,
        head: &request::Parts,
        body: Incoming,
        context: &RequestContext,
    ) -> Result<Response<Body>, Error> {
        let run_tokens = self.run_tokens.as_ref().ok_or(Error::NotFound)?;
        if !self.is_own_form(head) {
            return Err(Error::ForeignForm);
        }
        let caller = self.authenticate_person(head, context).await?;
        let body = request_body::whole(head, body, request_body::FORM, &self.settings.limits).await;
        let fields = fields(&body.map_err(Error::Body)?)?;
        let form = fields.get("form").and_then(|sealed| self.opened_form(sealed, &caller, PURPOSE));
        let form = form.ok_or(Error::StaleForm)?;
        let asking = Asking::read(&fields)?;
        let Some(root) = &caller.root else { return Err(Error::NoSignIn) };
        let principal = root.principal();
        if let Err(wait) = self.token_rate.take(principal).await {
            return Err(Error::TooManyTokens { wait });
        }
        if !self.is_first_use(&form).await.map_err(away)? {
            return Err(Error::StaleForm);
        }
        let issued = run_tokens.issue_for_terminal(root, &asking.machine).await.map_err(Error::NotMade)?;
        self.audit.record(&Record {
            reason: Some("terminal"),
            outcome: Some("issued"),
            token_id: Some(&issued.id),
            expires_at: Some(issued.expires.rfc3339()),
            ..person(Event::Token, principal, context)
        });
        let allowed = Allowed {
            challenge: asking.challenge.clone(),
            token: issued.text.into_answer(),
            user: principal.user.clone(),
            expires: issued.expires,
            until: self.clock.now().plus(LIFETIME),
        };
        let code = self.code(&allowed).await.map_err(away)?;
        let response = match asking.back(&code) {
            Some(location) => respond::see_other(location),
            None => respond::html(StatusCode::OK, self.pages.code(&code, &principal.user), &self.pages),
        };
        Ok(with_cookies(response, caller.set_cookie))
    }

    /// `POST /-/api/terminal`: the terminal that began trades its code for its token, once.
    pub(super) async fn api_terminal(
        &self,
        head: &request::Parts,
        body: Incoming,
    ) -> Result<Response<Body>, Error> {
        if self.run_tokens.is_none() {
            return Err(Error::NotFound);
        }
        let body = request_body::whole(head, body, request_body::JSON, &self.settings.limits).await;
        let asked = serde_json::from_slice::<Exchange>(&body.map_err(Error::Body)?);
        let Exchange { code, code_verifier } = asked.map_err(|_| Error::Malformed)?;
        let allowed = self.redeem(&code).await.map_err(away)?.ok_or(Error::InvalidCode)?;
        let challenge = URL_SAFE_NO_PAD.encode(sha256(code_verifier.as_bytes()));
        let is_same = verify_slices_are_equal(challenge.as_bytes(), allowed.challenge.as_bytes()).is_ok();
        if !is_same || self.clock.now() >= allowed.until {
            return Err(Error::InvalidCode);
        }
        let Allowed { token, user, expires, .. } = allowed;
        let answer = json!({"token": token, "user": user, "expires_at": expires.rfc3339()});
        Ok(respond::json(StatusCode::OK, &answer))
    }

    /// A code for an allowed terminal. The shared state keeps what it stands for, sealed.
    async fn code(&self, allowed: &Allowed) -> Result<String, Unavailable> {
        let code = URL_SAFE_NO_PAD.encode(random::<24>());
        // Texts and numbers always become JSON.
        let text = serde_json::to_vec(allowed).unwrap_or_default();
        let sealed = self.sealer.as_ref().map(|sealer| sealer.seal(Purpose::TerminalCode, &text));
        self.state.put(&kept(&code), sealed.unwrap_or_default().as_bytes(), LIFETIME).await?;
        Ok(code)
    }

    /// The terminal that the code stands for. Of any number of callers, one gets it.
    async fn redeem(&self, code: &str) -> Result<Option<Allowed>, Unavailable> {
        let Some(sealed) = self.state.value(&kept(code)).await? else { return Ok(None) };
        let used = Key::new(Namespace::Once, &["terminal-code-used", code]);
        if !self.state.put_new(&used, b"", 2 * LIFETIME).await? {
            return Ok(None);
        }
        self.state.remove(&kept(code)).await?;
        let opened = self.sealer.as_ref().and_then(|sealer| sealer.open(Purpose::TerminalCode, &sealed));
        Ok(opened.and_then(|text| serde_json::from_slice(&text).ok()))
    }
}

impl Asking {
    fn read(fields: &Fields) -> Result<Self, Error> {
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let is_token =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let (challenge, state) = (field("code_challenge"), field("state"));
        if challenge.len() != CHALLENGE || !is_token(challenge) || field("code_challenge_method") != "S256" {
            return Err(Error::BadTerminalRequest("Its `code_challenge` is not one of the method S256."));
        }
        if state.is_empty() || state.len() > LONGEST_STATE || !is_token(state) {
            return Err(Error::BadTerminalRequest("Its `state` is missing or of another form."));
        }
        let port = match field("redirect_uri") {
            "" => None,
            uri => Some(loopback(uri).ok_or(Error::BadTerminalRequest(
                "Its `redirect_uri` is not `http://127.0.0.1:PORT/callback`: codes go to the reader's own machine only.",
            ))?),
        };
        let machine = field("machine").trim();
        let is_fit = !machine.is_empty()
            && machine.chars().count() <= LONGEST_MACHINE
            && !machine.contains(char::is_control);
        if !is_fit {
            return Err(Error::BadTerminalRequest("It does not name its machine."));
        }
        let (challenge, state, machine) = (challenge.to_owned(), state.to_owned(), machine.to_owned());
        Ok(Self { challenge, state, port, machine })
    }

    /// A word that the terminal shows, too.
    pub(super) fn check_word(&self) -> String {
        let digest = sha256(self.challenge.as_bytes());
        let number = digest.iter().take(3).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        format!("{:03}-{:03}", number / 1000 % 1000, number % 1000)
    }

    pub(super) fn redirect_uri(&self) -> Option<String> {
        self.port.map(|port| format!("http://127.0.0.1:{port}/callback"))
    }

    fn back(&self, code: &str) -> Option<HeaderValue> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("code", code)
            .append_pair("state", &self.state)
            .finish();
        let mut location = HeaderValue::try_from(format!("{}?{query}", self.redirect_uri()?)).ok()?;
        location.set_sensitive(true);
        Some(location)
    }
}

fn kept(code: &str) -> Key {
    Key::new(Namespace::Once, &["terminal-code", code])
}

fn away(_: Unavailable) -> Error {
    Error::NotMade(NotMade::StateAway)
}

/// The port of exactly `http://127.0.0.1:PORT/callback` (RFC 8252, section 7.3): parsers could disagree about others.
fn loopback(uri: &str) -> Option<u16> {
    let port = uri.strip_prefix("http://127.0.0.1:")?.strip_suffix("/callback")?;
    let is_plain = port.bytes().all(|digit| digit.is_ascii_digit()) && !port.starts_with('0');
    port.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_goes_to_this_machine_only() {
        assert_eq!(loopback("http://127.0.0.1:43210/callback"), Some(43210));
        for uri in [
            "http://127.0.0.1/callback",
            "http://127.0.0.1:0/callback",
            "http://127.0.0.1:01/callback",
            "http://127.0.0.1:+1/callback",
            "http://127.0.0.1:65536/callback",
            "http://127.0.0.1:80@evil.example/callback",
            "http://127.0.0.1:80/callback/",
            "http://127.0.0.1:80/callback?x",
            "http://127.0.0.1:80/../callback",
            "http://127.0.0.1.evil.example:80/callback",
            "http://localhost:80/callback",
            "http://[::1]:80/callback",
            "https://127.0.0.1:80/callback",
            "HTTP://127.0.0.1:80/callback",
            "http://evil.example/callback",
        ] {
            assert_eq!(loopback(uri), None, "{uri}");
        }
    }
}
