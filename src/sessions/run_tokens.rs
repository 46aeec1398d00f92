//! Run tokens: credentials of the gateway's own for a program's calls to one MLflow destination, for as long as a run
//! lasts. And the tokens of terminals, which make run tokens for their person and do nothing else.
//!
//! A run token is sealed and carries the facts about its person that the rules read; each use is judged by the rules in
//! force. It gives at most the access that it was made for. It ends with its time, when it is taken back, with a sign-out
//! of the session that it was made in, and where the provider ends its person's sessions.

mod error;
mod living;
mod maker;
mod reading;
mod sealed;

pub use self::error::{About, NotMade, Refused, RunTokenError};
pub use self::living::{Entry, MOST_LISTED};
pub use self::maker::Maker;

use self::living::{Living, Owner, Roots};
use self::reading::{Kind, Reading};
use self::sealed::Head;
use super::Sessions;
use super::content::{Content, Home};
use super::opened::Remembered;
use super::revocation::{Ended, Revocations};
use super::root::Root;
use super::seal::Sealer;
use super::selection::{Questions, Unanswered};
use super::session_id::SessionId;
use crate::clock::{Clock, UnixSeconds};
use crate::config::IssuerConfig;
use crate::provider::policy_inputs::PolicyInputs;
use crate::provider::principal::{Principal, is_of};
use crate::state::{State, Unavailable};
use crate::target::Access;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a run token. Balancers take headers of 8 KiB.
const LONGEST: usize = 4096;
/// Up to this size all groups and claims are kept, whatever the rules read: then changed rules never lack any.
const COMFORTABLE: usize = 2048;

#[derive(Debug)]
pub struct RunTokens {
    sealer: Arc<Sealer>,
    questions: Questions,
    issuers: Vec<IssuerConfig>,
    revocations: Revocations,
    living: Living,
    opened: Remembered<Reading>,
    lifetime: Duration,
    session_lifetime: Duration,
    clock: Clock,
}

/// The token that somebody asks for, as far as the rules grant it.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    pub maker: &'a Maker,
    pub destination: &'a str,
    pub access: Access,
    /// At most the configured lifetime is given.
    pub lifetime: Option<Duration>,
    pub name: Option<&'a str>,
}

/// A new token. Only its maker ever sees the text.
#[derive(Debug)]
pub struct Issued {
    pub text: IssuedText,
    pub id: String,
    pub issued: UnixSeconds,
    pub expires: UnixSeconds,
    /// The person's list had a place for it.
    pub is_listed: bool,
}

/// Is read once, by the answer to its maker.
pub struct IssuedText(String);

/// A run token that counts.
#[derive(Clone, Debug)]
pub struct RunToken {
    pub about: About,
    /// With the groups and claims that the rules read.
    pub principal: Arc<Principal>,
    /// The most that it gives, whatever the rules give.
    pub access: Access,
}

impl RunTokens {
    pub fn new(
        sealer: Arc<Sealer>,
        [lifetime, session_lifetime]: [Duration; 2],
        issuers: &[IssuerConfig],
        reads: &PolicyInputs,
        state: State,
        clock: Clock,
    ) -> Self {
        let revocations = Revocations::new(state.clone());
        Self {
            living: Living::new(Arc::clone(&sealer), state, revocations.clone()),
            sealer,
            questions: Questions::new(reads),
            issuers: issuers.to_vec(),
            revocations,
            opened: Remembered::new(),
            lifetime,
            session_lifetime,
            clock,
        }
    }

    /// Whether a credential has the form of one of our tokens.
    pub fn is_one(text: &str) -> bool {
        Kind::of(text).is_some()
    }

    /// Whether it has the form of a terminal's.
    pub fn is_of_terminal(text: &str) -> bool {
        Kind::of(text) == Some(Kind::Terminal)
    }

    /// The longest lifetime of a token, which is also the one of a token for which none was asked.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Makes a run token. The caller has a grant for the person, the destination and the access.
    ///
    /// # Errors
    ///
    /// [`NotMade`]
    pub async fn issue(&self, wish: Wish<'_>) -> Result<Issued, NotMade> {
        let now = self.clock.now();
        let lifetime = wish.lifetime.unwrap_or(self.lifetime).min(self.lifetime);
        self.make(Kind::Run, wish, now, now.plus(lifetime)).await
    }

    /// Makes a terminal's token, which ends with the `root` session, and where its lifetime would end it.
    ///
    /// # Errors
    ///
    /// [`NotMade`]
    pub async fn issue_for_terminal(&self, root: &Root, machine: &str) -> Result<Issued, NotMade> {
        let (maker, expires) = (Maker::Session(root.clone()), root.established().plus(self.session_lifetime));
        let (destination, access, name) = ("", Access::Read, Some(machine));
        let wish = Wish { maker: &maker, destination, access, lifetime: None, name };
        self.make(Kind::Terminal, wish, self.clock.now(), expires).await
    }

