//! Decisions about people of whom not every fact is on record. A fact that is not on record is unknown and never
//! absent, so there is an answer only where the gaps do not matter.

use super::expression::Evaluated;
use super::expression::facts::Facts;
use super::grant::DenialReason;
use super::start::Start;
use super::{Decision, Destination, NO_SUCH_PATH, Policy, Question, Rule, Verdict};
use crate::provider::policy_inputs::{Names, PolicyInputs};
use crate::provider::principal::{Groups, Principal, Unbound};
use crate::target::Mint;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The most groups without a record of which every combination is tried.
const MOST_TRIED: usize = 6;

/// A person and their request, as far as they are on record.
#[derive(Clone, Debug)]
pub struct Known {
    /// Groups and claims that are not in `on_record` are not in here either.
    pub principal: Arc<Principal>,
    pub client_ip: Option<IpAddr>,
    /// `false`: `client_ip` is `None` because nobody wrote it down.
    pub client_ip_on_record: bool,
    pub path: Option<String>,
    /// The groups and claims of which it is known whether the person has them.
    pub on_record: PolicyInputs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgment {
    /// The target without the deep link, and whether the person may start it.
    Granted { rule: Arc<str>, mint: Box<Mint>, start: MayStart },
    /// `rule` is the one that decided, if one did.
    Refused { reason: &'static str, rule: Option<Arc<str>> },
    /// The first rule that cannot be judged, and the facts that it asks for and that are not on record.
    Unknown { rule: Arc<str>, missing: Vec<String> },
}

/// Whether a person may start the target that they may open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MayStart {
    Yes,
    No,
    /// The facts that `start` asks for and that are not on record.
    Unknown(Vec<String>),
}

/// Something that a rule asks about, as it is for one person.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fact {
    In(String),
    NotIn(String),
    /// A claim, with its value as JSON; `None` where the person does not have it.
    Claim(String, Option<String>),
    /// A fact that the decision depends on, in a way that is not told.
    Counts(&'static str),
}

/// A policy with what each rule reads.
#[derive(Debug)]
pub struct Judge<'p> {
    policy: &'p Policy,
    /// In the order in which they are tried.
    rules: BTreeMap<&'p str, Vec<(&'p Rule, Asking)>>,
    starts: BTreeMap<&'p str, (&'p Start, Asking)>,
}

/// The inputs of a rule's or a `start`'s expressions.
#[derive(Debug, Default)]
struct Asking {
    reads: PolicyInputs,
    /// The claims whose presence it tests.
    tested: BTreeSet<String>,
    client_ip: bool,
}

/// The facts that one rule asks for and that are not on record.
struct Gaps<'a> {
    /// `None`: any group.
    groups: Option<Vec<&'a str>>,
    claims: Option<Vec<&'a str>>,
    client_ip: bool,
}

impl<'p> Judge<'p> {
    pub fn new(policy: &'p Policy) -> Self {
        let rules = policy.destinations.iter().map(|destination| {
            let rules = policy.deny.iter().chain(&destination.rules);
            (&*destination.name, rules.map(|rule| (rule, Asking::of(rule.expressions()))).collect())
        });
        let starts = policy.destinations.iter().filter_map(|destination| {
            let start = destination.start.as_ref()?;
            let asking = Asking::of(std::iter::once(start.condition.evaluated()));
            Some((&*destination.name, (start, asking)))
        });
        Self { policy, rules: rules.collect(), starts: starts.collect() }
    }

