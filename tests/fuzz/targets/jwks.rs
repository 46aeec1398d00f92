//! A provider's key set: what cannot be used is passed over, and nothing in it proves what its key did not sign.

use super::token::Signer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern::tokens::error::TokenError;
use postern::tokens::jwks::verify_signature;
use serde_json::{Value, json};
use std::sync::LazyLock;

const PAYLOAD: &[u8] = b"payload";
const MOST_KEYS: usize = 100;
const LARGEST_SET: usize = 150 * 1024;

/// A key, and a text that it signed.
struct Good {
    key: Value,
    jws: String,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let signer = Signer::new("the good key");
    let jws = signer.raw(json!({"alg": "EdDSA", "kid": "the good key"}).to_string(), "payload");
    Good { key: signer.jwk(), jws }
});

pub(super) fn check(input: &[u8]) {
    let good = &*GOOD;
    let key = good.key.to_string();
    let document = super::marks::written_out(input, &[("key", &key)]);
    let parsed = serde_json::from_slice(&document).unwrap_or(Value::Null);
    let keys = parsed.get("keys").and_then(Value::as_array).filter(|keys| keys.len() <= MOST_KEYS);
    let proven = verify_signature(&good.jws, &document);
    let Some(keys) = keys.filter(|_| document.len() <= LARGEST_SET) else {
        assert!(matches!(proven, Err(TokenError::KeysUnavailable(_))), "this is no key set: {proven:?}");
        return;
    };
    if let Ok(payload) = &proven {
        assert_eq!(payload, PAYLOAD);
        assert!(keys.iter().any(|key| key["x"] == good.key["x"]), "another's key proves the text");
    }
    for key in keys.iter().filter(|key| is_secret(key)) {
        let alone = verify_signature(&good.jws, json!({"keys": [key]}).to_string().as_bytes());
        assert!(matches!(alone, Err(TokenError::KeysUnavailable(_))), "a secret key counts: {alone:?}");
    }
    if keys.len() < MOST_KEYS && keys.iter().all(|other| other["kid"] != good.key["kid"]) {
        let first = std::iter::once(&good.key).chain(keys).collect::<Vec<_>>();
        let last = keys.iter().chain([&good.key]).collect::<Vec<_>>();
        for set in [first, last] {
            let set = json!({ "keys": set }).to_string();
            if set.len() <= LARGEST_SET {
                assert_eq!(
                    verify_signature(&good.jws, set.as_bytes()).unwrap(),
                    PAYLOAD,
                    "a good key among others"
                );
            }
        }
    }
    own_words_prove_nothing(keys);
}

fn is_secret(key: &Value) -> bool {
    key["kty"] == "oct" || ["d", "k", "p", "q"].iter().any(|name| key.get(name).is_some())
}

/// Signatures that anybody can write prove nothing, whatever the key is: none, zeros, and the neutral element of Ed25519.
fn own_words_prove_nothing(keys: &[Value]) {
    let set = json!({ "keys": keys }).to_string();
    let encode = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
    for (algorithm, length) in [("RS256", 256), ("ES256", 64), ("EdDSA", 64), ("PS384", 256), ("ES384", 96)] {
        let header = json!({ "alg": algorithm }).to_string();
        let message = format!("{}.{}", encode(header.as_bytes()), encode(PAYLOAD));
        let (zeros, mut neutral) = (vec![0; length], vec![0; length]);
        neutral[0] = 1;
        for signature in [zeros, neutral, Vec::new()] {
            let forged = format!("{message}.{}", encode(&signature));
            assert!(
                verify_signature(&forged, set.as_bytes()).is_err(),
                "{algorithm} with a signature of nobody"
            );
        }
    }
}
