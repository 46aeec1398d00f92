//! Checks that the identity provider can be used as configured.

use super::clock;
use super::remedy;
use super::report::{Asking, Check};
use crate::clock::Clock;
use crate::config::secrets::SecretError;
use crate::config::{Algorithm, SignInConfig};
use crate::http_client::document::FetchError;
use crate::http_client::{Cause, HttpError, HttpErrorKind};
use crate::provider::discovery::Provider;
use crate::provider::error::ProviderError;
use crate::provider::issuer::{Discovered, Issuer, KeysFound};
use crate::provider::relying_party::RelyingParty;
use std::sync::Arc;
use url::Url;

const UNREACHED: &str = "check that this machine reaches the provider: its name in DNS, the route, a firewall on the way, or a proxy that \
     HTTPS_PROXY must name";
const UNUSABLE: &str = "what the provider answers cannot be used: ask who runs it";

/// One issuer: its discovery document, its keys, its clock.
pub(super) async fn issuer(issuer: Arc<Issuer>, signs_in: bool, clock: Clock) -> Vec<Check> {
    let asking = Asking::about(format!("issuers.{}", issuer.name()));
    let mut checks = Vec::new();
    let asked = signs_in || issuer.discovers_keys();
    let discovered = if asked { Some(issuer.discover().await) } else { None };
    match &discovered {
        Some(Ok(Discovered { provider, date })) => {
            checks.push(discovery(&asking, signs_in, provider));
            checks.extend(date.map(|date| clock::compared(&asking, "the provider's", date, clock.now())));
        }
        Some(Err(error)) => {
            let address = "look at the issuer's address: discovery is asked for at /.well-known/openid-configuration \
                           below it, or at its `discovery_url`";
            checks.push(asking.failed("discovery", error.to_string(), of_fetch(error, address)));
        }
        None => {}
    }
    let has_document = discovered.is_none_or(|found| found.is_ok());
    checks.push(match has_document || !issuer.discovers_keys() {
        true => keys(&asking, &issuer).await,
        false => asking.skipped("keys", "where they are stands in the discovery document"),
    });
    checks
}

fn discovery(asking: &Asking, signs_in: bool, provider: &Result<Arc<Provider>, FetchError>) -> Check {
    let provider = match provider {
        Ok(provider) => provider,
        Err(error) if signs_in => {
            return asking.failed(
                "discovery",
                error.to_string(),
                "people cannot sign in at this issuer: ask who runs it",
            );
        }
        Err(_) => {
            return asking.ok("discovery", "the issuer is the configured one; it has keys and no sign-in");
        }
    };
    let host = provider.token_endpoint.host_str().unwrap_or_default();
    let found = format!("the issuer is the configured one, and its endpoints are on {host}");
    if !signs_in {
        return asking.ok("discovery", found);
    }
    if !provider.response_types.iter().any(|kind| kind == "code") {
        let remedy = "allow the authorization code flow at the provider: Postern knows no other";
        return asking.failed("discovery", "`response_types_supported` is without `code`", remedy);
    }
    if !provider.code_challenge_methods.iter().any(|method| method == "S256") {
        let found = format!("{found}; `code_challenge_methods_supported` is without S256");
        let remedy = "check in the provider's documentation that it supports PKCE with S256, which Postern always uses \
                      (Entra ID does and does not say so)";
        return asking.warning("discovery", found, remedy);
    }
    asking.ok("discovery", format!("{found}; code flow and PKCE with S256"))
}

async fn keys(asking: &Asking, issuer: &Issuer) -> Check {
    let algorithms = &issuer.config().algorithms;
    let listed = |algorithms: &[Algorithm]| {
        algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(", ")
    };
    let KeysFound { count, fitting } = match issuer.keys_found().await {
        Ok(Some(found)) => found,
        Ok(None) => {
            return asking.skipped("keys", "they are fetched one by one, when a token names them");
        }
        Err(error) => {
            let address = "look at the address of the keys: `jwks_uri`, in the configuration or in the discovery document";
            return asking.failed("keys", error.to_string(), of_fetch(&error, address));
        }
    };
    let found = format!("{count} usable, for {} of what is configured", listed(&fitting));
    let key = format!("issuers.{}.algorithms", issuer.name());
    if fitting.is_empty() {
        let found = format!("{count} usable, and none is for {}", listed(algorithms));
        return asking.failed("keys", found, format!("set `{key}` to what the provider signs tokens with"));
    }
    if fitting.len() < algorithms.len() {
        let found = format!("{found} ({})", listed(algorithms));
        return asking.warning("keys", found, format!("take out of `{key}` what the provider does not use"));
    }
    asking.ok("keys", found)
}

