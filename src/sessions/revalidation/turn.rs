//! One turn: asks the provider about one session, and acts on the answer.

use super::report::Report;
use crate::clock::UnixSeconds;
use crate::config::RevalidationConfig;
use crate::provider::error::ProviderError;
use crate::provider::principal::{Groups, Principal, states};
use crate::provider::relying_party::RelyingParty;
use crate::sessions::content::Content;
use crate::sessions::record::Record;
use crate::sessions::revocation::Ended;
use crate::sessions::store::SessionStore;
use crate::state::{Key, Namespace, Unavailable};
use crate::tokens::claim::stated;
use crate::tokens::claims::Expected;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The longest wait of a request for a session that is long overdue, and of a replica for another one's answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Sessions that the provider is asked about at once.
const MOST_ASKED: usize = 32;
/// The time between two look-ups of another replica's answer.
const GLANCE: Duration = Duration::from_millis(200);
/// Longer than the provider's metadata, token endpoint, keys and `UserInfo` may take together.
const LONGEST_TURN: Duration = Duration::from_secs(45);

/// Asks the provider about sessions, one turn for each.
#[derive(Debug)]
pub(super) struct Turns {
    pub(super) store: Arc<SessionStore>,
    interval: Duration,
    unconfirmed: Duration,
    party: Arc<RelyingParty>,
    permits: Semaphore,
    pub(super) report: Report,
}

#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The content that the cookie is to carry from now on.
    Confirmed(Arc<[u8]>),
    Withdrawn,
    /// The answer is not known now.
    Failed(Cause),
}

