//! Hashing of keys that are digests already.

use std::hash::{BuildHasherDefault, Hasher};

/// For maps whose keys hold a SHA-256 digest: eight bytes of a digest are as good a hash as any. Only authenticated
/// values become keys, so nobody can choose keys that collide.
pub(crate) type ByDigest = BuildHasherDefault<DigestHasher>;

/// Folds in its input, eight bytes at a time.
#[derive(Debug, Default)]
pub(crate) struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    /// For lengths and enums, which come beside the digest.
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.cast_unsigned() as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = self.0.rotate_left(5) ^ word;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
