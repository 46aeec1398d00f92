//! The certificate authorities that servers are judged by: one set for the provider, AWS and the shared state.

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::CertificateResult;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

/// In place of the machine's authorities: a file of certificates, and folders of such files.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

#[derive(Clone)]
pub struct Authorities {
    roots: Arc<RootCertStore>,
    certificates: Arc<Vec<CertificateDer<'static>>>,
}

impl Authorities {
    /// Those of this machine, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR` alone, where one is set.
    ///
    /// # Errors
    ///
    /// What one of the variables names cannot be read, or there is no authority at all.
    pub fn load() -> Result<Self, String> {
        let set: Vec<(&str, OsString)> =
            VARIABLES.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))).collect();
        let place = match set.as_slice() {
            [] => "this machine".to_owned(),
            set => set
                .iter()
                .map(|(name, value)| format!("{name}={}", value.display()))
                .collect::<Vec<_>>()
                .join(" "),
        };
        let CertificateResult { mut certs, errors, .. } = rustls_native_certs::load_native_certs();
        if let (Some(error), false) = (errors.first(), set.is_empty()) {
            return Err(format!("the certificate authorities of {place} cannot be read: {error}"));
        }
        let mut roots = RootCertStore::empty();
        // Machines carry authorities that nobody can use any more.
        certs.retain(|certificate| roots.add(certificate.clone()).is_ok());
        if certs.is_empty() {
            return Err(format!("there are no certificate authorities in {place}"));
        }
        Ok(Self { roots: Arc::new(roots), certificates: Arc::new(certs) })
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }

    /// Each can be used.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}

/// TLS as every client here speaks it, by these authorities.
pub(crate) fn client_tls(roots: impl Into<Arc<RootCertStore>>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.certificates.len())
    }
}
