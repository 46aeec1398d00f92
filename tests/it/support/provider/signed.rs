//! The tokens of this provider: good ones, and those that lie.

use super::super::signer::Signer;
use super::{ACCESS_TOKEN, CLIENT_SECRET, State, altered};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

#[derive(Clone, Copy)]
pub(crate) enum Signature {
    Good,
    None,
    /// HS256 with the client's secret.
    ClientSecret,
    /// The right `kid`, another key.
    OtherKey,
    /// One bit is wrong.
    Damaged,
}

impl State {
    pub(super) fn id_token(&self, issuer: &str, over: &Value) -> String {
        let now = self.clock.now().0;
        let claims = json!({
            "iss": issuer, "sub": "u1", "aud": self.client_id, "iat": now, "exp": now + 300,
            "email": "ada@corp.example", "email_verified": true, "name": "Ada", "groups": ["ml-users"],
            "sid": "provider-session", "at_hash": at_hash(ACCESS_TOKEN),
        });
        let claims = altered(altered(claims, over), &self.claims);
        self.signed(&self.header, self.signature, &claims)
    }

    /// A token with these claims.
    pub(crate) fn signed(&self, header: &Value, signature: Signature, claims: &Value) -> String {
        let algorithm = match signature {
            Signature::Good | Signature::OtherKey | Signature::Damaged => self.signer.alg,
            Signature::None => "none",
            Signature::ClientSecret => "HS256",
        };
        let header = altered(json!({"alg": algorithm, "kid": self.signer.kid, "typ": "JWT"}), header);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = match signature {
            Signature::Good => self.signer.sign(message.as_bytes()),
            Signature::None => Vec::new(),
            Signature::ClientSecret => {
                let key = EncodingKey::from_secret(CLIENT_SECRET.as_bytes());
                let text = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
                URL_SAFE_NO_PAD.decode(text).unwrap()
            }
            Signature::OtherKey => Signer::es256(&self.signer.kid).sign(message.as_bytes()),
            Signature::Damaged => {
                let mut signature = self.signer.sign(message.as_bytes());
                signature[0] ^= 1;
                signature
            }
        };
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!("{message}.{signature}")
    }
}

fn at_hash(access_token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
}

/// The header of a JWS, for what a test is to look at.
pub(crate) fn header_of(token: &str) -> Header {
    jsonwebtoken::decode_header(token).unwrap()
}
