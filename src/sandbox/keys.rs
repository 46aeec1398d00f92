//! The identity provider's signing keys, and tokens of any shape signed by them.

use super::lock::lock;
use super::random;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use aws_lc_rs::{error::Unspecified, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};

/// The key that signs a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKey {
    /// The published RSA key, 2048 bits.
    Rs256,
    /// The published P-256 key.
    Es256,
    /// A P-256 key that was never published, under the published key's id.
    Stranger,
    /// HMAC with SHA-256 under these bytes, for the confusion of a public key with a secret.
    Hs256(Vec<u8>),
    /// No signature at all: `alg` is `none`.
    Unsigned,
}

/// A token to mint: claims, the key that signs them, and the members of its header beside `alg`, `kid` and `typ`.
#[derive(Clone, Debug)]
pub struct Token {
    claims: Map<String, Value>,
    key: TokenKey,
    header: Map<String, Value>,
}

impl Token {
    /// RS256 with `typ: at+jwt` (RFC 9068) by default.
    pub fn new(claims: Map<String, Value>) -> Self {
        Self { claims, key: TokenKey::Rs256, header: Map::from_iter([("typ".to_owned(), json!("at+jwt"))]) }
    }

    #[must_use]
    pub fn key(mut self, key: TokenKey) -> Self {
        self.key = key;
        self
    }

    /// Sets a claim, or removes it if the value is null.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        put(&mut self.claims, name, value.into());
        self
    }

    /// Sets a member of the header, or removes it if the value is null. `alg` and `kid` may be set to false values: the
    /// signature stays the key's own.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }
}

pub(super) fn put(object: &mut Map<String, Value>, name: &str, value: Value) {
    if value.is_null() {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
}

/// The current keys. Rotation replaces them all at once.
pub(super) struct Keys(Mutex<Arc<Generation>>);

struct Generation {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    rsa_key_id: String,
    ec_key_id: String,
    published: Value,
}

impl Keys {
    pub(super) fn generate() -> Result<Self, Unspecified> {
        Ok(Self(Mutex::new(Arc::new(Generation::generate()?))))
    }

    /// Replaces both keys: tokens of the old ones no longer verify by the published set.
    pub(super) fn rotate(&self) -> Result<(), Unspecified> {
        let fresh = Arc::new(Generation::generate()?);
        *lock(&self.0) = fresh;
        Ok(())
    }

    /// The JWK set (RFC 7517).
    pub(super) fn published(&self) -> Value {
        self.now().published.clone()
    }

    pub(super) fn sign(&self, token: &Token) -> Result<String, Unspecified> {
        let now = self.now();
        let (algorithm, key_id) = match token.key {
            TokenKey::Rs256 => ("RS256", Some(&now.rsa_key_id)),
            TokenKey::Es256 | TokenKey::Stranger => ("ES256", Some(&now.ec_key_id)),
            TokenKey::Hs256(_) => ("HS256", Some(&now.rsa_key_id)),
            TokenKey::Unsigned => ("none", None),
        };
        let mut header = Map::from_iter([("alg".to_owned(), json!(algorithm))]);
        if let Some(key_id) = key_id {
            header.insert("kid".to_owned(), json!(key_id));
        }
        for (name, value) in &token.header {
            put(&mut header, name, value.clone());
        }
        let message = format!("{}.{}", part(header), part(token.claims.clone()));
        let random = SystemRandom::new();
        let signature = match &token.key {
            TokenKey::Rs256 => {
                let mut signature = vec![0; now.rsa.public_modulus_len()];
                now.rsa.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature)?;
                signature
            }
            TokenKey::Es256 => now.ec.sign(&random, message.as_bytes())?.as_ref().to_vec(),
            TokenKey::Stranger => {
                let stranger = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
                stranger.sign(&random, message.as_bytes())?.as_ref().to_vec()
            }
            TokenKey::Hs256(secret) => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes()).as_ref().to_vec()
            }
            TokenKey::Unsigned => Vec::new(),
        };
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The claims of a token that one of the published keys signed, of any content and age.
    pub(super) fn open(&self, token: &str) -> Option<Map<String, Value>> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: Map<String, Value> =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let now = self.now();
        match header.get("alg")?.as_str()? {
            "RS256" => {
                let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, now.rsa.public_key());
                key.verify(message.as_bytes(), &signature).ok()?;
            }
            "ES256" => {
                let key =
                    UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, now.ec.public_key().as_ref());
                key.verify(message.as_bytes(), &signature).ok()?;
            }
            _ => return None,
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }

    fn now(&self) -> Arc<Generation> {
        Arc::clone(&lock(&self.0))
    }
}

impl Generation {
    fn generate() -> Result<Self, Unspecified> {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048)?;
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let (rsa_key_id, ec_key_id) =
            (format!("rsa-{}", random::hex::<4>()), format!("ec-{}", random::hex::<4>()));
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(rsa.public_key());
        // An uncompressed point is 0x04 and two coordinates (SEC 1, section 2.3.3).
        let point = ec.public_key().as_ref().get(1..).ok_or(Unspecified)?;
        let (x, y) = point.split_at_checked(32).ok_or(Unspecified)?;
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let published = json!({"keys": [
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": rsa_key_id, "n": encode(&n), "e": encode(&e)},
            {"kty": "EC", "use": "sig", "alg": "ES256", "kid": ec_key_id, "crv": "P-256",
             "x": encode(x), "y": encode(y)},
        ]});
        Ok(Self { rsa, ec, rsa_key_id, ec_key_id, published })
    }
}

fn part(object: Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(Value::Object(object).to_string())
}
