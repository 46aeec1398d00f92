//! `postern doctor` before a sandbox, and peers that others wrote: what is wrong is named, with what to do about it.

mod faults;
mod local;
mod peers;
mod profiles;
mod programs;
mod redirect_uri;
mod refusals;

use crate::support::postern::BINARY;
use postern::sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A sandbox, and the demo's configuration pointed at it.
struct Clinic {
    sandbox: Sandbox,
    folder: TempDir,
}

struct Examined {
    status: i32,
    checks: Vec<Value>,
    text: String,
}

impl Clinic {
    async fn new() -> Self {
        Self::with(SandboxOptions::default(), |text| text).await
    }

    /// The gateway is registered.
    async fn with(options: SandboxOptions, change: impl Fn(String) -> String) -> Self {
        let redirect_uris = vec!["http://localhost:8080/-/callback".to_owned()];
        Self::of(SandboxOptions { redirect_uris, ..options }, change).await
    }

    async fn of(options: SandboxOptions, change: impl Fn(String) -> String) -> Self {
        let sandbox = Sandbox::start(options).await.expect("a sandbox");
        let folder = TempDir::new().expect("a folder");
        let clinic = Self { sandbox, folder };
        let (_, secret) = clinic.sandbox.client();
        clinic.write("sandbox-client-secret", secret.expose());
        clinic.configure(change);
        clinic
    }

    /// The tracking server that is stopped stays out, so that all is well.
    fn configure(&self, change: impl Fn(String) -> String) {
        let text = self.sandbox.configuration("http://localhost:8080", "127.0.0.1:8080");
        let (before, archive) = text.split_once("  archive:\n").expect("the archive");
        let (_, after) = archive.split_once("  tracking:\n").expect("what follows it");
        self.write("postern.yaml", change(format!("{before}  tracking:\n{after}")).as_bytes());
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, own).expect("its mode");
        path
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let key = self.sandbox.credentials();
        Command::new(BINARY)
            .args(["doctor", "--config"])
            .arg(self.folder.path().join("postern.yaml"))
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", &key.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &key.secret_access_key)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs")
    }

    /// The sandbox serves on other threads meanwhile.
    fn examine(&self, arguments: &[&str]) -> Examined {
        let output = self.run(&[&["--format", "json"], arguments].concat());
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let said = String::from_utf8_lossy(&output.stderr);
        let report: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{said}"));
        let secret = String::from_utf8(self.sandbox.client().1.expose().to_vec()).expect("UTF-8");
        let landing = self.sandbox.landing_url().to_string();
        for hidden in ["token=", "authToken", &secret, landing.as_str(), "sandbox/NotASecret"] {
            assert!(!text.contains(hidden) && !said.contains(hidden), "{hidden}: {text}{said}");
        }
        let checks = report["checks"].as_array().expect("checks").clone();
        Examined { status: output.status.code().expect("a status"), checks, text }
    }

    fn examine_as(&self, person: &str) -> Examined {
        let claims = json!({
            "sub": person, "email": format!("{person}@corp.example"), "email_verified": true,
            "groups": ["ml-users"],
        });
        let file = self.write("claims.json", claims.to_string().as_bytes());
        self.examine(&["--as", file.to_str().expect("UTF-8")])
    }
}

impl Examined {
    #[track_caller]
    fn check(&self, subject: &str, check: &str) -> &Value {
        let mut found =
            self.checks.iter().filter(|found| found["subject"] == subject && found["check"] == check);
        found.next().unwrap_or_else(|| panic!("no {subject}, {check}: {}", self.text))
    }

