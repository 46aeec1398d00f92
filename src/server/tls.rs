//! TLS 1.2 and 1.3 (RFC 5246, RFC 8446) for the listener: a certificate with its key, and the sessions that clients resume.

mod validity;

pub use validity::Validity;

use crate::config::TlsConfig;
use crate::config::secrets::{CERTIFICATE, PRIVATE_KEY, SecretError, Secrets};
use crate::digest::{Sha256, of_parts};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, ServerConfig, ServerSessionMemoryCache};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CipherSuite, Error, InconsistentKeys};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use url::{Host, Url};

/// Sessions that clients may resume. They stay in this process, each resumes once, and a new certificate drops them: no ticket
/// key exists that could decrypt many recorded connections. With another replica, a client makes a full handshake.
const MOST_RESUMED: usize = 1024;

#[derive(Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
    validity: Validity,
    /// Digest of the certificates and the key.
    fingerprint: Sha256,
}

impl Tls {
    /// Takes the certificate and the key as they were read. Returns `before` if both are unchanged.
    ///
    /// # Errors
    ///
    /// The file that is wrong, its content in words and the allowed content.
    pub fn new(
        files: &TlsConfig,
        secrets: &Secrets,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, SecretError> {
        let chain = certificates(&files.certificate, secrets.get(CERTIFICATE)?.expose())?;
        let key = private_key(&files.private_key, secrets.get(PRIVATE_KEY)?.expose())?;
        let fingerprint = of_parts(chain.iter().map(AsRef::as_ref).chain([key.secret_der()]));
        if let Some(same) = before.filter(|before| before.fingerprint == fingerprint) {
            return Ok(Arc::clone(same));
        }
        let certificate = chain.first().cloned();
        let unreadable = || {
            let file = files.certificate.display();
            SecretError::unusable(CERTIFICATE, format!("the first certificate in `{file}` cannot be read"))
        };
        let certificate = certificate.ok_or_else(unreadable)?;
        let validity = Validity::of(&certificate).ok_or_else(unreadable)?;
        let provider = Arc::new(provider());
        let pair = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => SecretError::unusable(
                PRIVATE_KEY,
                format!(
                    "`{}` is not the key of the first certificate in `{}`; allowed: a certificate with its own key",
                    files.private_key.display(),
                    files.certificate.display(),
                ),
            ),
            Error::InvalidCertificate(_) => unreadable(),
            error => SecretError::unusable(
                PRIVATE_KEY,
                format!(
                    "the key in `{}` cannot be used ({error}); allowed: RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, Ed25519",
                    files.private_key.display(),
                ),
            ),
        })?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| SecretError::unusable("listen.tls", error.to_string()))?;
        let mut config =
            config.with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.ignore_client_order = true;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = ServerSessionMemoryCache::new(MOST_RESUMED);
        config.send_tls13_tickets = 1;
        Ok(Arc::new(Self { config: Arc::new(config), certificate, validity, fingerprint }))
    }

    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The validity of the server's certificate.
    pub fn validity(&self) -> &Validity {
        &self.validity
    }

    /// The reason why clients may reject the certificate, now or soon. A balancer in front may accept it all the same.
    pub fn complaint(&self, public_url: &Url, now: SystemTime) -> Option<String> {
        let host = public_url.host_str().unwrap_or_default();
        let other =
            (!self.is_for(public_url)).then(|| format!("is not for `{host}`, the host of `public_url`"));
        let authority = self.is_of_authority().then(|| {
            "is an authority's own (`basicConstraints` says `CA:TRUE`), which clients may refuse as a server's".to_owned()
        });
        let complaints = self.validity.complaint(now).into_iter().chain(other).chain(authority);
        let complaints: Vec<String> = complaints.collect();
        (!complaints.is_empty()).then(|| complaints.join(" and "))
    }

    /// Whether the certificate is for issuing others, not for a server.
    pub fn is_of_authority(&self) -> bool {
        validity::is_of_authority(&self.certificate)
    }

    /// Whether clients take the certificate for this host: RFC 9525.
    fn is_for(&self, public_url: &Url) -> bool {
        let name = match public_url.host() {
            Some(Host::Domain(name)) => ServerName::try_from(name).ok(),
            Some(Host::Ipv4(address)) => Some(IpAddr::from(address).into()),
            Some(Host::Ipv6(address)) => Some(IpAddr::from(address).into()),
            None => None,
        };
        let certificate = ParsedCertificate::try_from(&self.certificate);
        name.zip(certificate.ok())
            .is_some_and(|(name, certificate)| verify_server_name(&certificate, &name).is_ok())
    }
}

/// Prefers the suite with SHA-256, for which processors have instructions. Browsers ask for it first, too; SHA-384, which most
/// other clients ask for first, takes a tenth of a handshake's time.
fn provider() -> CryptoProvider {
    let mut provider = default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, SecretError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let wrong = |what: &str| {
        let allowed = "a PEM file with the server's certificate first, then those of the authorities between it and the root";
        SecretError::unusable(CERTIFICATE, format!("`{}` {what}; allowed: {allowed}", file.display()))
    };
    match found {
        Ok(chain) if chain.is_empty() => Err(wrong("holds no certificate")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(wrong(reason(&error))),
    }
}

fn private_key(file: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, SecretError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        let what = match (error, mark_of_encryption(pem)) {
            (_, Some(mark)) => format!(
                "is encrypted (`{mark}`), and nobody gives a passphrase here: `openssl pkey -in {} -out PLAIN` decrypts it",
                file.display()
            ),
            (pem::Error::NoItemsFound, None) => "holds no private key".to_owned(),
            (error, None) => reason(&error).to_owned(),
        };
        let allowed = "a PEM file with a private key (PKCS #8, PKCS #1 or SEC 1), not encrypted";
        SecretError::unusable(PRIVATE_KEY, format!("`{}` {what}; allowed: {allowed}", file.display()))
    })
}

/// The mark of an encrypted key: RFC 7468, section 11, or RFC 1421, section 4.6.1.1.
fn mark_of_encryption(pem: &[u8]) -> Option<&'static str> {
    let holds = |mark: &&str| pem.windows(mark.len()).any(|window| window == mark.as_bytes());
    ["ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"].into_iter().find(|mark| holds(mark))
}

/// Never shows the file's content.
fn reason(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::NoItemsFound => "holds nothing in PEM",
        _ => "is not PEM",
    }
}
