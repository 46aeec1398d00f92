//! One replica: the real binary, started, signalled and watched from outside.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(60);
/// Lines that are kept; a soak writes millions.
const LINES: usize = 4_000;

pub(crate) struct Replica {
    config: PathBuf,
    environment: Vec<(String, String)>,
    child: Child,
    told: Arc<Told>,
}

/// What it wrote: of its log what is rare, of its audit trail the number of grants.
#[derive(Default)]
struct Told {
    lines: Mutex<Vec<String>>,
    grants: AtomicU64,
    from_slots: AtomicU64,
}

impl Replica {
    /// Starts and waits until requests are answered.
    pub(crate) async fn start(config: &Path, environment: &[(String, String)]) -> Self {
        let told = Arc::new(Told::default());
        let child = spawn(config, environment, &told);
        let replica = Self { config: config.to_owned(), environment: environment.to_vec(), child, told };
        replica.wait_for("started", 1).await;
        replica
    }

    /// The same one once more.
    pub(crate) async fn start_again(&mut self) {
        let before = self.count("started");
        self.child = spawn(&self.config, &self.environment, &self.told);
        self.wait_for("started", before + 1).await;
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "a replica does not end: {}", self.printed());
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Reads the configuration again, and waits for what becomes of that: `applied` or `refused`.
    pub(crate) async fn reload(&self, outcome: &str) {
        let marker = format!("reload.{outcome}");
        let before = self.count(&marker);
        self.signal("HUP");
        self.wait_for(&marker, before + 1).await;
    }

    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// Physical memory in use, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// CPU time used so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("a process");
        // The name may hold spaces; after it, user and system time are the 12th and 13th field, in hundredths of a second.
        let fields: Vec<_> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        let ticks = |index: usize| fields[index].parse::<u64>().expect("a number");
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }

    /// The address of its admin listener.
    pub(crate) fn admin(&self) -> std::net::SocketAddr {
        let lines = self.told.lines.lock().expect("lines");
        let line = lines.iter().rfind(|line| line.contains("\"started\"")).expect("it has started");
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let field = event.get("admin").or_else(|| event["fields"].get("admin"));
        field.and_then(serde_json::Value::as_str).expect("its admin address").parse().expect("an address")
    }

    /// Records of grants in the audit trail, and how many of them gave out a URL that had been minted ahead.
    pub(crate) fn grants(&self) -> (u64, u64) {
        (self.told.grants.load(Ordering::Relaxed), self.told.from_slots.load(Ordering::Relaxed))
    }

    /// The rare lines of the log with this word.
    pub(crate) fn count(&self, word: &str) -> usize {
        self.told.lines.lock().expect("lines").iter().filter(|line| line.contains(word)).count()
    }

    /// What it warned of and why, each once.
    pub(crate) fn print_warnings(&self) {
        let printed = self.printed();
        let warnings = printed.lines().filter(|line| line.contains("WARN") || line.contains("ERROR"));
        for warning in warnings.take(6) {
            println!("    {warning}");
        }
    }

    pub(crate) fn printed(&self) -> String {
        self.told.lines.lock().expect("lines").join("\n")
    }

    async fn wait_for(&self, word: &str, times: usize) {
        let began = Instant::now();
        while self.count(word) < times {
            assert!(began.elapsed() < PATIENCE, "no {word}: {}", self.printed());
            sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What Cargo built for these tests, or else what lies beside this program.
pub(crate) fn program() -> PathBuf {
    option_env!("CARGO_BIN_EXE_postern")
        .map_or_else(|| std::env::current_exe().expect("a place").with_file_name("postern"), PathBuf::from)
}

fn spawn(config: &Path, environment: &[(String, String)], told: &Arc<Told>) -> Child {
    let mut child = Command::new(program())
        .args(["serve", "--log-format", "json", "--config"])
        .arg(config)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let log = child.stderr.take().expect("standard error");
    let audit = child.stdout.take().expect("standard output");
    let keeper = Arc::clone(told);
    each_line(log, move |line| {
        const RARE: [&str; 5] = ["ERROR", "WARN", "\"started\"", "\"stop", "\"reload."];
        if RARE.iter().any(|rare| line.contains(rare)) || !line.starts_with('{') {
            let mut lines = keeper.lines.lock().expect("lines");
            if lines.len() < LINES {
                lines.push(line.to_owned());
            }
        }
    });
    let counter = Arc::clone(told);
    each_line(audit, move |line| {
        if line.contains("\"event\":\"grant\"") {
            counter.grants.fetch_add(1, Ordering::Relaxed);
            let is_minted_ahead = line.contains("\"from_slot\":true");
            counter.from_slots.fetch_add(u64::from(is_minted_ahead), Ordering::Relaxed);
        }
    });
    child
}

fn each_line(stream: impl Read + Send + 'static, mut take: impl FnMut(&str) + Send + 'static) {
    std::thread::spawn(move || {
        let (mut reader, mut line) = (BufReader::with_capacity(64 * 1024, stream), String::new());
        while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
            take(line.trim_end());
            line.clear();
        }
    });
}
