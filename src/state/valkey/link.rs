//! One connection to the server, kept up in the background.
//!
//! While the connection is down, operations fail at once. It counts as up once the server has accepted a write.

use super::address::Address;
use crate::config::ValkeyConfig;
use crate::config::secrets::{SecretError, VALKEY_AUTHORITIES, VALKEY_URL};
use crate::digest::{Sha256, of_parts};
use crate::http_client::client_tls;
use crate::state::means::Means;
use crate::state::unavailable::Unavailable;
use prometheus_client::metrics::gauge::Gauge;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, RedisConnectionInfo, RedisError, RedisResult,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

/// The most operations at once. Further ones wait, within their own deadlines.
const MOST_OPERATIONS: usize = 256;
/// The deadline of the connection, TLS, authentication and one write together.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
const HEARTBEAT: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A connection that lasted this long was good: the next one is tried without delay.
const LASTED: Duration = Duration::from_secs(5);
/// The error code of a server that refuses writes for lack of memory.
const OUT_OF_MEMORY: &str = "OOM";
/// The commands of one batch, which has the deadline of one operation.
const BATCH: usize = 256;

pub(super) struct Link {
    current: watch::Receiver<Option<Connection>>,
    connector: watch::Sender<Arc<Connector>>,
    slots: Semaphore,
    timeout: Duration,
    /// Whether the server has refused an end.
    untold: Arc<AtomicBool>,
    keeper: JoinHandle<()>,
}

#[derive(Clone)]
struct Connection {
    redis: MultiplexedConnection,
    broken: mpsc::Sender<Cause>,
}

/// The parameters of a connection to the server.
pub(super) struct Connector {
    address: Address,
    tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
    /// Digest of the URL and the certificate authorities as they were read.
    fingerprint: Sha256,
}

/// The reason why the server is away. Shows nothing that the server sent: that may repeat a command, and with it a
/// password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Unreachable(String),
    OutOfTime,
    NotAuthenticated,
    Refused(String),
    Garbled,
}

