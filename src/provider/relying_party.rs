//! This gateway as the relying party of an OpenID provider: the facts that it learns of a person, at sign-in and later.

use super::client::Client;
use super::error::ProviderError;
use super::token_answer::Tokens;
use super::user_info::UserInfo;
use crate::clock::Clock;
use crate::config::SignInConfig;
use crate::config::secrets::{SecretError, Secrets};
use crate::http_client::HttpClient;
use crate::provider::discovery::Provider;
use crate::provider::issuer::Issuer;
use crate::provider::policy_inputs::{Names, PolicyInputs};
use crate::provider::principal::{self, MissingClaims, Principal};
use crate::tokens::claims::{Claims, Expected};
use crate::tokens::error::TokenError;
use crate::tokens::jws::UnverifiedToken;
use crate::tokens::mapping_error::{Fault, MappingError};
use serde_json::{Map, Value};
use std::sync::Arc;
use url::Url;

#[derive(Debug)]
pub struct RelyingParty {
    issuer: Arc<Issuer>,
    client: Client,
    /// The claims that the rules ask about.
    asked: Names,
}

/// The person whom an ID token names, and the provider's session.
#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) principal: Principal,
    /// `sid`.
    pub(crate) provider_session: Option<String>,
}

impl RelyingParty {
    /// `issuer` is the configured issuer that `config` names; `reads`, what the rules read of a person.
    ///
    /// # Errors
    ///
    /// The client's secret or key was not read, or is not one that signs.
    pub fn new(
        config: &SignInConfig,
        secrets: &Secrets,
        issuer: Arc<Issuer>,
        reads: &PolicyInputs,
        http: HttpClient,
        clock: Clock,
    ) -> Result<Self, SecretError> {
        Ok(Self { issuer, client: Client::new(config, secrets, http, clock)?, asked: reads.claims.clone() })
    }

    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub(crate) fn client_id(&self) -> &str {
        self.client.id()
    }

    pub(crate) async fn exchange(
        &self,
        provider: &Provider,
        code: &str,
        redirect_uri: &Url,
        verifier: &str,
    ) -> Result<(String, Tokens), ProviderError> {
        self.client.exchange(provider, &self.issuer.config().issuer, code, redirect_uri, verifier).await
    }

    /// Whether the provider knows this client: it is shown a code that nobody issued, which it refuses (`invalid_grant`)
    /// only to a client that it knows (RFC 6749, section 5.2).
    ///
    /// # Errors
    ///
    /// Another answer of the provider, or why there was none.
    pub async fn try_client(&self, redirect_uri: &Url) -> Result<(), ProviderError> {
        const NO_CODE: &str = "a-code-that-nobody-issued";
        const NO_VERIFIER: &str = "a-verifier-of-forty-three-characters-or-more";
        let provider = self.issuer.provider().await?;
        match self.exchange(&provider, NO_CODE, redirect_uri, NO_VERIFIER).await {
            Err(ProviderError::TokenRefused { error, .. }) if error == "invalid_grant" => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(ProviderError::malformed("it is for a code that nobody issued")),
        }
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<Tokens, ProviderError> {
        let provider = self.issuer.provider().await?;
        self.client.refresh(&provider, &self.issuer.config().issuer, refresh_token).await
    }

    /// The claims of an ID token that has passed every check.
    pub(crate) async fn verify(
        &self,
        id_token: &str,
        expected: Expected<'_>,
    ) -> Result<Claims, ProviderError> {
        let token = UnverifiedToken::parse_id_token(id_token)?;
        Ok(self.issuer.verify(&token, expected).await?)
    }

    /// The person whom a verified ID token names; the access token came with it.
    pub(crate) async fn person(
        &self,
        id_token: Claims,
        access_token: Option<&str>,
    ) -> Result<Identified, ProviderError> {
        let claims = self.all_claims(id_token, access_token).await?;
        let provider_session = claims.get("sid").and_then(Value::as_str).map(str::to_owned);
        let subject = claims.subject().unwrap_or_default().to_owned();
        let principal = self.issuer.principal(claims).and_then(|principal| self.as_person(principal));
        let principal = principal.inspect_err(|error| self.log_nobody(&subject, error))?;
        Ok(Identified { principal, provider_session })
    }

    /// The person, where a refresh brought no ID token (OpenID Connect Core 1.0, section 12.2): `UserInfo` names the
    /// same `subject`. `sign_in` are the claims about the sign-in itself, which no refresh changes.
    pub(crate) async fn person_without_id_token(
        &self,
        access_token: Option<&str>,
        subject: &str,
        sign_in: Map<String, Value>,
    ) -> Result<Identified, ProviderError> {
        let provider = self.issuer.provider().await?;
        let endpoint = provider.userinfo_endpoint.as_ref();
        let endpoint = endpoint.ok_or(ProviderError::NothingSaid("the provider has no such endpoint"))?;
        let access_token = access_token.ok_or(ProviderError::NothingSaid("there is no access_token"))?;
        let mut claims = self.user_info(endpoint, access_token).await?;
        if claims.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(ProviderError::UserInfoSubject);
        }
        claims.extend(sign_in);
        let principal = principal::map(self.issuer.config(), Arc::new(claims)).map_err(TokenError::Mapping);
        let principal = principal.and_then(|principal| self.as_person(principal));
        let principal = principal.inspect_err(|error| self.log_nobody(subject, error));
        Ok(Identified { principal: principal.map_err(ProviderError::UserInfoToken)?, provider_session: None })
    }

