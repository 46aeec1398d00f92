//! The one-time URL that lets its bearer in.

use hyper::header::HeaderValue;
use std::fmt;
use zeroize::Zeroizing;

/// A URL that AWS minted for one person, checked to be `https` on an expected host.
///
/// Whoever holds the text is that person, so the text leaves exactly once: both ways out take `self`. There is no
/// `Display`, no `Clone` and no `Serialize`; `Debug` shows nothing of the value.
pub struct AuthorizedUrl(Zeroizing<String>);

impl AuthorizedUrl {
    /// Only the presigner makes one, after it has checked scheme and host.
    pub(super) fn new(url: Zeroizing<String>) -> Self {
        Self(url)
    }

    /// The value of a `Location` header, marked sensitive so that HTTP/2 does not index it and `Debug` hides it.
    ///
    /// # Errors
    ///
    /// `None` where the text cannot stand in a header.
    pub fn into_location(self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&self.0).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The text for the body of one API answer.
    pub fn into_api_answer(self) -> Zeroizing<String> {
        self.0
    }
}

impl fmt::Debug for AuthorizedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizedUrl(..)")
    }
}
