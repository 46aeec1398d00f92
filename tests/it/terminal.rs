//! `postern login`, `token`, `open` and `logout`: the real program between a person's browser and a gateway.

mod ends;
mod hostile;

use crate::support::postern::BINARY;
use crate::support::stage::Stage;
use crate::support::visitor::{Answer, Visitor};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use tempfile::TempDir;
use url::Url;
use url::form_urlencoded::Serializer;

const RUNS: &str = "/experiments/api/2.0/mlflow/runs";

/// A person's account on a machine: a folder for settings, and a browser that notes what it is to open.
pub(super) struct Account {
    folder: TempDir,
}

impl Account {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let browser = folder.path().join("browser");
        let opened = folder.path().join("opened");
        std::fs::write(&browser, format!("#!/bin/sh\necho \"$1\" >> {}\n", opened.display())).unwrap();
        std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("settings/postern/terminal.json")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .env("XDG_CONFIG_HOME", self.folder.path().join("settings"))
            .env("BROWSER", self.folder.path().join("browser"))
            .env_remove("HTTP_PROXY")
            .env_remove("HTTPS_PROXY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What the browser was told to open last.
    fn opened(&self) -> Option<Url> {
        let text = std::fs::read_to_string(self.folder.path().join("opened")).ok()?;
        Some(Url::parse(text.lines().last()?).unwrap())
    }

    /// Starts a login, and returns it with the link that it shows.
    pub(super) fn login(&self, gateway: &Url, further: &[&str]) -> Running {
        let arguments: Vec<&str> =
            ["login", gateway.as_str()].into_iter().chain(further.iter().copied()).collect();
        let mut child = self.command(&arguments).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut printed = String::new();
        while !printed.contains("/-/terminal?") {
            assert!(said.read_line(&mut printed).unwrap() > 0, "it ended: {printed}");
        }
        let link = printed.lines().find(|line| line.contains("/-/terminal?")).unwrap().to_owned();
        Running { link: Url::parse(&link).unwrap(), child, said, printed }
    }

    /// Signs in as a person whose browser is `visitor`.
    pub(super) async fn signed_in(&self, stage: &Stage, visitor: &mut Visitor) {
        let login = self.login(&stage.postern.url, &[]);
        let back = allowed(stage, visitor, &login.link).await;
        assert_eq!(back.status, 303, "{}", back.body);
        let done = Visitor::person().get(&back.next().unwrap()).await;
        assert_eq!(done.status, 200, "{}", done.body);
        let (status, printed) = login.ended();
        assert!(status.success(), "{printed}");
    }
}

pub(super) struct Running {
    pub(super) link: Url,
    child: Child,
    said: BufReader<std::process::ChildStderr>,
    printed: String,
}

impl Running {
    fn paste(&mut self, code: &str) {
        writeln!(self.child.stdin.take().unwrap(), "{code}").unwrap();
    }

