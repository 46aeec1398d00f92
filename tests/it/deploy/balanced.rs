//! Replicas behind a load balancer that runs with the very file of `deploy/`.

use super::client::Client;
use super::{filled_in, judged, said, text};
use crate::support::postern::{Postern, free_port};
use crate::support::program::Process;
use crate::support::stage::mints;
use postern::sandbox::{Sandbox, SandboxOptions, Token};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tokio::net::TcpSocket;
use url::Url;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Balancer {
    Haproxy,
    Nginx,
    /// HAProxy that leaves TLS to the replicas.
    Passthrough,
}

/// What a stage differs in from the plainest one.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// How many real replicas there are, of the two servers that the balancer knows.
    pub(super) replicas: usize,
    /// Who answers at the second server where that is no replica. 0: nobody.
    pub(super) impostor: u16,
    /// Changes the balancer's file once more.
    pub(super) change: Option<fn(String) -> String>,
    /// `drain.delay`
    pub(super) drain_delay: &'static str,
}

pub(super) struct Balanced {
    balancer: Process,
    pub(super) replicas: Vec<Postern>,
    pub(super) client: Client,
    /// The port without TLS.
    pub(super) plain: u16,
    pub(super) sandbox: Sandbox,
    folder: TempDir,
    /// Keeps the port of a server that is not there, so that nothing else comes to listen on it.
    _nobody: TcpSocket,
}

impl Balanced {
    pub(super) async fn start(peers: &Path, balancer: Balancer, options: Options) -> Self {
        let mut refusal = String::new();
        // Somebody else may take a port in the meantime.
        for _ in 0..5 {
            match Self::attempt(peers, balancer, &options).await {
                Ok(stage) => return stage,
                Err(why) => refusal = why,
            }
        }
        panic!("{refusal}")
    }

    async fn attempt(peers: &Path, balancer: Balancer, options: &Options) -> Result<Self, String> {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.expect("a sandbox");
        let folder = TempDir::new().expect("a folder");
        certify(folder.path());
        let (public, plain) = (free_port(), free_port());
        let nobody = TcpSocket::new_v4().expect("a socket");
        nobody.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let second = match (options.replicas, options.impostor) {
            (2, _) => free_port(),
            (_, 0) => nobody.local_addr().expect("an address").port(),
            (_, impostor) => impostor,
        };
        let mut servers = [free_port(), second];
        let mut replicas = Vec::new();
        for server in servers.iter_mut().take(options.replicas) {
            replicas.push(replica(
                &sandbox,
                folder.path(),
                balancer,
                [public, *server],
                options.drain_delay,
            )?);
        }
        let file = file(balancer, folder.path(), [public, plain], servers);
        let file = options.change.map_or(file.clone(), |change| change(file));
        let ports = if balancer == Balancer::Passthrough { vec![public] } else { vec![public, plain] };
        let process = run(peers, balancer, folder.path(), &file, &ports)?;
        let token = sandbox.token(&Token::new(sandbox.access_claims("grace"))).expect("a token");
        let client = Client::new(public, &folder.path().join("certificate.pem"), token);
        Ok(Self { balancer: process, replicas, client, plain, sandbox, folder, _nobody: nobody })
    }

    /// Everything that the balancer has logged.
    pub(super) fn logged(&self) -> String {
        let access_log = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        self.balancer.printed() + &access_log
    }

