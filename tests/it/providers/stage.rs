//! One gateway between a provider and SageMaker's sandbox.

use super::Provider;
use crate::support::elsewhere::peers;
use crate::support::player::Scene;
use crate::support::postern::{BINARY, free_port};
use crate::support::program::Process;
use postern::sandbox::{Sandbox, SandboxOptions, UrlStyle};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::runtime::{self, Runtime};

const SECRET: &str = "only-for-tests-0123456789";
const POSTERN: &str = include_str!("postern.yaml");

pub(super) struct Stage {
    folder: PathBuf,
    description: Value,
    gateway: Process,
    provider: Process,
    sandbox: Sandbox,
    _runtime: Runtime,
}

impl Stage {
    /// `None`, said aloud, where no peers are installed; one that is there and does not start is a failure.
    pub(super) fn set(provider: Provider) -> Option<Self> {
        let peers = peers(provider.name)?;
        let mut refusal = String::new();
        // Somebody else may take a port in the meantime.
        for _ in 0..5 {
            match Self::attempt(provider, &peers) {
                Ok(stage) => return Some(stage),
                Err(why) => refusal = why,
            }
        }
        panic!("{refusal}")
    }

    fn attempt(provider: Provider, peers: &Path) -> Result<Self, String> {
        let port = free_port();
        let public_url = format!("http://localhost:{port}");
        let folder = tempfile::Builder::new().prefix("provider-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("a folder").keep();
        let runtime =
            runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let options =
            SandboxOptions { any_profile: true, urls: UrlStyle::LongLanding, ..SandboxOptions::default() };
        let sandbox = runtime.block_on(Sandbox::start(options)).expect("a sandbox");
        let started = start(provider, peers, &folder, &public_url)?;
        let issuer = started.told("READY ").expect("ready");
        let text = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
        let landing = text(sandbox.landing_url());
        let config = POSTERN
            .replace("PUBLIC_URL", &public_url)
            .replace("LISTEN_ADDRESS", &format!("127.0.0.1:{port}"))
            .replace("ISSUER_URL", &issuer)
            .replace("ISSUER_KEYS", provider.issuer_keys)
            .replace("SCOPES", provider.scopes)
            .replace("SIGN_IN_KEYS", provider.sign_in_keys)
            .replace("SAGEMAKER_URL", &text(sandbox.sagemaker_url()))
            .replace("STS_URL", &text(sandbox.sts_url()))
            .replace("LANDING_HOST", landing.trim_start_matches("http://"));
        let path = folder.join("postern.yaml");
        std::fs::write(&path, config).expect("a configuration");
        std::fs::write(folder.join("client-secret"), SECRET).expect("the secret");
        let key = Command::new(BINARY).arg("keygen").output().expect("a key").stdout;
        std::fs::write(folder.join("session-key"), key).expect("the key");
        let aws = sandbox.credentials();
        let environment = [
            ("AWS_ACCESS_KEY_ID", aws.access_key_id.as_str()),
            ("AWS_SECRET_ACCESS_KEY", aws.secret_access_key.as_str()),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let arguments = ["serve", "--config", path.to_str().expect("UTF-8")];
        let gateway = Process::start(BINARY, &arguments, &environment, |log| log.contains("started"))?;
        let description = json!({
            "peers": peers,
            "provider_name": provider.name,
            "public_url": public_url,
            "issuer": issuer,
            "provider_control": started.told("CONTROL "),
            "landing": landing,
        });
        Ok(Self { folder, description, gateway, provider: started, sandbox, _runtime: runtime })
    }

    fn audit(&self) -> String {
        std::fs::read_to_string(self.folder.join("audit.jsonl")).unwrap_or_default()
    }
}

impl Scene for Stage {
    fn description(&self) -> Value {
        self.description.clone()
    }

    fn answer(&self, question: &Value) -> Result<Value, String> {
        let text = |name: &str| question[name].as_str().ok_or(format!("no {name}: {question}"));
        match text("ask")? {
            // Presigned URLs that AWS made for this person.
            "mints" => {
                let user = text("user")?;
                let calls = self.sandbox.calls();
                let is_mint = |operation: &str| operation.contains("Presigned");
                let by = |identity: Option<&str>| identity == Some(user);
                let mints = calls
                    .iter()
                    .filter(|call| is_mint(&call.operation) && by(call.caller.source_identity.as_deref()));
                Ok(json!(mints.count()))
            }
            // The audit trail's events of this person, in order.
            "events" => {
                let user = text("user")?;
                let records: Vec<Value> =
                    self.audit().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
                let of_person = records.iter().filter(|record| record["user"] == user);
                Ok(of_person.map(|record| record["event"].clone()).collect())
            }
            // Why sessions of this issuer ended by a sign-out, in order.
            "sign-outs" => {
                let audit = self.audit();
                let records = audit.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
                let signed_out = records.filter(|record| record["event"] == "sign-out");
                Ok(signed_out.map(|record| record["reason"].clone()).collect())
            }
            "handed out" => Ok(Value::Null),
            other => Err(format!("nobody knows {other}")),
        }
    }

    fn printed(&self) -> String {
        let (gateway, provider) = (self.gateway.printed(), self.provider.printed());
        format!("--- gateway\n{gateway}--- audit\n{}--- provider\n{provider}", self.audit())
    }
}

/// Its files are below the stage's folder, which is removed when it ends: a stage is never dropped.
fn start(provider: Provider, peers: &Path, folder: &Path, public_url: &str) -> Result<Process, String> {
    let options = json!({
        "peer": peers.join(provider.name),
        "folder": folder,
        "client_secret": SECRET,
        "redirect_uri": format!("{public_url}/-/callback"),
        "post_logout_redirect_uri": format!("{public_url}/-/logout"),
        "backchannel_logout_uri": format!("{public_url}/-/backchannel-logout"),
    });
    let python = peers.join(provider.name).join("bin/python");
    let script = format!("{}/tests/peers/{}/server.py", env!("CARGO_MANIFEST_DIR"), provider.name);
    let folder = folder.to_str().expect("UTF-8");
    let environment = [("REMOVE_AFTERWARDS", folder), ("PYTHONDONTWRITEBYTECODE", "1")];
    let arguments = [script.as_str(), &options.to_string()];
    Process::start(python.to_str().expect("UTF-8"), &arguments, &environment, |said| said.contains("READY "))
}
