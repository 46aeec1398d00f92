//! The one failure of the shared state.

use std::fmt;

/// The shared state did not answer, or not in time. Its content is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shared state does not answer")
    }
}

impl std::error::Error for Unavailable {}
