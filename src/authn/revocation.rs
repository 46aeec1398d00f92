//! Sessions that were ended before their time: by sign-out, or by the provider.

use crate::clock::UnixSeconds;
use crate::state::{Away, Key, Room, State};
use std::time::Duration;

/// Ends sessions wherever the state reaches. Each end is known for as long as a session may last that it concerns.
#[derive(Clone, Debug)]
pub(super) struct Revocations {
    state: State,
    lifetime: Duration,
}

/// What a session can be ended by.
#[derive(Debug)]
pub(super) struct Marks<'a> {
    pub(super) issuer: &'a str,
    pub(super) subject: &'a str,
    pub(super) session: &'a str,
    /// `sid` of the ID token that it was established with.
    pub(super) provider_session: Option<&'a str>,
    pub(super) established: UnixSeconds,
}

/// What has ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ended<'a> {
    Session(&'a str),
    /// All sessions that came from one at the provider.
    ProviderSession {
        issuer: &'a str,
        sid: &'a str,
    },
    /// All sessions that a subject has by now.
    Subject {
        issuer: &'a str,
        subject: &'a str,
    },
    /// All sessions that a subject has by now of which is not known from which session at the provider they came.
    Unattributed {
        issuer: &'a str,
        subject: &'a str,
    },
}

impl Revocations {
    pub(super) fn new(state: State, lifetime: Duration) -> Self {
        Self { state, lifetime }
    }

    pub(super) async fn end(&self, ended: Ended<'_>, now: UnixSeconds) -> Result<(), Away> {
        self.state.end(&ended.key(), now, self.lifetime).await
    }

    pub(super) async fn concern(&self, marks: &Marks<'_>) -> Result<bool, Away> {
        let Marks { issuer, subject, session, provider_session, established } = *marks;
        let from_provider = match provider_session {
            Some(sid) => Ended::ProviderSession { issuer, sid },
            None => Ended::Unattributed { issuer, subject },
        };
        let ended = [Ended::Session(session), from_provider, Ended::Subject { issuer, subject }];
        let keys = ended.map(|ended| ended.key());
        let noted = self.state.ends(keys.each_ref()).await?;
        Ok(ended.iter().zip(noted).any(|(ended, noted)| match (ended, noted) {
            (_, None) => false,
            (Ended::Session(_) | Ended::ProviderSession { .. }, Some(_)) => true,
            // A later sign-in of the same person is another session.
            (Ended::Subject { .. } | Ended::Unattributed { .. }, Some(at)) => at >= established,
        }))
    }
}

impl Ended<'_> {
    fn key(&self) -> Key {
        match self {
            Self::Session(id) => Key::new(Room::Revocation, &["session", id]),
            Self::ProviderSession { issuer, sid } => Key::new(Room::Revocation, &["sid", issuer, sid]),
            Self::Subject { issuer, subject } => Key::new(Room::Revocation, &["sub", issuer, subject]),
            Self::Unattributed { issuer, subject } => {
                Key::new(Room::Revocation, &["sub-without-sid", issuer, subject])
            }
        }
    }
}