    pub fn destinations(&self) -> impl Iterator<Item = &'p Arc<str>> {
        self.policy.destinations.iter().map(|destination| &destination.name)
    }

    /// Whether an answer may depend on where the person is.
    pub fn asks_for_client_ip(&self, destination: &str) -> bool {
        self.rules.get(destination).is_some_and(|rules| rules.iter().any(|(_, asking)| asking.client_ip))
            || self.starts.get(destination).is_some_and(|(_, asking)| asking.client_ip)
    }

    /// `None` where there is no such destination.
    pub fn judge(&self, destination: &str, known: &Known) -> Option<Judgment> {
        let destination = self.policy.destination(destination)?;
        for (asked, asking) in self.rules.get(&*destination.name)? {
            let rule = || Arc::clone(&asked.name);
            match self.decide(asked, asking, known) {
                Ok(Decision::NotMatched) => {}
                Ok(Decision::Allowed(mint)) => return Some(self.landed(destination, rule(), mint, known)),
                Ok(Decision::Refused { reason, .. }) => {
                    return Some(Judgment::Refused { reason: reason.as_str(), rule: Some(rule()) });
                }
                Err(missing) => return Some(Judgment::Unknown { rule: rule(), missing }),
            }
        }
        let reason = DenialReason::NoRule.as_str();
        Some(Judgment::Refused { reason, rule: None })
    }

    /// Whether both have the same `start` for a destination. Tables are not compared.
    pub fn starts_as(&self, other: &Judge<'_>, destination: &str) -> bool {
        let written = |judge: &Judge<'_>| {
            judge.starts.get(destination).map(|(start, _)| format!("{:?}", start.condition))
        };
        written(self) == written(other)
    }

    /// Whether both have the same rules and links for a destination. Tables are not compared.
    pub fn is_as(&self, other: &Judge<'_>, destination: &str) -> bool {
        let written = |judge: &Judge<'_>| {
            let paths = judge.policy.destination(destination).map(|found| format!("{:?}", found.paths));
            let rules = judge.rules.get(destination)?.iter();
            let rules =
                rules.map(|(rule, _)| format!("{:?} {:?} {:?}", rule.name, rule.condition, rule.verdict));
            Some((paths, rules.collect::<Vec<_>>()))
        };
        written(self) == written(other) && self.starts_as(other, destination)
    }

    /// The facts that the deciding rule asks about, as they are for this person; without such a rule, the facts that
    /// all allowing rules of the destination ask about.
    pub fn facts(&self, destination: &str, decided: Option<&str>, known: &Known) -> BTreeSet<Fact> {
        let mut facts = BTreeSet::new();
        for (asked, asking) in self.rules.get(destination).into_iter().flatten() {
            let counts = match decided {
                Some(rule) => *asked.name == *rule,
                None => matches!(asked.verdict, Verdict::Allow(_)),
            };
            if counts {
                asking.tell(known, &mut facts);
            }
        }
        facts
    }

    /// The facts that `start` asks about, as they are for this person.
    pub fn start_facts(&self, destination: &str, known: &Known) -> BTreeSet<Fact> {
        let mut facts = BTreeSet::new();
        self.starts.get(destination).iter().for_each(|(_, asking)| asking.tell(known, &mut facts));
        facts
    }

    fn landed(&self, destination: &Destination, rule: Arc<str>, mint: Mint, known: &Known) -> Judgment {
        let question = Question {
            principal: &known.principal,
            client_ip: known.client_ip,
            path: known.path.as_deref(),
            query: None,
        };
        match destination.land(mint.clone(), &question) {
            Some(_) => {
                Judgment::Granted { rule, mint: Box::new(mint), start: self.may_start(destination, known) }
            }
            None => Judgment::Refused { reason: NO_SUCH_PATH, rule: Some(rule) },
        }
    }

    fn may_start(&self, destination: &Destination, known: &Known) -> MayStart {
        let Some((start, asking)) = self.starts.get(&*destination.name) else { return MayStart::No };
        let holds = |facts: &Facts<'_>| {
            facts.begin_rule();
            // An expression that fails does not hold.
            start.condition.holds(facts).map_or((false, true), |holds| (holds, false))
        };
        match self.in_all_cases(asking, known, holds, PartialEq::eq) {
            Ok(true) => MayStart::Yes,
            Ok(false) => MayStart::No,
            Err(missing) => MayStart::Unknown(missing),
        }
    }

    fn decide(&self, rule: &Rule, asking: &Asking, known: &Known) -> Result<Decision, Vec<String>> {
        let decide = |facts: &Facts<'_>| {
            let decision = rule.decide(facts);
            let failed = matches!(decision, Decision::Refused { failure: Some(_), .. });
            (decision, failed)
        };
        self.in_all_cases(asking, known, decide, Decision::is_as)
    }

    /// The answer that is the same whatever the facts are that are not on record. `decide` also tells whether an evaluation
    /// failed.
    fn in_all_cases<T>(
        &self,
        asking: &Asking,
        known: &Known,
        decide: impl Fn(&Facts<'_>) -> (T, bool),
        is_as: impl Fn(&T, &T) -> bool,
    ) -> Result<T, Vec<String>> {
        let gaps = asking.gaps(known);
        let without_claims = match &gaps.claims {
            None => true,
            Some(names) => names.iter().any(|name| asking.tested.contains(*name)),
        };
        let (tried, groups_matter) = gaps.tried(known);
        let mut decided: Option<T> = None;
        for principal in &tried {
            let question = Question { principal, client_ip: known.client_ip, path: None, query: None };
            let facts = Facts::new(&self.policy.library, &question);
            let facts = if without_claims { facts.without_claims() } else { facts };
            let (decision, failed) = decide(&facts);
            let is_of_a_gap = failed && (gaps.have_claims() || gaps.client_ip || groups_matter);
            if is_of_a_gap || decided.as_ref().is_some_and(|before| !is_as(before, &decision)) {
                return Err(gaps.told());
            }
            decided = Some(decision);
        }
        decided.ok_or_else(|| gaps.told())
    }
}