    /// Refuses a program: a session is of the people's realm.
    fn as_person(&self, principal: Principal) -> Result<Principal, TokenError> {
        match &self.issuer.config().programs {
            Some(programs) if principal.realm == programs.realm => {
                let error = MappingError::at(Fault::ProgramSignedIn, &programs.claim, &principal.claims);
                Err(TokenError::Mapping(error))
            }
            _ => Ok(principal),
        }
    }

    /// The ID token's claims, and those of `UserInfo` where the ID token leaves out one that we are to read.
    async fn all_claims(&self, claims: Claims, access_token: Option<&str>) -> Result<Claims, ProviderError> {
        if access_token.is_some_and(|access_token| !claims.fits_access_token(access_token)) {
            return Err(ProviderError::WrongAccessToken);
        }
        let provider = self.issuer.provider().await?;
        let Some(endpoint) = &provider.userinfo_endpoint else { return Ok(claims) };
        let missing = principal::missing_claims(self.issuer.config(), claims.all());
        let holds_what_rules_ask = self.asked.are_all_in(claims.all());
        // If the rules do not tell which claims they ask for, the claims of the ID token have to do.
        if missing == MissingClaims::Nothing && (holds_what_rules_ask || self.asked == Names::All) {
            return Ok(claims);
        }
        let user_info = match access_token {
            Some(access_token) => self.user_info(endpoint, access_token).await,
            None => Err(ProviderError::NoAccessToken),
        };
        match user_info {
            Ok(user_info) => {
                let merged = claims.with_user_info(user_info, &self.issuer.config().claims);
                merged.map_err(|_| ProviderError::UserInfoSubject)
            }
            // A name is for pages only.
            Err(_) if missing != MissingClaims::UserOrGroups && holds_what_rules_ask => Ok(claims),
            // Without an answer the person would seem to have no such claim, and pass rules that deny those who have it.
            Err(error) => Err(error),
        }
    }

    /// The claims of `UserInfo`, whose subject is not checked yet.
    async fn user_info(
        &self,
        endpoint: &Url,
        access_token: &str,
    ) -> Result<Map<String, Value>, ProviderError> {
        match self.client.user_info(endpoint, access_token).await? {
            UserInfo::Plain(claims) => Ok(claims),
            UserInfo::Signed(token) => {
                let token = UnverifiedToken::parse_id_token(&token).map_err(ProviderError::UserInfoToken)?;
                let expected = Expected::UserInfo { client_id: self.client.id() };
                let claims = self.issuer.verify(&token, expected).await;
                Ok(Arc::unwrap_or_clone(claims.map_err(ProviderError::UserInfoToken)?.into_all()))
            }
        }
    }

    fn log_nobody(&self, subject: &str, error: &TokenError) {
        let error = error.internal();
        tracing::warn!(issuer = %self.issuer.name(), subject, %error, "sign-in.names-nobody");
    }
}
