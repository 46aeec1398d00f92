//! A public key, parsed once, and the signatures that it proves.
//!
//! This asks AWS-LC itself, as `jsonwebtoken` does, because `jsonwebtoken` builds the key anew for each token.

use crate::config::Algorithm;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    VerificationAlgorithm,
};

const RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
];

/// The algorithm belongs to the key (RFC 8725, section 3.1): a token chooses among those of its key's type only.
pub(crate) struct PublicKey(Vec<(Algorithm, ParsedPublicKey)>);

/// The numbers do not make a usable key.
pub(crate) struct Unusable;

impl PublicKey {
    /// Big-endian numbers without leading zeros.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, Unusable> {
        let components = RsaPublicKeyComponents { n: modulus, e: exponent };
        let parsed = RSA.into_iter().map(|(algorithm, parameters)| {
            let key = components.to_parsed_public_key(parameters).map_err(|_| Unusable)?;
            Ok((algorithm, key))
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }

    /// An uncompressed point.
    pub(crate) fn p256(point: &[u8]) -> Result<Self, Unusable> {
        Self::one(Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, point)
    }

    /// An uncompressed point.
    pub(crate) fn p384(point: &[u8]) -> Result<Self, Unusable> {
        Self::one(Algorithm::Es384, &ECDSA_P384_SHA384_FIXED, point)
    }

    pub(crate) fn ed25519(key: &[u8]) -> Result<Self, Unusable> {
        Self::one(Algorithm::EdDsa, &ED25519, key)
    }

    /// The same key for this algorithm alone; `None` where it is not of the key's type.
    pub(crate) fn only_for(mut self, algorithm: Algorithm) -> Option<Self> {
        self.0.retain(|(own, _)| *own == algorithm);
        (!self.0.is_empty()).then_some(self)
    }

    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.of(algorithm).is_some()
    }

    pub(crate) fn proves(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.of(algorithm).is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    fn one(
        algorithm: Algorithm,
        verification: &'static dyn VerificationAlgorithm,
        key: &[u8],
    ) -> Result<Self, Unusable> {
        let key = ParsedPublicKey::new(verification, key).map_err(|_| Unusable)?;
        Ok(Self(vec![(algorithm, key)]))
    }

    fn of(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.0.iter().find(|(own, _)| *own == algorithm).map(|(_, key)| key)
    }
}
