//! Files that block, never end or are none: nothing waits for them, and what is wrong is said.

use crate::support::postern::{BINARY, Postern};
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use hyper::StatusCode;
use postern::sandbox::SandboxOptions;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Everything that a configuration can name, below its folder.
const NAMED: [(&str, &str); 8] = [
    ("sign_in.client_secret", "client-secret"),
    ("session.keys[0]", "session-key"),
    ("state.valkey.url", "valkey-url"),
    ("state.valkey.ca_certificate", "valkey-ca"),
    ("issuers.programs.jwks_file", "keys.json"),
    ("listen.tls.certificate", "tls.crt"),
    ("listen.tls.private_key", "tls.key"),
    ("lookups.names.file", "names.yaml"),
];

fn fifo(path: &Path) {
    _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (Output, Duration) {
    let began = Instant::now();
    let output = Command::new(BINARY)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    (output, began.elapsed())
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// A configuration that names all of them; none is there.
fn configuration(folder: &Path) -> PathBuf {
    let sandbox =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sandbox.yaml")).unwrap();
    let programs = "issuers:\n  programs:\n    issuer: https://programs.corp.example\n    jwks_file: keys.json\n    \
                    audience: [postern-api]\n    algorithms: [RS256]\n    user_domains: [corp.example]\n    realm: sandbox\n";
    let text = sandbox
        .replace("issuers:\n", programs)
        .replace("sandbox-client-secret", "client-secret")
        .replace("{insecure_ephemeral_session_key: true, revalidate: 1m}", "{keys: [{file: session-key}]}")
        .replace("{memory: {}}", "{valkey: {url: {file: valkey-url}, ca_certificate: valkey-ca}}")
        .replace(
            "  direct_clients: true\n",
            "  direct_clients: true\n  tls: {certificate: tls.crt, private_key: tls.key}\n",
        )
        + "\nlookups: {names: {file: names.yaml}}\n";
    fs::write(folder.join("names.yaml"), "ada: ada\n").unwrap();
    fs::write(folder.join("keys.json"), "{}").unwrap();
    let path = folder.join("postern.yaml");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_pipe_or_a_device_is_refused_by_its_key_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path());
    let config = config.to_str().unwrap();
    for (key, name) in NAMED {
        let path = folder.path().join(name);
        let before = fs::read(&path).ok();
        for make in [fifo, |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap()] {
            _ = fs::remove_file(&path);
            make(&path);
            let (checked, took) = run(&["check", "--with-secrets", "--config", config], &[]);
            let told = text(&checked);
            assert!(!checked.status.success() && told.contains(key), "{key}: {told}");
            let what = ["is a named pipe, and only", "is a device, and only", "is not a file"];
            assert!(what.iter().any(|what| told.contains(what)), "{key}: {told}");
            assert!(took < Duration::from_secs(4), "{key}: {took:?}");
        }
        fs::remove_file(&path).unwrap();
        before.into_iter().for_each(|before| fs::write(&path, before).unwrap());
    }
    let pipe = folder.path().join("pipe.yaml");
    fifo(&pipe);
    for command in ["check", "serve", "doctor", "iam"] {
        let (refused, took) = run(&[command, "--config", pipe.to_str().unwrap()], &[]);
        let told = text(&refused);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(
            told.contains("the file is a named pipe") && took < Duration::from_secs(4),
            "{took:?} {told}"
        );
    }
}

/// One event of the log for each key, and nothing served.
#[test]
fn all_that_serve_cannot_read_is_in_its_log_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path());
    fifo(&folder.path().join("client-secret"));
    fs::write(folder.path().join("session-key"), "  \n").unwrap();
    fs::write(folder.path().join("valkey-url"), "redis://u:hidden@127.0.0.1\nsecond line").unwrap();
    fs::write(folder.path().join("tls.key"), "x".repeat(64 * 1024 + 1)).unwrap();
    let (refused, took) = run(&["serve", "--config", config.to_str().unwrap()], &[]);
    let told = String::from_utf8(refused.stderr.clone()).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let events: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("a line of the log: {line}")))
        .collect();
    let reason = |key: &str| {
        let of_key = events.iter().find(|event| {
            event.to_string().contains("secret.unusable") && event.to_string().contains(&format!("{key}: "))
        });
        of_key.unwrap_or_else(|| panic!("{key}: {told}")).to_string()
    };
    assert!(reason("sign_in.client_secret").contains("is a named pipe"));
    assert!(reason("session.keys[0]").contains("is empty"));
    assert!(reason("state.valkey.url").contains("has several lines"));
    assert!(reason("state.valkey.ca_certificate").contains("cannot be read"));
    assert!(reason("listen.tls.certificate").contains("cannot be read"));
    assert!(reason("listen.tls.private_key").contains("is larger than 64 KiB"));
    assert!(reason("issuers.programs.jwks_file").contains("keys.json"));
    assert!(!told.contains("hidden"), "{told}");
}

