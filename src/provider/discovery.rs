//! The metadata that a provider publishes of itself (OpenID Connect Discovery 1.0, section 4).

use crate::clock::{Clock, UnixSeconds};
use crate::config::IssuerConfig;
use crate::http_client::HttpClient;
use crate::http_client::document::{FetchError, fetch};
use crate::provider::refresh::{Fetch, Refreshed};
use serde_json::{Map, Value};
use std::sync::Arc;
use url::Url;

/// The most of an unexpected issuer that a message shows.
const LONGEST_SHOWN: usize = 200;

/// The metadata of a provider that sign-in needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub userinfo_endpoint: Option<Url>,
    pub end_session_endpoint: Option<Url>,
    /// `authorization_response_iss_parameter_supported` (RFC 9207): the callback carries `iss`, and must.
    pub iss_parameter_supported: bool,
    /// `token_endpoint_auth_methods_supported`; where absent, `client_secret_basic` alone as the specification says.
    pub token_endpoint_auth_methods: Vec<String>,
    /// `response_types_supported`.
    pub response_types: Vec<String>,
    /// `code_challenge_methods_supported` (RFC 8414, section 2). Providers that support PKCE may leave it out.
    pub code_challenge_methods: Vec<String>,
}

/// The metadata document as far as it is used. An issuer of bearer tokens may publish its keys and nothing else, so what
/// sign-in needs is judged when sign-in asks.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    /// Needed only where the configuration does not say where the keys are.
    pub(crate) jwks_uri: Result<Url, FetchError>,
    pub(crate) provider: Result<Arc<Provider>, FetchError>,
}

/// The metadata of an issuer, fetched when first asked for; `None` where it has no document that may be fetched.
///
/// Endpoints may stand on other hosts than the issuer (Google's do): the document is believed because it came over TLS
/// from the issuer's own URL, or from where the configuration says. A change of a host is logged.
pub(crate) fn metadata(config: &IssuerConfig, http: HttpClient, clock: Clock) -> Option<Refreshed<Metadata>> {
    let source = Arc::new(Source::of(config)?);
    let name = format!("discovery document of {}", source.issuer);
    Some(Refreshed::new(name, clock, move |before: Option<Arc<Metadata>>| -> Fetch<Metadata> {
        let (http, source) = (http.clone(), Arc::clone(&source));
        Box::pin(async move {
            let (metadata, _) = source.load(&http).await?;
            if let Some(before) = before {
                log_moves(&source.issuer, &before, &metadata);
            }
            Ok(metadata)
        })
    }))
}

/// The metadata of an issuer as it is now, and the time by the issuer's clock.
///
/// # Errors
///
/// The issuer has no document, or it cannot be had or used.
pub(crate) async fn ask(
    config: &IssuerConfig,
    http: &HttpClient,
) -> Result<(Metadata, Option<UnixSeconds>), FetchError> {
    Source::of(config).ok_or_else(none)?.load(http).await
}

/// The error for an issuer without a document.
pub(crate) fn none() -> FetchError {
    FetchError::Unusable("the issuer has no discovery document that may be fetched".to_owned())
}

/// The place of a document, and the issuer that it must name.
struct Source {
    location: Url,
    issuer: String,
    insecure: bool,
}

impl Source {
    fn of(config: &IssuerConfig) -> Option<Self> {
        let (location, issuer) = (config.discovery()?, config.issuer.clone());
        Some(Self { location, issuer, insecure: config.insecure_http })
    }

    async fn load(&self, http: &HttpClient) -> Result<(Metadata, Option<UnixSeconds>), FetchError> {
        let answer = fetch(http, &self.location).await?;
        Ok((parse(&answer.body, &self.issuer, self.insecure)?, answer.date))
    }
}

fn parse(body: &[u8], issuer: &str, insecure: bool) -> Result<Metadata, FetchError> {
    let document: Map<String, Value> = serde_json::from_slice(body).map_err(|_| {
        FetchError::Unusable(format!("the discovery document of `{issuer}` is not a JSON object"))
    })?;
    match document.get("issuer").and_then(Value::as_str) {
        Some(found) if found == issuer => {}
        found => {
            let found = found.unwrap_or("missing").escape_debug().take(LONGEST_SHOWN).collect();
            return Err(FetchError::OtherIssuer { issuer: issuer.to_owned(), found });
        }
    }
    Ok(Metadata {
        jwks_uri: endpoint(&document, "jwks_uri", insecure),
        provider: provider(&document, insecure).map(Arc::new),
    })
}

fn provider(document: &Map<String, Value>, insecure: bool) -> Result<Provider, FetchError> {
    let optional = |name| match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => endpoint(document, name, insecure).map(Some),
    };
    let listed = |name| {
        let values = document.get(name).and_then(Value::as_array)?;
        Some(values.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
    };
    let methods = listed("token_endpoint_auth_methods_supported");
    let iss_parameter = document.get("authorization_response_iss_parameter_supported");
    Ok(Provider {
        authorization_endpoint: endpoint(document, "authorization_endpoint", insecure)?,
        token_endpoint: endpoint(document, "token_endpoint", insecure)?,
        userinfo_endpoint: optional("userinfo_endpoint")?,
        end_session_endpoint: optional("end_session_endpoint")?,
        iss_parameter_supported: iss_parameter == Some(&Value::Bool(true)),
        token_endpoint_auth_methods: methods.unwrap_or_else(|| vec!["client_secret_basic".to_owned()]),
        response_types: listed("response_types_supported").unwrap_or_default(),
        code_challenge_methods: listed("code_challenge_methods_supported").unwrap_or_default(),
    })
}

fn endpoint(document: &Map<String, Value>, name: &str, insecure: bool) -> Result<Url, FetchError> {
    let Some(value) = document.get(name) else {
        return Err(FetchError::Unusable(format!("`{name}` is missing in the discovery document")));
    };
    let url = value.as_str().and_then(|text| Url::parse(text).ok());
    url.filter(|url| url.scheme() == "https" || (insecure && url.scheme() == "http"))
        .filter(|url| url.fragment().is_none())
        .ok_or_else(|| {
            FetchError::Unusable(format!("`{name}` in the discovery document is not an https URL"))
        })
}

fn log_moves(issuer: &str, before: &Metadata, after: &Metadata) {
    let warn = |endpoint: &'static str, from: &Url, to: &Url| {
        if from.origin() != to.origin() {
            let (from, to) = (from.origin().ascii_serialization(), to.origin().ascii_serialization());
            tracing::warn!(issuer, endpoint, from, to, "endpoint.moved");
        }
    };
    if let (Ok(before), Ok(after)) = (&before.jwks_uri, &after.jwks_uri) {
        warn("jwks_uri", before, after);
    }
    if let (Ok(before), Ok(after)) = (&before.provider, &after.provider) {
        warn("authorization_endpoint", &before.authorization_endpoint, &after.authorization_endpoint);
        warn("token_endpoint", &before.token_endpoint, &after.token_endpoint);
    }
}
