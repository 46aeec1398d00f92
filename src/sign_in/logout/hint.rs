//! The ID token of a sign-in, kept for its sign-out: it tells the provider whose session to end.

use crate::provider::principal::Principal;
use crate::sessions::seal::{Purpose, Sealer};
use crate::state::{Key, Namespace, State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The token goes into an address, and servers accept addresses of 8 KB.
const LONGEST: usize = 6 * 1024;

/// ID tokens, sealed, in the state, by the session at the provider that they name.
#[derive(Clone, Debug)]
pub struct Hints {
    sealer: Arc<Sealer>,
    state: State,
    keep: Duration,
}

#[derive(Serialize, Deserialize)]
struct Hint {
    subject: String,
    provider_session: Option<String>,
    id_token: String,
}

impl Hints {
    /// `keep` is a session's lifetime.
    pub fn new(sealer: Arc<Sealer>, state: State, keep: Duration) -> Self {
        Self { sealer, state, keep }
    }

    /// Without it, a sign-out still works: the provider may ask the person.
    pub(crate) async fn keep(&self, principal: &Principal, provider_session: Option<&str>, id_token: &str) {
        if id_token.len() > LONGEST {
            return;
        }
        let hint = Hint {
            subject: principal.subject.clone(),
            provider_session: provider_session.map(str::to_owned),
            id_token: id_token.to_owned(),
        };
        let text = serde_json::to_vec(&hint).unwrap_or_default();
        let sealed = self.sealer.seal(Purpose::IdToken, &text);
        _ = self.state.put(&key(principal, provider_session), sealed.as_bytes(), self.keep).await;
    }

    pub(super) async fn take(&self, principal: &Principal, provider_session: Option<&str>) -> Option<String> {
        let key = key(principal, provider_session);
        let sealed = self.state.value(&key).await.ok()?;
        let text = self.sealer.open(Purpose::IdToken, &sealed?)?;
        let hint: Hint = serde_json::from_slice(&text).ok()?;
        _ = self.state.remove(&key).await;
        // A token of another person, which an attacker with write access to the state could have put here, is refused.
        let is_theirs =
            hint.subject == principal.subject && hint.provider_session.as_deref() == provider_session;
        is_theirs.then_some(hint.id_token)
    }
}

fn key(principal: &Principal, provider_session: Option<&str>) -> Key {
    let session = provider_session.unwrap_or_default();
    Key::new(Namespace::IdToken, &[&principal.issuer, &principal.subject, session])
}