/// Checks that the provider knows the gateway as its client. A provider refuses an invented code (`invalid_grant`) only
/// after it has accepted the client.
pub(super) async fn client(
    sign_in: &SignInConfig,
    redirect_uri: &Url,
    party: Result<RelyingParty, SecretError>,
) -> Check {
    let asking = Asking::about("sign_in");
    let key = sign_in.secret_key();
    let party = match party {
        Ok(party) => party,
        Err(error) => return asking.failed("client", error.to_string(), format!("correct `{key}`")),
    };
    let id = &sign_in.client_id;
    match party.try_client(redirect_uri).await {
        Ok(()) => asking.ok("client", format!("the provider accepts the client `{id}` and its credential")),
        Err(ProviderError::TokenRefused { error, description }) if error == "invalid_client" => asking.failed(
            "client",
            format!("the provider refuses the client `{id}` or its credential: invalid_client{}", told(description)),
            format!(
                "compare `sign_in.client_id` and `{key}` with the client's registration: its secret may have been \
                 renewed, or it may be registered for the other way to send it (`sign_in.client_auth`)"
            ),
        ),
        Err(ProviderError::TokenRefused { error, description }) if error == "unauthorized_client" => asking.failed(
            "client",
            format!("the provider refuses the client `{id}`: unauthorized_client{}", told(description)),
            "allow the authorization code flow in the client's registration",
        ),
        Err(ProviderError::Metadata(_)) => asking.skipped("client", "the provider's endpoints are not known"),
        Err(error @ (ProviderError::TokenRefused { .. } | ProviderError::TokenStatus { .. })) => asking.warning(
            "client",
            format!("the provider refuses a code that nobody issued, but not by `invalid_grant`: {error}"),
            "whether it knows the client is not told by that: sign in once",
        ),
        Err(ProviderError::Unreachable(error)) => asking.failed("client", error.to_string(), of_exchange(&error)),
        Err(error) => asking.failed("client", error.to_string(), UNUSABLE),
    }
}

/// The provider's own words about an error.
fn told(description: Option<String>) -> String {
    description.map(|description| format!(" ({description:?})")).unwrap_or_default()
}

/// The remedy for a document that cannot be fetched or used; for a wrong status, it names the `address` to look at.
fn of_fetch(error: &FetchError, address: &str) -> String {
    match error {
        FetchError::Http(error) => of_exchange(error),
        FetchError::Unfinished => UNREACHED.to_owned(),
        FetchError::Status { .. } => address.to_owned(),
        FetchError::OtherIssuer { .. } => {
            "set `issuer` to what the provider calls itself, character by character (a slash at the end counts), or \
             correct the address in it"
                .to_owned()
        }
        FetchError::Unusable(_) => UNUSABLE.to_owned(),
    }
}

fn of_exchange(error: &HttpError) -> String {
    let proxy = error.proxy.as_deref().unwrap_or_default();
    match &error.kind {
        HttpErrorKind::Unreachable(Cause::Certificate(_)) => remedy::of_certificate("the provider's"),
        HttpErrorKind::Unreachable(Cause::AuthorityAsServer) => remedy::OF_AUTHORITY_AS_SERVER.to_owned(),
        HttpErrorKind::Unreachable(Cause::NotTls | Cause::NotHttp) => {
            "correct the scheme or the port of the URL: `https` with the port that speaks TLS".to_owned()
        }
        HttpErrorKind::Unreachable(Cause::ProxyCredentials) => {
            "give the proxy's user and password in HTTPS_PROXY and HTTP_PROXY (`http://USER:PASSWORD@HOST:PORT`)".to_owned()
        }
        HttpErrorKind::Unreachable(Cause::ProxyRefused) => {
            format!("allow {} at the proxy {proxy}, or except it by NO_PROXY if this machine reaches it directly", error.host)
        }
        HttpErrorKind::Unreachable(Cause::ProxyUnreachable(_)) => {
            format!("check HTTPS_PROXY and HTTP_PROXY, and that this machine reaches the proxy {proxy}")
        }
        HttpErrorKind::Unreachable(_) | HttpErrorKind::TimedOut(_) if error.proxy.is_some() => {
            format!("ask who runs the proxy {proxy} whether it reaches {}", error.host)
        }
        HttpErrorKind::Unreachable(_) | HttpErrorKind::TimedOut(_) => UNREACHED.to_owned(),
        HttpErrorKind::TooLarge(_) | HttpErrorKind::Unsendable(_) => UNUSABLE.to_owned(),
    }
}
