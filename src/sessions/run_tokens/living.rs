//! The list of a person's run tokens: names and times, never the tokens.
//!
//! Each person has a number of places in the shared state. An entry takes a free one and leaves it when its token
//! expires, so the list needs no lock.

use crate::clock::UnixSeconds;
use crate::sessions::content::Content;
use crate::sessions::revocation::{Marks, Revocations, Seen, TokenMarks, WatchedToken};
use crate::sessions::seal::{Purpose, Sealer};
use crate::sessions::session_id::SessionId;
use crate::state::{Key, Namespace, State, Unavailable};
use crate::target::Access;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Places of one person.
pub const MOST_LISTED: usize = 50;
/// Other replicas may take places at the same moment.
const TRIES: usize = 8;

/// A run token on its person's list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub id: String,
    /// `None` where its maker gave none.
    pub name: Option<String>,
    pub destination: String,
    pub access: Access,
    pub issued: UnixSeconds,
    pub expires: UnixSeconds,
    /// The owner of the place: an entry does not open at another's.
    pub(super) owner: Owner,
    pub(super) roots: Roots,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) realm: String,
    pub(super) user: String,
}

/// The names under which the end of the token may be noted, beside its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Roots {
    issuer: String,
    subject: String,
    session: SessionId,
    provider_session: Option<Arc<str>>,
    established: UnixSeconds,
    seen: Seen,
    seen_of_person: UnixSeconds,
}

#[derive(Debug)]
pub(super) struct Living {
    sealer: Arc<Sealer>,
    state: State,
    revocations: Revocations,
}

impl Roots {
    pub(super) fn of(content: &Content, iss: &str, seen_of_person: UnixSeconds) -> Self {
        let marks = content.marks(iss);
        Self {
            issuer: iss.to_owned(),
            subject: content.subject.clone(),
            session: content.id.clone(),
            provider_session: content.provider_session.clone(),
            established: marks.established,
            seen: marks.seen,
            seen_of_person,
        }
    }
}

impl Entry {
    fn watched(&self) -> WatchedToken {
        let Roots { issuer, subject, session, provider_session, established, seen, seen_of_person } =
            &self.roots;
        let marks = Marks {
            issuer,
            subject,
            session: session.as_str(),
            provider_session: provider_session.as_deref(),
            established: *established,
            seen: *seen,
        };
        let Owner { realm, user } = &self.owner;
        marks.watched_by(TokenMarks { token: &self.id, realm, user, seen: *seen_of_person })
    }
}

impl Living {
    pub(super) fn new(sealer: Arc<Sealer>, state: State, revocations: Revocations) -> Self {
        Self { sealer, state, revocations }
    }

    /// Whether there was a place.
    pub(super) async fn add(&self, entry: &Entry, keep: Duration) -> Result<bool, Unavailable> {
        let places = places(&entry.owner);
        let mut taken = self.state.values(&places).await?;
        if taken.iter().all(Option::is_some) {
            self.of(&entry.owner).await?;
            taken = self.state.values(&places).await?;
        }
        // Texts and numbers always become JSON.
        let text = serde_json::to_vec(entry).unwrap_or_default();
        let sealed = self.sealer.seal(Purpose::RunTokenNote, &text);
        let free = places.iter().zip(&taken).filter(|(_, taken)| taken.is_none());
        for (place, _) in free.take(TRIES) {
            if self.state.put_new(place, sealed.as_bytes(), keep).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The newest first. Tokens that were ended leave the list.
    pub(super) async fn of(&self, owner: &Owner) -> Result<Vec<Entry>, Unavailable> {
        let mut living = Vec::new();
        for (place, entry) in self.entries(owner).await? {
            if self.revocations.is_token_revoked(&entry.watched()).await? {
                self.state.remove(&place).await?;
            } else {
                living.push(entry);
            }
        }
        living.sort_by(|a, b| b.issued.cmp(&a.issued).then_with(|| a.id.cmp(&b.id)));
        Ok(living)
    }

    /// Removes a token from the list, and returns what it said.
    pub(super) async fn remove(&self, owner: &Owner, id: &str) -> Result<Option<Entry>, Unavailable> {
        let entries = self.entries(owner).await?;
        let Some((place, entry)) = entries.into_iter().find(|(_, entry)| entry.id == id) else {
            return Ok(None);
        };
        self.state.remove(&place).await?;
        Ok(Some(entry))
    }

    /// An entry of a key that is gone is not listed: its token is void, too.
    async fn entries(&self, owner: &Owner) -> Result<Vec<(Key, Entry)>, Unavailable> {
        let places = places(owner);
        let values = self.state.values(&places).await?;
        let opened = places.into_iter().zip(values).filter_map(|(place, sealed)| {
            let text = self.sealer.open(Purpose::RunTokenNote, &sealed?)?;
            let entry = serde_json::from_slice::<Entry>(&text).ok()?;
            (entry.owner == *owner).then_some((place, entry))
        });
        Ok(opened.collect())
    }
}

fn places(owner: &Owner) -> Vec<Key> {
    let Owner { realm, user } = owner;
    let place = |number: usize| Key::new(Namespace::RunToken, &[realm, user, &number.to_string()]);
    (0..MOST_LISTED).map(place).collect()
}
