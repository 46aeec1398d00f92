//! From nothing to a gateway: `postern init`, and `postern demo --config` with somebody's own file.

use crate::support::postern::{BINARY, Postern};
use crate::support::program::Process;
use crate::support::visitor::Visitor;
use postern::sandbox::{Sandbox, SandboxOptions};
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use url::Url;

const ANSWERS: [&str; 8] = [
    "--public-url",
    "https://ml.acme.example",
    "--issuer",
    "https://login.acme.example/tenant/v2.0",
    "--client-id",
    "0oa:#1",
    "--email-domain",
    "Acme.Example",
];

fn init(folder: &Path, more: &[&str]) -> Output {
    Command::new(BINARY).arg("init").args(more).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn check(folder: &Path, more: &[&str]) -> Output {
    Command::new(BINARY)
        .args(["check", "--config", "postern.yaml"])
        .args(more)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn what_init_writes_passes_its_check_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let written = init(folder.path(), &ANSWERS);
    assert!(written.status.success(), "{}", said(&written));
    let told = said(&written);
    assert!(told.contains("register https://ml.acme.example/-/callback"), "{told}");
    let text = fs::read_to_string(folder.path().join("postern.yaml")).unwrap();
    for line in [
        "public_url: https://ml.acme.example\n",
        "    issuer: https://login.acme.example/tenant/v2.0\n",
        "  client_id: \"0oa:#1\"\n",
        "    user_domains: [acme.example]\n",
        "local_part(user, 'acme.example')",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("corp.example"), "{text}");
    let mode = fs::metadata(folder.path().join("session-key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::write(folder.path().join("client-secret"), "s3cret-of-the-client").unwrap();
    let secret = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.path().join("client-secret"), secret).unwrap();
    let checked = check(folder.path(), &["--with-secrets"]);
    assert!(checked.status.success(), "{}", said(&checked));
    assert!(said(&checked).contains("tests: 2 of 2 passed; warnings: 0"), "{}", said(&checked));

    let again = init(folder.path(), &ANSWERS);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        said(&again).contains("postern.yaml is there already, and nothing is overwritten"),
        "{}",
        said(&again)
    );
    assert_eq!(fs::read_to_string(folder.path().join("postern.yaml")).unwrap(), text);
    fs::remove_file(folder.path().join("postern.yaml")).unwrap();
    let key = fs::read(folder.path().join("session-key")).unwrap();
    let again = init(folder.path(), &ANSWERS);
    assert!(said(&again).contains("session-key is there already"), "{}", said(&again));
    assert!(!folder.path().join("postern.yaml").exists(), "half of it is worse than nothing");
    assert_eq!(fs::read(folder.path().join("session-key")).unwrap(), key);
}

#[test]
fn init_writes_nothing_that_cannot_work() {
    let folder = tempfile::tempdir().unwrap();
    let with = |flag: &str, value: &str| {
        let mut answers = ANSWERS;
        let at = answers.iter().position(|known| *known == flag).unwrap();
        let value: &'static str = Box::leak(value.to_owned().into_boxed_str());
        answers[at + 1] = value;
        init(folder.path(), &answers)
    };
    for (flag, value, complaint) in [
        ("--public-url", "ml.acme.example", "public_url: found `ml.acme.example`"),
        (
            "--issuer",
            "https://login.acme.example/.well-known/openid-configuration",
            "probably `https://login.acme.example`",
        ),
        ("--issuer", "http://login.acme.example", "`insecure_http: true` accepts `http`"),
        ("--client-id", "<client id>", "is a placeholder"),
        ("--email-domain", "acme.example') || true || ('", "--email-domain: found"),
        ("--email-domain", "ada@acme.example", "--email-domain: found"),
    ] {
        let refused = with(flag, value);
        assert_eq!(refused.status.code(), Some(2), "{flag} {value}: {}", said(&refused));
        assert!(said(&refused).contains(complaint), "{flag} {value}: {}", said(&refused));
    }
    let silent = init(folder.path(), &ANSWERS[..4]);
    assert_eq!(silent.status.code(), Some(2));
    assert!(said(&silent).contains("--client-id, --email-domain must be given"), "{}", said(&silent));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
}

/// At a terminal it asks, says what is wrong with an answer, and asks again.
#[test]
fn init_asks_at_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Command::new("script")
        .args(["--quiet", "--echo", "never", "--command", &format!("{BINARY} init"), "/dev/null"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let answers =
        "ml.acme.example\nhttps://ml.acme.example\nhttps://login.acme.example\npostern\nacme.example\n\n";
    terminal.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    let asked = terminal.wait_with_output().unwrap();
    let told = said(&asked);
    assert!(
        told.contains("Where people will reach the gateway (such as https://ml.corp.example): "),
        "{told}"
    );
    assert!(told.contains("  found `ml.acme.example`; allowed: an absolute `https` URL"), "{told}");
    assert!(told.contains("wrote postern.yaml"), "{told}");
    let checked = check(folder.path(), &[]);
    assert!(checked.status.success(), "{}", said(&checked));
}

/// The configuration that `init` writes is served, and a person signs in with it.
#[tokio::test]
async fn a_first_gateway_starts_with_what_init_writes() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let public_url = format!("http://localhost:{port}");
    let issuer = "https://login.corp.example";
    let answers = [
        "--public-url",
        &public_url,
        "--issuer",
        issuer,
        "--client-id",
        "postern",
        "--email-domain",
        "corp.example",
    ];
    let written = init(folder.path(), &answers);
    assert!(written.status.success(), "{}", said(&written));
    fs::write(folder.path().join("client-secret"), sandbox.client().1.expose()).unwrap();
    sandbox.register_redirect(format!("{public_url}/-/callback"));
    // The sandbox's provider speaks HTTP, which has to be asked for in so many words.
    let config = folder.path().join("postern.yaml");
    let text = fs::read_to_string(&config).unwrap();
    let of_sandbox = format!("{}\n    insecure_http: true", sandbox.issuer_text());
    let text = text.replace(issuer, &of_sandbox) + "admin: {address: \"127.0.0.1:0\"}\n";
    fs::write(&config, text).unwrap();
    let url = Url::parse(&public_url).unwrap();
    let postern = Postern::serve(&config, url, &[("AWS_EC2_METADATA_DISABLED", "true")]).unwrap();
    let portal = signed_in(&sandbox, "ada", &postern.at("/")).await.1;
    assert!(portal.contains("SageMaker Studio"), "{portal}");
}

/// A browser that has signed in, and the page that it came to.
async fn signed_in(sandbox: &Sandbox, person: &str, url: &Url) -> (Visitor, String) {
    let mut visitor = Visitor::person();
    let first = visitor.get(url).await.checked();
    let mut authorize = first.next().unwrap_or_else(|| panic!("no redirect: {}", first.body));
    assert_eq!(authorize.port(), sandbox.issuer().port(), "{authorize}");
    authorize.query_pairs_mut().append_pair("login_hint", person);
    let answered = visitor.get(&authorize).await;
    let callback = answered.next().unwrap_or_else(|| panic!("not sent back: {}", answered.body));
    let back = visitor.get(&callback).await.checked();
    let page = back.next().unwrap_or_else(|| panic!("{}", back.body));
    let body = visitor.get(&page).await.checked().body;
    (visitor, body)
}

/// Somebody's file for production, with a provider of their own.
fn own_configuration(sandbox: &Sandbox) -> String {
    let issuer = sandbox.issuer_text();
    format!(
        r#"public_url: https://ml.corp.example
aliases: [ml.eu.corp.example]
listen: {{address: "[::]:8443", tls: {{certificate: no.crt, private_key: no.key}}}}
trusted_proxies: [10.0.100.0/24]
issuers:
  corp: {{issuer: "{issuer}", insecure_http: true, algorithms: [RS256], user_domains: [corp.example]}}
sign_in: {{issuer: corp, client_id: postern, client_secret: {{file: client-secret}}}}
session: {{keys: [{{file: no-session-key}}]}}
state: {{valkey: {{url: {{file: no-valkey-url}}}}}}
audit: {{file: trail.jsonl}}
aws:
  region: eu-central-1
  role_arn: arn:aws:iam::999988887777:role/postern
  endpoint_url: https://vpce-0123.api.sagemaker.eu-central-1.vpce.amazonaws.com
destinations:
  studio:
    endpoint_url: https://vpce-4567.api.sagemaker.eu-central-1.vpce.amazonaws.com
    target: {{studio_domain: {{domain_id: d-ourdomain001, user_profile_name: "${{profile_name(local_part(user, 'corp.example'))}}"}}}}
    rules: [{{name: members, allow: "'ml-users' in groups"}}]
  server:
    target: {{mlflow_tracking_server: {{tracking_server_name: our-server}}}}
    api: {{endpoint_url: https://mlflow.corp.example}}
    rules: [{{name: members, allow: "'ml-users' in groups"}}]
  app:
    target: {{mlflow_app: {{arn: "arn:aws:sagemaker:eu-central-1:999988887777:mlflow-app/app-OURS00000001"}}}}
    rules: [{{name: members, allow: "'ml-users' in groups"}}]
  notebook:
    target: {{notebook_instance: {{notebook_instance_name: ours}}}}
    rules: [{{name: members, allow: "'ml-users' in groups"}}]
  partner:
    target: {{partner_app: {{arn: "arn:aws:sagemaker:eu-central-1:999988887777:partner-app/app-OURS00000001"}}}}
    rules: [{{name: members, allow: "'ml-users' in groups"}}]
  closed:
    target: {{notebook_instance: {{notebook_instance_name: closed}}}}
    rules: [{{name: vpn, deny: "true", remedy: Connect to the office VPN first.}}]
"#
    )
}

/// Their provider and their rules; whatever these name opens in the sandbox's AWS, and nothing else of the file counts.
#[tokio::test]
async fn a_demo_runs_somebodys_own_file_before_the_sandboxs_aws() {
    let provider = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mine.yaml");
    fs::write(&config, own_configuration(&provider)).unwrap();
    fs::write(folder.path().join("client-secret"), provider.client().1.expose()).unwrap();
    let port = free_port();
    provider.register_redirect(format!("http://localhost:{port}/-/callback"));
    let arguments = ["demo", "--port", &port.to_string(), "--config", config.to_str().unwrap()];
    let demo = Process::start(BINARY, &arguments, &[], |said| said.contains("ends with Ctrl-C"));
    let demo = demo.unwrap_or_else(|said| panic!("{said}"));
    let told = demo.printed();
    for replaced in [
        "AWS credentials: ",
        "aws.endpoint_url: http://127.0.0.1:",
        "aws.sts_endpoint_url: http://127.0.0.1:",
        "aws.authorized_url_hosts: `127.0.0.1:",
        "destinations.studio.endpoint_url: http://127.0.0.1:",
        "destinations.server.api.endpoint_url: http://127.0.0.1:",
        &format!("public_url: http://localhost:{port}\n"),
        "aliases: none",
        &format!("listen: 127.0.0.1:{port}, without TLS and balancer"),
        "admin.address: ",
        "session.keys: ",
        "state: this process alone",
        "audit.file: standard output",
        &format!("redirect URI\n    http://localhost:{port}/-/callback"),
    ] {
        assert!(told.contains(replaced), "{replaced}: {told}");
    }
    assert!(!told.contains("credentials: without"), "what is not there is not replaced: {told}");

    let gateway = Url::parse(&format!("http://localhost:{port}/")).unwrap();
    let (mut ada, portal) = signed_in(&provider, "ada", &gateway).await;
    assert!(portal.contains("Ready") && portal.contains("Connect to the office VPN first."), "{portal}");
    for name in ["studio", "server", "app", "notebook", "partner"] {
        let opened = ada.get(&gateway.join(name).unwrap()).await.checked();
        let url = opened.next().unwrap_or_else(|| panic!("{name}: {}", opened.body));
        assert_eq!((opened.status.as_u16(), url.host_str()), (302, Some("127.0.0.1")), "{name}: {url}");
        let page = ada.get(&url).await;
        assert_eq!(page.status, 200, "{name}: {}", page.body);
        assert!(name != "studio" || page.body.contains("d-ourdomain001"), "{}", page.body);
    }
    let refused = ada.get(&gateway.join("closed").unwrap()).await.checked();
    assert_eq!(refused.status, 403);
    assert!(provider.calls().is_empty(), "the provider's own AWS was not asked");
    assert!(!folder.path().join("trail.jsonl").exists(), "no record of the demo is in the trail");
    assert!(demo.printed().contains("\"event\":\"grant\""), "{}", demo.printed());
}

#[tokio::test]
async fn a_demo_refuses_a_file_that_it_cannot_show() {
    let provider = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = |text: &str| {
        let config = folder.path().join("mine.yaml");
        fs::write(&config, text).unwrap();
        Command::new(BINARY).args(["demo", "--port", "0", "--config"]).arg(config).output().unwrap()
    };
    let text = own_configuration(&provider);
    let china = text.replace("eu-central-1", "cn-north-1").replace("arn:aws:", "arn:aws-cn:");
    let header = text
        .replace("algorithms: [RS256],", "algorithms: [RS256], header: x-token, audience: [postern],")
        .lines()
        .filter(|line| !line.starts_with("sign_in:") && !line.starts_with("session:"))
        .collect::<Vec<_>>()
        .join("\n")
        + "\ncredentials: [signed_header]\n";
    let failing = text.clone()
        + "tests: [{name: nobody, claims: {sub: u, email: ada@corp.example, email_verified: true, groups: []}, destination: studio, expect: {rule: members}}]\n";
    let by_name = text.replace(
        "arn: \"arn:aws:sagemaker:eu-central-1:999988887777:mlflow-app/app-OURS00000001\"",
        "name: ours",
    );
    for (text, complaint) in [
        (by_name, "`destinations.app` names an MLflow App by `name`"),
        (china, "`aws.region` is in the partition `aws-cn`"),
        (header, "`credentials` lets nobody in here"),
        (failing, "the policy test `nobody` fails"),
        (text.replace("in groups", "in grups"), "there is no variable `grups`"),
    ] {
        let refused = run(&text);
        assert_eq!(refused.status.code(), Some(2), "{complaint}: {}", said(&refused));
        assert!(said(&refused).contains(complaint), "{complaint}: {}", said(&refused));
    }
}