impl Decision {
    fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::NotMatched, Self::NotMatched) => true,
            (Self::Allowed(one), Self::Allowed(other)) => one == other,
            (Self::Refused { reason: one, .. }, Self::Refused { reason: other, .. }) => one == other,
            _ => false,
        }
    }
}

impl Asking {
    fn of<'e>(expressions: impl Iterator<Item = &'e Evaluated>) -> Self {
        let mut asking = Self::default();
        for expression in expressions {
            expression.gather(&mut asking.reads);
            expression.gather_tested(&mut asking.tested);
            asking.client_ip |= expression.names("client_ip");
        }
        asking
    }

    fn gaps(&self, known: &Known) -> Gaps<'_> {
        Gaps {
            groups: missing(&self.reads.groups, &known.on_record.groups),
            claims: missing(&self.reads.claims, &known.on_record.claims),
            client_ip: self.client_ip && !known.client_ip_on_record,
        }
    }

    fn tell(&self, known: &Known, facts: &mut BTreeSet<Fact>) {
        let Known { principal, on_record, .. } = known;
        match (&self.reads.groups, &principal.groups) {
            (Names::Only(names), Groups::Known(groups)) => {
                for name in names.iter().filter(|name| on_record.groups.contains(name)) {
                    let is_in = groups.iter().any(|group| **group == **name);
                    facts.insert(if is_in { Fact::In(name.clone()) } else { Fact::NotIn(name.clone()) });
                }
            }
            (Names::Only(names), _) if names.is_empty() => {}
            (_, Groups::Known(_)) => _ = facts.insert(Fact::Counts("all groups")),
            (_, Groups::LeftOut | Groups::Unbound(_)) => {
                facts.insert(Fact::Counts("that the groups are not known"));
            }
        }
        if let Names::Only(names) = &self.reads.claims {
            for name in names.iter().filter(|name| on_record.claims.contains(name)) {
                let value = principal.claims.get(name).filter(|value| !value.is_null());
                facts.insert(Fact::Claim(name.clone(), value.map(ToString::to_string)));
            }
        }
        if self.client_ip {
            facts.insert(Fact::Counts("the client's address"));
        }
    }
}

/// The names that are asked for and not on record; `None` where any name may be asked for.
fn missing<'a>(asked: &'a Names, on_record: &Names) -> Option<Vec<&'a str>> {
    match (asked, on_record) {
        (_, Names::All) => Some(Vec::new()),
        (Names::All, Names::Only(_)) => None,
        (Names::Only(asked), Names::Only(known)) => {
            Some(asked.iter().filter(|name| !known.contains(*name)).map(String::as_str).collect())
        }
    }
}

impl Gaps<'_> {
    fn have_claims(&self) -> bool {
        self.claims.as_ref().is_none_or(|names| !names.is_empty())
    }

    /// The person with each combination of the groups that are not on record; and whether the groups were too many for
    /// that, so that an expression which depends on them fails. A person of whom no group is on record may also be one
    /// whose groups nobody could tell.
    fn tried(&self, Known { principal: person, on_record, .. }: &Known) -> (Vec<Arc<Principal>>, bool) {
        let with = |groups| Arc::new(Principal { groups, ..Principal::clone(person) });
        let untold = || with(Groups::Unbound(Unbound::kept("they are not on record".into())));
        let perhaps_untold = matches!(&on_record.groups, Names::Only(names) if names.is_empty());
        match (&self.groups, &person.groups) {
            (Some(missing), _) if missing.is_empty() => (vec![Arc::clone(person)], false),
            (Some(missing), Groups::Known(known)) if missing.len() <= MOST_TRIED => {
                let combinations = (0..1_usize << missing.len()).map(|combination| {
                    let chosen = missing.iter().enumerate().filter(|(at, _)| combination >> at & 1 == 1);
                    let chosen = chosen.map(|(_, name)| Arc::from(*name));
                    with(Groups::Known(known.iter().cloned().chain(chosen).collect()))
                });
                (combinations.chain(perhaps_untold.then(untold)).collect(), false)
            }
            _ => (vec![untold()], true),
        }
    }

    fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        match &self.groups {
            None => told.push("all groups".to_owned()),
            Some(names) => told.extend(names.iter().map(|name| format!("the group `{name}`"))),
        }
        match &self.claims {
            None => told.push("all claims".to_owned()),
            Some(names) => told.extend(names.iter().map(|name| format!("`claims.{name}`"))),
        }
        if self.client_ip {
            told.push("`client_ip`".to_owned());
        }
        told
    }
}
