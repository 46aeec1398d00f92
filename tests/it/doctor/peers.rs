//! The same before a provider, an STS and a Valkey that this project did not write.

use super::Clinic;
use crate::login_peer::{Peer, SECRET, client};
use crate::moto::Moto;
use crate::support::elsewhere::peers;
use crate::support::valkey::Valkey;
use postern::sandbox::SandboxOptions;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_provider_tells_a_client_that_it_knows() {
    for (method, secret, accepted) in [
        ("client_secret_basic", SECRET, true),
        ("client_secret_post", SECRET, true),
        ("client_secret_basic", "another", false),
        ("client_secret_post", "another", false),
    ] {
        let mut client = client(method);
        client["client_id"] = json!("postern");
        let Some(peer) = Peer::start(&json!({ "client": client })) else { return };
        let clinic = Clinic::new().await;
        clinic.write("sandbox-client-secret", secret.as_bytes());
        let sandboxed = clinic.sandbox.issuer_text().to_owned();
        clinic.configure(|text| text.replace(&sandboxed, &peer.issuer));
        let examined = clinic.examine(&[]);
        let told = examined.check("sign_in", "client");
        assert_eq!(
            told["outcome"],
            if accepted { "ok" } else { "failed" },
            "{method} {secret}: {}",
            examined.text
        );
        assert_eq!(told["found"].as_str().unwrap().contains("invalid_client"), !accepted, "{told}");
        assert_eq!(examined.check("issuers.sandbox", "discovery")["outcome"], "ok", "{}", examined.text);
        assert_eq!(examined.check("issuers.sandbox", "clock")["outcome"], "ok", "{}", examined.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sts_tells_who_we_are() {
    let Some(peers) = peers("moto") else { return };
    let moto = Moto::start(&peers);
    let clinic = Clinic::new().await;
    let sandboxed = clinic.sandbox.sts_url().as_str().trim_end_matches('/').to_owned();
    clinic.configure(|text| text.replace(&sandboxed, &moto.url));
    let examined = clinic.examine(&[]);
    let identity = examined.check("aws", "identity");
    assert_eq!(identity["outcome"], "ok", "{}", examined.text);
    assert!(identity["found"].as_str().unwrap().contains("123456789012"), "moto's account: {identity}");
    assert_eq!(examined.check("aws", "clock")["outcome"], "ok", "{}", examined.text);
    let role = examined.check("role arn:aws:iam::111122223333:role/postern", "assume");
    assert_eq!(role["outcome"], "ok", "{role}");
    // The sandbox's SageMaker does not know what moto issued.
    let presign = examined.check("destinations.experiments (staff)", "presign");
    assert_eq!(presign["outcome"], "failed", "{}", examined.text);
    assert!(presign["found"].as_str().unwrap().contains("UnrecognizedClient"), "{presign}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_forgets_sign_outs_or_is_away() {
    let Some(mut valkey) = Valkey::start(&["--requirepass", "a-password-nobody-sees"]) else { return };
    let clinic = Clinic::with(SandboxOptions::default(), |text| {
        text.replace("state: {memory: {}}", "state: {valkey: {url: {file: valkey-url}}}")
    })
    .await;
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", valkey.port);
    let right = url("a-password-nobody-sees");
    clinic.write("valkey-url", url("wrong").as_bytes());
    let told = clinic.examine(&[]);
    let server = told.check("state.valkey", "server");
    assert_eq!(server["outcome"], "failed", "{server}");
    assert!(server["found"].as_str().unwrap().contains("the user or the password"), "{server}");
    clinic.write("valkey-url", right.as_bytes());
    let told = clinic.examine(&[]);
    assert_eq!(told.status, 0, "{}", told.text);
    assert_eq!(told.check("state.valkey", "maxmemory-policy")["found"], "noeviction");
    assert!(!told.text.contains("a-password-nobody-sees"));
    valkey.stop();
    let told = clinic.examine(&[]);
    let server = told.check("state.valkey", "server");
    assert_eq!((told.status, &server["outcome"]), (1, &json!("failed")), "{}", told.text);

    let Some(forgetful) = Valkey::start(&["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"]) else {
        return;
    };
    clinic.write("valkey-url", format!("redis://127.0.0.1:{}", forgetful.port).as_bytes());
    let told = clinic.examine(&[]);
    let policy = told.check("state.valkey", "maxmemory-policy");
    assert_eq!(policy["outcome"], "failed", "{policy}");
    assert!(policy["remedy"].as_str().unwrap().contains("noeviction"), "{policy}");
}
