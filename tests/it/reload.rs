//! Another configuration while the process runs, and a stop that no client notices.

use crate::support::postern::free_port;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::{IdentityProviderFaults, SandboxOptions};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use url::Url;

const EVERYONE: &str = "      - name: everyone\n        allow: \"'ml-users' in groups\"";

struct Configured {
    stage: Stage,
    file: PathBuf,
}

impl Configured {
    async fn new() -> Self {
        Self::of(Stage::new().await)
    }

    fn of(stage: Stage) -> Self {
        let file = stage.folder.path().join("postern.yaml");
        Self { stage, file }
    }

    /// Replaces the file as careful tools do: in one step.
    fn replace(&self, text: &str) {
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, text).unwrap();
        fs::rename(&fresh, &self.file).unwrap();
    }

    fn changed(&self, from: &str, to: &str) -> String {
        let text = fs::read_to_string(&self.file).unwrap();
        assert!(text.contains(from), "the configuration does not contain {from:?}");
        text.replacen(from, to, 1)
    }

    async fn hang_up(&self, outcome: &str) {
        let before = self.count(outcome);
        self.stage.postern.signal("HUP");
        self.wait_for(outcome, before + 1).await;
    }

    async fn wait_for(&self, outcome: &str, times: usize) {
        for _ in 0..1500 {
            if self.count(outcome) >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {outcome}: {}", self.stage.postern.log());
    }

    fn count(&self, outcome: &str) -> usize {
        self.stage.postern.log().matches(&format!("\"reload.{outcome}")).count()
    }

    async fn opens(&self, visitor: &mut Visitor) -> u16 {
        visitor.get(&self.stage.postern.at("/studio")).await.checked().status.as_u16()
    }
}

#[tokio::test]
async fn a_changed_rule_holds_from_the_next_request_on_and_nobody_is_signed_out() {
    let configured = Configured::new().await;
    let mut grace = configured.stage.person("grace").await;
    assert_eq!(configured.opens(&mut grace).await, 302);

    configured.replace(&configured.changed(EVERYONE, "      - name: nobody\n        deny: \"true\""));
    configured.hang_up("applied").await;
    assert_eq!(configured.opens(&mut grace).await, 403, "the same session, by the new rules");

    let records = configured.stage.postern.audit(5);
    let digest = |event: &str| {
        let record = records.iter().rfind(|record| record["event"] == event);
        record.unwrap_or_else(|| panic!("no {event}: {records:?}"))["config_digest"].clone()
    };
    assert_eq!(digest("reload"), digest("deny"), "the decision names the configuration that made it");
    assert_ne!(digest("start"), digest("deny"));
}

/// Replicas reload one after the other, and a cookie has what the rules read where it was made. Signing in again might end
/// at a replica that asks for more once more, and so on.
#[tokio::test]
async fn a_fresh_session_waits_until_the_rules_are_the_same_everywhere() {
    let configured = Configured::new().await;
    let mut groups: Vec<String> = (0..200).map(|number| format!("team-{number:03}")).collect();
    groups.push("ml-users".to_owned());
    let claims = json!({"groups": groups}).as_object().unwrap().clone();
    let faults = IdentityProviderFaults { id_token_claims: claims, ..Default::default() };
    configured.stage.sandbox.faults().set_identity_provider(faults);
    let mut grace = configured.stage.person("grace").await;
    let before = fs::read_to_string(&configured.file).unwrap();
    configured.replace(&configured.changed("'ml-users' in groups", "'team-007' in groups"));
    configured.hang_up("applied").await;
    let waits = grace.get(&configured.stage.postern.at("/studio")).await.checked();
    assert_eq!((waits.status.as_u16(), waits.header("retry-after")), (503, "30"));
    assert!(waits.body.contains("The rules here are being changed"), "{}", waits.body);
    configured.replace(&before);
    configured.hang_up("applied").await;
    assert_eq!(configured.opens(&mut grace).await, 302, "the browser has kept the session");
}

#[tokio::test]
async fn a_changed_file_is_noticed_without_a_signal() {
    let configured = Configured::new().await;
    let mut grace = configured.stage.person("grace").await;
    configured.replace(&configured.changed(EVERYONE, "      - name: nobody\n        deny: \"true\""));
    configured.wait_for("applied", 1).await;
    assert_eq!(configured.opens(&mut grace).await, 403);
}

