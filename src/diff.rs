//! The people who gain and lose by a change of the rules: two policies judge the same people, and the differences are
//! told by destination.
//!
//! Distinct decisions are kept, never records, so that a trail of any length takes the memory of its people.

mod change;
mod known;
pub mod line;
pub mod report;

use crate::config::IssuerConfig;
use crate::policy::judge::{Fact, Judge, Known};
use crate::policy::{NO_SUCH_PATH, Policy};
use crate::provider::principal::Principal;
use change::{Change, Kind, Outcome};
use line::{Decision, Line};
use report::Report;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

/// One of the two policies, with the issuers of its people.
#[derive(Debug)]
pub struct Side<'a> {
    judge: Judge<'a>,
    issuers: &'a [IssuerConfig],
    /// The texts of the lookups.
    tables: &'a BTreeMap<String, String>,
}

/// The state of a comparison: everything that has been read so far.
#[derive(Debug)]
pub struct Comparison<'a> {
    new: Side<'a>,
    /// Without it, the recorded decision is the old one.
    old: Option<Side<'a>>,
    /// The destinations of which the two policies say the same, whatever is on record.
    unchanged: BTreeSet<Arc<str>>,
    /// The issuer of the claims in a list of claims.
    issuer: Option<Arc<str>>,
    people: HashMap<Person, u32>,
    /// By a digest of the person, the destination and the facts.
    decisions: HashMap<(u64, u64), Occurrence>,
    changes: HashMap<Arc<Change>, u32>,
    digests: [RandomState; 2],
    counts: Counts,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Person {
    user: String,
    realm: String,
}

#[derive(Clone, Copy, Debug)]
struct Occurrence {
    time: u64,
    person: u32,
    /// 0 where both say the same.
    change: u32,
}

/// The numbers of lines that the files held, by kind.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub decisions: u64,
    pub claims: u64,
    /// Other events.
    pub others: u64,
    /// Missing records, as the records of `lost` count them.
    pub lost: u64,
    /// Decisions without facts: of another version, or with `audit: {facts: false}`.
    pub without_facts: u64,
    pub not_understood: u64,
    /// Claims that name nobody, by either configuration.
    pub nobody: u64,
    /// The first line that was not understood, and why.
    pub first_not_understood: Option<String>,
}

/// Why a line of claims cannot be judged.
#[derive(Clone, Copy, Debug)]
pub enum ClaimsAlone {
    /// There is no policy to compare with.
    NoPolicy,
    /// There is no issuer for the claims.
    NoIssuer,
}

/// The decision on the same person before the change.
enum Before<'a> {
    Recorded(Outcome),
    /// `None` where the claims name nobody.
    Judged(Option<&'a Known>),
}

impl<'a> Side<'a> {
    pub fn new(
        policy: &'a Policy,
        issuers: &'a [IssuerConfig],
        tables: &'a BTreeMap<String, String>,
    ) -> Self {
        Self { judge: Judge::new(policy), issuers, tables }
    }

    /// Whether it must say the same of a destination as `other` does.
    fn is_as(&self, other: &Side<'_>, destination: &str) -> bool {
        self.tables == other.tables
            && self.issuers == other.issuers
            && self.judge.is_as(&other.judge, destination)
    }

    /// The policy's decision on a person. Their realm is the one that their issuer has by this configuration.
    fn outcome(&self, destination: &str, known: Option<&Known>) -> Outcome {
        let refused = |reason: &str| Outcome::Refused { reason: reason.to_owned(), rule: None };
        let Some(known) = known else { return refused(change::NOBODY) };
        let Principal { issuer, realm, .. } = &*known.principal;
        let Some(config) = self.issuers.iter().find(|config| config.name == *issuer) else {
            return refused(change::NO_SUCH_ISSUER);
        };
        let programs = config.programs.as_ref().map(|programs| &programs.realm);
        let judged = if config.realm == *realm || programs == Some(realm) {
            self.judge.judge(destination, known)
        } else if programs.is_some() {
            return Outcome::unknown("whether this is a person or a program");
        } else {
            let principal =
                Principal { realm: Arc::clone(&config.realm), ..Principal::clone(&known.principal) };
            self.judge.judge(destination, &Known { principal: Arc::new(principal), ..known.clone() })
        };
        judged.map_or_else(|| refused(change::NO_SUCH_DESTINATION), Outcome::from)
    }

