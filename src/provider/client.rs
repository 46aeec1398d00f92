//! This gateway as an OAuth client: its requests to the token endpoint and to `UserInfo`, and its authentication there.

use super::error::ProviderError;
use super::token_answer::Tokens;
use super::user_info::UserInfo;
use crate::clock::Clock;
use crate::config::file::ClientAuth;
use crate::config::secrets::{SecretError, Secrets};
use crate::config::{ClientAuthentication, SignInConfig};
use crate::http_client::HttpClient;
use crate::provider::discovery::Provider;
use crate::secret::{Secret, random};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const NO_SIGNING_KEY: &str = "it is not a PEM private key: RSA of 2048 bits or more, P-256, P-384 or Ed25519, the latter three in \
     PKCS #8, which `openssl pkey -in KEY -out PKCS8` writes";
const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Client {
    id: String,
    authentication: Authentication,
    secret_goes: Option<ClientAuth>,
    http: HttpClient,
    clock: Clock,
}

enum Authentication {
    Secret(Zeroizing<String>),
    PrivateKey { algorithm: Algorithm, key: EncodingKey },
}

impl Client {
    /// # Errors
    ///
    /// The secret was not read, or the key is not one that signs.
    pub(super) fn new(
        config: &SignInConfig,
        secrets: &Secrets,
        http: HttpClient,
        clock: Clock,
    ) -> Result<Self, SecretError> {
        let key = config.secret_key();
        let secret = secrets.get(key)?.expose();
        let authentication = match &config.client_authentication {
            ClientAuthentication::Secret(_) => {
                let secret = String::from_utf8(secret.to_vec())
                    .map_err(|_| SecretError::unusable(key, "it is not UTF-8 text"))?;
                Authentication::Secret(Zeroizing::new(secret))
            }
            ClientAuthentication::PrivateKeyJwt(_) => {
                let (algorithm, key) =
                    signing_key(secret).ok_or_else(|| SecretError::unusable(key, NO_SIGNING_KEY))?;
                Authentication::PrivateKey { algorithm, key }
            }
        };
        let (id, secret_goes) = (config.client_id.clone(), config.client_auth);
        Ok(Self { id, authentication, secret_goes, http, clock })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Trades the code for tokens (OpenID Connect Core 1.0, section 3.1.3); the ID token, which must be one of them, stands
    /// beside the others.
    pub(super) async fn exchange(
        &self,
        provider: &Provider,
        issuer: &str,
        code: &str,
        redirect_uri: &Url,
        verifier: &str,
    ) -> Result<(String, Tokens), ProviderError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri.as_str()),
            ("code_verifier", verifier),
        ];
        let mut tokens = self.grant(provider, issuer, &form).await?;
        let id_token = tokens.id_token.take().ok_or(ProviderError::malformed("its `id_token` is missing"))?;
        Ok((id_token, tokens))
    }

    /// Asks for new tokens (RFC 6749, section 6), of the scope that was granted.
    pub(super) async fn refresh(
        &self,
        provider: &Provider,
        issuer: &str,
        refresh_token: &str,
    ) -> Result<Tokens, ProviderError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.grant(provider, issuer, &form).await
    }

    async fn grant(
        &self,
        provider: &Provider,
        issuer: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Tokens, ProviderError> {
        // The serializer cannot cross threads, so it ends before the first wait.
        let (authorization, form) = {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(pairs);
            (self.authenticate(&mut form, provider, issuer)?, form.finish())
        };
        let answer = self.http.post_form(&provider.token_endpoint, authorization.as_ref(), form).await?;
        Tokens::of(&answer)
    }

    /// OpenID Connect Core 1.0, section 5.3.
    pub(super) async fn user_info(
        &self,
        endpoint: &Url,
        access_token: &str,
    ) -> Result<UserInfo, ProviderError> {
        let authorization = Secret::new(format!("Bearer {access_token}"));
        UserInfo::of(&self.http.get_authorized(endpoint, &authorization).await?)
    }

    /// Says who we are, in the form or in the `Authorization` value that is returned.
    fn authenticate(
        &self,
        form: &mut form_urlencoded::Serializer<'_, String>,
        provider: &Provider,
        issuer: &str,
    ) -> Result<Option<Secret>, ProviderError> {
        match &self.authentication {
            Authentication::Secret(secret) => match self.secret_goes.or_else(|| offered(provider)) {
                Some(ClientAuth::Basic) => Ok(Some(basic(&self.id, secret))),
                Some(ClientAuth::Post) => {
                    form.append_pair("client_id", &self.id);
                    form.append_pair("client_secret", secret);
                    Ok(None)
                }
                None => Err(ProviderError::NoClientAuthentication),
            },
            Authentication::PrivateKey { algorithm, key } => {
                form.append_pair("client_id", &self.id);
                form.append_pair("client_assertion_type", ASSERTION_TYPE);
                form.append_pair("client_assertion", &self.assertion(*algorithm, key, issuer)?);
                Ok(None)
            }
        }
    }

    /// RFC 7523, section 3. The audience is the issuer alone: its update (draft-ietf-oauth-rfc7523bis) forbids the token
    /// endpoint there, because an endpoint may be another provider's.
    fn assertion(
        &self,
        algorithm: Algorithm,
        key: &EncodingKey,
        issuer: &str,
    ) -> Result<String, ProviderError> {
        let now = self.clock.now();
        let claims = Assertion {
            iss: &self.id,
            sub: &self.id,
            aud: issuer,
            jti: URL_SAFE_NO_PAD.encode(random::<16>()),
            iat: now.0,
            exp: now.plus(ASSERTION_LIFETIME).0,
        };
        jsonwebtoken::encode(&Header::new(algorithm), &claims, key)
            .map_err(|_| ProviderError::UnusableClientKey)
    }
}

/// The authentication method that the provider lists, which need not be the registered one (RFC 7591, section 2).
fn offered(provider: &Provider) -> Option<ClientAuth> {
    let takes = |method: &str| provider.token_endpoint_auth_methods.iter().any(|taken| taken == method);
    match () {
        () if takes("client_secret_basic") => Some(ClientAuth::Basic),
        () if takes("client_secret_post") => Some(ClientAuth::Post),
        () => None,
    }
}

#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: u64,
    exp: u64,
}

/// RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
fn basic(id: &str, secret: &str) -> Secret {
    let id: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
    let secret: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
}

/// The key and the algorithm that its type allows, found by signing with it.
fn signing_key(pem: &[u8]) -> Option<(Algorithm, EncodingKey)> {
    let candidates = [
        (Algorithm::RS256, EncodingKey::from_rsa_pem(pem)),
        (Algorithm::ES256, EncodingKey::from_ec_pem(pem)),
        (Algorithm::ES384, EncodingKey::from_ec_pem(pem)),
        (Algorithm::EdDSA, EncodingKey::from_ed_pem(pem)),
    ];
    candidates.into_iter().find_map(|(algorithm, key)| {
        let key = key.ok()?;
        jsonwebtoken::encode(&Header::new(algorithm), &(), &key).ok()?;
        Some((algorithm, key))
    })
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret(..)",
            Self::PrivateKey { .. } => "PrivateKey(..)",
        })
    }
}
