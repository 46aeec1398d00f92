//! Secrets are a type: wiped when dropped, never shown, never compared byte by byte.

use aws_lc_rs::rand;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes that must not be seen. There is no `Display`; `Debug` shows nothing of the value, not even its length.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The value itself, for the one call that needs it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Random bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "AWS-LC itself aborts where the system gives no randomness")]
    rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
