//! One configured issuer: its keys, its claims, its people.

use super::claims::{Claims, Expected, TokenError};
use super::discovery::{FetchError, Provider, ProviderError};
use super::principal::Principal;
use super::token::UnverifiedToken;
use crate::clock::Clock;
use crate::config::IssuerConfig;
use crate::http_client::HttpClient;
use std::sync::Arc;

#[derive(Debug)]
pub struct Issuer {
    config: IssuerConfig,
    clock: Clock,
    http: HttpClient,
}

impl Issuer {
    /// # Errors
    ///
    /// A key file that cannot be read or holds no usable key, in words for the admin.
    pub fn new(config: IssuerConfig, http: HttpClient, clock: Clock) -> Result<Arc<Self>, String> {
        Ok(Arc::new(Self { config, http, clock }))
    }

    /// The issuer's key in the config.
    pub fn name(&self) -> &Arc<str> {
        &self.config.name
    }

    pub fn config(&self) -> &IssuerConfig {
        &self.config
    }

    /// # Errors
    ///
    /// The first check that fails, or [`TokenError::KeysUnavailable`] where the keys could not be had.
    pub async fn verify(
        &self,
        token: &UnverifiedToken<'_>,
        expected: Expected<'_>,
    ) -> Result<Claims, TokenError> {
        let _ = (token, expected, &self.clock, &self.http);
        Err(TokenError::KeysUnavailable(FetchError(String::new())))
    }

    /// # Errors
    ///
    /// [`TokenError::Mapping`] where the claims do not name a person of this issuer.
    pub fn principal(&self, claims: Claims) -> Result<Principal, TokenError> {
        let _ = claims;
        Err(TokenError::WrongSubject)
    }

    /// # Errors
    ///
    /// The provider's metadata is out of reach, or names another issuer, or lacks what sign-in needs.
    pub async fn provider(&self) -> Result<Arc<Provider>, ProviderError> {
        Err(FetchError(String::new()))
    }
}
