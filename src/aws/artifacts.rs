//! The artifact store of an MLflow target, and requests to it as one person.

use super::Aws;
use super::credentials::SignedBy;
use super::error::{AwsError, AwsErrorKind};
use super::s3::request::request;
use super::s3::store::ArtifactStore;
use super::s3::{Operation, StoreAccess};
use super::session_policy::Scope;
use super::signature::{Signed, signature};
use super::states::{StateKey, States};
use super::stores::{NoStore, Told, read};
use super::sts::AssumeRole;
use crate::target::Mint;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SigningSettings, UriPathNormalizationMode,
};
use hyper::Request;
use std::sync::Arc;
use url::Url;

impl Aws {
    /// The artifact store of an MLflow target, as of some minutes ago at most. The caller has the deadline.
    ///
    /// # Errors
    ///
    /// [`NoStore`]
    pub(crate) async fn artifact_store(&self, mint: &Mint) -> Result<Arc<ArtifactStore>, NoStore> {
        let (states, key) = (&self.states, StateKey::of(mint));
        if let Some(error) = states.stores.missed.get(&key).await {
            return Err(NoStore::Unknown(error));
        }
        let asked = states.stores.told.try_get_with_by_ref(&key, Box::pin(asked(states, &key))).await;
        match asked {
            Ok(told) => told.map_err(NoStore::Unusable),
            Err(error) => {
                states.stores.missed.insert(key, (*error).clone()).await;
                Err(NoStore::Unknown((*error).clone()))
            }
        }
    }

    /// How a person asks the store: in a session of their own for these artifacts and nothing else, as far as their access
    /// goes. Without a role, as the gateway itself.
    pub(crate) fn store_access(
        &self,
        mint: &Mint,
        session_name: String,
        store: Arc<ArtifactStore>,
        endpoint_url: Option<Url>,
    ) -> StoreAccess {
        let session = self.session(mint, session_name).map(|session| {
            let (store, access) = (Arc::clone(&store), mint.access);
            let scope = self.config.scoped_session_policy.then_some(Scope::Artifacts { store, access });
            Arc::new(AssumeRole { scope, ..(*session).clone() })
        });
        StoreAccess { store, region: mint.region.clone(), endpoint_url, session }
    }

    /// The head of a request, complete and signed, and what it is signed by.
    ///
    /// # Errors
    ///
    /// There are no credentials, or the request cannot be signed; then nothing was sent.
    pub(crate) async fn sign_for_store(
        &self,
        access: &StoreAccess,
        operation: &Operation<'_>,
    ) -> Result<(Request<()>, SignedBy), AwsError> {
        let refused = |what: &str| AwsError::new(AwsErrorKind::Refused, format!("call to S3: {what}"));
        let mut request = request(access, operation).map_err(|what| refused(&what))?;
        let session = access.session.clone();
        let credentials = self.credentials.acquire(session.clone()).await?;
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let scope = Signed { service: "s3", region: &access.region, at: self.clock.now_system() };
        let signed =
            signature(&scope, settings, credentials.clone(), &request, SignableBody::UnsignedPayload);
        request.headers_mut().extend(signed.map_err(|what| refused(&what))?);
        Ok((request, SignedBy { session, credentials }))
    }
}

async fn asked(states: &States, key: &StateKey) -> Result<Told, AwsError> {
    Ok(read(&states.ask(key, true).await?))
}
