//! All that stands around a browser: a real OpenID provider, SageMaker, and two replicas behind a load balancer.

use crate::support::aged_session::aged_session;
use crate::support::elsewhere::peers;
use crate::support::player::Scene;
use crate::support::postern::{BINARY, free_port};
use crate::support::program::Process;
use postern::sandbox::{Addresses, AwsCredentials, Fault, Sandbox, SandboxOptions, Times};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::{self, Runtime};

pub(super) const HOST: &str = "ml.corp.example";
const SECRET: &str = "only-for-tests";
const POSTERN: &str = include_str!("postern.yaml");
const HAPROXY: &str = include_str!("haproxy.cfg");

pub(super) struct Stage {
    folder: PathBuf,
    public: SocketAddr,
    /// What scripts are told.
    description: Value,
    aws: AwsCredentials,
    replicas: [Mutex<Option<Process>>; 2],
    valkey: Process,
    valkey_url: String,
    provider: Process,
    balancer: Process,
    /// Authorized URLs that browsers were sent to so far.
    handed_out: Mutex<HashSet<String>>,
    sandbox: Sandbox,
    _runtime: Runtime,
}

struct Ports {
    public: u16,
    valkey: u16,
    replicas: [u16; 2],
}

impl Stage {
    /// `None`, said aloud, where no peers are installed; one that is there and does not start is a failure.
    pub(super) fn set() -> Option<Self> {
        let peers = peers("a browser")?;
        let mut refusal = String::new();
        // Somebody else may take a port in the meantime.
        for _ in 0..5 {
            match Self::attempt(&peers) {
                Ok(stage) => return Some(stage),
                Err(why) => refusal = why,
            }
        }
        panic!("{refusal}")
    }

