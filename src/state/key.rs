//! The names of values in the shared state.

use crate::digest::of_parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The subject of a value. Each use has a namespace of its own, so that no use crowds out another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// The time at which sessions were ended early. Only [`super::State::end`] writes here, only [`super::State::ends`]
    /// reads.
    Revocation,
    /// Values that count once: sign-in attempts, logout tokens.
    Once,
    /// The record of a session beside its cookie, sealed.
    Session,
    /// The ID token of a sign-in, for its sign-out, sealed.
    IdToken,
    /// The list of a person's run tokens, each entry sealed.
    RunToken,
    /// The replica that is at work on something.
    Lock,
    /// The targets that were started or created lately.
    Begun,
    /// The rate of an action. Only [`super::State::take`] uses it.
    Rate,
}

/// Names a value. It holds a digest, so that neither people nor sessions can be read from the state's keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub(super) namespace: Namespace,
    pub(super) name: String,
}

impl Key {
    /// The key for the combination of `parts`.
    pub fn new(namespace: Namespace, parts: &[&str]) -> Self {
        Self { namespace, name: digest(parts) }
    }
}

pub(super) fn digest(parts: &[&str]) -> String {
    URL_SAFE_NO_PAD.encode(of_parts(parts.iter().map(|part| part.as_bytes())))
}