    fn with_outcome(&self, outcome: &str) -> Vec<String> {
        let found = self.checks.iter().filter(|check| check["outcome"] == outcome);
        found
            .map(|check| {
                format!("{}, {}", check["subject"].as_str().unwrap(), check["check"].as_str().unwrap())
            })
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_for_a_person_and_every_target_is_minted_once() {
    let clinic = Clinic::new().await;
    let examined = clinic.examine_as("grace");
    assert_eq!(examined.status, 0, "{}", examined.text);
    assert_eq!(examined.with_outcome("failed"), Vec::<String>::new());
    assert_eq!(examined.with_outcome("skipped"), Vec::<String>::new());
    // The demo's key is not kept, and Grace's profile was not created by Postern.
    assert_eq!(examined.with_outcome("warning"), ["session.keys, keys", "destinations.studio, owner"]);
    for (subject, check, found) in [
        ("issuers.sandbox", "discovery", "PKCE with S256"),
        ("issuers.sandbox", "keys", "RS256"),
        ("issuers.sandbox", "clock", "agree"),
        ("sign_in", "client", "accepts the client `postern`"),
        ("sign_in", "redirect-uri", "answers at `http://localhost:8080/-/callback`"),
        ("aws", "identity", "arn:aws:iam::111122223333:user/sandbox"),
        ("aws", "clock", "agree"),
        ("role arn:aws:iam::111122223333:role/postern", "assume", "with a SourceIdentity"),
        ("domain d-sandbox00001 in eu-west-1", "auth-mode", "IAM"),
        ("destinations.studio", "state", "user profile grace of d-sandbox00001 is ready"),
        ("destinations.studio", "presign", "as grace@corp.example"),
        ("destinations.notebook", "presign", "CreatePresignedNotebookInstanceUrl"),
    ] {
        let told = examined.check(subject, check);
        assert!(told["found"].as_str().unwrap().contains(found), "{found}: {told}");
    }
    let presigned = clinic.sandbox.calls().into_iter().filter(|call| call.operation.contains("Presigned"));
    assert_eq!(presigned.count(), 5, "one for each of the five kinds");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_person_only_what_is_the_same_for_everyone_is_minted_and_shortly() {
    let clinic = Clinic::new().await;
    let examined = clinic.examine(&[]);
    assert_eq!(examined.status, 0, "{}", examined.text);
    assert_eq!(examined.with_outcome("skipped"), ["destinations.studio, presign"]);
    assert!(examined.check("destinations.studio", "presign")["found"].as_str().unwrap().contains("--as"));
    // The domain is known without the person.
    assert_eq!(examined.check("domain d-risk00000001 in eu-west-1", "auth-mode")["found"], "IAM");
    let calls = clinic.sandbox.calls();
    let presigned: Vec<_> = calls.iter().filter(|call| call.operation.contains("Presigned")).collect();
    // `experiments` is opened in three ways: to read, to log and to write.
    assert_eq!(presigned.len(), 6, "{presigned:?}");
    for call in presigned {
        assert_eq!(call.caller.role_session_name.as_deref(), Some("postern"), "in nobody's name");
        let expires = &call.input["ExpiresInSeconds"];
        assert!(*expires == 5 || call.operation.contains("Notebook"), "{call:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_is_the_same_each_time_and_the_text_says_what_the_json_says() {
    let clinic = Clinic::new().await;
    let (one, other) = (clinic.examine(&[]), clinic.examine(&[]));
    assert_eq!(one.checks, other.checks);
    let output = clinic.run(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for check in &one.checks {
        let line = format!(
            "{:<8} {}, {}: {}",
            check["outcome"].as_str().unwrap(),
            check["subject"].as_str().unwrap(),
            check["check"].as_str().unwrap(),
            check["found"].as_str().unwrap()
        );
        assert!(text.contains(&line), "{line}: {text}");
    }
    assert!(text.contains("         to do: make one by `postern keygen`"), "{text}");
    assert!(text.trim_end().ends_with("1 warnings, 0 failed, 1 skipped"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_told_from_what_is_wrong_elsewhere() {
    let clinic = Clinic::new().await;
    assert_eq!(clinic.run(&["--issuer", "sandbox"]).status.code(), Some(2), "an issuer of no claims");
    assert_eq!(clinic.run(&["--as", "/no/such/claims.json"]).status.code(), Some(2));
    let nobody = clinic.write("nobody.json", br#"{"sub": "u", "email": "ada@corp.example"}"#);
    let refused = clinic.run(&["--as", nobody.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    clinic.configure(|text| text.replace("public_url", "publik_url"));
    assert_eq!(clinic.run(&[]).status.code(), Some(2));
    assert_eq!(clinic.sandbox.call_count(), 0);
}
