//! Private keys that sign tokens, as an issuer would and as an attacker would.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::sync::OnceLock;

pub(crate) struct Signer {
    pub kid: String,
    pub alg: &'static str,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn es256(kid: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid: kid.to_owned(), alg: "ES256", key: Key::Ec(key) }
    }

    pub(crate) fn es384(kid: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        Self { kid: kid.to_owned(), alg: "ES384", key: Key::Ec(key) }
    }

    pub(crate) fn ed25519(kid: &str) -> Self {
        Self { kid: kid.to_owned(), alg: "EdDSA", key: Key::Ed(Ed25519KeyPair::generate().unwrap()) }
    }

    /// Always the same key: making one takes long.
    pub(crate) fn rs256(kid: &str) -> Self {
        static KEY: OnceLock<Vec<u8>> = OnceLock::new();
        let pkcs8 = KEY.get_or_init(|| {
            let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
            AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap().as_ref().to_vec()
        });
        let key = Box::new(RsaKeyPair::from_pkcs8(pkcs8).unwrap());
        Self { kid: kid.to_owned(), alg: "RS256", key: Key::Rsa(key) }
    }

    /// Another key each time.
    pub(crate) fn fresh_rs256(kid: &str) -> Self {
        let key = Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
        Self { kid: kid.to_owned(), alg: "RS256", key: Key::Rsa(key) }
    }

    pub(crate) fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.key {
            Key::Rsa(key) => {
                let public = key.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                json!({"kty": "RSA", "kid": self.kid, "use": "sig",
                    "n": encode(n.big_endian_without_leading_zero()),
                    "e": encode(e.big_endian_without_leading_zero())})
            }
            Key::Ec(key) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "kid": self.kid, "use": "sig", "x": encode(x), "y": encode(y)})
            }
            Key::Ed(key) => json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "use": "sig",
                "x": encode(key.public_key().as_ref())}),
        }
    }

    /// The public key in PEM (elliptic curves).
    pub(crate) fn pem(&self) -> String {
        let Key::Ec(key) = &self.key else { panic!("not an elliptic curve") };
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()).unwrap();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()))
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": self.alg, "kid": self.kid})
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with_header(&self.header(), claims)
    }

    pub(crate) fn token_with_header(&self, header: &Value, claims: &Value) -> String {
        self.raw(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// Signs whatever stands there.
    pub(crate) fn raw(&self, header: &[u8], payload: &[u8]) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    /// The form of AWS's load balancers.
    pub(crate) fn padded(&self, header: &Value, claims: &Value) -> String {
        let (header, claims) = (header.to_string(), claims.to_string());
        let message = format!("{}.{}", URL_SAFE.encode(header), URL_SAFE.encode(claims));
        format!("{message}.{}", URL_SAFE.encode(self.sign(message.as_bytes())))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                if self.alg == "PS256" {
                    key.sign(&RSA_PSS_SHA256, &random, message, &mut signature).unwrap();
                } else {
                    key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                }
                signature
            }
            Key::Ec(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Key::Ed(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}
