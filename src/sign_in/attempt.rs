//! One sign-in under way: made at its start, sealed into `state`, opened at the callback.

use super::binding::Binding;
use crate::clock::UnixSeconds;
use crate::digest::sha256;
use crate::secret::random;
use crate::sessions::seal::{Purpose, Sealer};
use crate::sign_in::return_to::ReturnTo;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Time for a password, a second factor and a cup of tea.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
const RANDOM_LEN: usize = 32;

#[derive(Serialize, Deserialize)]
pub(super) struct Attempt {
    /// The ID token's `nonce`, and the name of this attempt.
    #[serde(rename = "n")]
    pub(super) nonce: String,
    /// `code_verifier` of RFC 7636: 43 characters.
    #[serde(rename = "v")]
    pub(super) verifier: String,
    /// The cookie of the browser that began the attempt.
    #[serde(rename = "b")]
    pub(super) binding: Binding,
    #[serde(rename = "r")]
    return_to: String,
    #[serde(rename = "d")]
    pub(super) is_deliberate: bool,
    /// True if this attempt follows one that went astray.
    #[serde(rename = "a")]
    pub(super) is_restart: bool,
    #[serde(rename = "t")]
    started: UnixSeconds,
}

impl Attempt {
    pub(super) fn new(
        return_to: &ReturnTo,
        is_deliberate: bool,
        is_restart: bool,
        binding: Binding,
        now: UnixSeconds,
    ) -> Self {
        Self {
            nonce: URL_SAFE_NO_PAD.encode(random::<RANDOM_LEN>()),
            verifier: URL_SAFE_NO_PAD.encode(random::<RANDOM_LEN>()),
            binding,
            return_to: return_to.as_str().to_owned(),
            is_deliberate,
            is_restart,
            started: now,
        }
    }

    pub(super) fn seal(&self, sealer: &Sealer) -> String {
        sealer.seal(Purpose::Attempt, &serde_json::to_vec(self).unwrap_or_default())
    }

    pub(super) fn open(sealer: &Sealer, state: &str) -> Option<Self> {
        serde_json::from_slice(&sealer.open(Purpose::Attempt, state.as_bytes())?).ok()
    }

    /// `code_challenge`, method S256 (RFC 7636, section 4.2).
    pub(super) fn challenge(&self) -> String {
        base64url_of_sha256(self.verifier.as_bytes())
    }

    pub(super) fn return_to(&self) -> ReturnTo {
        ReturnTo::parse(&self.return_to)
    }

    pub(super) fn is_fresh(&self, now: UnixSeconds) -> bool {
        now.since(self.started) < LIFETIME
    }
}

pub(super) fn base64url_of_sha256(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(sha256(bytes))
}