/// The reason why a session was neither confirmed nor ended, with the word for the audit trail.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    /// The provider or the shared state is away.
    Outage(&'static str),
    /// The provider is there, but it refuses this gateway or its answers cannot be used.
    Ours(&'static str),
    /// Another replica is asking, and has no answer yet.
    Untold,
}

/// The reason why asking again failed.
enum Refusal {
    /// The provider does not confirm the session: the word for the audit trail, and its answer.
    Withdrawn(&'static str, Option<ProviderError>),
    /// The fault is ours, not the person's. Ending sessions at once would lock everybody out for it.
    Misconfigured(ProviderError),
    Unavailable(ProviderError),
    StateAway,
}

impl Turns {
    pub(super) fn new(
        store: Arc<SessionStore>,
        config: RevalidationConfig,
        party: Arc<RelyingParty>,
        report: Report,
    ) -> Self {
        let RevalidationConfig { interval, unconfirmed } = config;
        Self { store, interval, unconfirmed, party, permits: Semaphore::new(MOST_ASKED), report }
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    pub(super) fn is_due(&self, content: &Content, now: UnixSeconds) -> bool {
        now.since(content.validated) >= self.interval
    }

    pub(super) fn is_overdue(&self, content: &Content, now: UnixSeconds) -> bool {
        now.since(content.validated) >= self.interval * 2
    }

    /// Whether a fault of our client has lasted too long to keep the session.
    pub(super) fn is_unconfirmed(&self, content: &Content, now: UnixSeconds) -> bool {
        now.since(content.validated) >= self.unconfirmed
    }

    /// Asks the provider, or waits for the answer if another replica is asking.
    pub(super) async fn take_turn(&self, content: &Content) -> Outcome {
        let Ok(_permit) = self.permits.acquire().await else { return Outcome::Failed(Cause::Untold) };
        let turn = Key::new(Namespace::Lock, &["revalidation", content.id.as_str()]);
        match self.store.state.put_new(&turn, b"", LONGEST_TURN).await {
            Ok(true) => {
                let outcome = self.ask(content).await;
                // A lock that is not removed expires by itself.
                let _ = self.store.state.remove(&turn).await;
                outcome
            }
            Ok(false) => self.wait_for_other(content).await,
            Err(Unavailable) => self.not_confirmed(content, Refusal::StateAway).await,
        }
    }

    async fn wait_for_other(&self, content: &Content) -> Outcome {
        let watched = content.marks(&self.party.issuer().config().issuer).watched();
        let look = async {
            loop {
                tokio::time::sleep(GLANCE).await;
                if self.store.revocations.is_revoked(&watched).await == Ok(true) {
                    return Outcome::Withdrawn;
                }
                if let Ok(Some(Record { content: Some(text), .. })) =
                    self.store.records.load(&content.id).await
                    && let Some(noted) = Content::parse(&text)
                    && !self.is_due(&noted, self.store.clock.now())
                {
                    return Outcome::Confirmed(text.into());
                }
            }
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap_or(Outcome::Failed(Cause::Untold))
    }

    async fn ask(&self, content: &Content) -> Outcome {
        // Another replica may have been here a moment ago, and a refresh token is good for one use.
        let mut record = match self.store.records.load(&content.id).await {
            Ok(Some(record)) => record,
            Ok(None) => return Outcome::Failed(Cause::Untold),
            Err(Unavailable) => return self.not_confirmed(content, Refusal::StateAway).await,
        };
        if let Some(text) = &record.content
            && let Some(noted) = Content::parse(text)
            && !self.is_due(&noted, self.store.clock.now())
        {
            return Outcome::Confirmed(text.as_slice().into());
        }
        match self.refreshed(content, &mut record).await {
            Ok(text) => {
                self.report.confirmed();
                Outcome::Confirmed(text.into())
            }
            Err(refusal) => self.not_confirmed(content, refusal).await,
        }
    }

    /// An outage keeps a session going without a limit. A fault of ours keeps it going for a while.
    async fn not_confirmed(&self, content: &Content, refusal: Refusal) -> Outcome {
        let now = self.store.clock.now();
        match refusal {
            Refusal::Withdrawn(reason, error) => {
                self.report.answered();
                self.report.tell_of(error.as_ref());
                self.withdraw(content, reason, error.as_ref()).await;
                Outcome::Withdrawn
            }
            Refusal::Misconfigured(error) => {
                self.report.answered();
                self.report.refused(&error, self.unconfirmed, now);
                if self.is_unconfirmed(content, now) {
                    self.withdraw(content, "unconfirmed", Some(&error)).await;
                    return Outcome::Withdrawn;
                }
                Outcome::Failed(Cause::Ours(error.reason()))
            }
            Refusal::Unavailable(error) => {
                self.report.unanswered(&error.to_string());
                Outcome::Failed(Cause::Outage(error.reason()))
            }
            Refusal::StateAway => {
                self.report.unanswered(&Unavailable.to_string());
                Outcome::Failed(Cause::Outage("state-away"))
            }
        }
    }

    /// The provider's current answer. A new refresh token is kept even if the rest fails: the old one is void.
    async fn refreshed(&self, content: &Content, record: &mut Record) -> Result<Vec<u8>, Refusal> {
        let party = &self.party;
        let refresh_token = record.refresh_token.as_deref();
        let refresh_token = refresh_token.ok_or(Refusal::Withdrawn("no-refresh-token", None))?;
        let tokens = party.refresh(refresh_token).await?;
        let rotated = tokens.refresh_token.clone().filter(|new| *new != refresh_token);
        if let Some(new) = &rotated {
            record.refresh_token = Some(new.clone());
        }
        let expected = Expected::RefreshedIdToken {
            client_id: party.client_id(),
            subject: &content.subject,
            nonce: record.nonce.as_deref(),
        };
        let now = self.store.clock.now();
        let until = content.established.plus(self.store.lifetime);
        let access_token = tokens.access_token.as_deref();
        let person = match &tokens.id_token {
            Some(id_token) => match party.verify(id_token, expected).await {
                Ok(claims) => party.person(claims, access_token).await,
                Err(error) => Err(error),
            },
            None => {
                let (subject, sign_in) = (&content.subject, content.sign_in_claims());
                party.person_without_id_token(access_token, subject, sign_in).await
            }
        };
        let withdrawn = |reason| Err(Refusal::Withdrawn(reason, None));
        let confirmed = match person.map_err(Refusal::from) {
            Ok(person) if person.principal.user != content.user => withdrawn("user-changed"),
            Ok(person) if self.is_incomplete(content, &person.principal) => withdrawn("answer-incomplete"),
            Ok(person) => match self.store.fit(content.told_anew(&person)) {
                Ok((content, _)) => Ok(content),
                Err(_) => withdrawn("session-too-big"),
            },
            Err(refusal) => Err(refusal),
        };
        match confirmed {
            Ok(mut confirmed) => {
                confirmed.validated = now;
                let text = confirmed.to_text();
                record.content = Some(text.clone());
                self.store
                    .records
                    .store(record, until, now)
                    .await
                    .map_err(|Unavailable| Refusal::StateAway)?;
                Ok(text)
            }
            Err(refusal) => {
                if rotated.is_some() && !matches!(refusal, Refusal::Withdrawn(..)) {
                    let _ = self.store.records.store(record, until, now).await;
                }
                Err(refusal)
            }
        }
    }

    /// Whether the answer leaves out something that the rules read of this session. It may (OpenID Connect Core 1.0,
    /// section 12.2). Then only a sign-in can tell whether the person lost it or the provider does not repeat it.
    fn is_incomplete(&self, content: &Content, told: &Principal) -> bool {
        let path = &self.party.issuer().config().claims.groups.path;
        let tells_groups = told.groups == Groups::LeftOut || states(&told.claims, path);
        let lost_groups = content.is_in_groups() && !tells_groups;
        // A claim that is no longer there, and the configuration does not say what its absence means.
        let lost_claim = content.knows_groups() && !tells_groups && told.groups.unbound().is_some();
        lost_groups
            || lost_claim
            || content
                .claim_names()
                .any(|name| self.store.questions.ask_for_claim(name) && stated(&told.claims, name).is_none())
    }

    /// Ends a session everywhere, and the run tokens that were made in it.
    pub(super) async fn withdraw(
        &self,
        content: &Content,
        reason: &'static str,
        error: Option<&ProviderError>,
    ) {
        // If the state is away, this replica knows of the end, and the record's refresh token is void for the others.
        let tokens = self.store.end(Ended::TokensOfSession(content.id.as_str())).await;
        let everywhere = self.store.end(Ended::Session(content.id.as_str())).await.and(tokens).is_ok();
        let _ = self.store.records.remove(&content.id).await;
        self.report.withdrawn(content, reason, error, everywhere);
    }
}

impl From<ProviderError> for Refusal {
    fn from(error: ProviderError) -> Self {
        if error.is_outage() {
            Self::Unavailable(error)
        } else if error.is_about_the_client() {
            Self::Misconfigured(error)
        } else {
            Self::Withdrawn(error.reason(), Some(error))
        }
    }
}
