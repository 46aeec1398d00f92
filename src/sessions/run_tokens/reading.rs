//! A token as it is read: its form, and what its seal held.

use super::error::About;
use super::sealed::Head;
use crate::provider::principal::{Groups, Principal};
use crate::sessions::content::{Content, Home};
use crate::sessions::opened::Reading as Session;
use crate::sessions::revocation::{TokenMarks, WatchedToken};
use crate::sessions::seal::Purpose;
use crate::sessions::selection::{Questions, Unanswered};
use std::sync::Arc;

/// The beginnings of our tokens, by which people and secret scanners recognise them.
const RUN: &str = "postern_run_";
const TERMINAL: &str = "postern_terminal_";

/// The two tokens, which differ in the key that seals them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Run,
    /// Makes run tokens for its person, and nothing else.
    Terminal,
}

/// A token that our key opened, as this configuration understands it.
pub(super) struct Reading {
    pub(super) kind: Kind,
    /// The session of a terminal's token.
    pub(super) session: Option<Arc<Session>>,
    pub(super) head: Head,
    pub(super) about: About,
    pub(super) watched: WatchedToken,
    pub(super) principal: Result<Arc<Principal>, Unanswered>,
}

impl Kind {
    pub(super) fn of(text: &str) -> Option<Self> {
        [Self::Run, Self::Terminal].into_iter().find(|kind| text.starts_with(kind.form().0))
    }

    /// Prefix and purpose.
    pub(super) fn form(self) -> (&'static str, Purpose) {
        match self {
            Self::Run => (RUN, Purpose::RunToken),
            Self::Terminal => (TERMINAL, Purpose::Terminal),
        }
    }
}

impl Reading {
    pub(super) fn new(kind: Kind, head: Head, content: &Content, home: &Home, questions: &Questions) -> Self {
        let about = About {
            id: head.id.clone(),
            principal: Arc::new(content.principal(home, Groups::LeftOut)),
            destination: Arc::clone(&head.destination),
            expires: head.expires,
        };
        let marks = TokenMarks {
            token: &head.id,
            realm: &head.realm,
            user: &content.user,
            seen: head.seen_of_person,
        };
        let watched = content.marks(&home.iss).watched_by(marks);
        let principal = content.groups(questions).map(|groups| Arc::new(content.principal(home, groups)));
        let session = || Arc::new(Session::new(content.clone(), home.clone(), questions));
        let session = (kind == Kind::Terminal).then(session);
        Self { kind, session, about, watched, principal, head }
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reading(..)")
    }
}
