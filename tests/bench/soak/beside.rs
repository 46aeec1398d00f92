//! The table of waits is compared with these: the call that no launch can do without, and the small Python service that
//! people write instead.

use super::connection::{Connection, Front, Style};
use super::people::Person;
use super::site::{Site, steady_port};
use crate::support::elsewhere::peers;
use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::config::{BehaviorVersion, Builder, Credentials, Region};
use hyper::StatusCode;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use url::Url;

/// The presign call alone, by the SDK as it comes.
pub(crate) struct BareCall(Client);

impl BareCall {
    pub(crate) fn new(site: &Site) -> Self {
        let key = site.sandbox.credentials();
        let (id, secret) = (key.access_key_id.clone(), key.secret_access_key.clone());
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(postern::sandbox::REGION))
            .endpoint_url(site.sandbox.sagemaker_url().as_str())
            .credentials_provider(Credentials::new(id, secret, None, None, "sandbox"))
            .build();
        Self(Client::from_conf(config))
    }

    pub(crate) async fn make(&self, person: &Person) -> Duration {
        let began = Instant::now();
        let call = self.0.create_presigned_domain_url().domain_id("d-sandbox00001");
        let answer = call.user_profile_name(&person.id).expires_in_seconds(20).send().await;
        assert!(answer.expect("an answer").authorized_url.is_some());
        began.elapsed()
    }
}

/// The Flask service with PyJWT and boto3.
pub(crate) struct Service {
    child: Child,
    connection: Connection,
}

impl Service {
    /// # Panics
    ///
    /// No peers are installed.
    pub(crate) fn start(site: &Site) -> Self {
        let keys = site.folder.path().join("jwks.json");
        fs::write(&keys, site.sandbox.jwks().to_string()).expect("the keys");
        let (port, key) = (steady_port(), site.sandbox.credentials());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let url = Url::parse(&format!("http://{address}")).expect("a URL");
        let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/servers");
        let child =
            Command::new(peers("a Python service").expect("peers").join("python-service/bin/gunicorn"))
                .args(["--workers", "1", "--worker-class", "gthread", "--threads", "8", "--keep-alive", "60"])
                .args(["--log-level", "warning", "--bind", &address.to_string(), "--chdir"])
                .arg(servers)
                .arg("python_service:app")
                .env("AWS_ACCESS_KEY_ID", &key.access_key_id)
                .env("AWS_SECRET_ACCESS_KEY", &key.secret_access_key)
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .env("ISSUER", site.sandbox.issuer_text())
                .env("AUDIENCE", "postern-api")
                .env("SAGEMAKER", site.sandbox.sagemaker_url().as_str())
                .env("STS", site.sandbox.sts_url().as_str())
                .env("ROLE", "arn:aws:iam::111122223333:role/postern")
                .env("UPSTREAM", site.sandbox.mlflow_url().as_str())
                .env("JWKS_FILE", keys)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .expect("the service starts");
        Self { child, connection: Front::plain(address, url).connect(Style::KeepAlive) }
    }

    /// Opens Studio, and tells how long that took.
    pub(crate) async fn launch(&mut self, site: &Site, person: &Person) -> Duration {
        let mut answer = self.connection.get("/as-the-person", &person.calls()).await;
        for _ in 0..100 {
            if answer.is_ok() {
                break;
            }
            // It is still starting.
            sleep(Duration::from_millis(100)).await;
            answer = self.connection.get("/as-the-person", &person.calls()).await;
        }
        let answer = answer.unwrap_or_else(|lost| panic!("the Python service: {lost}"));
        assert_eq!(answer.status, StatusCode::FOUND, "{}: {}", person.id, answer.text());
        let opened = site.sandbox.open(&Url::parse(answer.location()).expect("a URL"));
        assert_eq!(opened.expect("a page").user_profile.as_deref(), Some(&*person.id));
        answer.took
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
