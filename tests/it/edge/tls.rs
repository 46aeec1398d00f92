//! TLS at the listener: versions, protocols, and a certificate that changes.

use crate::support::postern::BINARY;
use crate::support::raw::{Raw, get};
use crate::support::stage::Stage;
use crate::support::tls::{Authority, secured};
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use postern::sandbox::SandboxOptions;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion};
use std::fs;
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn behind(authority: &Authority) -> Stage {
    Stage::with(SandboxOptions::default(), |text| {
        text.replace("  direct_clients: true\n", &format!("  direct_clients: true\n{}", authority.listen()))
    })
    .await
}

fn port(stage: &Stage) -> u16 {
    stage.postern.url.port().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_tls_and_of_http_are_spoken() {
    let authority = Authority::new();
    let stage = behind(&authority).await;
    for (tls, version) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let config = authority.client(&[tls], &["h2", "http/1.1"]);
        let stream = secured(&config, Raw::connect(port(&stage)).await.0).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "the server prefers HTTP/2");
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get(stage.postern.at("/studio").as_str())
            .header("authorization", format!("Bearer {}", stage.token("grace")))
            .body(String::new())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!((answer.status(), answer.version()), (StatusCode::FOUND, Version::HTTP_2));
    }
    for alpn in [&["http/1.1"][..], &[]] {
        let config = authority.client(&[&TLS13], alpn);
        let mut stream = secured(&config, Raw::connect(port(&stage)).await.0).await.unwrap();
        stream.write_all(get(port(&stage), "/-/live", "").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an end that TLS announced");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{alpn:?}: {answer}");
    }
    let config = authority.client(&[&TLS13], &["spdy/3"]);
    let refused = secured(&config, Raw::connect(port(&stage)).await.0).await.unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "RFC 7301, section 3.2: {refused}");
}

/// The clients that people have.
#[tokio::test(flavor = "multi_thread")]
async fn openssl_and_curl_are_served() {
    let authority = Authority::new();
    let stage = behind(&authority).await;
    let ca = authority.folder.path().join("ca.pem");
    let url = format!("https://localhost:{}/-/live", port(&stage));
    for (options, version) in [(&["--http2"][..], "2"), (&["--http1.1", "--tls-max", "1.2"], "1.1")] {
        let curl = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--ipv4",
                "--write-out",
                "%{http_version} %{http_code}",
                "--cacert",
            ])
            .arg(&ca)
            .args(options)
            .arg(&url)
            .output()
            .expect("curl");
        let said = String::from_utf8_lossy(&curl.stdout).into_owned();
        assert_eq!(said, format!("live\n{version} 200"), "{}", String::from_utf8_lossy(&curl.stderr));
    }
    for (option, works) in [("-tls1_3", true), ("-tls1_2", true), ("-tls1_1", false)] {
        let openssl = Command::new("openssl")
            .args([
                "s_client",
                "-brief",
                option,
                "-cipher",
                "DEFAULT@SECLEVEL=0",
                "-verify_return_error",
                "-CAfile",
            ])
            .arg(&ca)
            .args(["-connect", &format!("127.0.0.1:{}", port(&stage))])
            .stdin(std::process::Stdio::null())
            .output()
            .expect("openssl");
        let said = String::from_utf8_lossy(&openssl.stderr).into_owned();
        assert_eq!(openssl.status.success(), works, "{option}: {said}");
    }
}

