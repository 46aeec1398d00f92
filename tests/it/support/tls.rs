//! A client of TLS that believes one authority of the tests'.

use super::valkey::make_certificates;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority with certificates for `localhost`, and where the server looks for the pair.
pub(crate) struct Authority {
    pub(crate) folder: TempDir,
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        make_certificates(folder.path());
        let (certificate, private_key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let authority = Self { folder, certificate, private_key };
        authority.install("server");
        authority
    }

    /// An authority whose pair is for another name than `localhost`.
    pub(crate) fn for_name(name: &str) -> Self {
        let authority = Self::new();
        fs::write(authority.folder.path().join("server.ext"), format!("subjectAltName=DNS:{name}"))
            .expect("a file");
        authority.issue(name, "-days 30");
        authority.install(name);
        authority
    }

    /// Its own certificate is the server's from now on.
    pub(crate) fn serve_itself(&self) {
        let script = "set -e
            openssl req -x509 -new -key ca.key -days 2 -subj '/CN=a test authority' -addext subjectAltName=DNS:localhost -out itself.pem
            cp ca.key itself.key; cp itself.pem ca.pem";
        let made = Command::new("sh").args(["-c", script]).current_dir(self.folder.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.install("itself");
    }

    /// Another pair of this authority's, by the name of its files.
    pub(crate) fn issue(&self, name: &str, valid: &str) {
        let script = format!(
            "set -e
            openssl ecparam -name prime256v1 -genkey -noout -out {name}.key
            openssl req -new -key {name}.key -subj /CN={name} -out {name}.csr
            openssl x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial {valid} -extfile server.ext -out {name}.pem"
        );
        let made = Command::new("sh").args(["-c", &script]).current_dir(self.folder.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// Puts a pair where the server looks for it, each file in one step.
    pub(crate) fn install(&self, name: &str) {
        self.install_mixed(name, name);
    }

    pub(crate) fn install_mixed(&self, certificate: &str, private_key: &str) {
        let at = |name: String| self.folder.path().join(name);
        for (from, to) in [
            (at(format!("{certificate}.pem")), &self.certificate),
            (at(format!("{private_key}.key")), &self.private_key),
        ] {
            let fresh = at("fresh".to_owned());
            fs::copy(from, &fresh).expect("a copy");
            fs::rename(&fresh, to).expect("a move");
        }
    }

    /// What goes below `listen:`.
    pub(crate) fn listen(&self) -> String {
        let (certificate, key) = (self.certificate.display(), self.private_key.display());
        format!("  tls: {{certificate: {certificate}, private_key: {key}}}\n")
    }

    /// A server of others with the pair.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let chain = vec![CertificateDer::from_pem_file(&self.certificate).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(&self.private_key).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth();
        Arc::new(config.with_single_cert(chain, key).expect("a pair"))
    }

    pub(crate) fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(authority_certificate(self.folder.path())).expect("an authority");
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

pub(crate) async fn secured(
    config: &Arc<ClientConfig>,
    stream: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await
}

fn authority_certificate(folder: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(folder.join("ca.pem")).expect("a certificate")
}