    async fn make(
        &self,
        kind: Kind,
        wish: Wish<'_>,
        issued: UnixSeconds,
        expires: UnixSeconds,
    ) -> Result<Issued, NotMade> {
        let Wish { maker, destination, access, name, .. } = wish;
        let principal = maker.principal();
        let config = self.issuers.iter().find(|issuer| issuer.name == principal.issuer);
        let domains = config.and_then(|issuer| issuer.user_domains.as_ref());
        let iss = config.map(|issuer| issuer.issuer.clone()).unwrap_or_default();
        let seen_of_person = match maker {
            Maker::Terminal { seen_of_person, .. } => *seen_of_person,
            Maker::WithoutSession(_) | Maker::Session(_) => {
                self.revocations.seen_of_person(&principal.realm, &principal.user).await
            }
        };
        let head = Head {
            id: SessionId::random().as_str().to_owned(),
            destination: destination.into(),
            access,
            issued,
            expires,
            realm: Arc::clone(&principal.realm),
            iss,
            is_of_domain: domains.is_some_and(|domains| is_of(&principal.user, domains)),
            seen_of_person,
        };
        let content = self.content(maker, &head.iss, issued).await;
        let text = self.fit(kind, &head, &content)?;
        let entry = Entry {
            id: head.id.clone(),
            name: name.map(str::to_owned),
            destination: destination.to_owned(),
            access,
            issued,
            expires,
            owner: owner(principal),
            roots: Roots::of(&content, &head.iss, head.seen_of_person),
        };
        let is_listed = self.living.add(&entry, expires.since(issued)).await?;
        Ok(Issued { text: IssuedText(text), id: head.id, issued, expires, is_listed })
    }

    /// A token for calls to `destination`, judged now.
    ///
    /// # Errors
    ///
    /// [`Refused`]
    pub async fn open(&self, text: &str, destination: &str) -> Result<RunToken, Refused> {
        let reading = self.read(text)?;
        let judged = match reading.kind {
            Kind::Terminal => Err(RunTokenError::NotHere),
            Kind::Run => self.judge(&reading).await,
        };
        let judged = judged.and_then(|principal| match *reading.head.destination == *destination {
            true => Ok(principal),
            false => Err(RunTokenError::OtherDestination),
        });
        let (about, access) = (reading.about.clone(), reading.head.access);
        match judged {
            Ok(principal) => Ok(RunToken { about, principal, access }),
            Err(error) => Err(Refused { error, about: Some(Box::new(about)) }),
        }
    }

    /// A terminal's token, judged now, and its session, as the provider confirms it now.
    ///
    /// # Errors
    ///
    /// [`Refused`]
    pub async fn open_terminal(&self, text: &str, sessions: &Sessions) -> Result<Maker, Refused> {
        let reading = self.read(text)?;
        let opened = async {
            let session = reading.session.as_ref().ok_or(RunTokenError::NotHere)?;
            let root = Root { principal: self.judge(&reading).await?, reading: Arc::clone(session) };
            sessions.confirmed(&root).await
        };
        match opened.await {
            Ok(root) => Ok(Maker::Terminal { root, seen_of_person: reading.head.seen_of_person }),
            Err(error) => Err(Refused { error, about: Some(Box::new(reading.about.clone())) }),
        }
    }

    /// The refusal of a run token where none counts.
    pub fn misplaced(&self, text: &str) -> Refused {
        let about = self.read(text).ok().map(|reading| Box::new(reading.about.clone()));
        Refused { error: RunTokenError::NotHere, about }
    }

    /// Takes a token back.
    ///
    /// # Errors
    ///
    /// It does not count any more, or other replicas may go on accepting it: [`RunTokenError::StateAway`].
    pub async fn give_back(&self, text: &str) -> Result<About, Refused> {
        let reading = self.read(text)?;
        let about = reading.about.clone();
        let refused = |error| Refused { error, about: Some(Box::new(about.clone())) };
        match self.judge(&reading).await {
            // A token can be given back although the rules ask for more than it tells.
            Ok(_) | Err(RunTokenError::AsksForMore) => {}
            Err(error) => return Err(refused(error)),
        }
        let ended = self.end(Ended::RunToken(&about.id)).await;
        // An entry that is not removed leaves the list when it is next looked at.
        _ = self.living.remove(&owner(&about.principal), &about.id).await;
        ended.map_err(|Unavailable| refused(RunTokenError::StateAway))?;
        Ok(about)
    }

    /// The tokens of a person that are listed and live, the newest first.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]; the same holds for the functions below.
    pub async fn living(&self, person: &Principal) -> Result<Vec<Entry>, Unavailable> {
        self.living.of(&owner(person)).await
    }

