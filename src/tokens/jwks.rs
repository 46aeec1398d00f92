//! The public keys of an issuer (RFC 7517) and the one place where a signature is checked.

use crate::config::Algorithm;
use crate::digest::{Sha256, sha256};
use crate::http_client::document::FetchError;
use crate::tokens::error::{Evidence, TokenError};
use crate::tokens::jws::{Jws, UnverifiedToken};
use crate::tokens::public_key::PublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};
use std::fmt;

const LARGEST_SET: usize = 150 * 1024;
const MOST_KEYS: usize = 100;
/// The most keys that are tried for a token without `kid`, and the most keys that one `kid` may name.
const MOST_TRIED: usize = 4;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Keys ready to use. Two sets with equal fingerprints are the same.
pub(crate) struct KeySet {
    keys: Vec<Key>,
    /// The digest of the document that the keys came from.
    fingerprint: Sha256,
}

struct Key {
    id: Option<String>,
    public: PublicKey,
}

/// A token whose signature one of the issuer's keys proves. Only this file makes one.
pub(crate) struct SignedToken<'t, 'a> {
    token: &'t UnverifiedToken<'a>,
    keys: Sha256,
}

/// Why no key proves a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unproven {
    /// No key has the token's `kid`, or the token has none and no key fits its algorithm.
    NoKey,
    /// The key of the token's `kid` is for another algorithm.
    KeyForOtherAlgorithm,
    BadSignature,
}

impl KeySet {
    /// Each key is judged alone: an unusable key is passed over and logged.
    ///
    /// # Errors
    ///
    /// The document is no JWK set, is too large, or holds no usable key.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, FetchError> {
        let refused = |why: &str| Err(FetchError::Unusable(format!("the key set {why}")));
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
                Err(why) => tracing::debug!(index, why, "key.passed_over"),
            }
        }
        if keys.is_empty() {
            return refused("holds no key that can prove a token");
        }
        Ok(Self { keys, fingerprint: sha256(document) })
    }

    /// One P-256 key in PEM, as AWS's load balancers publish theirs.
    ///
    /// # Errors
    ///
    /// It is not such a key.
    pub(crate) fn from_pem(id: &str, pem: &[u8]) -> Result<Self, FetchError> {
        let key = DecodingKey::from_ec_pem(pem).ok();
        let point = key.as_ref().and_then(|key| key.try_get_as_bytes().ok());
        let public = point.and_then(|point| PublicKey::p256(point).ok());
        let public = public
            .ok_or_else(|| FetchError::Unusable("the answer is not a P-256 public key in PEM".to_owned()))?;
        let key = Key { id: Some(id.to_owned()), public };
        Ok(Self { keys: vec![key], fingerprint: sha256(pem) })
    }

    /// How many keys are usable.
    pub(crate) fn count(&self) -> usize {
        self.keys.len()
    }

    /// Whether some key is for this algorithm.
    pub(crate) fn has_key_for(&self, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.public.fits(algorithm))
    }

    pub(crate) fn fingerprint(&self) -> &Sha256 {
        &self.fingerprint
    }

    pub(crate) fn prove<'t, 'a>(
        &self,
        token: &'t UnverifiedToken<'a>,
    ) -> Result<SignedToken<'t, 'a>, Unproven> {
        self.check(token.jws()).map(|()| SignedToken { token, keys: self.fingerprint })
    }

    fn check(&self, jws: &Jws<'_>) -> Result<(), Unproven> {
        let named = |key: &&Key| jws.key_id.is_none() || jws.key_id == key.id;
        let mut tried = false;
        let fitting = self.keys.iter().filter(named).filter(|key| key.public.fits(jws.algorithm));
        for key in fitting.take(MOST_TRIED) {
            tried = true;
            if key.public.proves(jws.algorithm, jws.message.as_bytes(), &jws.signature) {
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
    pub(crate) fn token(&self) -> &'t UnverifiedToken<'a> {
        self.token
    }

    /// The set that holds the key.
    pub(crate) fn keys(&self) -> &Sha256 {
        &self.keys
    }
}

/// Checks a compact JWS with any payload against a JWK set, below every check of claims: for test vectors.
///
/// # Errors
///
/// The errors of [`UnverifiedToken::parse`], and those of the key and the signature.
#[doc(hidden)]
pub fn verify_signature(jws: &str, key_set: &[u8]) -> Result<Vec<u8>, TokenError> {
    let jws = Jws::parse(jws)?;
    let keys = KeySet::parse(key_set).map_err(TokenError::KeysUnavailable)?;
    keys.check(&jws).map_err(|unproven| unproven.error(&jws))?;
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
            Some(alg) => {
                Some(alg.as_str().and_then(Algorithm::named).ok_or("`alg` is not one for signatures")?)
            }
        };
        let public = material(key)?;
        let public = match only {
            None => public,
            Some(only) => public.only_for(only).ok_or("`alg` does not fit the type of key")?,
        };
        Ok(Self { id, public })
    }
}

