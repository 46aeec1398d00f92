//! Browsers that are not Chromium, driven by W3C WebDriver: each with a folder and a screen of its own.

use super::stage::{HOST, Stage};
use crate::support::elsewhere::peers;
use crate::support::player::{Scene, play};
use crate::support::postern::free_port;
use crate::support::program::Process;
use crate::support::proxy::Proxy;
use serde_json::{Value, json};
use std::net::TcpStream;
use std::path::Path;
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};

/// Nothing but the tests' own pages is asked for.
const PREFERENCES: &str = r#"user_pref("marionette.port", 0);
user_pref("network.dns.localDomains", "ml.corp.example");
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.normandy.enabled", false);
user_pref("services.settings.server", "http://127.0.0.1:9/");
"#;

/// A browser before one stage.
struct Engine<'a> {
    stage: &'a Stage,
    /// How it is spoken to, and the destination that it starts.
    told: Value,
    /// They end before their folder does.
    processes: Vec<Process>,
    _home: TempDir,
    /// On which its proxy runs, if it needs one.
    _runtime: Option<Runtime>,
}

/// Firefox, which speaks WebDriver's commands by a socket of its own.
pub(super) fn firefox(stage: &Stage, script: &str, scenario: &str) {
    let Some(peers) = peers("Firefox") else { return };
    let home = home();
    std::fs::write(home.path().join("user.js"), PREFERENCES).expect("the preferences");
    let port_file = home.path().join("MarionetteActivePort");
    let port = || std::fs::read_to_string(&port_file).ok()?.trim().parse::<u16>().ok();
    let arguments = ["--headless", "--marionette", "--no-remote", "--profile", text(home.path())];
    let environment = [("HOME", text(home.path()))];
    let program = peers.join("firefox/firefox-esr");
    let browser = Process::start(text(&program), &arguments, &environment, |_| port().is_some());
    let told = json!({ "marionette": port(), "stopped": "archive" });
    let processes = vec![browser.expect("Firefox")];
    play(&Engine { stage, told, processes, _home: home, _runtime: None }, script, scenario, "firefox");
}

/// WebKitGTK, the engine of Safari, which needs a screen, and a proxy that finds the gateway's name.
pub(super) fn webkit(stage: &Stage, script: &str, scenario: &str) {
    let Some(peers) = peers("WebKitGTK") else { return };
    let home = home();
    let display = |printed: &str| printed.lines().find_map(|line| line.parse::<u16>().ok());
    let arguments = ["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-terminate"];
    let program = peers.join("webkit/Xvfb");
    let screen = Process::start(text(&program), &arguments, &[], |printed| display(printed).is_some());
    let screen = screen.expect("a screen");
    let shown_at = format!(":{}", display(&screen.printed()).expect("its number"));
    let port = free_port();
    let arguments = ["--host=127.0.0.1".to_owned(), format!("--port={port}")];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let proxy = runtime.block_on(Proxy::start());
    let public = stage.public_address();
    proxy.knows(&format!("{HOST}:{}", public.port()), public);
    let proxy = proxy.url();
    let environment = [
        ("HOME", text(home.path())),
        ("DISPLAY", &shown_at),
        ("https_proxy", &proxy),
        ("no_proxy", "127.0.0.1,127.0.0.2"),
    ];
    let program = peers.join("webkit/WebKitWebDriver");
    let listens = |_: &str| TcpStream::connect(("127.0.0.1", port)).is_ok();
    let driver = Process::start(text(&program), &arguments, &environment, listens).expect("WebKitWebDriver");
    let told = json!({ "webdriver": format!("http://127.0.0.1:{port}"), "stopped": "vault" });
    let processes = vec![driver, screen];
    let engine = Engine { stage, told, processes, _home: home, _runtime: Some(runtime) };
    play(&engine, script, scenario, "webkit");
}

impl Scene for Engine<'_> {
    fn description(&self) -> Value {
        let mut description = self.stage.description();
        let members = description.as_object_mut().expect("an object");
        members.extend(self.told.as_object().cloned().unwrap_or_default());
        description
    }

    fn answer(&self, question: &Value) -> Result<Value, String> {
        self.stage.answer(question)
    }

    fn printed(&self) -> String {
        let browser = self.processes.iter().map(|process| format!("--- browser\n{}", process.printed()));
        self.stage.printed() + &browser.collect::<String>()
    }
}

fn home() -> TempDir {
    let folder = tempfile::Builder::new().prefix("browser-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    folder.expect("a folder")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
