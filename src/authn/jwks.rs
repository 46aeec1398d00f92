//! The public keys of an issuer (RFC 7517) and the one place where a signature is checked.

use super::claims::TokenError;
use super::discovery::FetchError;
use super::token::{self, Jws, UnverifiedToken};
use crate::config::Algorithm;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};
use std::fmt;

const LARGEST_SET: usize = 150 * 1024;
const MOST_KEYS: usize = 100;
/// A token without `kid` is tried against so many keys that fit its algorithm, and a `kid` may name so many.
const MOST_TRIED: usize = 4;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Keys ready to use. Two sets are the same where their fingerprints are.
pub(super) struct KeySet {
    keys: Vec<Key>,
    fingerprint: Fingerprint,
}

/// SHA-256 of the document that the keys came from.
pub(super) type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

struct Key {
    id: Option<String>,
    kind: Kind,
    /// `alg` of the key: the only algorithm it is for.
    only: Option<Algorithm>,
    decoding: DecodingKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// A token whose signature one of the issuer's keys proves. Only this file makes one.
pub(super) struct SignedToken<'t, 'a> {
    token: &'t UnverifiedToken<'a>,
    keys: Fingerprint,
}

/// Why no key proves a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unproven {
    /// No key has the token's `kid`, or the token has none and no key fits its algorithm.
    NoKey,
    /// The key of that `kid` is for another algorithm.
    KeyForOtherAlgorithm,
    BadSignature,
}

impl KeySet {
    /// Each key is judged alone: what cannot be used is passed over and logged.
    ///
    /// # Errors
    ///
    /// Not a JWK set, too large, or without a single usable key.
    pub(super) fn parse(document: &[u8]) -> Result<Self, FetchError> {
        let refused = |why: &str| Err(FetchError::new(format!("the key set {why}")));
        if document.len() > LARGEST_SET {
            return refused("is larger than 150 KiB");
        }
        let Ok(Value::Object(set)) = serde_json::from_slice(document) else {
            return refused("is not a JSON object");
        };
        let Some(Value::Array(values)) = set.get("keys") else {
            return refused("has no array `keys`");
        };
        if values.len() > MOST_KEYS {
            return refused("has more than 100 keys");
        }
        let mut keys = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            match Key::parse(value) {
                Ok(key) => keys.push(key),
                Err(why) => tracing::debug!(index, why, "a key of the set is passed over"),
            }
        }
        if keys.is_empty() {
            return refused("holds no key that can prove a token");
        }
        Ok(Self { keys, fingerprint: fingerprint(document) })
    }

    /// One P-256 key in PEM, as AWS's load balancers publish theirs.
    ///
    /// # Errors
    ///
    /// Not such a key.
    pub(super) fn from_pem(id: &str, pem: &[u8]) -> Result<Self, FetchError> {
        let decoding = DecodingKey::from_ec_pem(pem)
            .ok()
            .filter(|key| key.try_get_as_bytes().is_ok_and(|point| point.len() == 65))
            .ok_or_else(|| FetchError::new("the answer is not a P-256 public key in PEM".to_owned()))?;
        let key = Key { id: Some(id.to_owned()), kind: Kind::P256, only: None, decoding };
        Ok(Self { keys: vec![key], fingerprint: fingerprint(pem) })
    }

    /// How many keys are usable.
    pub(super) fn count(&self) -> usize {
        self.keys.len()
    }

    /// Whether some key is for this algorithm.
    pub(super) fn has_key_for(&self, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.fits(algorithm))
    }

    pub(super) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub(super) fn prove<'t, 'a>(
        &self,
        token: &'t UnverifiedToken<'a>,
    ) -> Result<SignedToken<'t, 'a>, Unproven> {
        self.check(token.jws()).map(|()| SignedToken { token, keys: self.fingerprint })
    }

    fn check(&self, jws: &Jws<'_>) -> Result<(), Unproven> {
        let named = |key: &&Key| jws.key_id.is_none() || jws.key_id == key.id;
        let mut tried = false;
        for key in self.keys.iter().filter(named).filter(|key| key.fits(jws.algorithm)).take(MOST_TRIED) {
            tried = true;
            if key.proves(jws) {
                return Ok(());
            }
        }
        Err(match jws.key_id {
            _ if tried => Unproven::BadSignature,
            Some(_) if self.keys.iter().any(|key| named(&key)) => Unproven::KeyForOtherAlgorithm,
            _ => Unproven::NoKey,
        })
    }
}

impl<'t, 'a> SignedToken<'t, 'a> {
    pub(super) fn token(&self) -> &'t UnverifiedToken<'a> {
        self.token
    }

    /// The set that holds the key.
    pub(super) fn keys(&self) -> &Fingerprint {
        &self.keys
    }
}

