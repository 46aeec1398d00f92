//! The session that a run token is made in.

use super::opened::Reading;
use crate::clock::UnixSeconds;
use crate::provider::principal::Principal;
use std::sync::Arc;

/// A session with its own facts about the person, whatever other credentials a request carries beside it. A run token
/// ends with it, but not with its idle time: a run goes on while its person sleeps.
#[derive(Clone, Debug)]
pub struct Root {
    pub(super) reading: Arc<Reading>,
    pub(super) principal: Arc<Principal>,
}

impl Root {
    pub fn established(&self) -> UnixSeconds {
        self.reading.content.established
    }

    /// The person, with the groups and claims that the session has.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }
}