/// OpenSSL asks for AES-256 first.
#[tokio::test(flavor = "multi_thread")]
async fn of_the_suites_that_a_client_takes_the_quickest_is_chosen() {
    const AES_128: &str = "TLS_AES_128_GCM_SHA256";
    const AES_256: &str = "TLS_AES_256_GCM_SHA384";
    const CHACHA: &str = "TLS_CHACHA20_POLY1305_SHA256";
    let authority = Authority::new();
    let stage = behind(&authority).await;
    for (taken, chosen) in [
        (format!("{AES_256}:{CHACHA}:{AES_128}"), AES_128),
        (format!("{CHACHA}:{AES_256}"), AES_256),
        (CHACHA.to_owned(), CHACHA),
    ] {
        let openssl = Command::new("openssl")
            .args([
                "s_client",
                "-brief",
                "-tls1_3",
                "-ciphersuites",
                &taken,
                "-verify_return_error",
                "-CAfile",
            ])
            .arg(authority.folder.path().join("ca.pem"))
            .args(["-connect", &format!("127.0.0.1:{}", port(&stage))])
            .stdin(std::process::Stdio::null())
            .output()
            .expect("openssl");
        let said = String::from_utf8_lossy(&openssl.stderr).into_owned();
        assert!(said.contains(&format!("Ciphersuite: {chosen}")), "{taken}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_back_resumes_until_the_certificate_changes() {
    let authority = Authority::new();
    authority.issue("next", "-days 2");
    let stage = behind(&authority).await;
    let config = authority.client(&[&TLS13], &["http/1.1"]);
    let visit = async || {
        let mut stream = secured(&config, Raw::connect(port(&stage)).await.0).await.unwrap();
        stream.write_all(get(port(&stage), "/-/live", "").as_bytes()).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        stream.get_ref().1.handshake_kind().unwrap()
    };
    assert_eq!(visit().await, HandshakeKind::Full);
    assert_eq!(visit().await, HandshakeKind::Resumed);
    // Another rule is no reason to forget.
    let file = stage.folder.path().join("postern.yaml");
    fs::write(&file, fs::read_to_string(&file).unwrap() + "\n# changed\n").unwrap();
    stage.hang_up("applied").await;
    assert_eq!(visit().await, HandshakeKind::Resumed);
    authority.install("next");
    stage.hang_up("applied").await;
    assert_eq!(visit().await, HandshakeKind::Full);
}

/// The subject of the certificate that a new connection gets.
async fn subject(authority: &Authority, stage: &Stage) -> String {
    let config = authority.client(&[&TLS13], &[]);
    let stream = secured(&config, Raw::connect(port(stage)).await.0).await.expect("a good certificate");
    let certificate = &stream.get_ref().1.peer_certificates().unwrap()[0];
    let file = authority.folder.path().join("seen.der");
    fs::write(&file, certificate).unwrap();
    let arguments = ["x509", "-inform", "DER", "-noout", "-subject", "-in"];
    let shown = Command::new("openssl").args(arguments).arg(&file).output().unwrap();
    String::from_utf8(shown.stdout).unwrap().trim().rsplit("CN = ").next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_certificate_is_served_and_a_bad_pair_is_not() {
    let authority = Authority::new();
    for name in ["second", "third"] {
        authority.issue(name, "-days 2");
    }
    authority.issue("expired", "-days -1");
    let stage = behind(&authority).await;
    let config = authority.client(&[&TLS13], &["http/1.1"]);
    let mut open = secured(&config, Raw::connect(port(&stage)).await.0).await.unwrap();
    assert_eq!(subject(&authority, &stage).await, "localhost");

    authority.install("second");
    stage.hang_up("applied").await;
    assert_eq!(subject(&authority, &stage).await, "second");
    open.write_all(get(port(&stage), "/-/live", "").as_bytes()).await.unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "who is connected stays: {answer}");

    let bad: [(&str, &dyn Fn()); 6] = [
        ("is not the key of the first certificate", &|| authority.install_mixed("third", "second")),
        ("holds no certificate", &|| fs::write(&authority.certificate, "").unwrap()),
        ("is not PEM", &|| fs::write(&authority.certificate, "-----BEGIN CERTIFICATE-----\n%%%\n").unwrap()),
        ("holds no private key", &|| {
            authority.install("third");
            fs::write(&authority.private_key, "").unwrap();
        }),
        ("cannot be read", &|| {
            authority.install("third");
            fs::remove_file(&authority.private_key).unwrap();
        }),
        ("it expired at ", &|| authority.install("expired")),
    ];
    for (why, break_it) in bad {
        break_it();
        stage.hang_up("refused").await;
        let log = stage.postern.log();
        let line = log.lines().rfind(|line| line.contains("reload.refused")).unwrap();
        assert!(line.contains("listen.tls.") && line.contains(why), "{why:?} is not in {line}");
        assert_eq!(subject(&authority, &stage).await, "second", "after {why}");
    }
    authority.install("third");
    stage.hang_up("applied").await;
    assert_eq!(subject(&authority, &stage).await, "third");
}

/// A configuration that cannot be loaded is no reason to let a certificate expire.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_while_the_configuration_is_refused() {
    let authority = Authority::new();
    authority.issue("second", "-days 2");
    let stage = behind(&authority).await;
    let file = stage.folder.path().join("postern.yaml");
    let good = fs::read_to_string(&file).unwrap();
    // It does not load, it asks for what only a start decides, and a secret of it cannot be read.
    let refused = [
        ("second", "nonsense".to_owned()),
        ("server", format!("{good}\naliases: [other.example]\naudit: {{file: elsewhere.jsonl}}\n")),
        ("second", good.replace("sandbox-client-secret", "no-such-secret")),
    ];
    for (name, text) in refused {
        fs::write(&file, text).unwrap();
        authority.install(name);
        stage.hang_up("refused").await;
        let expected = if name == "server" { "localhost" } else { name };
        assert_eq!(subject(&authority, &stage).await, expected);
    }
}

/// Kubernetes mounts a secret as links through `..data`, and updates it by another `..data`.
#[tokio::test(flavor = "multi_thread")]
async fn the_swap_of_a_secrets_directory_link_is_noticed() {
    let mut authority = Authority::new();
    authority.issue("second", "-days 2");
    let volume = authority.folder.path().join("volume");
    for (version, name) in [("..1", "server"), ("..2", "second")] {
        fs::create_dir_all(volume.join(version)).unwrap();
        for (from, to) in [(format!("{name}.pem"), "tls.crt"), (format!("{name}.key"), "tls.key")] {
            fs::copy(authority.folder.path().join(from), volume.join(version).join(to)).unwrap();
        }
    }
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, volume.join(name)).unwrap();
    link("..1", "..data");
    link("..data/tls.crt", "tls.crt");
    link("..data/tls.key", "tls.key");
    authority.certificate = volume.join("tls.crt");
    authority.private_key = volume.join("tls.key");
    let stage = behind(&authority).await;
    assert_eq!(subject(&authority, &stage).await, "localhost");
    link("..2", "..data_new");
    fs::rename(volume.join("..data_new"), volume.join("..data")).unwrap();
    stage.postern.wait_for_log("\"reload.applied", 1).await;
    assert_eq!(subject(&authority, &stage).await, "second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_pair_is_told_before_the_start() {
    let authority = Authority::new();
    authority.issue("other", "-days 2");
    authority.issue("expired", "-days -1");
    let stage = behind(&authority).await;
    let config = stage.folder.path().join("postern.yaml");
    let run = |command: &[&str]| {
        let output = Command::new(BINARY).args(command).arg("--config").arg(&config).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let (code, said) = run(&["check", "--with-secrets"]);
    assert_eq!(code, Some(0), "{said}");
    authority.install_mixed("server", "other");
    let (code, said) = run(&["check", "--with-secrets"]);
    let expected = format!(
        "listen.tls.private_key: `{}` is not the key of the first certificate in `{}`; allowed: a certificate with its own key",
        authority.private_key.display(),
        authority.certificate.display()
    );
    assert!(code == Some(1) && said.contains(&expected), "{code:?} {said}");
    assert_eq!(run(&["check"]).0, Some(0), "secrets are read when asked");
    let (code, said) = run(&["serve"]);
    assert!(code == Some(1) && said.contains(&expected), "{code:?} {said}");
    authority.install("expired");
    let (code, said) = run(&["check", "--with-secrets"]);
    assert!(code == Some(1) && said.contains("listen.tls.certificate: it expired at 20"), "{code:?} {said}");
}

/// In both forms that OpenSSL writes; and what the message says works.
#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_key_is_called_that_and_how_to_decrypt_it() {
    let authority = Authority::new();
    let stage = behind(&authority).await;
    let config = stage.folder.path().join("postern.yaml");
    let openssl = |arguments: &[&str]| {
        let made = Command::new("openssl").args(arguments).current_dir(authority.folder.path()).output();
        let made = made.expect("openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let check = || {
        let arguments = ["check", "--with-secrets", "--config"];
        let checked = Command::new(BINARY).args(arguments).arg(&config).output().unwrap();
        (checked.status.code(), String::from_utf8(checked.stdout).unwrap())
    };
    let key = authority.private_key.display().to_string();
    for (command, mark) in [("pkey", "ENCRYPTED PRIVATE KEY"), ("ec", "Proc-Type: 4,ENCRYPTED")] {
        openssl(&[command, "-in", "server.key", "-aes256", "-passout", "pass:secret", "-out", &key]);
        let (code, said) = check();
        let told = format!("listen.tls.private_key: `{key}` is encrypted (`{mark}`)");
        let command = format!("`openssl pkey -in {key} -out PLAIN`");
        assert!(code == Some(1) && said.contains(&told) && said.contains(&command), "{code:?} {said}");
        openssl(&["pkey", "-in", &key, "-passin", "pass:secret", "-out", "plain.key"]);
        fs::rename(authority.folder.path().join("plain.key"), &key).unwrap();
        let (code, said) = check();
        assert_eq!(code, Some(0), "{said}");
    }
}

/// A balancer in front may take a certificate that browsers would not.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_host_is_warned_of_and_served() {
    let authority = Authority::new();
    authority.issue("lasting", "-days 90");
    authority.install("lasting");
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text.replace("  direct_clients: true\n", &format!("  direct_clients: true\n{}", authority.listen()))
            .replace("public_url: http://localhost", "public_url: http://127.0.0.1")
    })
    .await;
    let complaint = "is not for `127.0.0.1`, the host of `public_url`";
    stage.postern.wait_for_log(&format!("\"complaint\":\"{complaint}\""), 1).await;
    assert_eq!(subject(&authority, &stage).await, "lasting");
    let config = stage.folder.path().join("postern.yaml");
    let check = ["check", "--with-secrets", "--config"];
    let checked = Command::new(BINARY).args(check).arg(&config).output().unwrap();
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{said}");
    assert!(said.contains(&format!("warning: listen.tls.certificate: it {complaint}")), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_tls_ends_the_connection() {
    let authority = Authority::new();
    let stage = behind(&authority).await;
    for nonsense in [
        &b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
        &[0x16, 3, 1, 0xff, 0xff, 1],
        &[0; 600],
        b"\x80\x2e\x01",
    ] {
        let mut raw = Raw::connect(port(&stage)).await;
        raw.send(nonsense).await;
        if nonsense.len() < 10 {
            // What may still become a hello has the handshake's time.
            raw.send(vec![0; 70_000]).await;
        }
        let said = raw.rest_as_text().await;
        assert!(!said.contains("HTTP"), "{said:?}");
    }
    let config = authority.client(&[&TLS13], &[]);
    let late =
        tokio::time::timeout(Duration::from_secs(5), secured(&config, Raw::connect(port(&stage)).await.0));
    late.await.expect("in time").expect("others are served");
}
