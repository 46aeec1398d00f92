//! What needs no network: the certificate that is served, and the file of the audit trail.

use super::Clinic;
use crate::support::tls::Authority;
use postern::sandbox::SandboxOptions;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_judged_as_clients_would() {
    let authority = Authority::new();
    authority.issue("lasting", "-days 90");
    authority.issue("expired", "-days -1");
    let listen = authority.listen();
    let with_tls =
        |text: String| text.replace("  direct_clients: true\n", &format!("  direct_clients: true\n{listen}"));
    let clinic = Clinic::with(SandboxOptions::default(), with_tls).await;
    let judged = |outcome: &str, found: &str| {
        let examined = clinic.examine(&[]);
        let told = examined.check("listen.tls", "certificate");
        assert_eq!(told["outcome"], outcome, "{told}");
        assert!(told["found"].as_str().unwrap().contains(found), "{found}: {told}");
        assert_eq!(told["remedy"].is_string(), outcome != "ok", "{told}");
    };
    authority.install("lasting");
    judged("ok", "it is for the host of `public_url`, until 20");
    authority.install("server");
    judged("warning", "it expires at 20");
    authority.install("expired");
    judged("failed", "it expired at 20");
    authority.install_mixed("lasting", "server");
    judged("failed", "is not the key of the first certificate");
    authority.install("lasting");
    clinic.configure(|text| {
        with_tls(text).replace("public_url: http://localhost", "public_url: http://127.0.0.1")
    });
    judged("warning", "it is not for `127.0.0.1`, the host of `public_url`");
    authority.serve_itself();
    judged("warning", "is an authority's own (`basicConstraints` says `CA:TRUE`)");
    let told = clinic.examine(&[]);
    let remedy = told.check("listen.tls", "certificate")["remedy"].to_string();
    assert!(remedy.contains("have a certificate for the server issued from that authority"), "{remedy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_file_can_be_appended_to_by_nobody_else() {
    let clinic =
        Clinic::with(SandboxOptions::default(), |text| text + "\naudit: {file: trail.jsonl}\n").await;
    let trail = clinic.folder.path().join("trail.jsonl");
    let judged = |outcome: &str, found: &str| {
        let examined = clinic.examine(&[]);
        let told = examined.check("audit.file", "file");
        assert_eq!(told["outcome"], outcome, "{told}");
        assert!(told["found"].as_str().unwrap().contains(found), "{found}: {told}");
    };
    judged("ok", "is not there yet");
    assert!(!trail.exists(), "it belongs to whoever serves");
    fs::write(&trail, "").unwrap();
    fs::set_permissions(&trail, Permissions::from_mode(0o600)).unwrap();
    judged("ok", "can be appended to");
    fs::set_permissions(&trail, Permissions::from_mode(0o660)).unwrap();
    judged("warning", "others than its owner may write to it: its mode is 0660");
    fs::rename(&trail, clinic.folder.path().join("elsewhere")).unwrap();
    symlink("elsewhere", &trail).unwrap();
    judged("warning", "it is a symbolic link");
    fs::remove_file(&trail).unwrap();
    fs::create_dir(&trail).unwrap();
    judged("failed", "cannot write");
    clinic.configure(|text| text + "\naudit: {file: nowhere/trail.jsonl}\n");
    judged("failed", "cannot write");
}
