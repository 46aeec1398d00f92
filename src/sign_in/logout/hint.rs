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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, UnixSeconds};
    use crate::provider::principal::Groups;
    use crate::sessions::seal::SealingKey;
    use url::Url;

    fn person(subject: &str) -> Principal {
        Principal {
            realm: "corp".into(),
            user: subject.to_owned(),
            issuer: "corp".into(),
            subject: subject.to_owned(),
            name: None,
            groups: Groups::LeftOut,
            groups_total: None,
            claims: Arc::default(),
        }
    }

    /// Somebody who may write to the state cannot open what is sealed, but can put it elsewhere.
    #[tokio::test]
    async fn a_token_under_the_name_of_another_session_is_refused() {
        let url = Url::parse("https://ml.corp.example").unwrap();
        let sealer = Sealer::new(&SealingKey::random(), &[], &url, "https://sso.corp.example");
        let state = State::in_memory(Clock::manual(UnixSeconds(1_800_000_000)));
        let hints = Hints::new(Arc::new(sealer), state.clone(), Duration::from_secs(60));
        let (ada, grace) = (person("ada"), person("grace"));
        for (theirs, session) in [(&grace, Some("one")), (&ada, Some("two")), (&ada, None)] {
            hints.keep(&ada, Some("one"), "the token of ada").await;
            let sealed = state.value(&key(&ada, Some("one"))).await.unwrap().unwrap();
            state.put(&key(theirs, session), &sealed, Duration::from_secs(60)).await.unwrap();
            assert_eq!(hints.take(theirs, session).await, None);
            assert_eq!(hints.take(&ada, Some("one")).await.as_deref(), Some("the token of ada"));
            assert_eq!(hints.take(&ada, Some("one")).await, None, "once");
        }
    }
}