    fn facts(
        &self,
        destination: &str,
        outcome: &Outcome,
        kind: Kind,
        known: Option<&Known>,
    ) -> BTreeSet<Fact> {
        let is_of_start = matches!(kind, Kind::StartGain | Kind::StartLoss);
        let facts = known.map(|known| {
            if is_of_start {
                self.judge.start_facts(destination, known)
            } else {
                self.judge.facts(destination, outcome.rule(), known)
            }
        });
        facts.unwrap_or_default()
    }

    /// Whether the right to start is the same, whatever is on record.
    fn starts_as(&self, other: &Side<'_>, destination: &str) -> bool {
        self.tables == other.tables
            && self.issuers == other.issuers
            && self.judge.starts_as(&other.judge, destination)
    }
}

impl<'a> Comparison<'a> {
    /// `old` is the policy to compare with, in place of the recorded decisions; `issuer` is that of a list of claims.
    pub fn new(new: Side<'a>, old: Option<Side<'a>>, issuer: Option<Arc<str>>) -> Self {
        let old_is = |name: &str| old.as_ref().is_some_and(|old| old.is_as(&new, name));
        let unchanged = new.judge.destinations().filter(|name| old_is(name)).cloned().collect();
        Self {
            new,
            old,
            unchanged,
            issuer,
            people: HashMap::new(),
            decisions: HashMap::new(),
            changes: HashMap::new(),
            digests: [RandomState::new(), RandomState::new()],
            counts: Counts::default(),
        }
    }

    /// Takes one line of a file.
    ///
    /// # Errors
    ///
    /// The line holds claims, and there is no old policy to compare with, or no issuer of the claims.
    pub fn take(&mut self, line: &[u8], place: impl Fn() -> String) -> Result<(), ClaimsAlone> {
        match line::parse(line) {
            Ok(Line::Decision(decision)) => self.decision(&decision),
            Ok(Line::Claims(_)) if self.old.is_none() => return Err(ClaimsAlone::NoPolicy),
            Ok(Line::Claims(_)) if self.issuer.is_none() => return Err(ClaimsAlone::NoIssuer),
            Ok(Line::Claims(claims)) => self.claims(&claims, line),
            Ok(Line::Other) => self.counts.others += 1,
            Ok(Line::Lost(lost)) => self.counts.lost = self.counts.lost.saturating_add(lost),
            Err(why) => self.not_understood(place, why),
        }
        Ok(())
    }

    /// A line that cannot be read.
    pub fn not_understood(&mut self, place: impl Fn() -> String, why: &str) {
        self.counts.not_understood += 1;
        self.counts.first_not_understood.get_or_insert_with(|| format!("{}: {why}", place()));
    }

    pub fn report(self) -> Report {
        let destinations: Vec<Arc<str>> = self.new.judge.destinations().cloned().collect();
        let mut people: Vec<(Person, u32)> = self.people.into_iter().collect();
        people.sort_unstable_by_key(|(_, number)| *number);
        let mut changes: Vec<(Arc<Change>, u32)> = self.changes.into_iter().collect();
        changes.sort_unstable_by_key(|(_, number)| *number);
        let pairs = self.decisions.values().filter_map(|seen| {
            let at = |number: u32| usize::try_from(number).ok();
            let (change, _) = changes.get(at(seen.change)?.checked_sub(1)?)?;
            let (person, _) = people.get(at(seen.person)?)?;
            Some((person, &**change))
        });
        report::of(&destinations, pairs, people.len(), self.decisions.len(), self.counts.clone())
    }

