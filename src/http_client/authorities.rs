//! The certificate authorities by which servers are verified: one set for the provider, AWS and the shared state.

use crate::files::{Files, refuse_irregular};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::CertificateResult;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// In place of the machine's authorities: a file of certificates, and folders of such files.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
/// Stands for all files of the store.
const STORE: &str = "(certificate authorities)";

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
    /// A file or folder that a variable names cannot be read, or there is no authority at all.
    pub fn load(files: &Files) -> Result<Self, String> {
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
        let of_file = set.iter().filter(|(name, _)| *name == VARIABLES[0]).map(|(_, value)| Path::new(value));
        for file in of_file {
            let found = files.metadata(file).and_then(|found| refuse_irregular(&found));
            found.map_err(|error| format!("SSL_CERT_FILE: `{}` {error}", file.display()))?;
        }
        let found = files.in_time(Path::new(STORE), |_| Ok(rustls_native_certs::load_native_certs()));
        let CertificateResult { mut certs, errors, .. } =
            found.map_err(|error| format!("the store of certificate authorities in {place} {error}"))?;
        if let (Some(error), false) = (errors.first(), set.is_empty()) {
            return Err(format!("the certificate authorities of {place} cannot be read: {error}"));
        }
        let mut roots = RootCertStore::empty();
        // The machine's store may hold authorities that are not usable.
        certs.retain(|certificate| roots.add(certificate.clone()).is_ok());
        if certs.is_empty() {
            return Err(format!("there are no certificate authorities in {place}"));
        }
        Ok(Self { roots: Arc::new(roots), certificates: Arc::new(certs) })
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }

    /// The authorities, all of them usable.
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
