//! Hashing of what is a digest already.

use std::hash::{BuildHasherDefault, Hasher};

/// For maps whose keys hold a SHA-256 digest: eight bytes of it are as good a hash as any, and only what was authenticated
/// becomes a key, so nobody chooses which keys meet.
pub(crate) type ByDigest = BuildHasherDefault<DigestHasher>;

/// Folds in what it is given, eight bytes at a time.
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

    /// Of lengths and of enums, which come beside the digest.
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
