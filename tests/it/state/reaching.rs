//! How the server is reached: TLS, passwords, and what is told before the start.

use super::{PASSWORD, Replicas, is_signed_in, same};
use crate::support::postern::BINARY;
use crate::support::valkey::{Valkey, make_certificates};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_spoken_to_by_tls_with_a_private_authority() {
    let Some(valkey) = Valkey::start_tls(&["--requirepass", PASSWORD]) else { return };
    let ca = valkey.folder.path().join("ca.pem");
    let url = format!("rediss://default:{PASSWORD}@localhost:{}", valkey.port);
    let replicas = Replicas::new(&url, &format!(", ca_certificate: {}", ca.display()), same).await;
    replicas.both_say("state.up", 1);
    let mut grace = replicas.stage.person("grace").await;
    let copy = grace.clone();
    assert_eq!(replicas.sign_out(&mut grace).await.status, 303);
    assert!(!is_signed_in(&replicas.elsewhere(&copy, "/").await));
    nothing_shows(&replicas, PASSWORD);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_is_not_believed() {
    let Some(valkey) = Valkey::start_tls(&[]) else { return };
    let other = TempDir::new().unwrap();
    make_certificates(other.path());
    let ca = other.path().join("ca.pem");
    let url = format!("rediss://localhost:{}", valkey.port);
    let replicas = Replicas::new(&url, &format!(", ca_certificate: {}", ca.display()), same).await;
    replicas.both_say("state.away", 1);
    assert!(!replicas.second.log().contains("\"state.up\""));
    assert!(replicas.second.log().contains("invalid peer certificate"), "{}", replicas.second.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_not_shown() {
    let Some(valkey) = Valkey::start(&["--requirepass", PASSWORD]) else { return };
    let wrong = "wrong-horse-battery";
    let url = format!("redis://:{wrong}@127.0.0.1:{}", valkey.port);
    let replicas = Replicas::new(&url, "", same).await;
    replicas.both_say("state.away", 1);
    let log = replicas.second.log();
    assert!(log.contains("it does not accept the user or the password"), "{log}");
    nothing_shows(&replicas, wrong);
}

/// A server may repeat in its error what it was asked, password and all.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_repeats_the_password_does_not_get_it_into_the_log() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut buffer = [0; 1024];
            while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                let error =
                    format!("-ERR unknown command 'AUTH', with args beginning with: '{PASSWORD}'\r\n");
                if stream.write_all(error.repeat(3).as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    let replicas = Replicas::new(&format!("redis://:{PASSWORD}@127.0.0.1:{port}"), "", same).await;
    replicas.both_say("state.away", 1);
    nothing_shows(&replicas, PASSWORD);
}

/// A logout token for Grace, told to one of the two.
#[test]
fn a_server_that_cannot_be_used_is_told_before_the_start() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sandbox.yaml");
    let example = std::fs::read_to_string(example).unwrap();
    std::fs::write(at("sandbox-client-secret"), "secret").unwrap();
    std::fs::write(at("empty.pem"), "").unwrap();
    let checked = |url: &str, further: &str| {
        std::fs::write(at("url"), url).unwrap();
        let state = format!("state: {{valkey: {{url: {{file: url}}{further}}}}}");
        std::fs::write(at("postern.yaml"), example.replace("state: {memory: {}}", &state)).unwrap();
        let output = Command::new(BINARY)
            .args(["check", "--with-secrets", "--config"])
            .arg(at("postern.yaml"))
            .output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains(PASSWORD), "{said}");
        (output.status.success(), said.replace(&folder.path().display().to_string(), ""))
    };
    let secret = |text: &str| text.replace("PASSWORD", PASSWORD);
    for (url, further, expected) in [
        (
            "redis://:PASSWORD@cache.example",
            "",
            "error: state.valkey.url: `/url` names another host without TLS; use `rediss`, or accept that by `insecure_plaintext: true`",
        ),
        (
            "rediss://:PASSWORD@cache.example#insecure",
            "",
            "error: state.valkey.url: `/url` does not hold a URL",
        ),
        ("https://:PASSWORD@cache.example", "", "error: state.valkey.url: `/url` does not hold a URL"),
        (
            "rediss://:PASSWORD@cache.example",
            ", ca_certificate: empty.pem",
            "error: state.valkey.ca_certificate: `/empty.pem` holds no certificate",
        ),
        (
            "rediss://:PASSWORD@cache.example",
            ", ca_certificate: nowhere.pem",
            "error: state.valkey.ca_certificate: `/nowhere.pem` cannot be read",
        ),
    ] {
        let (good, said) = checked(&secret(url), further);
        assert!(!good && said.contains(expected), "{url}: {said}");
    }
    for (url, further) in [
        ("redis://:PASSWORD@127.0.0.1:6379/2", ""),
        ("redis://:PASSWORD@cache.example", ", insecure_plaintext: true"),
    ] {
        let (good, said) = checked(&secret(url), further);
        assert!(good, "{url}: {said}");
    }
}

fn nothing_shows(replicas: &Replicas, secret: &str) {
    for postern in [&replicas.stage.postern, &replicas.second] {
        assert!(!postern.log().contains(secret), "{}", postern.log());
        assert!(!postern.audit_text().contains(secret));
    }
}
