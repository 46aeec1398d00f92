//! The URL of an issuer's discovery document.

use super::settings::IssuerConfig;
use url::Url;

impl IssuerConfig {
    /// As configured, or `/.well-known/openid-configuration` below the issuer, whose own path comes first (OpenID
    /// Connect Discovery 1.0, section 4.1). `None` if that must not be fetched: an `http` issuer may be a name that is
    /// compared and never asked.
    pub fn discovery(&self) -> Option<Url> {
        let location = self.discovery_url.clone().or_else(|| below(&self.issuer))?;
        (location.scheme() == "https" || self.insecure_http).then_some(location)
    }
}

fn below(issuer: &str) -> Option<Url> {
    let issuer = Url::parse(issuer).ok()?;
    let plain = matches!(issuer.scheme(), "https" | "http")
        && issuer.query().is_none()
        && issuer.fragment().is_none()
        && issuer.username().is_empty()
        && issuer.password().is_none();
    let base = issuer.as_str().trim_end_matches('/');
    plain.then(|| Url::parse(&format!("{base}/.well-known/openid-configuration")).ok()).flatten()
}
