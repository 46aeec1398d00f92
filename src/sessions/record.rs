//! The record of a session in the shared state: the provider's tokens never go into a browser.

use super::session_id::SessionId;
use crate::clock::UnixSeconds;
use crate::sessions::seal::{Purpose, Sealer};
use crate::state::{Key, Namespace, State, Unavailable};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The part of the provider's answer that is kept, and never goes into a cookie.
#[derive(Clone, Default)]
pub struct ProviderTokens {
    pub refresh_token: Option<String>,
    /// The `nonce` of the ID token.
    pub nonce: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// The owner of the record: it does not open as another session's.
    session: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
    /// The `nonce` of the sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nonce: Option<String>,
    /// The provider's last answer after the sign-in: the cookie is to carry it from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Vec<u8>>,
}

/// Records in the shared state, sealed.
#[derive(Debug)]
pub(super) struct Records {
    sealer: Arc<Sealer>,
    state: State,
}

impl Record {
    pub(super) fn new(session: SessionId, tokens: ProviderTokens) -> Self {
        let ProviderTokens { refresh_token, nonce } = tokens;
        Self { session, refresh_token, nonce, content: None }
    }
}

impl Records {
    pub(super) fn new(sealer: Arc<Sealer>, state: State) -> Self {
        Self { sealer, state }
    }

    pub(super) async fn load(&self, session: &SessionId) -> Result<Option<Record>, Unavailable> {
        let sealed = self.state.value(&key(session)).await?;
        let text = sealed.and_then(|sealed| self.sealer.open(Purpose::Record, &sealed));
        let record = text.and_then(|text| serde_json::from_slice::<Record>(&text).ok());
        Ok(record.filter(|record| record.session == *session))
    }

    pub(super) async fn store(
        &self,
        record: &Record,
        until: UnixSeconds,
        now: UnixSeconds,
    ) -> Result<(), Unavailable> {
        // Texts, numbers and lists always become JSON.
        let text = serde_json::to_vec(record).unwrap_or_default();
        let sealed = self.sealer.seal(Purpose::Record, &text);
        self.state.put(&key(&record.session), sealed.as_bytes(), until.since(now).max(SHORTEST)).await
    }

    pub(super) async fn remove(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.state.remove(&key(session)).await
    }
}

/// A clock that was set back must not make a record vanish at once.
const SHORTEST: Duration = Duration::from_secs(1);

fn key(session: &SessionId) -> Key {
    Key::new(Namespace::Session, &["record", session.as_str()])
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record(..)")
    }
}

impl fmt::Debug for ProviderTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderTokens(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::sessions::seal::SealingKey;
    use url::Url;

    /// A record that somebody copies to another session's place in the shared state does not open there.
    #[tokio::test]
    async fn a_record_is_of_its_own_session() {
        let now = UnixSeconds(1_800_000_000);
        let state = State::in_memory(Clock::manual(now));
        let url = Url::parse("https://ml.corp.example").unwrap();
        let sealer = Sealer::new(&SealingKey::random(), &[], &url, "https://sso.corp.example");
        let records = Records::new(Arc::new(sealer), state.clone());
        let (ada, max) = (SessionId::for_tests("ada"), SessionId::for_tests("max"));
        let tokens = ProviderTokens { refresh_token: Some("r".to_owned()), nonce: None };
        let minute = Duration::from_secs(60);
        records.store(&Record::new(ada.clone(), tokens), now.plus(minute), now).await.unwrap();
        let sealed = state.value(&key(&ada)).await.unwrap().unwrap();
        state.put(&key(&max), &sealed, minute).await.unwrap();
        assert_eq!(records.load(&ada).await.unwrap().unwrap().refresh_token.as_deref(), Some("r"));
        assert!(records.load(&max).await.unwrap().is_none());
    }
}