/// Checks a compact JWS with any payload against a JWK set, below every check of claims: for test vectors.
///
/// # Errors
///
/// As [`UnverifiedToken::parse`], and what is wrong with key or signature.
#[doc(hidden)]
pub fn verify_signature(jws: &str, key_set: &[u8]) -> Result<Vec<u8>, TokenError> {
    let jws = Jws::parse(jws)?;
    let keys = KeySet::parse(key_set).map_err(TokenError::KeysUnavailable)?;
    keys.check(&jws)?;
    Ok(jws.payload)
}

impl Key {
    fn parse(value: &Value) -> Result<Self, &'static str> {
        let key = value.as_object().ok_or("it is not an object")?;
        if ["d", "p", "q", "k"].iter().any(|name| key.contains_key(*name)) {
            return Err("it is secret or symmetric");
        }
        if !matches!(key.get("use").map(Value::as_str), None | Some(Some("sig"))) {
            return Err("`use` is not `sig`");
        }
        if let Some(operations) = key.get("key_ops") {
            let verifies = |operations: &Vec<Value>| operations.iter().any(|operation| operation == "verify");
            if !operations.as_array().is_some_and(verifies) {
                return Err("`key_ops` is without `verify`");
            }
        }
        let id = match key.get("kid") {
            None => None,
            Some(id) => Some(id.as_str().ok_or("`kid` is not a string")?.to_owned()),
        };
        let only = match key.get("alg") {
            None => None,
            Some(alg) => Some(alg.as_str().and_then(token::named).ok_or("`alg` is not one for signatures")?),
        };
        let (kind, decoding) = material(key)?;
        if only.is_some_and(|only| !kind.fits(only)) {
            return Err("`alg` does not fit the type of key");
        }
        Ok(Self { id, kind, only, decoding })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.kind.fits(algorithm) && self.only.is_none_or(|only| only == algorithm)
    }

    fn proves(&self, jws: &Jws<'_>) -> bool {
        let message = jws.message.as_bytes();
        jsonwebtoken::crypto::verify(jws.signature, message, &self.decoding, library_name(jws.algorithm))
            .unwrap_or(false)
    }
}

impl Kind {
    /// The algorithm belongs to the key (RFC 8725, section 3.1): a token chooses among those of its key's type only.
    fn fits(self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match self {
            Self::Rsa => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
            Self::P256 => algorithm == Es256,
            Self::P384 => algorithm == Es384,
            Self::Ed25519 => algorithm == EdDsa,
        }
    }
}

fn material(key: &Map<String, Value>) -> Result<(Kind, DecodingKey), &'static str> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let number = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    match (text("kty"), text("crv")) {
        (Some("RSA"), _) => {
            let (modulus, exponent) =
                number("n").zip(number("e")).ok_or("`n` and `e` are not base64url numbers")?;
            let modulus = unpadded(&modulus);
            let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
            if !RSA_BITS.contains(&bits) {
                return Err("the RSA modulus is not of 2048 to 8192 bits");
            }
            let exponent = unpadded(&exponent);
            // With the exponent 1 a signature is its own proof.
            if matches!(exponent, [] | [1]) || exponent.last().is_some_and(|last| last % 2 == 0) {
                return Err("the RSA exponent is not an odd number above 1");
            }
            Ok((Kind::Rsa, DecodingKey::from_rsa_raw_components(modulus, exponent)))
        }
        (Some("EC"), Some(curve @ ("P-256" | "P-384"))) => {
            let (kind, length) = if curve == "P-256" { (Kind::P256, 32) } else { (Kind::P384, 48) };
            let coordinate = |name| number(name).filter(|bytes| bytes.len() == length);
            let (x, y) = coordinate("x").zip(coordinate("y")).ok_or("`x` and `y` do not fit the curve")?;
            let uncompressed = [&[4], x.as_slice(), y.as_slice()].concat();
            Ok((kind, DecodingKey::from_ec_der(&uncompressed)))
        }
        (Some("OKP"), Some("Ed25519")) => {
            let x = number("x").filter(|bytes| bytes.len() == 32).ok_or("`x` does not fit the curve")?;
            Ok((Kind::Ed25519, DecodingKey::from_ed_der(&x)))
        }
        _ => Err("its type or curve is not supported"),
    }
}

/// Some providers put a zero byte before the number.
fn unpadded(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn library_name(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::Rs512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Ps384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::Ps512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
    }
}

pub(super) fn fingerprint(document: &[u8]) -> Fingerprint {
    let digest = digest::digest(&digest::SHA256, document);
    let mut fingerprint = Fingerprint::default();
    for (to, from) in fingerprint.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    fingerprint
}

impl From<Unproven> for TokenError {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::NoKey => Self::UnknownKey,
            Unproven::KeyForOtherAlgorithm => Self::AlgorithmNotAllowed,
            Unproven::BadSignature => Self::BadSignature,
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| (&key.id, key.kind))).finish()
    }
}
