//! All that a scenario needs around it: a provider and SageMaker, replicas, and where asked for a balancer and Valkey.

use super::connection::{Connection, Front, Style};
use super::people::Person;
use super::replica::{Replica, program};
use crate::support::elsewhere::peers;
use crate::support::valkey::{Valkey, make_certificates};
use hyper::HeaderMap;
use postern::clock::Clock;
use postern::sandbox::{Opened, Sandbox, SandboxOptions};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::sleep;
use url::Url;

const CONFIG: &str = include_str!("postern.yaml");
const BALANCER: &str = include_str!("haproxy.cfg");

pub(crate) struct Site {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) people: Arc<Vec<Person>>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) balancer: Option<Balancer>,
    pub(crate) valkey: Option<Valkey>,
    /// Where people come in.
    pub(crate) front: Front,
    pub(crate) folder: TempDir,
    environment: Vec<(String, String)>,
}

/// What a site is made of.
pub(crate) struct Plan<'a> {
    pub(crate) replicas: usize,
    pub(crate) entrance: Entrance,
    pub(crate) people: usize,
    pub(crate) environment: Vec<(String, String)>,
    /// The provider's and AWS's.
    pub(crate) clock: Clock,
    /// Every target exists and is ready.
    pub(crate) any_target: bool,
    pub(crate) change: &'a (dyn Fn(String) -> String + Sync),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// The first replica itself.
    Plain,
    /// The same, with TLS.
    Tls,
    /// HAProxy with TLS in front of all replicas, and Valkey behind them.
    Balancer,
}

pub(crate) struct Balancer {
    child: Child,
    socket: PathBuf,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        let change = &|config| config;
        let clock = Clock::system();
        let (entrance, environment) = (Entrance::Plain, Vec::new());
        Self { replicas: 1, entrance, people: 20, environment, clock, any_target: false, change }
    }
}

impl Site {
    /// `None`, said aloud, where the plan has a balancer and no peers are installed.
    pub(crate) async fn set_up(plan: Plan<'_>) -> Option<Self> {
        let is_balanced = plan.entrance == Entrance::Balancer;
        let valkey = if is_balanced { Some(Valkey::start(&[])?) } else { None };
        let clock = plan.clock.clone();
        let options = SandboxOptions {
            any_profile: true,
            any_target: plan.any_target,
            signature_clock: clock.clone(),
            clock,
            ..SandboxOptions::default()
        };
        let sandbox = Arc::new(Sandbox::start(options).await.expect("a sandbox"));
        let folder = TempDir::new().expect("a folder");
        let ports: Vec<u16> = (0..plan.replicas).map(|_| steady_port()).collect();
        let public = if is_balanced { steady_port() } else { ports[0] };
        let scheme = if plan.entrance == Entrance::Plain { "http" } else { "https" };
        let url = Url::parse(&format!("{scheme}://localhost:{public}")).expect("a URL");
        sandbox.register_redirect(format!("{scheme}://localhost:{public}/-/callback"));
        sandbox.register_post_logout_redirect(format!("{scheme}://localhost:{public}/-/logout"));
        fs::write(folder.path().join("client-secret"), sandbox.client().1.expose()).expect("the secret");
        let key = Command::new(program()).arg("keygen").output().expect("a key").stdout;
        fs::write(folder.path().join("session-key"), key).expect("the key");

        if plan.entrance != Entrance::Plain {
            make_certificates(folder.path());
        }
        let mut environment = environment(&sandbox, valkey.as_ref());
        environment.extend(plan.environment);
        let mut replicas = Vec::new();
        for (index, port) in ports.iter().enumerate() {
            let mut config = configuration(&sandbox, &url, *port);
            if is_balanced {
                let state = "state: {valkey: {url: {env: POSTERN_VALKEY_URL}}}";
                config = config.replace("state: {memory: {}}", state);
            }
            if plan.entrance == Entrance::Tls {
                let tls = "tls: {certificate: server.pem, private_key: server.key}";
                config = config.replace("listen: {", &format!("listen: {{{tls}, "));
            }
            let file = folder.path().join(format!("postern-{index}.yaml"));
            fs::write(&file, (plan.change)(config)).expect("a configuration");
            replicas.push(Replica::start(&file, &environment).await);
        }
        let address = SocketAddr::from(([127, 0, 0, 1], public));
        let balancer = is_balanced.then(|| Balancer::start(folder.path(), public, &ports));
        let front = match plan.entrance {
            Entrance::Plain => Front::plain(address, url),
            Entrance::Tls | Entrance::Balancer => Front::tls(address, url, &folder.path().join("ca.pem")),
        };
        let people = Arc::new((0..plan.people).map(|number| Person::hired(&sandbox, number)).collect());
        let site = Self { sandbox, people, replicas, balancer, valkey, front, folder, environment };
        if let Some(balancer) = &site.balancer {
            for index in 0..plan.replicas {
                balancer.sees(index, "UP").await;
            }
        }
        Some(site)
    }