/// Kubernetes mounts a volume as links through `..data`, and updates it by another `..data`.
#[tokio::test]
async fn the_swap_of_a_directory_link_is_noticed() {
    let configured = Configured::new().await;
    let folder = configured.stage.folder.path();
    for version in ["..1", "..2"] {
        fs::create_dir(folder.join(version)).unwrap();
    }
    fs::rename(&configured.file, folder.join("..1/postern.yaml")).unwrap();
    std::os::unix::fs::symlink("..1", folder.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/postern.yaml", &configured.file).unwrap();
    configured.hang_up("applied").await;

    let denying = configured.changed(EVERYONE, "      - name: nobody\n        deny: \"true\"");
    fs::write(folder.join("..2/postern.yaml"), denying).unwrap();
    std::os::unix::fs::symlink("..2", folder.join("..data_new")).unwrap();
    let mut grace = configured.stage.person("grace").await;
    assert_eq!(configured.opens(&mut grace).await, 302);
    let before = configured.count("applied");
    fs::rename(folder.join("..data_new"), folder.join("..data")).unwrap();
    configured.wait_for("applied", before + 1).await;
    assert_eq!(configured.opens(&mut grace).await, 403);
}

#[tokio::test]
async fn a_refused_reload_says_why_and_leaves_the_old_configuration_in_force() {
    let configured = Configured::new().await;
    let mut grace = configured.stage.person("grace").await;
    let failing = "\ntests:\n  - name: grace is kept out\n    claims: {sub: u1, email: grace@corp.example, email_verified: true, groups: [ml-users]}\n    destination: studio\n    expect: {deny: no-rule}\n";
    let good = fs::read_to_string(&configured.file).unwrap();
    let port = configured.stage.postern.url.port().unwrap();
    let cases = [
        (configured.changed("destinations:", "destinatons:"), "unknown key `destinatons`"),
        ("listen: [".to_owned(), "postern.yaml"),
        (configured.changed("\ntests:\n", failing), "the policy test `grace is kept out` fails"),
        (
            good.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{}", free_port())),
            "`listen.address` cannot change",
        ),
        (good.replace("sandbox-client-secret", "no-such-file"), "no-such-file"),
        (
            good.replace("public_url: http://localhost", "public_url: http://127.0.0.1"),
            "`public_url` cannot change",
        ),
    ];
    for (text, expected) in cases {
        configured.replace(&text);
        configured.hang_up("refused").await;
        let log = configured.stage.postern.log();
        let line = log.lines().rfind(|line| line.contains("reload.refused")).unwrap();
        assert!(line.contains(expected), "{expected:?} is not in {line}");
        assert_eq!(configured.opens(&mut grace).await, 302, "after {expected}");
    }
    configured.replace(&good);
    configured.hang_up("applied").await;
    assert_eq!(configured.opens(&mut grace).await, 302);
}

/// A volume's files may come one after the other.
#[tokio::test]
async fn a_refused_reload_is_tried_again_until_what_was_missing_is_there() {
    let configured = Configured::new().await;
    let mut grace = configured.stage.person("grace").await;
    let denying = configured.changed(EVERYONE, "      - name: nobody\n        deny: \"true\"");
    configured.replace(&(denying + "\nlookups: {late: {file: late.yaml}}\n"));
    configured.hang_up("refused").await;
    assert_eq!(configured.opens(&mut grace).await, 302);
    fs::write(configured.stage.folder.path().join("late.yaml"), "a: b\n").unwrap();
    for _ in 0..30 {
        if configured.count("applied") > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(configured.opens(&mut grace).await, 403);
    assert_eq!(configured.count("refused"), 1, "a retry that fails alike is not told again");
}

/// Requests and reloads at the same time: no request sees anything but one of the configurations.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_configurations_change() {
    let configured = Configured::new().await;
    let person = configured.stage.person("ada").await;
    let url = configured.stage.postern.at("/-/whoami");
    let visits = (0..4).map(|_| {
        let (mut visitor, url) = (person.clone(), url.clone());
        tokio::spawn(async move {
            for _ in 0..100 {
                assert_eq!(visitor.get(&url).await.checked().status, 200);
            }
        })
    });
    let visits: Vec<_> = visits.collect();
    let good = fs::read_to_string(&configured.file).unwrap();
    for round in 0..10 {
        configured.replace(&format!("{good}\n# {round}\n"));
        configured.hang_up("applied").await;
    }
    for visit in visits {
        visit.await.unwrap();
    }
}

#[tokio::test]
async fn a_stop_is_told_to_balancers_before_the_listener_closes() {
    let stage = Stage::with(SandboxOptions::default(), |text| text.replace("delay: 0s", "delay: 2s")).await;
    let mut configured = Configured::of(stage);
    let ready = configured.stage.postern.at("/-/ready");
    let mut prober = Visitor::program();
    assert_eq!(prober.get(&ready).await.status, 200);

    let asked = Instant::now();
    configured.stage.postern.signal("TERM");
    while prober.get(&ready).await.status != 503 {
        assert!(asked.elapsed() < Duration::from_secs(1), "readiness does not fail");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut late = Visitor::program();
    let live = late.get(&configured.stage.postern.at("/-/live")).await;
    assert_eq!(live.status, 200, "new connections are still answered");
    assert!(configured.stage.postern.wait().success());
    assert!(asked.elapsed() >= Duration::from_secs(2), "the listener closed before its time");
    assert!(refuses(&ready), "and now it is closed");
}

fn refuses(url: &Url) -> bool {
    let address = url.socket_addrs(|| None).unwrap();
    std::net::TcpStream::connect(&*address).is_err()
}

async fn config_shown(configured: &Configured) -> serde_json::Value {
    let answer = Visitor::program().get(&configured.stage.postern.admin("/-/config")).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    serde_json::from_str(&answer.body).unwrap()
}

async fn changes_counted(configured: &Configured) -> String {
    let metrics = Visitor::program().get(&configured.stage.postern.admin("/metrics")).await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("postern_config_changes_total "));
    line.expect("the metric").to_owned()
}

#[tokio::test]
async fn a_reload_says_what_has_changed_and_never_a_value() {
    let configured = Configured::new().await;
    let first = config_shown(&configured).await;
    assert_eq!(first["refused"], serde_json::Value::Null);
    assert_eq!(changes_counted(&configured).await, "0");
    configured.hang_up("applied").await;
    assert_eq!(changes_counted(&configured).await, "0", "nothing has changed");
    assert_eq!(config_shown(&configured).await, first);

    let text = configured
        .changed(EVERYONE, "      - name: nobody\n        deny: \"'secret-group' in groups\"")
        .replace("allow: \"'ml-risk' in groups\"", "allow: \"'ml-risk' in groups || 'secret-group' in groups\"")
        .replace("  comet:\n", "  comet-two:\n")
        .replace("state: {memory: {}}", "state: {memory: {}}\nlimits: {mints_per_minute: 31}")
        .replace("tests:\n", "tests:\n  - {name: new, claims: {sub: x, email: x@corp.example, email_verified: true, groups: []}, destination: experiments, expect: {deny: no-rule}}\n");
    configured.replace(&text);
    configured.hang_up("applied").await;
    let expected = [
        "the destination `comet-two` added",
        "the destination `comet` removed",
        "the rule `everyone` of `studio` removed",
        "the rule `nobody` of `studio` added",
        "the rule `risk` of `experiments` changed",
        "the rule `risk` of `studio` changed",
        "`limits.mints_per_minute` added",
        "`tests` changed",
    ];
    let records = configured.stage.postern.audit(3);
    let reload = records.iter().rfind(|record| record["event"] == "reload").unwrap();
    assert_eq!(reload["changes"], serde_json::json!(expected));
    let log = configured.stage.postern.log();
    let line = log.lines().rfind(|line| line.contains("reload.applied")).unwrap();
    assert!(line.contains(&expected.join("; ")), "{line}");
    assert!(!line.contains("secret-group"), "{line}");
    assert_eq!(changes_counted(&configured).await, "1");
    let second = config_shown(&configured).await;
    assert_ne!(second["config_digest"], first["config_digest"]);
    assert_eq!(second["config_digest"], reload["config_digest"]);
    assert!(second["since"].as_str() > first["since"].as_str());
}

/// Somebody may write a secret in place of a reference to it, which makes it a key.
#[tokio::test]
async fn a_secret_that_stands_as_a_key_is_not_shown() {
    let configured = Configured::new().await;
    let text =
        configured.changed("client_secret: {file: sandbox-client-secret}", "client_secret: {hunter2-itself}");
    configured.replace(&text);
    configured.hang_up("refused").await;
    let shown = config_shown(&configured).await;
    assert!(!shown.to_string().contains("hunter2"), "{shown}");
    assert_eq!(
        shown["refused"]["differs"],
        serde_json::json!(["`sign_in.client_secret.file` removed", "`sign_in.client_secret` changed"])
    );
}

#[tokio::test]
async fn a_refused_file_is_shown_by_what_differs() {
    let configured = Configured::new().await;
    let first = config_shown(&configured).await;
    configured.replace(
        &configured
            .changed("'ml-risk' in groups", "'ml-risk' in group")
            .replace("drain: {delay: 0s}", "drain: {delay: 1s}"),
    );
    configured.hang_up("refused").await;
    let refused = config_shown(&configured).await;
    assert_eq!(refused["config_digest"], first["config_digest"]);
    assert_eq!(
        refused["refused"]["differs"],
        serde_json::json!(["the rule `risk` of `studio` changed", "`drain.delay` changed"])
    );
    assert!(refused["refused"]["since"].is_string());
    configured.replace("public_url: [\n");
    configured.hang_up("refused").await;
    assert_eq!(config_shown(&configured).await["refused"]["differs"], serde_json::Value::Null);
    assert_eq!(changes_counted(&configured).await, "0");
}