    fn decision(&mut self, decision: &Decision) {
        self.counts.decisions += 1;
        self.counts.without_facts += u64::from(decision.facts.is_none());
        let known = known::of_record(decision, self.new.issuers);
        let asks = |side: &Side<'_>| side.judge.asks_for_client_ip(&decision.destination);
        let client_ip = known.client_ip.filter(|_| asks(&self.new) || self.old.as_ref().is_some_and(asks));
        let digest = self.digest(&(
            (&known.principal.realm, &known.principal.issuer, &known.principal.user, &decision.destination),
            (&known.path, client_ip, &known.on_record, format!("{:?}", known.principal.groups)),
            serde_json::to_string(&*known.principal.claims).unwrap_or_default(),
        ));
        // Two policies say the same of the same facts at any time. But a record counts by its time: an earlier one may
        // be of an earlier configuration.
        let is_settled = |seen: &Occurrence| self.old.is_some() || seen.time > decision.time;
        if self.decisions.get(&digest).is_some_and(is_settled) {
            return;
        }
        let recorded = Outcome::recorded(decision);
        let is_link_lost = decision.reason.as_deref() == Some(NO_SUCH_PATH) && known.path.is_none();
        let change = if is_link_lost && !self.unchanged.contains(&*decision.destination) {
            Change::between(&decision.destination, &recorded, &Outcome::unknown("the path"), false)
        } else {
            let before = match self.old {
                Some(_) => Before::Judged(Some(&known)),
                None => Before::Recorded(recorded),
            };
            self.change(&decision.destination, before, Some(&known))
        };
        self.keep(digest, &known.principal, decision.time, change);
    }

    fn claims(&mut self, claims: &Map<String, Value>, line: &[u8]) {
        self.counts.claims += 1;
        let Some(old) = &self.old else { return };
        let known = |side: &Side<'_>| known::of_claims(self.issuer.as_deref()?, claims, side.issuers);
        let (before, after) = (known(old), known(&self.new));
        let Some(somebody) = after.as_ref().or(before.as_ref()).map(|known| Arc::clone(&known.principal))
        else {
            self.counts.nobody += 1;
            return;
        };
        let names: BTreeSet<Arc<str>> =
            self.new.judge.destinations().chain(old.judge.destinations()).cloned().collect();
        for name in names {
            let digest = self.digest(&(&name, line));
            let change = self.change(&name, Before::Judged(before.as_ref()), after.as_ref());
            self.keep(digest, &somebody, 0, change);
        }
    }

    fn change(&self, destination: &str, before: Before<'_>, after: Option<&Known>) -> Option<Change> {
        if self.unchanged.contains(destination) {
            return None;
        }
        let is_linked = after.is_some_and(|known| known.path.is_some());
        let new = self.new.outcome(destination, after);
        let (old, known) = match before {
            Before::Recorded(outcome) => (outcome, None),
            Before::Judged(known) => (self.old.as_ref()?.outcome(destination, known), known),
        };
        let is_same_start = self.old.as_ref().is_some_and(|old| old.starts_as(&self.new, destination));
        let (old, new) = if is_same_start { (old.without_start(), new.without_start()) } else { (old, new) };
        let mut change = Change::between(destination, &old, &new, is_linked)?;
        if !change.is_unknown() {
            let kind = change.kind;
            change.facts = self.new.facts(destination, &new, kind, after);
            let before = self.old.iter().flat_map(|side| side.facts(destination, &old, kind, known));
            change.facts.extend(before);
        }
        Some(change)
    }

    fn digest(&self, what: &impl Hash) -> (u64, u64) {
        let [one, other] = &self.digests;
        (one.hash_one(what), other.hash_one(what))
    }

    fn keep(&mut self, digest: (u64, u64), who: &Principal, time: u64, change: Option<Change>) {
        let next = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let person = Person { user: who.user.clone(), realm: who.realm.to_string() };
        let number = next(self.people.len());
        let person = *self.people.entry(person).or_insert(number);
        // 0 is no change.
        let number = next(self.changes.len() + 1);
        let change = change.map(|change| *self.changes.entry(Arc::new(change)).or_insert(number));
        self.decisions.insert(digest, Occurrence { time, person, change: change.unwrap_or_default() });
    }
}