    /// Takes back one of a person's listed tokens, and returns its entry.
    pub async fn take_back(&self, person: &Principal, id: &str) -> Result<Option<Entry>, Unavailable> {
        let listed = self.living(person).await?;
        let Some(entry) = listed.into_iter().find(|entry| entry.id == id) else { return Ok(None) };
        self.end(Ended::RunToken(&entry.id)).await?;
        // An entry that is not removed leaves the list when it is next looked at.
        _ = self.living.remove(&entry.owner, id).await;
        Ok(Some(entry))
    }

    /// Takes back all of a person's tokens, listed or not.
    pub async fn take_back_all(&self, person: &Principal) -> Result<(), Unavailable> {
        self.end(Ended::TokensOfPerson { realm: &person.realm, user: &person.user }).await
    }

    async fn end(&self, ended: Ended<'_>) -> Result<(), Unavailable> {
        self.revocations.end(ended, self.clock.now()).await
    }

    /// The facts about the person, with the names under which the token may be ended. Without a session they are those of the
    /// session at the provider that the bearer token names.
    async fn content(&self, maker: &Maker, iss: &str, now: UnixSeconds) -> Content {
        match maker {
            Maker::Session(root) | Maker::Terminal { root, .. } => root.reading.content.clone(),
            Maker::WithoutSession(principal) => {
                let sid = principal.claims.get("sid").and_then(serde_json::Value::as_str);
                let seen = self.revocations.seen(iss, &principal.subject, sid).await;
                Content::of(principal, SessionId::random(), sid, seen, now)
            }
        }
    }

    /// The sealed token: with everything known about the person if that is small, or else with what the policy reads.
    fn fit(&self, kind: Kind, head: &Head, whole: &Content) -> Result<String, NotMade> {
        let (prefix, purpose) = kind.form();
        let sealed = |content: &Content| {
            let sealed = self.sealer.seal(purpose, &sealed::to_text(head, content));
            format!("{prefix}{sealed}")
        };
        let everything = sealed(whole);
        if everything.len() <= COMFORTABLE {
            return Ok(everything);
        }
        let selection = sealed(&whole.clone().reduced(&self.questions));
        let smaller = if selection.len() < everything.len() { selection } else { everything };
        if smaller.len() <= LONGEST {
            Ok(smaller)
        } else {
            Err(NotMade::TooBig { bytes: smaller.len(), most: LONGEST })
        }
    }

    fn read(&self, text: &str) -> Result<Arc<Reading>, Refused> {
        self.opened.read(text.as_bytes(), || {
            let kind = Kind::of(text).filter(|_| text.len() <= LONGEST).ok_or_else(Refused::unreadable)?;
            let (prefix, purpose) = kind.form();
            let sealed = text.strip_prefix(prefix).unwrap_or_default();
            let text = self.sealer.open(purpose, sealed.as_bytes()).ok_or_else(Refused::unreadable)?;
            let (head, content) = sealed::parse(&text).ok_or_else(Refused::unreadable)?;
            let realms = |issuer: &IssuerConfig| {
                let of_programs = issuer.programs.as_ref().map(|programs| Arc::clone(&programs.realm));
                [Some(Arc::clone(&issuer.realm)), of_programs]
            };
            let config = self.issuers.iter().find(|issuer| *issuer.name == content.issuer);
            let config = config.filter(|issuer| issuer.issuer == head.iss);
            let config = config.filter(|issuer| realms(issuer).contains(&Some(Arc::clone(&head.realm))));
            let config = config.filter(|issuer| {
                let domains = issuer.user_domains.as_ref().filter(|_| head.is_of_domain);
                domains.is_none_or(|domains| is_of(&content.user, domains))
            });
            let config = config.ok_or(RunTokenError::UnknownIssuer)?;
            let (issuer, realm) = (Arc::clone(&config.name), Arc::clone(&head.realm));
            let home = Home { issuer, iss: head.iss.as_str().into(), realm };
            Ok((Reading::new(kind, head, &content, &home, &self.questions), text.len()))
        })
    }

    async fn judge(&self, reading: &Reading) -> Result<Arc<Principal>, RunTokenError> {
        let Reading { session, head, watched, principal, .. } = reading;
        let now = self.clock.now();
        // The lifetimes may have been shortened since.
        let is_too_old = match session {
            None => now.since(head.issued) >= self.lifetime,
            Some(session) => now.since(session.content.established) >= self.session_lifetime,
        };
        if now >= head.expires || is_too_old {
            return Err(RunTokenError::Expired);
        }
        match self.revocations.is_token_revoked(watched).await {
            Ok(false) => {}
            Ok(true) => return Err(RunTokenError::Revoked),
            Err(Unavailable) => return Err(RunTokenError::StateAway),
        }
        principal.clone().map_err(|Unanswered| RunTokenError::AsksForMore)
    }
}

impl IssuedText {
    /// The text, for the one answer that hands it out.
    pub fn into_answer(self) -> String {
        self.0
    }
}

fn owner(person: &Principal) -> Owner {
    Owner { realm: person.realm.to_string(), user: person.user.clone() }
}

impl std::fmt::Debug for IssuedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IssuedText(..)")
    }
}
