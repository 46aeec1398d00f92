//! Checks that the provider knows the redirect URI, if its answers show it.
//!
//! An authorization endpoint sends errors to a redirect URI that is registered, and must send nothing to any other (RFC
//! 6749, section 4.1.2.1). So it is asked twice, without cookies and by `prompt=none`: with the gateway's redirect URI,
//! and with an unregistered one. Providers answer differently, and only certain findings are reported.

use super::report::{Asking, Check};
use crate::config::SignInConfig;
use crate::http_client::{Answer, HttpClient, HttpError};
use crate::provider::issuer::Issuer;
use crate::sign_in::request::AuthorizationRequest;
use std::sync::Arc;
use url::Url;

const CHECK: &str = "redirect-uri";
/// The domain is reserved (RFC 6761, section 6.4).
const UNREGISTERED: &str = "https://nobody-registered-this.invalid/-/callback";

pub(super) async fn check(
    sign_in: &SignInConfig,
    redirect_uri: &Url,
    issuer: &Arc<Issuer>,
    http: &HttpClient,
) -> Check {
    let asking = Asking::about("sign_in");
    let Ok(provider) = issuer.provider().await else {
        return asking.skipped(CHECK, "the provider's endpoints are not known");
    };
    let endpoint = &provider.authorization_endpoint;
    let ours = ask(sign_in, redirect_uri.as_str(), endpoint, http).await;
    let other = ask(sign_in, UNREGISTERED, endpoint, http).await;
    match (ours, other) {
        (Ok(ours), Ok(other)) => judged(&asking, redirect_uri.as_str(), &ours, &other),
        (Err(error), _) | (_, Err(error)) => asking.skipped(CHECK, error.to_string()),
    }
}

async fn ask(
    sign_in: &SignInConfig,
    redirect_uri: &str,
    endpoint: &Url,
    http: &HttpClient,
) -> Result<Answer, HttpError> {
    let request = AuthorizationRequest {
        client_id: &sign_in.client_id,
        redirect_uri,
        scope: &sign_in.scopes.join(" "),
        state: "a-state-that-nobody-comes-back-with",
        nonce: "a-nonce-that-nobody-comes-back-with",
        code_challenge: "a-challenge-of-forty-three-characters-0000-",
        further: &sign_in.parameters,
    };
    http.get(&request.at(endpoint, Some("none"))).await
}

fn judged(asking: &Asking, redirect_uri: &str, ours: &Answer, other: &Answer) -> Check {
    let statuses = format!("{} against {}", ours.status.as_u16(), other.status.as_u16());
    match (sends_to(ours, redirect_uri), sends_to(other, UNREGISTERED)) {
        (true, false) => asking.ok(CHECK, format!("the provider answers at `{redirect_uri}`")),
        (true, true) => asking.warning(
            CHECK,
            "the provider answers at any redirect URI, also at one that nobody registered",
            "ask who runs the provider to compare redirect URIs exactly (RFC 9700, section 4.1): anybody can have codes \
             sent to themselves",
        ),
        (false, _) if other.status.is_client_error() && !ours.status.is_client_error() => asking.ok(
            CHECK,
            format!("the provider tells `{redirect_uri}` from one that nobody registered ({statuses})"),
        ),
        (false, false) if ours.status.is_client_error() && names_it(ours) => asking.failed(
            CHECK,
            format!("the provider refuses the redirect URI `{redirect_uri}` ({statuses} for one that nobody registered)"),
            format!("register `{redirect_uri}` for the client `sign_in.client_id`, character by character"),
        ),
        (false, _) => asking.skipped(
            CHECK,
            format!(
                "the provider does not tell whether `{redirect_uri}` is registered ({statuses} for one that nobody \
                 registered)"
            ),
        ),
    }
}

fn sends_to(answer: &Answer, redirect_uri: &str) -> bool {
    let location = answer.location.as_deref().filter(|_| answer.status.is_redirection());
    location.is_some_and(|location| location.split(['?', '#']).next() == Some(redirect_uri))
}

/// Whether the page of an error is about the redirect URI.
fn names_it(answer: &Answer) -> bool {
    let text = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    ["redirect_uri", "redirect uri", "redirect url", "callback url"].iter().any(|name| text.contains(name))
}
