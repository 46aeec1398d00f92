//! Programs that the stage is made of. Each ends with its handle, and with this process however that ends.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// Kills the program when standard input ends, and ends when the program does. Then removes a folder that the environment
/// may name.
const KEEPER: &str = r#"exec 3<&0; "$@" <&3 & child=$!
exec >/dev/null 2>&1 # nobody listens any more when it is over
{ read -r _; kill -9 $child; } <&3 &
wait $child; status=$?
[ -z "$REMOVE_AFTERWARDS" ] || rm -rf "$REMOVE_AFTERWARDS"
exit $status"#;

pub(crate) struct Process {
    shell: Child,
    lifeline: Option<ChildStdin>,
    printed: Arc<Mutex<String>>,
}

impl Process {
    /// Starts `program` and waits until what it has printed is `ready`.
    ///
    /// # Errors
    ///
    /// What it printed, where it ends before that.
    pub(crate) fn start(
        program: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
        ready: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        let mut shell = Command::new("sh")
            .args(["-c", KEEPER, "sh", program])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let printed = Arc::new(Mutex::new(String::new()));
        keep(shell.stdout.take().expect("standard output"), &printed);
        keep(shell.stderr.take().expect("standard error"), &printed);
        let mut process = Self { lifeline: shell.stdin.take(), shell, printed };
        let deadline = Instant::now() + PATIENCE;
        while !ready(&process.printed()) {
            let ended = process.shell.try_wait().expect("a child").is_some();
            if ended || Instant::now() > deadline {
                return Err(format!("{program} did not start: {}", process.printed()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(process)
    }

    /// Everything on standard output and standard error so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().expect("what was printed").clone()
    }

    /// The rest of the first line that starts with `prefix`.
    pub(crate) fn told(&self, prefix: &str) -> Option<String> {
        self.printed().lines().find_map(|line| line.strip_prefix(prefix)).map(str::to_owned)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        _ = self.shell.wait();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("id", &self.shell.id()).finish_non_exhaustive()
    }
}

fn keep(stream: impl Read + Send + 'static, printed: &Arc<Mutex<String>>) {
    let printed = Arc::clone(printed);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut printed = printed.lock().expect("what was printed");
            printed.push_str(&line);
            printed.push('\n');
        }
    });
}
