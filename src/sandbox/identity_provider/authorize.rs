//! The authorization endpoint: checks the request, asks for the person, answers with a code.

use super::chooser;
use super::provider::{CODE_LIFETIME, IdentityProvider, Parameters, with_query};
use super::sessions::{Code, Consent};
use crate::sandbox::http::{self, Reply, Request};
use crate::sandbox::lock::lock;
use crate::sandbox::pages;
use crate::sandbox::people::Person;
use crate::sandbox::random;
use hyper::{Method, StatusCode};
use maud::html;

/// A request that may be answered at its redirect URI.
struct Asked<'a> {
    redirect_uri: &'a str,
    state: Option<&'a str>,
}

/// An error of RFC 6749, section 4.1.2.1, or of OpenID Connect Core, section 3.1.2.6, and its description.
type Refusal = (&'static str, &'static str);

impl IdentityProvider {
    /// GET shows the choice of people; POST to the same URL chooses one.
    pub(super) fn authorize(&self, request: &Request) -> Reply {
        let parameters = Parameters::read(request.query.as_bytes());
        // Before these two are right, an error must not be sent anywhere (RFC 6749, section 4.1.2.1).
        if parameters.one("client_id") != Some(&self.client.id) {
            return refused("No client of this name is registered.");
        }
        let redirect_uri =
            parameters.one("redirect_uri").filter(|uri| lock(&self.client.redirect_uris).contains(*uri));
        let Some(redirect_uri) = redirect_uri else {
            return refused("The redirect URI is not one that is registered, character by character.");
        };
        let asked = Asked { redirect_uri, state: parameters.one("state") };
        let (challenge, scope) = match checked(&parameters) {
            Ok(checked) => checked,
            Err(refusal) => return self.send_error(&asked, refusal),
        };
        let person = if request.method == Method::POST {
            let choice = Parameters::read(&request.body);
            choice.one("person").and_then(|id| self.people.find(id))
        } else {
            parameters.one("login_hint").and_then(|hint| self.people.find(hint))
        };
        match person {
            Some(person) => self.send_code(&asked, &person, challenge, scope, parameters.one("nonce")),
            None if request.method == Method::POST => {
                self.send_error(&asked, ("access_denied", "The person chose not to sign in."))
            }
            None if parameters.one("prompt") == Some("none") => {
                self.send_error(&asked, ("login_required", "Nobody is signed in here."))
            }
            None => http::html(StatusCode::OK, chooser::page(&self.people.all(), &request.query)),
        }
    }

    fn send_code(
        &self,
        asked: &Asked<'_>,
        person: &Person,
        challenge: &str,
        scope: &str,
        nonce: Option<&str>,
    ) -> Reply {
        let now = self.clock.now();
        let consent = Consent {
            family: random::hex::<16>(),
            subject: person.subject.clone(),
            scope: scope.to_owned(),
            auth_time: now,
        };
        let code = Code {
            consent,
            redirect_uri: asked.redirect_uri.to_owned(),
            challenge: challenge.to_owned(),
            nonce: nonce.map(str::to_owned),
        };
        let code = self.sessions.add_code(code, now.plus(CODE_LIFETIME));
        self.send(asked, &[("code", &code)])
    }

    fn send_error(&self, asked: &Asked<'_>, (error, description): Refusal) -> Reply {
        self.send(asked, &[("error", error), ("error_description", description)])
    }

    fn send(&self, asked: &Asked<'_>, parameters: &[(&str, &str)]) -> Reply {
        let issuer = self.faults.identity_provider().answer_issuer.unwrap_or_else(|| self.issuer.clone());
        let mut parameters = parameters.to_vec();
        parameters.extend(asked.state.map(|state| ("state", state)));
        parameters.push(("iss", &issuer));
        match with_query(asked.redirect_uri, &parameters) {
            Some(location) => http::redirect(&location),
            None => refused("The redirect URI is no URL."),
        }
    }
}

/// The PKCE challenge and the scope.
fn checked(parameters: &Parameters) -> Result<(&str, &str), Refusal> {
    if parameters.repeated() {
        return Err(("invalid_request", "A parameter stands twice."));
    }
    if parameters.one("request").is_some() {
        return Err(("request_not_supported", "Request objects are not supported."));
    }
    if parameters.one("request_uri").is_some() {
        return Err(("request_uri_not_supported", "Request objects are not supported."));
    }
    if parameters.one("response_type") != Some("code") {
        return Err(("unsupported_response_type", "Only the code flow is supported."));
    }
    if parameters.one("response_mode").is_some_and(|mode| mode != "query") {
        return Err(("invalid_request", "Only the response mode query is supported."));
    }
    let scope = parameters.one("scope").unwrap_or_default();
    if !scope.split(' ').any(|scope| scope == "openid") {
        return Err(("invalid_scope", "The scope openid is required."));
    }
    let challenge = parameters.one("code_challenge").unwrap_or_default();
    let is_base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if parameters.one("code_challenge_method") != Some("S256")
        || challenge.len() != 43
        || !challenge.bytes().all(is_base64url)
    {
        return Err(("invalid_request", "PKCE with S256 is required."));
    }
    Ok((challenge, scope))
}

fn refused(why: &str) -> Reply {
    let page = pages::page(
        "This sign-in cannot go on",
        &html! { p { (why) } p { "Go back to the page that sent you here and start again." } },
    );
    http::html(StatusCode::BAD_REQUEST, page)
}