    /// Gives everybody a session.
    pub(crate) async fn sign_everybody_in(&self) {
        let mut browser = self.front.connect(Style::KeepAlive);
        for person in self.people.iter() {
            person.sign_in(&mut browser, self.sandbox.issuer(), "/").await.expect("a session");
        }
    }

    /// Stops one replica as a platform does that replaces it, and starts it again.
    ///
    /// # Panics
    ///
    /// It ends otherwise than well.
    pub(crate) async fn replace(&mut self, index: usize) {
        self.replicas[index].signal("TERM");
        let status = self.replicas[index].ended().await;
        assert!(status.success(), "a replica ended with {status}: {}", self.replicas[index].printed());
        self.start_again(index).await;
    }

    /// Starts a replica that ended, and waits until people are sent there.
    pub(crate) async fn start_again(&mut self, index: usize) {
        self.replicas[index].start_again().await;
        if let Some(balancer) = &self.balancer {
            balancer.sees(index, "UP").await;
        }
    }

    /// Another process with the first replica's configuration, at an address of its own.
    pub(crate) async fn another(&self) -> (Replica, Front) {
        let (text, port) = (self.config_text(0), steady_port());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let before = format!("listen: {{address: {}}}", self.front.address);
        assert!(text.contains(&before), "{text}");
        let file = self.folder.path().join(format!("another-{port}.yaml"));
        fs::write(&file, text.replace(&before, &format!("listen: {{address: {address}}}"))).expect("a file");
        let replica = Replica::start(&file, &self.environment).await;
        (replica, self.front.clone().at(address))
    }

    pub(crate) fn config_text(&self, index: usize) -> String {
        fs::read_to_string(self.replicas[index].config()).expect("a configuration")
    }

    /// Replaces a replica's configuration as careful tools do: in one step.
    pub(crate) fn write_config(&self, index: usize, text: &str) {
        let file = self.replicas[index].config();
        let fresh = file.with_extension("new");
        fs::write(&fresh, text).expect("a configuration");
        fs::rename(&fresh, file).expect("a file to replace");
    }

    /// The value of a metric without labels.
    pub(crate) async fn metric(&self, index: usize, name: &str) -> u64 {
        let address = self.replicas[index].admin();
        let url = Url::parse(&format!("http://{address}")).expect("a URL");
        let mut connection = Front::plain(address, url).connect(Style::Fresh);
        let mut answer = connection.get("/metrics", &HeaderMap::new()).await;
        for _ in 0..20 {
            // This program itself may be too busy to ask in time.
            if answer.is_ok() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
            answer = connection.get("/metrics", &HeaderMap::new()).await;
        }
        let answer = answer.unwrap_or_else(|lost| panic!("metrics: {lost}"));
        let line = answer.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}: {}", answer.text())).parse().expect("a number")
    }

    pub(crate) fn connect(&self, style: Style) -> Connection {
        self.front.connect(style)
    }
}

/// Opens an authorized URL, and says what is wrong where it opens anything but this person's own profile.
pub(crate) fn land(sandbox: &Sandbox, person: &Person, location: &str) -> Result<Opened, String> {
    let url = Url::parse(location).map_err(|error| format!("{location:?}: {error}"))?;
    if url.port() != sandbox.landing_url().port() {
        return Err(format!("{} was sent to {}", person.id, url.origin().ascii_serialization()));
    }
    let opened = sandbox.open(&url).map_err(|why| format!("{}: {why}", person.id))?;
    let is_theirs = opened.user_profile.as_deref() == Some(&person.id)
        && opened.source_identity.as_deref() == Some(&person.email)
        && opened.role_session_name.as_deref() == Some(&person.email);
    if is_theirs { Ok(opened) } else { Err(format!("WRONG IDENTITY: {} landed in {opened:?}", person.id)) }
}

