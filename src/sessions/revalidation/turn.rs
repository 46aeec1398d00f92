//! One turn: asking the provider about one session, and what follows from its answer.

use super::{Outcome, PATIENCE, Revalidation};
use crate::audit::{Event, Record as AuditRecord};
use crate::provider::error::SignInError;
use crate::provider::principal::{Groups, Principal, states};
use crate::sessions::Sessions;
use crate::sessions::content::Content;
use crate::sessions::record::Record;
use crate::sessions::revocation::Ended;
use crate::state::{Away, Key, Room};
use crate::tokens::claims::Expected;
use std::time::Duration;

/// Between two looks at what another replica learns.
const GLANCE: Duration = Duration::from_millis(200);
/// Longer than the provider's metadata, its token endpoint, keys and `UserInfo` may take together.
const LONGEST_TURN: Duration = Duration::from_secs(45);

/// Why asking again gave nothing.
pub(super) enum Refusal {
    /// The provider does not stand by the session: the word for the audit trail.
    Withdrawn(&'static str),
    /// It is about us, not the person. Ending sessions would lock everybody out for a mistake of ours.
    Misconfigured(SignInError),
    Unavailable(SignInError),
    StateAway,
}

impl Sessions {
    /// Asks the provider, unless another replica does: then its answer is waited for.
    pub(super) async fn take_turn(&self, revalidation: &Revalidation, content: &Content) -> Outcome {
        let Ok(_permit) = revalidation.asking.acquire().await else { return Outcome::Failed };
        let turn = Key::new(Room::Lock, &["revalidation", content.id.as_str()]);
        match self.state.put_new(&turn, b"", LONGEST_TURN).await {
            Ok(true) => {
                let outcome = self.ask(revalidation, content).await;
                // At worst it ends by itself.
                let _ = self.state.remove(&turn).await;
                outcome
            }
            Ok(false) => self.wait_for_other(revalidation, content).await,
            Err(Away) => {
                revalidation.failed(&Refusal::StateAway);
                Outcome::Failed
            }
        }
    }