    /// Its end, and what it said on standard error.
    fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        std::io::Read::read_to_string(&mut self.said, &mut self.printed).unwrap();
        (status, std::mem::take(&mut self.printed))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The value of a hidden field.
fn hidden(page: &str, name: &str) -> String {
    let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    rest.unwrap_or_else(|| panic!("no field {name}: {page}")).split('"').next().unwrap().replace("&amp;", "&")
}

/// Opens the link in a browser that is signed in, and returns the form that the page would send.
pub(super) async fn form(visitor: &mut Visitor, link: &Url) -> Vec<(String, String)> {
    let page = visitor.get(link).await.checked();
    assert_eq!(page.status, 200, "{}", page.body);
    let names = ["form", "code_challenge", "code_challenge_method", "state", "machine", "redirect_uri"];
    let names = names.into_iter().filter(|name| page.body.contains(&format!("name=\"{name}\"")));
    names.map(|name| (name.to_owned(), hidden(&page.body, name))).collect()
}

pub(super) async fn send(stage: &Stage, visitor: &Visitor, form: &[(String, String)]) -> Answer {
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    let mut visitor = visitor.clone().with("sec-fetch-site", "same-origin");
    visitor.post(&stage.postern.at("/-/terminal"), &body).await.checked()
}

/// The person clicks "Allow it".
pub(super) async fn allowed(stage: &Stage, visitor: &mut Visitor, link: &Url) -> Answer {
    let form = form(visitor, link).await;
    send(stage, visitor, &form).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_a_terminal_in_and_gets_run_tokens_there() {
    let (stage, account) = (Stage::new().await, Account::new());
    let login = account.login(&stage.postern.url, &[]);
    assert_eq!(account.opened().as_ref(), Some(&login.link), "the browser was told to open it");
    // A browser without a session signs in on the way, and comes back to the question.
    let mut grace = Visitor::person();
    let first = grace.get(&login.link).await.checked();
    assert_eq!(first.status, 302, "{}", first.body);
    let asked = stage.return_from_provider(&mut grace, "grace", first).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    let word = login.printed.split("shows ").nth(1).unwrap().split('.').next().unwrap().to_owned();
    assert!(word.len() == 7 && asked.body.contains(&word), "{word}: {}", asked.body);
    assert!(
        asked.body.contains("grace@corp.example") && asked.body.contains("postern login"),
        "{}",
        asked.body
    );
    let policy = asked.header("content-security-policy").to_owned();
    let redirect = login.link.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    let origin = redirect.trim_end_matches("/callback");
    assert!(policy.contains(&format!("form-action 'self' {origin};")), "{policy}");
    let back = allowed(&stage, &mut grace, &login.link).await;
    assert_eq!(back.status, 303, "{}", back.body);
    assert!(back.location().starts_with(&format!("{redirect}?code=")), "{}", back.location());
    let done = Visitor::person().get(&back.next().unwrap()).await;
    assert!(done.status == 200 && done.body.contains("You can close this page"), "{}", done.body);
    assert_eq!(done.header("referrer-policy"), "no-referrer");
    let (status, printed) = login.ended();
    assert!(status.success() && printed.contains("Signed in as grace@corp.example until "), "{printed}");
    assert_eq!((mode(&account.kept()), mode(account.kept().parent().unwrap())), (0o600, 0o700));
    // A run token and nothing else.
    let made = account.run(&["token", "experiments", "--access", "read", "--lifetime", "1h"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let token = text(&made.stdout).trim_end().to_owned();
    assert!(token.starts_with("postern_run_") && text(&made.stdout) == format!("{token}\n"), "{token}");
    assert_eq!(text(&made.stderr), "");
    let call = async |path: &str, body: Value| {
        let at = stage.postern.at(&format!("{RUNS}/{path}"));
        Visitor::program().bearer(&token).call("POST", &at, &body).await.checked()
    };
    assert_eq!(call("search", json!({"experiment_ids": ["0"]})).await.status, 200);
    assert_eq!(call("create", json!({"experiment_id": "0"})).await.reason(), "access-too-low");
    let records = stage.postern.audit_at_rest();
    let issued: Vec<_> = records.iter().filter(|record| record["outcome"] == "issued").collect();
    assert_eq!((issued.len(), &issued[0]["reason"]), (2, &json!("terminal")), "{issued:#?}");
    // The browser opens a destination.
    let opened = account.run(&["open", "experiments/models/3?x=1"]);
    assert!(opened.status.success() && opened.stdout.is_empty(), "{}", text(&opened.stderr));
    assert_eq!(account.opened().unwrap(), stage.postern.at("/experiments/models/3?x=1"));
    // The page lists both, and a sign-out of the terminal ends its token.
    let list = grace.get(&stage.postern.at("/-/tokens")).await.checked().body;
    assert!(list.contains("A terminal that makes run tokens for you"), "{list}");
    let secret: Value = serde_json::from_slice(&std::fs::read(account.kept()).unwrap()).unwrap();
    let terminal = secret["token"].as_str().unwrap().to_owned();
    let out = account.run(&["logout"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(!account.kept().exists());
    let wish = json!({"destination": "experiments"});
    let mut copy = Visitor::program().bearer(&terminal);
    let answer = copy.call("POST", &stage.postern.at("/-/api/tokens"), &wish).await.checked();
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (401, "token-revoked"));
    assert_eq!(call("search", json!({"experiment_ids": ["0"]})).await.status, 200, "runs go on");
    for place in [stage.postern.audit_text(), stage.postern.log()] {
        for secret in [&terminal, &token] {
            assert!(!place.contains(&secret[17..45]), "a token shows");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_browser_the_person_pastes_the_code() {
    let (stage, account) = (Stage::new().await, Account::new());
    let mut ada = stage.person("ada").await;
    let mut login = account.login(&stage.postern.url, &["--no-browser"]);
    assert_eq!(account.opened(), None);
    assert!(!login.link.as_str().contains("redirect_uri"));
    let page = allowed(&stage, &mut ada, &login.link).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let code = page.body.split("<textarea id=\"code\"").nth(1).unwrap();
    let code = code.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned();
    login.paste(&code);
    let (status, printed) = login.ended();
    assert!(status.success() && printed.contains("Signed in as ada@corp.example"), "{printed}");
    assert!(account.run(&["token", "experiments"]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_lives_no_longer_than_its_session() {
    let (stage, account) = (Stage::new().await, Account::new());
    let mut grace = stage.person("grace").await;
    account.signed_in(&stage, &mut grace).await;
    let made = account.run(&["token", "experiments"]);
    let token = text(&made.stdout).trim_end().to_owned();
    let mut out = grace.clone().with("sec-fetch-site", "same-origin");
    assert_eq!(out.post(&stage.postern.at("/-/logout"), "").await.checked().status, 303);
    let refused = account.run(&["token", "experiments"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("the sign-in has ended: run `postern login http://localhost:"), "{said}");
    assert!(refused.stdout.is_empty());
    let at = stage.postern.at("/experiments/version");
    let answer = Visitor::program().bearer(&token).get(&at).await.checked();
    assert_eq!(answer.reason(), "token-revoked", "and so do the run tokens that it made");
    // Signing in again is all that it takes.
    account.signed_in(&stage, &mut stage.person("grace").await).await;
    assert!(account.run(&["token", "experiments"]).status.success());
    // What is over is said without asking the gateway.
    let kept = std::fs::read_to_string(account.kept()).unwrap();
    let mut kept: Value = serde_json::from_str(&kept).unwrap();
    kept["expires_at"] = json!("2026-01-01T00:00:00Z");
    std::fs::write(account.kept(), kept.to_string()).unwrap();
    let refused = account.run(&["token", "experiments"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("the sign-in has ended"), "{}", text(&refused.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_said_plainly_and_by_status() {
    let (stage, account) = (Stage::new().await, Account::new());
    let url = stage.postern.url.as_str();
    for (arguments, status, said) in [
        (&["token", "experiments"][..], 1, "nobody is signed in here: run `postern login"),
        (&["open", "experiments"], 1, "nobody is signed in here"),
        (&["logout"], 0, ""),
        (&["login", "http://ml.corp.example"], 2, "it has to begin with `https://`"),
        (&["login", "ml.corp.example"], 2, "write it like `https://ml.corp.example`"),
        (&["login", "https://ada:secret@ml.corp.example"], 2, "write it like"),
        (&["token", "Experiments"], 2, "not a destination's name"),
        (&["token"], 2, "NAME"),
    ] {
        let output = account.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let mut grace = stage.person("grace").await;
    account.signed_in(&stage, &mut grace).await;
    for (arguments, said) in [
        (&["token", "nowhere"][..], "No destination of this name is configured here."),
        (&["token", "studio"], "Programs cannot call this destination"),
    ] {
        let output = account.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
    std::fs::set_permissions(account.kept(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = account.run(&["token", "experiments"]);
    assert_eq!(exposed.status.code(), Some(1));
    assert!(text(&exposed.stderr).contains("others on this machine may read"), "{}", text(&exposed.stderr));
    std::fs::set_permissions(account.kept(), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(account.kept(), "{").unwrap();
    let damaged = account.run(&["token", "experiments"]);
    assert!(text(&damaged.stderr).contains("it is damaged"), "{}", text(&damaged.stderr));
    // An unreachable gateway: the sign-in is forgotten here all the same, and the person knows.
    account.signed_in(&stage, &mut grace).await;
    let kept = std::fs::read_to_string(account.kept()).unwrap();
    std::fs::write(account.kept(), kept.replace(url, "http://127.0.0.1:9/")).unwrap();
    let away = account.run(&["token", "experiments"]);
    assert_eq!(away.status.code(), Some(1));
    assert!(text(&away.stderr).contains("the gateway does not answer"), "{}", text(&away.stderr));
    let out = account.run(&["logout"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("a copy of this terminal's token counts until"),
        "{}",
        text(&out.stderr)
    );
    assert!(!account.kept().exists());
}

#[test]
fn completions_are_printed_for_each_shell() {
    for (shell, sign) in
        [("bash", "_postern()"), ("zsh", "#compdef postern"), ("fish", "complete -c postern")]
    {
        let output = Command::new(BINARY).args(["completions", shell]).output().unwrap();
        assert!(output.status.success());
        let script = text(&output.stdout);
        assert!(script.contains(sign) && script.contains("login"), "{shell}: {script}");
    }
    assert_eq!(Command::new(BINARY).args(["completions", "csh"]).output().unwrap().status.code(), Some(2));
}
