//! SHA-256 as a value for comparisons and look-ups.

pub(crate) mod by_digest;

use aws_lc_rs::digest::{Context, Digest, SHA256, SHA256_OUTPUT_LEN, digest};

pub(crate) type Sha256 = [u8; SHA256_OUTPUT_LEN];

pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    array(&digest(&SHA256, bytes))
}

/// A digest that no two lists of parts have in common: each part is preceded by its length.
pub(crate) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Sha256 {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    array(&context.finish())
}

fn array(digest: &Digest) -> Sha256 {
    let mut array = Sha256::default();
    array.copy_from_slice(digest.as_ref());
    array
}