fn material(key: &Map<String, Value>) -> Result<PublicKey, &'static str> {
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
            PublicKey::rsa(modulus, exponent).map_err(|_| "`n` and `e` are no RSA key")
        }
        (Some("EC"), Some(curve @ ("P-256" | "P-384"))) => {
            let length = if curve == "P-256" { 32 } else { 48 };
            let coordinate = |name| number(name).filter(|bytes| bytes.len() == length);
            let (x, y) = coordinate("x").zip(coordinate("y")).ok_or("`x` and `y` do not fit the curve")?;
            let uncompressed = [&[4], x.as_slice(), y.as_slice()].concat();
            let key = if curve == "P-256" {
                PublicKey::p256(&uncompressed)
            } else {
                PublicKey::p384(&uncompressed)
            };
            key.map_err(|_| "`x` and `y` are no point of the curve")
        }
        (Some("OKP"), Some("Ed25519")) => {
            let x = number("x").filter(|bytes| bytes.len() == 32).ok_or("`x` does not fit the curve")?;
            if is_of_small_order(&x) {
                return Err("`x` is a point of small order");
            }
            PublicKey::ed25519(&x).map_err(|_| "`x` is no point of the curve")
        }
        _ => Err("its type or curve is not supported"),
    }
}

/// The points of Ed25519 of order 1, 2, 4 and 8, in each of their encodings but for the sign: under such a key anybody can
/// write a signature (<https://eprint.iacr.org/2020/823>, section 3).
fn is_of_small_order(point: &[u8]) -> bool {
    const ORDER_EIGHT: [[u8; 31]; 2] = [
        *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc",
        *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03",
    ];
    let Some((last, rest)) = point.split_last() else { return false };
    match (last & 0x7f, rest) {
        (0x00, [0 | 1, middle @ ..]) => middle.iter().all(|byte| *byte == 0),
        // One below the field's prime, the prime and one above: minus one, zero and one.
        (0x7f, [0xec..=0xee, middle @ ..]) => middle.iter().all(|byte| *byte == 0xff),
        (0x05, rest) => *rest == ORDER_EIGHT[0],
        (0x7a, rest) => *rest == ORDER_EIGHT[1],
        _ => false,
    }
}

/// Some providers put a zero byte before the number.
fn unpadded(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

impl Unproven {
    pub(crate) fn error(self, jws: &Jws<'_>) -> TokenError {
        let key = Evidence::value("kid", jws.header.get("kid"));
        match self {
            Self::NoKey => TokenError::UnknownKey(key),
            Self::KeyForOtherAlgorithm => {
                TokenError::AlgorithmNotAllowed(Evidence::value("alg", jws.header.get("alg")).and(&key))
            }
            Self::BadSignature => TokenError::BadSignature(key),
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.id)).finish()
    }
}
