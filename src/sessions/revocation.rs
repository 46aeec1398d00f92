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
    /// The exact `iss` of the provider, here and below.
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

/// The keys under which the end of one run token would be noted.
#[derive(Debug)]
pub(crate) struct WatchedToken {
    /// The token, the session that it was made in, the two of [`of_many`], and all tokens of its person.
    keys: [Key; 5],
    established: UnixSeconds,
    seen: [UnixSeconds; 3],
}

/// The names under which the end of a run token may be noted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenMarks<'a> {
    pub(crate) token: &'a str,
    pub(crate) realm: &'a str,
    pub(crate) user: &'a str,
    /// The end of all tokens of the person that was noted before this one was made.
    pub(crate) seen: UnixSeconds,
}

/// The sessions or run tokens that an end concerns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended<'a> {
    Session(&'a str),
    /// The run tokens that were made in a session.
    TokensOfSession(&'a str),
    RunToken(&'a str),
    /// All run tokens that a person has by now.
    TokensOfPerson {
        realm: &'a str,
        user: &'a str,
    },
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
        // Longer than our own `session.lifetime`: another configuration may let sessions last longer. A run token lasts no
        // longer than the longest session, by the clock of the replica that made it.
        self.state.end(&ended.key(), now, LONGEST_SESSION + 2 * SKEW).await
    }

    /// The ends noted so far that could concern the subject's sessions. Empty if the state is away.
    pub(crate) async fn seen(&self, issuer: &str, subject: &str, sid: Option<&str>) -> Seen {
        let keys = of_many(issuer, subject, sid).map(|ended| ended.key());
        Seen(self.state.ends(keys.each_ref()).await.unwrap_or_default().map(readable))
    }

    /// The end noted so far of all run tokens of a person.
    pub(crate) async fn seen_of_person(&self, realm: &str, user: &str) -> UnixSeconds {
        let key = Ended::TokensOfPerson { realm, user }.key();
        let [noted] = self.state.ends([&key]).await.unwrap_or_default();
        readable(noted)
    }

    /// Whether the session was ended by an end that was not yet noted when it began. An end that is much older than the
    /// session concerns other sessions, even if this replica learns of it only now.
    pub(crate) async fn is_revoked(&self, watched: &Watched) -> Result<bool, Unavailable> {
        let [session, others @ ..] = self.state.ends(watched.keys.each_ref()).await?;
        Ok(session.is_some() || concern(&others, &watched.seen.0, watched.established))
    }

    /// The same for a run token.
    pub(crate) async fn is_token_revoked(&self, watched: &WatchedToken) -> Result<bool, Unavailable> {
        let [token, session, others @ ..] = self.state.ends(watched.keys.each_ref()).await?;
        let is_ended = token.is_some() || session.is_some();
        Ok(is_ended || concern(&others, &watched.seen, watched.established))
    }
}

/// Whether one of the ends was not seen at the beginning of a session, and is not much older than it.
fn concern(ends: &[Option<UnixSeconds>], seen: &[UnixSeconds], established: UnixSeconds) -> bool {
    let concerns = |at: UnixSeconds, seen: UnixSeconds| at > seen && at.plus(SKEW) >= established;
    ends.iter().zip(seen).any(|(at, seen)| at.is_some_and(|at| concerns(at, *seen)))
}

/// Unreadable entries do not count as seen.
fn readable(noted: Option<UnixSeconds>) -> UnixSeconds {
    noted.filter(|at| *at < UnixSeconds(u64::MAX)).unwrap_or_default()
}

impl<'a> Marks<'a> {
    pub(crate) fn watched(&self) -> Watched {
        let keys = self.ended().map(|ended| ended.key());
        Watched { keys, established: self.established, seen: self.seen }
    }

    /// The keys of a run token that was made in this session, or by a bearer token that counts as a session of its own.
    pub(crate) fn watched_by(&self, token: TokenMarks<'_>) -> WatchedToken {
        let TokenMarks { token, realm, user, seen } = token;
        let [from_provider, of_subject] = of_many(self.issuer, self.subject, self.provider_session);
        let ended = [
            Ended::RunToken(token),
            Ended::TokensOfSession(self.session),
            from_provider,
            of_subject,
            Ended::TokensOfPerson { realm, user },
        ];
        let [of_provider, seen_of_subject] = self.seen.0;
        WatchedToken {
            keys: ended.map(|ended| ended.key()),
            established: self.established,
            seen: [of_provider, seen_of_subject, seen],
        }
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
            Self::TokensOfSession(id) => Key::new(Namespace::Revocation, &["tokens-of-session", id]),
            Self::RunToken(id) => Key::new(Namespace::Revocation, &["run-token", id]),
            Self::TokensOfPerson { realm, user } => {
                Key::new(Namespace::Revocation, &["tokens-of-person", realm, user])
            }
            Self::ProviderSession { issuer, sid } => Key::new(Namespace::Revocation, &["sid", issuer, sid]),
            Self::Subject { issuer, subject } => Key::new(Namespace::Revocation, &["sub", issuer, subject]),
            Self::Unattributed { issuer, subject } => {
                Key::new(Namespace::Revocation, &["sub-without-sid", issuer, subject])
            }
        }
    }
}
