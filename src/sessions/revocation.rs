//! Sessions that were ended before their time: by sign-out, or by the provider.

use crate::clock::UnixSeconds;
use crate::config::LONGEST_SESSION;
use crate::state::{Key, Namespace, State, Unavailable};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The most by which the clocks of replicas may differ.
const SKEW: Duration = Duration::from_secs(60);

/// Ends sessions wherever the state reaches. Each end is remembered for as long as a session that it concerns may last.
#[derive(Clone, Debug)]
pub(crate) struct Revocations {
    state: State,
}

/// The names under which the end of a session may be noted.
#[derive(Debug)]
pub(crate) struct Marks<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) session: &'a str,
    /// `sid` of the ID token with which the session was established.
    pub(crate) provider_session: Option<&'a str>,
    pub(crate) established: UnixSeconds,
    pub(crate) seen: Seen,
}

/// The ends that were noted before a session began, and so do not concern it: the end of the session at the provider,
/// and that of the subject. They are compared by identity, not by time: each end is later than the one before under its
/// name, by whichever clock (`State::end`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen([UnixSeconds; 2]);

/// The keys under which the end of one session would be noted.
#[derive(Debug)]
pub(crate) struct Watched {
    /// In the order of [`Marks::ended`].
    keys: [Key; 3],
    established: UnixSeconds,
    seen: Seen,
}

/// The sessions that an end concerns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended<'a> {
    Session(&'a str),
    /// All sessions that came from one session at the provider.
    ProviderSession {
        issuer: &'a str,
        sid: &'a str,
    },
    /// All sessions that a subject has by now.
    Subject {
        issuer: &'a str,
        subject: &'a str,
    },
    /// All of a subject's sessions up to now whose session at the provider is not known.
    Unattributed {
        issuer: &'a str,
        subject: &'a str,
    },
}

impl Revocations {
    pub(crate) fn new(state: State) -> Self {
        Self { state }
    }

    pub(crate) async fn end(&self, ended: Ended<'_>, now: UnixSeconds) -> Result<(), Unavailable> {
        // Longer than our own `session.lifetime`: another configuration may let sessions last longer.
        self.state.end(&ended.key(), now, LONGEST_SESSION).await
    }

    /// The ends noted so far that could concern the subject's sessions. Empty if the state is away.
    pub(crate) async fn seen(&self, issuer: &str, subject: &str, sid: Option<&str>) -> Seen {
        let keys = of_many(issuer, subject, sid).map(|ended| ended.key());
        let noted = self.state.ends(keys.each_ref()).await.unwrap_or_default();
        // Unreadable entries do not count as seen.
        Seen(noted.map(|at| at.filter(|at| *at < UnixSeconds(u64::MAX)).unwrap_or_default()))
    }

    /// Whether the session was ended by an end that was not yet noted when it began. An end that is much older than the
    /// session concerns other sessions, even if this replica learns of it only now.
    pub(crate) async fn is_revoked(&self, watched: &Watched) -> Result<bool, Unavailable> {
        let [session, others @ ..] = self.state.ends(watched.keys.each_ref()).await?;
        let mut others = others.into_iter().zip(watched.seen.0);
        let concerns = |at: UnixSeconds, seen| at > seen && at.plus(SKEW) >= watched.established;
        Ok(session.is_some() || others.any(|(at, seen)| at.is_some_and(|at| concerns(at, seen))))
    }
}

impl<'a> Marks<'a> {
    pub(crate) fn watched(&self) -> Watched {
        let keys = self.ended().map(|ended| ended.key());
        Watched { keys, established: self.established, seen: self.seen }
    }

    /// The session itself first.
    fn ended(&self) -> [Ended<'a>; 3] {
        let Self { issuer, subject, session, provider_session, .. } = *self;
        let [from_provider, of_subject] = of_many(issuer, subject, provider_session);
        [Ended::Session(session), from_provider, of_subject]
    }
}

impl Seen {
    /// The same session under another name at the provider.
    pub(crate) fn of_subject(self) -> Self {
        Self([UnixSeconds::default(), self.0[1]])
    }
}

/// In the order of [`Seen`].
fn of_many<'a>(issuer: &'a str, subject: &'a str, provider_session: Option<&'a str>) -> [Ended<'a>; 2] {
    let from_provider = match provider_session {
        Some(sid) => Ended::ProviderSession { issuer, sid },
        None => Ended::Unattributed { issuer, subject },
    };
    [from_provider, Ended::Subject { issuer, subject }]
}

impl Ended<'_> {
    fn key(&self) -> Key {
        match self {
            Self::Session(id) => Key::new(Namespace::Revocation, &["session", id]),
            Self::ProviderSession { issuer, sid } => Key::new(Namespace::Revocation, &["sid", issuer, sid]),
            Self::Subject { issuer, subject } => Key::new(Namespace::Revocation, &["sub", issuer, subject]),
            Self::Unattributed { issuer, subject } => {
                Key::new(Namespace::Revocation, &["sub-without-sid", issuer, subject])
            }
        }
    }
}
