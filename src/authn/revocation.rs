//! Sessions that were ended before their time: by sign-out, or by the provider.

use crate::clock::UnixSeconds;
use crate::config::LONGEST_SESSION;
use crate::state::{Away, Key, Room, State};
use std::time::Duration;

/// By how much the clocks of replicas may differ.
const SKEW: Duration = Duration::from_secs(60);

/// Ends sessions wherever the state reaches. Each end is known for as long as a session may last that it concerns.
#[derive(Clone, Debug)]
pub(super) struct Revocations {
    state: State,
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

/// The places where the end of one session would be noted, ready to be looked at.
#[derive(Debug)]
pub(super) struct Watched {
    /// In the order of [`Marks::ended`].
    keys: [Key; 3],
    established: UnixSeconds,
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
    pub(super) fn new(state: State) -> Self {
        Self { state }
    }

    pub(super) async fn end(&self, ended: Ended<'_>, now: UnixSeconds) -> Result<(), Away> {
        // Not only for our own `session.lifetime`: another configuration may let sessions last for longer.
        self.state.end(&ended.key(), now, LONGEST_SESSION).await
    }

    /// From when on a session counts that begins now. The provider has stood by it after whatever it ended before: ends are
    /// known by the second, and by other clocks.
    pub(super) async fn beginning(&self, marks: &Marks<'_>) -> UnixSeconds {
        let noted = self.state.ends(marks.watched().keys.each_ref()).await.unwrap_or_default();
        match noted.into_iter().flatten().max() {
            Some(at) if at >= marks.established && at.since(marks.established) <= SKEW => {
                UnixSeconds(at.0.saturating_add(1))
            }
            _ => marks.established,
        }
    }

    /// Whether the session that is watched was ended.
    pub(super) async fn is_revoked(&self, watched: &Watched) -> Result<bool, Away> {
        let [session, others @ ..] = self.state.ends(watched.keys.each_ref()).await?;
        // What was signed in to later is another session, also where the provider names it like the one before.
        Ok(session.is_some() || others.into_iter().flatten().any(|at| at >= watched.established))
    }
}

impl<'a> Marks<'a> {
    pub(super) fn watched(&self) -> Watched {
        Watched { keys: self.ended().map(|ended| ended.key()), established: self.established }
    }

    /// The session itself first.
    fn ended(&self) -> [Ended<'a>; 3] {
        let Self { issuer, subject, session, provider_session, .. } = *self;
        let from_provider = match provider_session {
            Some(sid) => Ended::ProviderSession { issuer, sid },
            None => Ended::Unattributed { issuer, subject },
        };
        [Ended::Session(session), from_provider, Ended::Subject { issuer, subject }]
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
