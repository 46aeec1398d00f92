//! Dates in claims.

use crate::clock::UnixSeconds;
use crate::tokens::error::{Evidence, TokenError};
use serde_json::{Map, Value};

/// 9999-12-31T23:59:59Z.
const LATEST_DATE: u64 = 253_402_300_799;

/// A `NumericDate` (RFC 7519, section 2), cut to whole seconds.
pub(crate) fn date(
    claims: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<UnixSeconds>, TokenError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
    let cut = |seconds: f64| (0.0..1e12).contains(&seconds).then_some(seconds as u64);
    let seconds = value.as_u64().or_else(|| value.as_f64().and_then(cut));
    seconds
        .filter(|seconds| *seconds <= LATEST_DATE)
        .map(|seconds| Some(UnixSeconds(seconds)))
        .ok_or_else(|| TokenError::InvalidClaim(name, Evidence::value(name, Some(value))))
}
