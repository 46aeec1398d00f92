//! The name of a session.

use crate::secret::random;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Names a session; opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Arc<str>);

impl SessionId {
    pub(super) fn random() -> Self {
        Self(URL_SAFE_NO_PAD.encode(random::<16>()).into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
impl SessionId {
    pub(crate) fn for_tests(id: &str) -> Self {
        Self(id.into())
    }
}