    /// The audit records of so many launches, whichever replica they met.
    pub(super) async fn grants(&self, launches: usize) -> Vec<serde_json::Value> {
        let mut grants = Vec::new();
        for _ in 0..500 {
            let records = self.replicas.iter().flat_map(|replica| replica.audit(1));
            grants = records.filter(|record| record["event"] == "grant").collect();
            if grants.len() >= launches {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(grants.len(), launches, "{grants:#?}");
        grants
    }

    pub(super) fn mints(&self) -> usize {
        mints(&self.sandbox).len()
    }
}

fn replica(
    sandbox: &Sandbox,
    folder: &Path,
    balancer: Balancer,
    [public, port]: [u16; 2],
    delay: &str,
) -> Result<Postern, String> {
    let public_url = format!("https://localhost:{public}");
    let (_, secret) = sandbox.client();
    fs::write(folder.join("sandbox-client-secret"), secret.expose()).expect("the secret");
    let text = sandbox.configuration(&public_url, &format!("127.0.0.1:{port}"));
    let delay = format!("drain: {{delay: {}}}", if delay.is_empty() { "0s" } else { delay });
    let tls = "  tls: {certificate: certificate.pem, private_key: key.pem}\n  proxy_protocol: required\n";
    let tls = if balancer == Balancer::Passthrough { tls } else { "" };
    let behind = format!("{tls}trusted_proxies: [127.0.0.1/32]\nlimits: {{mints_per_minute: 600}}");
    let text =
        filled_in(&text, &[("  direct_clients: true", behind.as_str()), ("drain: {delay: 0s}", &delay)]);
    let config = folder.join(format!("postern-{port}.yaml"));
    fs::write(&config, text).expect("the configuration");
    let key = sandbox.credentials();
    let environment = [
        ("AWS_ACCESS_KEY_ID", key.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", key.secret_access_key.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let url = Url::parse(&format!("http://127.0.0.1:{port}")).expect("a URL");
    Postern::serve(&config, url, &environment).ok_or_else(|| format!("port {port} was taken"))
}

/// The balancer's file with the ports and paths of this stage.
fn file(balancer: Balancer, folder: &Path, [public, plain]: [u16; 2], [first, second]: [u16; 2]) -> String {
    let (first, second) = (format!("127.0.0.1:{first}"), format!("127.0.0.1:{second}"));
    let at = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    match balancer {
        Balancer::Haproxy => {
            let text = text("haproxy/haproxy.cfg");
            filled_in(
                &text,
                &[
                    ("bind :80\n", &format!("bind 127.0.0.1:{plain}\n")),
                    ("bind :443 ", &format!("bind 127.0.0.1:{public} ")),
                    ("/etc/haproxy/ml.corp.example.pem", &at("pair.pem")),
                    ("10.0.1.10:8080", &first),
                    ("10.0.2.10:8080", &second),
                    // What a person's own limit of open files lets through.
                    ("maxconn 10000", "maxconn 200"),
                ],
            )
        }
        Balancer::Passthrough => {
            let text = text("haproxy/passthrough.cfg");
            filled_in(
                &text,
                &[
                    ("bind :443\n", &format!("bind 127.0.0.1:{public}\n")),
                    ("ml.corp.example", "localhost"),
                    ("/etc/ssl/certs/ca-certificates.crt", &at("certificate.pem")),
                    ("10.0.1.10:8443", &first),
                    ("10.0.2.10:8443", &second),
                    ("maxconn 10000", "maxconn 200"),
                ],
            )
        }
        Balancer::Nginx => {
            let text = text("nginx/nginx.conf");
            let scratch: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .iter()
                .map(|name| format!("    {name}_temp_path {};\n", at(name)))
                .collect();
            filled_in(
                &text,
                &[
                    ("listen 80;", &format!("listen 127.0.0.1:{plain};")),
                    ("listen 443 ", &format!("listen 127.0.0.1:{public} ")),
                    ("/etc/nginx/ml.corp.example.crt", &at("certificate.pem")),
                    ("/etc/nginx/ml.corp.example.key", &at("key.pem")),
                    ("/var/log/nginx/access.log", &at("access.log")),
                    ("/run/nginx.pid", &at("nginx.pid")),
                    ("10.0.1.10:8080", &first),
                    ("10.0.2.10:8080", &second),
                    ("http {\n", &format!("http {{\n{scratch}")),
                ],
            )
        }
    }
}

/// What the balancer itself says of its file before it starts: nothing, not even a warning, where all is well.
pub(super) fn complaints(peers: &Path, balancer: Balancer) -> String {
    let folder = TempDir::new().expect("a folder");
    certify(folder.path());
    let path = folder.path().join("balancer.conf");
    fs::write(&path, file(balancer, folder.path(), [8443, 8080], [8081, 8082])).expect("the balancer's file");
    let arguments: &[&str] = match balancer {
        Balancer::Haproxy | Balancer::Passthrough => &["-c", "-dW", "-f"],
        Balancer::Nginx => &["-e", "stderr", "-q", "-t", "-c"],
    };
    said(&judged(&program(peers, balancer), arguments, &[path])).replace("Configuration file is valid\n", "")
}

fn program(peers: &Path, balancer: Balancer) -> PathBuf {
    peers.join(match balancer {
        Balancer::Haproxy | Balancer::Passthrough => "haproxy/haproxy",
        Balancer::Nginx => "nginx/nginx",
    })
}

fn run(
    peers: &Path,
    balancer: Balancer,
    folder: &Path,
    file: &str,
    ports: &[u16],
) -> Result<Process, String> {
    let path = folder.join("balancer.conf");
    fs::write(&path, file).expect("the balancer's file");
    let path = path.to_str().expect("UTF-8");
    let arguments = match balancer {
        Balancer::Haproxy | Balancer::Passthrough => vec!["-db", "-f", path],
        // One process, so that it ends with its handle.
        Balancer::Nginx => vec!["-e", "stderr", "-g", "daemon off; master_process off;", "-c", path],
    };
    let program = program(peers, balancer);
    Process::start(program.to_str().expect("UTF-8"), &arguments, &[], |_| ports.iter().all(is_open))
}

/// Whether somebody listens. A connection to a port of its own choice, which the kernel allows, is nobody.
fn is_open(port: &u16) -> bool {
    TcpStream::connect(("127.0.0.1", *port))
        .is_ok_and(|stream| stream.local_addr().ok() != stream.peer_addr().ok())
}

/// A key and a certificate for localhost that nobody signed, apart for nginx and in one file for HAProxy.
fn certify(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(folder)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("what openssl wrote");
    fs::write(folder.join("pair.pem"), read("certificate.pem") + &read("key.pem")).expect("a file");
}