    async fn wait_for_other(&self, revalidation: &Revalidation, content: &Content) -> Outcome {
        let watched = content.marks().watched();
        let look = async {
            loop {
                tokio::time::sleep(GLANCE).await;
                if self.revocations.is_revoked(&watched).await == Ok(true) {
                    return Outcome::Withdrawn;
                }
                if let Ok(Some(Record { content: Some(text), .. })) = self.records.load(&content.id).await
                    && let Some(noted) = Content::parse(&text)
                    && !revalidation.is_due(&noted, self.clock.now())
                {
                    return Outcome::Confirmed(text.into());
                }
            }
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap_or(Outcome::Failed)
    }

    async fn ask(&self, revalidation: &Revalidation, content: &Content) -> Outcome {
        // Another replica may have been here a moment ago, and a refresh token is good for one use.
        let mut record = match self.records.load(&content.id).await {
            Ok(Some(record)) => record,
            Ok(None) | Err(Away) => return Outcome::Failed,
        };
        if let Some(text) = &record.content
            && let Some(noted) = Content::parse(text)
            && !revalidation.is_due(&noted, self.clock.now())
        {
            return Outcome::Confirmed(text.as_slice().into());
        }
        match self.refreshed(revalidation, content, &mut record).await {
            Ok(text) => {
                revalidation.answered();
                revalidation.metrics.sessions.revalidated.inc();
                Outcome::Confirmed(text.into())
            }
            Err(Refusal::Withdrawn(reason)) => {
                revalidation.answered();
                self.withdraw(revalidation, content, reason).await;
                Outcome::Withdrawn
            }
            Err(refusal) => {
                revalidation.failed(&refusal);
                Outcome::Failed
            }
        }
    }

    /// What the provider says now. A new refresh token is kept whatever becomes of the rest: the old one is void.
    async fn refreshed(
        &self,
        revalidation: &Revalidation,
        content: &Content,
        record: &mut Record,
    ) -> Result<Vec<u8>, Refusal> {
        let party = &revalidation.party;
        let refresh_token = record.refresh_token.as_deref().ok_or(Refusal::Withdrawn("no-refresh-token"))?;
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
        let now = self.clock.now();
        let until = content.established.plus(self.lifetime);
        let person = match &tokens.id_token {
            Some(id_token) => party.person(id_token, &tokens.access_token, expected).await.map(Some),
            None => Ok(None),
        };
        let confirmed = match person.map_err(Refusal::from) {
            Ok(None) => Ok(content.clone()),
            Ok(Some(person)) if person.principal.user != content.user => {
                Err(Refusal::Withdrawn("user-changed"))
            }
            Ok(Some(person)) if self.is_incomplete(revalidation, content, &person.principal) => {
                Err(Refusal::Withdrawn("answer-incomplete"))
            }
            Ok(Some(person)) => match self.fit(content.told_anew(&person)) {
                Ok((content, _)) => Ok(content),
                Err(_) => Err(Refusal::Withdrawn("session-too-big")),
            },
            Err(refusal) => Err(refusal),
        };
        match confirmed {
            Ok(mut confirmed) => {
                confirmed.validated = now;
                let text = confirmed.to_text();
                record.content = Some(text.clone());
                self.records.store(record, until, now).await.map_err(|Away| Refusal::StateAway)?;
                Ok(text)
            }
            Err(refusal) => {
                if rotated.is_some() && !matches!(refusal, Refusal::Withdrawn(_)) {
                    let _ = self.records.store(record, until, now).await;
                }
                Err(refusal)
            }
        }
    }

    /// Whether the answer leaves out what the rules read of this session. It may (OpenID Connect Core 1.0, section 12.2), and
    /// then nobody can tell whether the person lost it or the provider just does not repeat it: a sign-in tells.
    fn is_incomplete(&self, revalidation: &Revalidation, content: &Content, told: &Principal) -> bool {
        let path = &revalidation.party.issuer().config().claims.groups;
        let tells_groups = told.groups == Groups::LeftOut || states(&told.claims, path);
        (content.is_in_groups() && !tells_groups)
            || content
                .claim_names()
                .any(|name| self.questions.ask_for_claim(name) && !told.claims.contains_key(name))
    }

    async fn withdraw(&self, revalidation: &Revalidation, content: &Content, reason: &'static str) {
        // Where the state is away, this replica at least knows, and the record's refresh token is void for the others.
        let everywhere = self.end(Ended::Session(content.id.as_str())).await.is_ok();
        let _ = self.records.remove(&content.id).await;
        tracing::info!(reason, everywhere, "session.withdrawn");
        revalidation.metrics.sessions.withdrawn.inc();
        revalidation.audit.record(&AuditRecord {
            issuer: Some(&content.issuer),
            subject: Some(&content.subject),
            user: Some(&content.user),
            reason: Some(reason),
            ..AuditRecord::new(Event::Withdraw)
        });
    }
}

impl From<SignInError> for Refusal {
    fn from(error: SignInError) -> Self {
        match &error {
            SignInError::TokenRefused { error: code } => match code.as_str() {
                // RFC 6749, section 5.2: what is wrong is the client or its request.
                "invalid_client"
                | "unauthorized_client"
                | "unsupported_grant_type"
                | "invalid_request"
                | "invalid_scope" => Self::Misconfigured(error),
                "temporarily_unavailable" | "server_error" | "slow_down" => Self::Unavailable(error),
                // Not an answer of the protocol, but of something in between.
                code if code.starts_with("status_") => Self::Unavailable(error),
                _ => Self::Withdrawn("token-refused"),
            },
            SignInError::NoClientAuthentication | SignInError::UnusableClientKey => {
                Self::Misconfigured(error)
            }
            // To an access token that it has just given (RFC 6750, section 3.1): it no longer speaks of this person.
            SignInError::UserInfo { status: 401 } => Self::Withdrawn(error.reason()),
            SignInError::UserInfo { status: 403 } => Self::Misconfigured(error),
            // One replica's clock that is behind must not end everybody's sessions.
            SignInError::Token(token) if token.is_from_the_future() => Self::Misconfigured(error),
            SignInError::Token(_) | SignInError::WrongAccessToken if !error.is_unavailable() => {
                Self::Withdrawn(error.reason())
            }
            _ => Self::Unavailable(error),
        }
    }
}