/// What is in the file, and what is said of it; nothing where it is good.
#[test]
fn a_secret_is_one_line_without_blanks_around() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sandbox.yaml")).unwrap();
    let config = folder.path().join("postern.yaml");
    fs::write(&config, &sandbox).unwrap();
    let secret = folder.path().join("sandbox-client-secret");
    let cases: [(&[u8], Option<&str>); 16] = [
        (b"Hunter2", None),
        (b"Hunter2\n", None),
        (b"Hunter2\r\n", None),
        ("Hünter2".as_bytes(), None),
        (b"Hunter 2", None),
        (b"", Some("is empty")),
        (b"\n", Some("is empty")),
        (b" \t\n", Some("is empty")),
        ("\u{a0}\u{2003}".as_bytes(), Some("is empty")),
        (b"Hunter2 ", Some("begins or ends with a blank")),
        (b" Hunter2\n", Some("begins or ends with a blank")),
        ("\u{feff}Hunter2".as_bytes(), Some("begins or ends with a blank")),
        (b"Hunter2\n\n", Some("has several lines")),
        (b"Hunter2\nHunter3", Some("has several lines")),
        (b"Hunter2\rHunter3", Some("has several lines")),
        (b"Hunter2\xff", Some("is not UTF-8 text")),
    ];
    for (content, refusal) in cases {
        fs::write(&secret, content).unwrap();
        let (checked, _) = run(&["check", "--with-secrets", "--config", config.to_str().unwrap()], &[]);
        let told = text(&checked);
        assert_eq!(checked.status.success(), refusal.is_none(), "{content:?}: {told}");
        if let Some(refusal) = refusal {
            let place = format!("sign_in.client_secret: `{}` {refusal}", secret.display());
            assert!(told.contains(&place), "{content:?}: {told}");
        }
        assert!(!told.contains("Hunter"), "{told}");
    }
    fs::write(&config, sandbox.replace("{file: sandbox-client-secret}", "{env: POSTERN_CLIENT_SECRET}"))
        .unwrap();
    for (value, refusal) in [
        ("Hunter2", None),
        ("Hunter2\n", None),
        (" Hunter2", Some("begins or ends with a blank")),
        ("", Some("is empty")),
    ] {
        let environment = [("POSTERN_CLIENT_SECRET", value)];
        let (checked, _) =
            run(&["check", "--with-secrets", "--config", config.to_str().unwrap()], &environment);
        let told = text(&checked);
        assert_eq!(checked.status.success(), refusal.is_none(), "{value:?}: {told}");
        let place = "the environment variable `POSTERN_CLIENT_SECRET` ";
        assert!(refusal.is_none_or(|refusal| told.contains(&format!("{place}{refusal}"))), "{told}");
    }
}

#[test]
fn a_secret_that_everybody_may_read_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sandbox.yaml")).unwrap();
    let config = folder.path().join("postern.yaml");
    fs::write(&config, sandbox).unwrap();
    let secret = folder.path().join("sandbox-client-secret");
    fs::write(&secret, "secret").unwrap();
    for (mode, warned) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false), (0o400, false)] {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
        let (checked, _) = run(&["check", "--with-secrets", "--config", config.to_str().unwrap()], &[]);
        let told = text(&checked);
        let warning = format!("may read `{}`: its mode is {mode:04o}", secret.display());
        assert_eq!(told.contains(&warning), warned, "{told}");
        assert!(checked.status.success(), "it is used all the same: {told}");
    }
}

