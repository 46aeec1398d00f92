//! Public test vectors, run below the checks of claims: Wycheproof, RFC 7520 and JSONTestSuite.
//!
//! They are looked for in `POSTERN_VECTORS`, by default `../shared/vectors`; a suite that is not there is named and left out.

use crate::support::elsewhere::vectors;
use crate::support::issuer_fixture::{IssuerFixture, claims};
use crate::support::signer::Signer;
use postern::tokens::jwks::verify_signature;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Wycheproof calls these valid or invalid by mistake: P-521 keys that say `ES521`, and tokens whose text contradicts the
/// name of the case.
const MISLABELLED: [u64; 6] = [347, 351, 367, 370, 372, 373];

/// Called valid, and refused by us: the key says that it is for PS256, the token that it was made with PS384 (RFC 8725,
/// section 3.1: a key is used with exactly one algorithm).
const KEY_FOR_OTHER_ALGORITHM: [u64; 2] = [346, 350];

fn read(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn wycheproof_json_web_signature() {
    let Some(path) = vectors("wycheproof/json_web_signature_test.json") else { return };
    let (mut accepted, mut refused) = (0, 0);
    for group in read(path)["testGroups"].as_array().unwrap() {
        let keys = json!({"keys": [group.get("public").unwrap_or(&group["private"])]}).to_string();
        let symmetric = group["private"]["kty"] == "oct";
        for test in group["tests"].as_array().unwrap() {
            let id = test["tcId"].as_u64().unwrap();
            if MISLABELLED.contains(&id) {
                continue;
            }
            let valid = test["result"] == "valid" && !symmetric && !KEY_FOR_OTHER_ALGORITHM.contains(&id);
            let outcome = verify_signature(test["jws"].as_str().unwrap(), keys.as_bytes());
            assert_eq!(outcome.is_ok(), valid, "{id} {}: {:?}", test["comment"], outcome.err());
            *if valid { &mut accepted } else { &mut refused } += 1;
        }
    }
    assert!(accepted >= 30 && refused >= 300, "{accepted} accepted, {refused} refused");
}

/// RFC 7520, section 4, and RFC 8037, appendix A.4.
#[test]
fn jose_cookbook() {
    for (file, supported) in [
        ("jws/4_1.rsa_v15_signature.json", true),
        ("jws/4_2.rsa-pss_signature.json", true),
        ("jws/4_3.ecdsa_signature.json", false),
        ("jws/4_4.hmac-sha2_integrity_protection.json", false),
        ("curve25519/jws.json", true),
    ] {
        let Some(path) = vectors(&format!("jose-cookbook/{file}")) else { return };
        let example = read(path);
        let mut key = example["input"]["key"].clone();
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            key.as_object_mut().unwrap().remove(private);
        }
        let keys = json!({"keys": [key, Signer::ed25519("other").jwk()]}).to_string();
        let jws = example["output"]["compact"].as_str().unwrap();
        let outcome = verify_signature(jws, keys.as_bytes());
        match supported {
            true => assert_eq!(outcome.unwrap(), example["input"]["payload"].as_str().unwrap().as_bytes()),
            false => assert_eq!(outcome.unwrap_err().reason(), "unsupported-algorithm", "{file}"),
        }
    }
}

#[tokio::test]
async fn json_test_suite_as_payload() {
    let Some(path) = vectors("JSONTestSuite/test_parsing") else { return };
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    assert_eq!(issuer_fixture.reason(&signer.token(&claims())).await, "accepted");
    let header = signer.header().to_string();
    let mut seen = 0;
    for file in std::fs::read_dir(path).unwrap() {
        let file = file.unwrap();
        let (name, payload) = (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap());
        let reason = issuer_fixture.reason(&signer.raw(header.as_bytes(), &payload)).await;
        assert_ne!(reason, "accepted", "{name}");
        if name.starts_with("n_") {
            assert_eq!(reason, "malformed-token", "{name}");
        }
        seen += 1;
    }
    assert!(seen > 300, "{seen}");
}
