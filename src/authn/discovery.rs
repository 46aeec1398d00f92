//! OpenID Connect Discovery 1.0.

use std::fmt;
use url::Url;

/// What sign-in needs to know of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub userinfo_endpoint: Option<Url>,
    pub end_session_endpoint: Option<Url>,
    /// `authorization_response_iss_parameter_supported` (RFC 9207): the callback carries `iss`, and it must.
    pub iss_parameter_supported: bool,
    /// `token_endpoint_auth_methods_supported`; where absent, `client_secret_basic` alone as the specification says.
    pub token_endpoint_auth_methods: Vec<String>,
}

/// Why a provider's document cannot be used. The same for every caller that waited for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError(pub(super) String);

pub type ProviderError = FetchError;

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FetchError {}