async fn answers(postern: &Postern) {
    let began = Instant::now();
    let answer = Visitor::program().get(&postern.at("/-/live")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_at_a_reload_is_refused_and_later_reloads_work() {
    let mut stage = Stage::new().await;
    let secret = stage.folder.path().join("sandbox-client-secret");
    let content = fs::read(&secret).unwrap();
    fifo(&secret);
    stage.hang_up("refused").await;
    assert!(stage.postern.log().contains("sign_in.client_secret: `"), "{}", stage.postern.log());
    assert!(stage.postern.log().contains("is a named pipe, and only regular files are read"));
    answers(&stage.postern).await;
    fs::remove_file(&secret).unwrap();
    fs::write(&secret, content).unwrap();
    stage.hang_up("applied").await;
    fifo(&stage.folder.path().join("postern.yaml"));
    stage.hang_up("refused").await;
    answers(&stage.postern).await;
    stage.postern.signal("TERM");
    assert!(stage.postern.wait().success());
}

/// A file that hangs in `open`, as on a dead mount, while a marker is there. Made for the program under test alone.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int open64(const char *path, int flags, ...) {
    static int (*real)(const char *, int, ...);
    const char *hanging = getenv("HANGING"), *marker = getenv("HANGING_WHILE");
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    if (hanging && marker && path && !strcmp(path, hanging))
        while (!access(marker, F_OK)) usleep(20000);
    if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    return real(path, flags, mode);
}
"#;

struct DeadMount {
    _folder: tempfile::TempDir,
    library: PathBuf,
    marker: PathBuf,
}

impl DeadMount {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("hang.c"), folder.path().join("hang.so"));
        fs::write(&source, SHIM).unwrap();
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output();
        let made = made.expect("a C compiler, which the linker needs, too");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let marker = folder.path().join("hanging");
        fs::write(&marker, "").unwrap();
        Self { _folder: folder, library, marker }
    }

    fn environment<'a>(&'a self, file: &'a Path) -> [(&'a str, &'a str); 3] {
        let text = |path: &'a Path| path.to_str().unwrap();
        [("LD_PRELOAD", text(&self.library)), ("HANGING", text(file)), ("HANGING_WHILE", text(&self.marker))]
    }
}

/// A regular file on a dead mount is waited for 5 seconds; what else is wrong is said all the same.
#[test]
fn a_file_that_hangs_is_given_up_after_five_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path());
    let config = config.to_str().unwrap();
    let secret = folder.path().join("client-secret");
    fs::write(&secret, "secret").unwrap();
    let mount = DeadMount::new();
    for command in [&["check", "--with-secrets", "--config", config][..], &["serve", "--config", config]] {
        let (refused, took) = run(command, &mount.environment(&secret));
        let told = text(&refused);
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(
            told.contains("sign_in.client_secret: `") && told.contains("was not read within 5 s"),
            "{told}"
        );
        assert!(told.contains("session.keys[0]"), "{told}");
        assert!((5..9).contains(&took.as_secs()), "{took:?}");
    }
    let table = folder.path().join("names.yaml");
    let (refused, took) = run(&["check", "--config", config], &mount.environment(&table));
    let told = text(&refused);
    assert!(told.contains("`names.yaml` was not read within 5 s") && took.as_secs() < 9, "{took:?} {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_hangs_at_a_reload_holds_up_neither_requests_nor_later_reloads_nor_the_stop() {
    let mount = DeadMount::new();
    fs::remove_file(&mount.marker).unwrap();
    let library = mount.library.to_str().unwrap().to_owned();
    let marker = mount.marker.to_str().unwrap().to_owned();
    let mut stage = Stage::with_environment(
        SandboxOptions::default(),
        |text| text,
        |folder| {
            let hanging = folder.join("sandbox-client-secret").to_str().unwrap().to_owned();
            vec![("LD_PRELOAD", library.clone()), ("HANGING", hanging), ("HANGING_WHILE", marker.clone())]
        },
    )
    .await;
    fs::write(&mount.marker, "").unwrap();
    let began = Instant::now();
    {
        let refused = stage.hang_up("refused");
        tokio::pin!(refused);
        loop {
            tokio::select! {
                () = &mut refused => break,
                () = tokio::time::sleep(Duration::from_millis(200)) => answers(&stage.postern).await,
            }
        }
    }
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert!(stage.postern.log().contains("was not read within 5 s"), "{}", stage.postern.log());
    // It is not tried a second time while the first still hangs.
    let began = Instant::now();
    stage.hang_up("refused").await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    fs::remove_file(&mount.marker).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    stage.hang_up("applied").await;
    fs::write(&mount.marker, "").unwrap();
    stage.postern.signal("HUP");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    stage.postern.signal("TERM");
    assert!(stage.postern.wait().success());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}