impl Link {
    /// Keeps a connection up from now on. It is up once it accepts `probe`; then all `ends` are sent to the server.
    pub(super) fn keep(
        connector: Connector,
        probe: Cmd,
        ends: impl Fn() -> Vec<Cmd> + Send + Sync + 'static,
        up: Gauge,
    ) -> Self {
        let (publish, current) = watch::channel(None);
        let timeout = connector.timeout;
        let (connector, mut connectors) = watch::channel(Arc::new(connector));
        up.set(0);
        let untold = Arc::new(AtomicBool::new(false));
        let is_untold = Arc::clone(&untold);
        let keeper = tokio::spawn(async move {
            let mut pause = SHORTEST_PAUSE;
            let mut known_away = false;
            loop {
                let connector = Arc::clone(&connectors.borrow_and_update());
                let cause = match connector.establish(&probe).await {
                    Err(cause) => cause,
                    Ok(redis) => {
                        let since = Instant::now();
                        tracing::info!(server = %connector, "state.up");
                        known_away = false;
                        up.set(1);
                        let (broken, breaks) = mpsc::channel(1);
                        publish.send_replace(Some(Connection { redis: redis.clone(), broken }));
                        let cause = tokio::select! {
                            cause = attend(redis, breaks, &ends, &is_untold, timeout) => cause,
                            // The old connection serves until the next one takes its place.
                            Ok(()) = connectors.changed() => continue,
                        };
                        if since.elapsed() >= LASTED {
                            pause = SHORTEST_PAUSE;
                        }
                        cause
                    }
                };
                publish.send_replace(None);
                up.set(0);
                if !known_away {
                    known_away = true;
                    tracing::warn!(server = %connector, cause = %cause, "state.away");
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
        Self { current, connector, slots: Semaphore::new(MOST_OPERATIONS), timeout, untold, keeper }
    }

    /// Whether `connector` would make the same connection.
    pub(super) fn is_kept_by(&self, connector: &Connector) -> bool {
        self.connector.borrow().fingerprint == connector.fingerprint
    }

    pub(super) fn is_same_place(&self, connector: &Connector) -> bool {
        self.connector.borrow().address.is_same_place(&connector.address)
    }

    /// Connects anew, with `connector` from now on.
    pub(super) fn keep_by(&self, connector: Connector) {
        self.connector.send_replace(Arc::new(connector));
    }

    /// Has all ends sent to the server once more, also over the present connection.
    pub(super) fn tell_again(&self) {
        self.untold.store(true, Ordering::Release);
    }

    /// Sends one command within the deadline. After any failure, the connection is no longer trusted, unless the server
    /// itself reports the cause.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: Cmd) -> Result<T, Unavailable> {
        let connection = self.current.borrow().clone();
        let Some(mut connection) = connection else { return Err(Unavailable) };
        let answer = in_time(self.timeout, async {
            let _slot = self.slots.acquire().await;
            command.query_async(&mut connection.redis).await
        });
        match answer.await {
            Ok(value) => Ok(value),
            // The server refuses writes for lack of memory, and still answers.
            Err(Cause::Refused(code)) if code == OUT_OF_MEMORY => {
                tracing::warn!("state.full: the server has no memory left");
                Err(Unavailable)
            }
            Err(cause) => {
                // Of several causes, the first is reported.
                _ = connection.broken.try_send(cause);
                Err(Unavailable)
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Sends the ends to the server, again after a refusal, and returns once the connection is not usable any more: an
/// operation has failed, or a heartbeat got no answer.
async fn attend(
    mut redis: MultiplexedConnection,
    mut breaks: mpsc::Receiver<Cause>,
    ends: &impl Fn() -> Vec<Cmd>,
    untold: &AtomicBool,
    deadline: Duration,
) -> Cause {
    let work = async {
        // The ends are read after the connection is published: an operation that found no connection has already noted
        // its end.
        untold.store(true, Ordering::Release);
        loop {
            if untold.swap(false, Ordering::AcqRel) {
                match tell(&mut redis, &ends(), deadline).await {
                    Err(Cause::Refused(code)) if code == OUT_OF_MEMORY => {
                        untold.store(true, Ordering::Release);
                    }
                    told => told?,
                }
            }
            sleep(HEARTBEAT).await;
            in_time(deadline, redis::cmd("PING").query_async::<()>(&mut redis)).await?;
        }
        #[expect(unreachable_code, reason = "names the type of what `?` returns")]
        Ok::<(), Cause>(())
    };
    tokio::select! {
        done = work => done.err().unwrap_or(Cause::Garbled),
        Some(cause) = breaks.recv() => cause,
    }
}

async fn tell(redis: &mut MultiplexedConnection, ends: &[Cmd], deadline: Duration) -> Result<(), Cause> {
    for batch in ends.chunks(BATCH) {
        let mut pipeline = redis::pipe();
        for command in batch {
            pipeline.add_command(command.clone()).ignore();
        }
        in_time(deadline, pipeline.query_async::<()>(redis)).await?;
    }
    Ok(())
}

async fn in_time<T>(deadline: Duration, answer: impl Future<Output = RedisResult<T>>) -> Result<T, Cause> {
    match timeout(deadline, answer).await {
        Ok(answer) => answer.map_err(|error| Cause::of(&error)),
        Err(_) => Err(Cause::OutOfTime),
    }
}

impl Connector {
    /// Takes the URL and, with TLS, the certificate authorities as they were read.
    pub(super) fn new(config: &ValkeyConfig, means: Means<'_>) -> Result<Self, SecretError> {
        let url = means.secrets.get(VALKEY_URL)?;
        let address = Address::of(url, config).map_err(|error| SecretError::unusable(VALKEY_URL, error))?;
        let pem = config.ca_certificate.as_ref().map(|file| (file, means.secrets.get(VALKEY_AUTHORITIES)));
        let (tls, pem) = match (address.tls, pem) {
            (false, _) => (None, &[][..]),
            (true, None) => (Some(client_tls(means.authorities.roots())), &[][..]),
            (true, Some((file, pem))) => {
                let pem = pem?.expose();
                let roots = authorities(file, pem)
                    .map_err(|error| SecretError::unusable(VALKEY_AUTHORITIES, error))?;
                (Some(client_tls(roots)), pem)
            }
        };
        let tls = tls.transpose().map_err(|error| SecretError::unusable("state.valkey", error))?;
        let fingerprint = of_parts([url.expose(), pem]);
        Ok(Self { address, tls: tls.map(Arc::new), timeout: config.timeout, fingerprint })
    }

    /// Connects as [`Link::keep`] does, and asks the server about its memory; the answer is empty if that is not
    /// permitted.
    pub(super) async fn examine(&self, probe: &Cmd) -> Result<String, Cause> {
        let mut redis = self.establish(probe).await?;
        let mut info = redis::cmd("INFO");
        info.arg("memory");
        let told = in_time(self.timeout, info.query_async(&mut redis)).await;
        Ok(told.unwrap_or_default())
    }

    /// A connection on which the server has accepted `probe`.
    pub(super) async fn establish(&self, probe: &Cmd) -> Result<MultiplexedConnection, Cause> {
        let connect = async {
            let mut redis = self.connect().await?;
            in_time(CONNECT_DEADLINE, probe.query_async::<()>(&mut redis)).await?;
            Ok(redis)
        };
        timeout(CONNECT_DEADLINE, connect).await.unwrap_or(Err(Cause::OutOfTime))
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Cause> {
        let unreachable = |error: std::io::Error| Cause::Unreachable(error.to_string());
        let Address { host, port, .. } = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        match &self.tls {
            None => self.greet(stream).await,
            Some(config) => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| Cause::Unreachable("the host's name is not one".to_owned()))?;
                let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
                self.greet(stream.map_err(unreachable)?).await
            }
        }
    }

    /// Authenticates and selects the database.
    async fn greet(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<MultiplexedConnection, Cause> {
        let Address { database, username, password, .. } = &self.address;
        let mut login = RedisConnectionInfo::default().set_db(*database).set_skip_set_lib_name();
        if let Some(username) = username {
            login = login.set_username(username);
        }
        if let Some(password) = password.as_ref().and_then(|secret| str::from_utf8(secret.expose()).ok()) {
            login = login.set_password(password);
        }
        // The caller has a deadline of its own.
        let config =
            AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(MOST_OPERATIONS);
        let (connection, driver) = MultiplexedConnection::new_with_config(&login, stream, config)
            .await
            .map_err(|error| Cause::of(&error))?;
        // Ends when the last handle is dropped, or the server closes the connection.
        tokio::spawn(driver);
        Ok(connection)
    }
}

fn authorities(file: &Path, pem: &[u8]) -> Result<RootCertStore, String> {
    let shown = file.display();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| format!("`{shown}` is not PEM"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("`{shown}` holds an unusable certificate: {error}"))?;
    }
    if roots.is_empty() { Err(format!("`{shown}` holds no certificate")) } else { Ok(roots) }
}

impl Cause {
    fn of(error: &RedisError) -> Self {
        // Of a batch, the first refusal decides.
        let refusals = error.clone().into_server_errors();
        let code = refusals.as_deref().and_then(<[_]>::first).map(|(_, refusal)| refusal.code());
        match (error.kind(), code.or(error.code())) {
            (ErrorKind::Io, _) => Self::Unreachable("the connection was lost".to_owned()),
            (ErrorKind::AuthenticationFailed, _) => Self::NotAuthenticated,
            // Codes are words of the protocol, such as READONLY.
            (_, Some(code)) if code.len() <= 20 && code.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                Self::Refused(code.to_owned())
            }
            _ => Self::Garbled,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => f.write_str(why),
            Self::OutOfTime => f.write_str("it does not answer in time"),
            Self::NotAuthenticated => f.write_str("it does not accept the user or the password"),
            Self::Refused(code) => write!(f, "it refuses what it is asked: {code}"),
            Self::Garbled => f.write_str("its answer is not understood"),
        }
    }
}

impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address.host, self.address.port)
    }
}