    fn attempt(peers: &Path) -> Result<Self, String> {
        let ports = Ports { public: free_port(), valkey: free_port(), replicas: [free_port(), free_port()] };
        let public_url = format!("https://{HOST}:{}", ports.public);
        let folder = tempfile::Builder::new().prefix("stage-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("a folder").keep();
        let (runtime, sandbox) = sagemaker();
        let provider = provider(peers, &public_url)?;
        let issuer = provider.told("READY ").expect("ready");
        write_configurations(&folder, &ports, &public_url, &issuer, &sandbox);
        certify(&folder);
        let valkey = valkey(peers, ports.valkey)?;
        let balancer = balancer(peers, &folder, &ports)?;
        let description = json!({
            "peers": peers,
            "public_url": public_url,
            "public_port": ports.public,
            "certificate": folder.join("balancer.pem"),
            "issuer": issuer,
            "provider_control": provider.told("CONTROL "),
            "landing": sandbox.landing_url().as_str().trim_end_matches('/'),
        });
        let aws = sandbox.credentials().clone();
        let stage = Self {
            replicas: [Mutex::default(), Mutex::default()],
            handed_out: Mutex::default(),
            _runtime: runtime,
            folder,
            public: ([127, 0, 0, 1], ports.public).into(),
            description,
            aws,
            valkey,
            valkey_url: format!("redis://127.0.0.1:{}", ports.valkey),
            provider,
            balancer,
            sandbox,
        };
        stage.start_replica(0)?;
        stage.start_replica(1)?;
        Ok(stage)
    }

    /// The balancer's.
    pub(super) fn public_address(&self) -> SocketAddr {
        self.public
    }

    /// Replicas that a scenario stopped and did not start again.
    pub(super) fn mend(&self) {
        for index in 0..2 {
            if lock(&self.replicas[index]).is_none() {
                self.start_replica(index).expect("a replica");
            }
        }
    }

    /// Presigned URLs that AWS made for this person.
    fn mints(&self, user: &str) -> usize {
        let calls = self.sandbox.calls();
        let is_mint = |operation: &str| operation.contains("Presigned");
        calls
            .iter()
            .filter(|call| is_mint(&call.operation) && call.caller.source_identity.as_deref() == Some(user))
            .count()
    }

    /// Starts that AWS was asked for, by this person or by anybody.
    fn starts(&self, user: Option<&str>) -> usize {
        let calls = self.sandbox.calls();
        let starts = calls.iter().filter(|call| call.operation.starts_with("Start"));
        starts.filter(|call| user.is_none() || call.caller.source_identity.as_deref() == user).count()
    }

    /// What the balancer noted of requests like `GET /path`: status and `Sec-Purpose`.
    fn came(&self, request: &str) -> Vec<String> {
        let printed = self.balancer.printed();
        let prefix = format!("CAME {request} ");
        printed.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    fn note_handed_out(&self, urls: &Value) -> Result<(), String> {
        let mut known = lock(&self.handed_out);
        for url in urls.as_array().ok_or("no URLs")? {
            let url = url.as_str().ok_or("a URL is a text")?.to_owned();
            if !known.insert(url) {
                return Err("an authorized URL was handed out twice".to_owned());
            }
        }
        Ok(())
    }

    fn start_replica(&self, index: usize) -> Result<(), String> {
        let config = self.configuration(index);
        let environment = [
            ("AWS_ACCESS_KEY_ID", self.aws.access_key_id.as_str()),
            ("AWS_SECRET_ACCESS_KEY", self.aws.secret_access_key.as_str()),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("POSTERN_VALKEY_URL", self.valkey_url.as_str()),
        ];
        let arguments = ["serve", "--config", config.to_str().expect("UTF-8")];
        let replica = Process::start(BINARY, &arguments, &environment, |log| log.contains("started"))?;
        *lock(&self.replicas[index]) = Some(replica);
        self.wait_for_balancer(["first", "second"][index]);
        Ok(())
    }

    /// The balancer finds out by its health check that a replica is back.
    fn wait_for_balancer(&self, server: &str) {
        for _ in 0..100 {
            std::thread::sleep(Duration::from_millis(100));
            let printed = self.balancer.printed();
            let told = |what: &str| printed.matches(&format!("Server postern/{server} is {what}")).count();
            if told("UP") >= told("DOWN") {
                return;
            }
        }
        panic!("the balancer does not see the replica {server}: {}", self.balancer.printed());
    }

    fn configuration(&self, index: usize) -> PathBuf {
        self.folder.join(format!("postern-{index}.yaml"))
    }
}

impl Scene for Stage {
    fn description(&self) -> Value {
        self.description.clone()
    }

    fn answer(&self, question: &Value) -> Result<Value, String> {
        let text = |name: &str| question[name].as_str().ok_or(format!("no {name}: {question}"));
        let index = || match question["index"].as_u64() {
            Some(0) => Ok(0),
            Some(1) => Ok(1),
            _ => Err(format!("no such replica: {question}")),
        };
        match text("ask")? {
            "mints" => Ok(json!(self.mints(text("user")?))),
            "starts" => Ok(json!(self.starts(question["user"].as_str()))),
            "profiles" => Ok(json!(
                self.sandbox.calls().iter().filter(|call| call.operation == "CreateUserProfile").count()
            )),
            "came" => Ok(json!(self.came(text("request")?))),
            "handed out" => self.note_handed_out(&question["urls"]).map(|()| Value::Null),
            "aged session" => {
                Ok(json!(aged_session(&self.configuration(0), text("user")?, Duration::from_secs(9 * 3600))))
            }
            "stop replica" => {
                drop(lock(&self.replicas[index()?]).take());
                Ok(Value::Null)
            }
            "start replica" => self.start_replica(index()?).map(|()| Value::Null),
            other => Err(format!("nobody knows {other}")),
        }
    }

    fn printed(&self) -> String {
        let replicas = self.replicas.iter().enumerate().map(|(index, replica)| {
            let printed = lock(replica).as_ref().map(Process::printed);
            format!("--- replica {index}\n{}", printed.unwrap_or_default())
        });
        let peers = [("provider", &self.provider), ("balancer", &self.balancer), ("valkey", &self.valkey)];
        let peers = peers.iter().map(|(name, peer)| format!("--- {name}\n{}", peer.printed()));
        replicas.chain(peers).collect()
    }
}

/// On an address of its own, so that the provider's site and SageMaker's are two.
fn sagemaker() -> (Runtime, Sandbox) {
    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let addresses = Addresses { landing: ([127, 0, 0, 2], 0).into(), ..Addresses::default() };
    let options = SandboxOptions {
        addresses,
        any_profile: true,
        pace: Duration::from_secs(12),
        urls: postern::sandbox::UrlStyle::LongLanding,
        ..SandboxOptions::default()
    };
    let sandbox = runtime.block_on(Sandbox::start(options)).expect("a sandbox");
    sandbox.faults().inject(Some("CreatePresignedMlflowAppUrl"), Fault::Throttle, Times::UntilCleared);
    let lag = Fault::Lag(Duration::from_secs(3));
    for operation in ["StartMlflowTrackingServer", "CreateUserProfile"] {
        sandbox.faults().inject(Some(operation), lag.clone(), Times::UntilCleared);
    }
    (runtime, sandbox)
}

fn provider(peers: &Path, public_url: &str) -> Result<Process, String> {
    let many: Vec<String> =
        (1..=600_u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    let options = json!({
        "algorithm": "ES256",
        "form": true,
        "control": true,
        "people": {
            "olga": {"name": "Olga Newcomer", "groups": []},
            "max": {"name": "Max Contractor", "groups": ["contractors", "ml-users"]},
            "many": {"name": "Bob Manygroups", "groups": many},
            "*": {"groups": ["ml-users"]},
        },
        "client": {
            "client_id": "postern",
            "client_secret": SECRET,
            "token_endpoint_auth_method": "client_secret_basic",
            "redirect_uris": [format!("{public_url}/-/callback")],
            "post_logout_redirect_uris": [format!("{public_url}/-/logout")],
            "backchannel_logout_uri": format!("{public_url}/-/backchannel-logout"),
        },
    });
    let server = peers.join("oidc-provider/server.mjs");
    let arguments = [server.to_str().expect("UTF-8"), &options.to_string()];
    Process::start("node", &arguments, &[], |printed| printed.contains("READY "))
}

fn write_configurations(folder: &Path, ports: &Ports, public_url: &str, issuer: &str, sandbox: &Sandbox) {
    let text = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
    let landing = text(sandbox.landing_url());
    for index in 0..2 {
        let config = POSTERN
            .replace("PUBLIC_URL", public_url)
            .replace("LISTEN_ADDRESS", &format!("127.0.0.1:{}", ports.replicas[index]))
            .replace("ISSUER_URL", issuer)
            .replace("SAGEMAKER_URL", &text(sandbox.sagemaker_url()))
            .replace("STS_URL", &text(sandbox.sts_url()))
            .replace("LANDING_HOST", landing.trim_start_matches("http://"));
        std::fs::write(folder.join(format!("postern-{index}.yaml")), config).expect("a configuration");
    }
    std::fs::write(folder.join("client-secret"), SECRET).expect("the secret");
    let key = Command::new(BINARY).arg("keygen").output().expect("a key").stdout;
    std::fs::write(folder.join("session-key"), key).expect("the key");
}

/// A key and a certificate that nobody signed, in the one file that the balancer reads.
fn certify(folder: &Path) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", &format!("/CN={HOST}"), "-addext", &format!("subjectAltName=DNS:{HOST}")])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(folder)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("what openssl wrote");
    std::fs::write(folder.join("balancer.pem"), read("certificate.pem") + &read("key.pem")).expect("a file");
}

/// What the replicas share. It keeps nothing on disk.
fn valkey(peers: &Path, port: u16) -> Result<Process, String> {
    let port = port.to_string();
    let program = peers.join("valkey/valkey-server");
    let options = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"];
    Process::start(program.to_str().expect("UTF-8"), &options, &[], |printed| {
        printed.contains("Ready to accept")
    })
}

fn balancer(peers: &Path, folder: &Path, ports: &Ports) -> Result<Process, String> {
    let config = HAPROXY
        .replace("PUBLIC_PORT", &ports.public.to_string())
        .replace("CERTIFICATE", folder.join("balancer.pem").to_str().expect("UTF-8"))
        .replace("FIRST_PORT", &ports.replicas[0].to_string())
        .replace("SECOND_PORT", &ports.replicas[1].to_string());
    let path = folder.join("haproxy.cfg");
    std::fs::write(&path, config).expect("a configuration");
    let program = peers.join("haproxy/haproxy");
    let arguments = ["-db", "-f", path.to_str().expect("UTF-8")];
    // A stage is never dropped, so the last thing on it clears up.
    let environment = [("REMOVE_AFTERWARDS", folder.to_str().expect("UTF-8"))];
    Process::start(program.to_str().expect("UTF-8"), &arguments, &environment, |_| {
        TcpStream::connect(("127.0.0.1", ports.public)).is_ok()
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
