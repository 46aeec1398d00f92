//! The demo's configuration, pointed at a running sandbox.

use super::Sandbox;

const TEXT: &str = include_str!("../../config/sandbox.yaml");

impl Sandbox {
    /// `config/sandbox.yaml` for this sandbox and a gateway at `public_url` that listens on `address`. The client's
    /// secret is expected in the file `sandbox-client-secret` beside it.
    pub fn configuration(&self, public_url: &str, address: &str) -> String {
        let origin = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
        let landing = origin(self.landing_url());
        let replacements = [
            ("public_url: http://localhost:8080", format!("public_url: {public_url}")),
            ("address: 127.0.0.1:8080", format!("address: {address}")),
            ("http://127.0.0.1:8481", self.issuer_text().to_owned()),
            ("http://127.0.0.1:8482", origin(self.sagemaker_url())),
            ("http://127.0.0.1:8483", origin(self.sts_url())),
            ("http://127.0.0.1:8485", origin(self.mlflow_url())),
            ("http://127.0.0.1:8486", origin(self.s3_url())),
            ("127.0.0.1:8484", landing.trim_start_matches("http://").to_owned()),
        ];
        replacements.iter().fold(TEXT.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}