impl Balancer {
    fn start(folder: &Path, public: u16, ports: &[u16]) -> Self {
        let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a certificate");
        let certificate = folder.join("balancer.pem");
        fs::write(&certificate, read("server.pem") + &read("server.key")).expect("a file");
        let socket = folder.join("haproxy.sock");
        let servers = |line: &dyn Fn(usize, u16) -> String| {
            ports.iter().enumerate().map(|(index, port)| line(index, *port)).collect::<Vec<_>>().join("\n")
        };
        let text = BALANCER
            .replace("PUBLIC_PORT", &public.to_string())
            .replace("CERTIFICATE", certificate.to_str().expect("UTF-8"))
            .replace("SOCKET", socket.to_str().expect("UTF-8"))
            .replace("SERVERS1", &servers(&|i, port| format!("    server r{i} 127.0.0.1:{port} check")))
            .replace(
                "SERVERS2",
                &servers(&|i, port| format!("    server r{i} 127.0.0.1:{port} track http1/r{i} proto h2")),
            );
        let file = folder.join("haproxy.cfg");
        fs::write(&file, text).expect("a configuration");
        let log = fs::File::create(folder.join("haproxy.log")).expect("a file");
        let child = Command::new(peers("a balancer").expect("peers").join("haproxy/haproxy"))
            .args(["-db", "-f"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("haproxy starts");
        Self { child, socket }
    }

    /// Waits until the balancer has found out by its health checks.
    pub(crate) async fn sees(&self, index: usize, state: &str) {
        for _ in 0..600 {
            if self.server(index, "status").await.iter().all(|status| status.starts_with(state)) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("the balancer does not see replica {index} {state}");
    }

    /// What it counted for all replicas.
    pub(crate) async fn total(&self, column: &str, replicas: usize) -> u64 {
        let mut total = 0;
        for index in 0..replicas {
            let counts = self.server(index, column).await;
            total += counts.iter().filter_map(|count| count.parse::<u64>().ok()).sum::<u64>();
        }
        total
    }

    /// A column of its statistics for one replica, by HTTP/1.1 and by HTTP/2. Empty while it does not answer.
    async fn server(&self, index: usize, column: &str) -> Vec<String> {
        let Ok(mut socket) = UnixStream::connect(&self.socket).await else { return vec![String::new()] };
        let mut table = String::new();
        socket.write_all(b"show stat\n").await.expect("a question");
        socket.read_to_string(&mut table).await.expect("an answer");
        let mut lines = table.trim_start_matches("# ").lines();
        let names: Vec<_> = lines.next().unwrap_or_default().split(',').collect();
        let column = names.iter().position(|name| *name == column).expect("a column");
        let server = format!("r{index}");
        let rows = lines.map(|line| line.split(',').collect::<Vec<_>>());
        rows.filter(|row| row.get(1) == Some(&&*server)).map(|row| row[column].to_owned()).collect()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn environment(sandbox: &Sandbox, valkey: Option<&Valkey>) -> Vec<(String, String)> {
    let key = sandbox.credentials();
    let mut environment = vec![
        ("AWS_ACCESS_KEY_ID".to_owned(), key.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), key.secret_access_key.clone()),
        ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
    ];
    if let Some(valkey) = valkey {
        environment.push(("POSTERN_VALKEY_URL".to_owned(), format!("redis://127.0.0.1:{}", valkey.port)));
    }
    environment
}

fn configuration(sandbox: &Sandbox, public_url: &Url, port: u16) -> String {
    let text = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    let landing = text(sandbox.landing_url());
    CONFIG
        .replace("PUBLIC_URL", &text(public_url))
        .replace("LISTEN_ADDRESS", &format!("127.0.0.1:{port}"))
        .replace("ISSUER_URL", sandbox.issuer_text())
        .replace("SAGEMAKER_URL", &text(sandbox.sagemaker_url()))
        .replace("MLFLOW_URL", &text(sandbox.mlflow_url()))
        .replace("STS_URL", &text(sandbox.sts_url()))
        .replace("S3_URL", &text(sandbox.s3_url()))
        .replace("LANDING_HOST", landing.trim_start_matches("http://"))
}

/// A free port that no connection going out takes while its replica is replaced: below those that systems use for that.
pub(crate) fn steady_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Neighbours, who were started at the same time, look elsewhere.
    let start = u16::try_from(std::process::id().wrapping_mul(7_919) % 18_000).expect("small");
    for _ in 0..20_000 {
        let port = 12_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
