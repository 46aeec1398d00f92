//! The maker of a run token.

use crate::clock::UnixSeconds;
use crate::provider::principal::Principal;
use crate::sessions::root::Root;
use std::sync::Arc;

/// The maker of a run token, which carries the maker's facts about the person and ends with the maker's session.
#[derive(Clone, Debug)]
pub enum Maker {
    /// A caller without a session of ours. The token that proves it counts as a session of its own.
    WithoutSession(Arc<Principal>),
    /// A person on the page.
    Session(Root),
    /// The terminal of a person. An end of all of the person's tokens that the terminal's own token had not seen ends what
    /// is made meanwhile, too.
    Terminal { root: Root, seen_of_person: UnixSeconds },
}

impl Maker {
    pub fn principal(&self) -> &Arc<Principal> {
        match self {
            Self::WithoutSession(principal) => principal,
            Self::Session(root) | Self::Terminal { root, .. } => root.principal(),
        }
    }
}
