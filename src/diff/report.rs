//! The findings of a comparison, for people and programs. Changes that are alike for many people are one.

use super::change::{Change, NO_SUCH_DESTINATION, NO_SUCH_ISSUER, NOBODY, Said};
use super::{Counts, Person};
use crate::policy::NO_SUCH_PATH;
use crate::policy::grant::DenialReason;
use crate::policy::judge::Fact;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

pub use super::change::Kind;

/// Groups of one kind and destination that the text shows; JSON has all.
const MOST_SHOWN: usize = 20;
/// Characters of a value that the text shows.
const LONGEST_SHOWN: usize = 80;

#[derive(Debug)]
pub struct Report {
    /// In the order of the configuration, then those that it no longer has.
    destinations: Vec<(Arc<str>, Vec<Group>)>,
    people: usize,
    /// The number of distinct decisions.
    decisions: usize,
    counts: Counts,
    /// Whether a user name alone identifies a person.
    one_realm: bool,
}

/// The people with the same change, for the same facts.
#[derive(Debug)]
struct Group {
    what: What,
    people: BTreeSet<Person>,
    /// By the field of the target: each pair of values that occurs.
    fields: BTreeMap<String, BTreeSet<Values>>,
}

/// The values of a field, before and after.
type Values = (Option<String>, Option<String>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct What {
    kind: Kind,
    old: Said,
    new: Said,
    fields: Vec<String>,
    missing: Vec<String>,
    facts: BTreeSet<Fact>,
}

pub(super) fn of<'a>(
    order: &[Arc<str>],
    found: impl Iterator<Item = (&'a Person, &'a Change)>,
    people: usize,
    decisions: usize,
    counts: Counts,
) -> Report {
    let mut groups: BTreeMap<&str, BTreeMap<What, Group>> = BTreeMap::new();
    let mut realms = BTreeSet::new();
    for (person, change) in found {
        realms.insert(&person.realm);
        let what = What {
            kind: change.kind,
            old: change.old.clone(),
            new: change.new.clone(),
            fields: change.fields.iter().map(|(key, ..)| key.clone()).collect(),
            missing: change.missing.clone(),
            facts: change.facts.clone(),
        };
        let of_destination = groups.entry(&change.destination).or_default();
        let group = of_destination.entry(what.clone()).or_insert_with(|| Group {
            what,
            people: BTreeSet::new(),
            fields: BTreeMap::new(),
        });
        group.people.insert(person.clone());
        for (key, old, new) in &change.fields {
            group.fields.entry(key.clone()).or_default().insert((old.clone(), new.clone()));
        }
    }
    let one_realm = realms.len() < 2;
    let place = |name: &str| order.iter().position(|known| **known == *name).unwrap_or(order.len());
    let mut destinations: Vec<(Arc<str>, Vec<Group>)> = groups
        .into_iter()
        .map(|(name, groups)| {
            let mut groups: Vec<Group> = groups.into_values().collect();
            groups.sort_by_key(|group| (group.what.kind, std::cmp::Reverse(group.people.len())));
            (Arc::from(name), groups)
        })
        .collect();
    destinations.sort_by_key(|(name, _)| place(name));
    Report { destinations, people, decisions, counts, one_realm }
}

impl Report {
    pub fn has(&self, kind: Kind) -> bool {
        self.destinations.iter().any(|(_, groups)| groups.iter().any(|group| group.what.kind == kind))
    }

    /// The report for a terminal: texts that others have written are shown without characters that a terminal obeys.
    pub fn text(&self, names: bool) -> String {
        let mut text = String::new();
        for (name, groups) in &self.destinations {
            _ = writeln!(text, "{}", shown(name));
            let mut left: BTreeMap<Kind, (usize, BTreeSet<&Person>)> = BTreeMap::new();
            let mut of_kind: BTreeMap<Kind, usize> = BTreeMap::new();
            for group in groups {
                let number = of_kind.entry(group.what.kind).or_default();
                *number += 1;
                if *number > MOST_SHOWN {
                    let (groups, people) = left.entry(group.what.kind).or_default();
                    *groups += 1;
                    people.extend(&group.people);
                    continue;
                }
                group.write(&mut text, names);
                if names {
                    for person in &group.people {
                        _ = writeln!(text, "      {}", self.name(person));
                    }
                }
            }
            for (kind, (groups, people)) in left {
                let (verb, _) = verb(kind, people.len());
                _ = writeln!(
                    text,
                    "  and {} {verb} by {groups} more combinations of facts: `--format json` has them all",
                    counted(people.len(), "person", "people")
                );
            }
            text.push('\n');
        }
        if self.destinations.is_empty() {
            text.push_str("Nobody gains, loses or lands elsewhere.\n\n");
        }
        text + &self.summary()
    }

    /// The report with escapes in place of characters that a terminal obeys.
    pub fn json(&self, names: bool) -> String {
        let groups = |groups: &[Group]| -> Vec<Value> {
            groups.iter().map(|group| group.json(names.then_some(self))).collect()
        };
        let destinations: Vec<Value> = self
            .destinations
            .iter()
            .map(|(name, found)| json!({"destination": name, "changes": groups(found)}))
            .collect();
        let Counts { decisions, claims, others, lost, without_facts, not_understood, nobody, .. } =
            self.counts;
        let value = json!({
            "destinations": destinations,
            "people": self.people,
            "distinct_decisions": self.decisions,
            "read": {
                "decisions": decisions,
                "decisions_without_facts": without_facts,
                "claims": claims,
                "claims_that_name_nobody": nobody,
                "other_records": others,
                "lost_records": lost,
                "lines_not_understood": not_understood,
                "first_not_understood": self.counts.first_not_understood,
            },
        });
        let text = serde_json::to_string_pretty(&value).unwrap_or_default();
        let escaped = |character: char| match character {
            '\n' => "\n".to_owned(),
            character if is_obeyed(character) => format!("\\u{:04x}", u32::from(character)),
            character => character.to_string(),
        };
        text.chars().map(escaped).collect()
    }

    fn summary(&self) -> String {
        let Counts { decisions, claims, lost, without_facts, not_understood, nobody, .. } = self.counts;
        let mut text = format!("{} judged", counted(self.people, "person", "people"));
        let mut read = Vec::new();
        if decisions > 0 {
            read.push(counted(decisions, "recorded decision", "recorded decisions"));
        }
        if claims > 0 {
            read.push(counted(claims, "line of claims", "lines of claims"));
        }
        let read = if read.is_empty() { "no record of a decision".to_owned() } else { read.join(" and ") };
        _ = writeln!(text, ", by {read}.");
        let mut tell = |count: u64, one: &str, many: &str, what: &str| {
            if count > 0 {
                _ = writeln!(text, "note: {} {what}", counted(count, one, many));
            }
        };
        tell(without_facts, "decision has", "decisions have", "no facts on record");
        tell(nobody, "line of claims names", "lines of claims name", "nobody");
        tell(lost, "record was", "records were", "lost when the trail was written");
        let first = self.counts.first_not_understood.as_deref().map(shown).unwrap_or_default();
        tell(not_understood, "line was", "lines were", &format!("not understood; the first is {first}"));
        text
    }

    fn name(&self, person: &Person) -> String {
        let Person { user, realm } = person;
        if self.one_realm { shown(user) } else { format!("{} ({})", shown(user), shown(realm)) }
    }
}

impl Group {
    fn write(&self, text: &mut String, names: bool) {
        let What { kind, old, new, missing, facts, .. } = &self.what;
        let people = counted(self.people.len(), "person", "people");
        let (verb, what) = verb(*kind, self.people.len());
        let why = match kind {
            Kind::Loss => format!("{} let them in, {}", by(old), said(new, true)),
            Kind::Gain => format!("{}, now {} lets them in", said(old, false), by(new)),
            Kind::Change if old.rule == new.rule => format!("{} lets them in as before", by(new)),
            Kind::Change => format!("{} let them in, now {} does", by(old), by(new)),
            Kind::StartLoss => "`start` held for them, and no longer does".to_owned(),
            Kind::StartGain => "`start` did not hold for them, and now does".to_owned(),
            Kind::Unknown => {
                let asking = new.rule.as_ref().or(old.rule.as_ref()).filter(|_| new.reason.is_none());
                let asks = asking.map(|rule| format!(", which the rule `{}` asks for", shown(rule)));
                let missing: Vec<String> = missing.iter().map(|name| shown(name)).collect();
                format!("there is no record of {}{}", missing.join(", "), asks.unwrap_or_default())
            }
        };
        _ = writeln!(text, "  {people} {verb}{what}: {why}");
        for (key, values) in &self.fields {
            let mut pairs = values.iter();
            match (pairs.next(), pairs.next()) {
                (Some((old, new)), None) => {
                    _ = writeln!(text, "      {}: {} → {}", shown(key), value(old), value(new));
                }
                (Some((old, new)), Some(_)) if names => {
                    let (old, new) = (value(old), value(new));
                    _ = writeln!(text, "      {}: another for each, such as {old} → {new}", shown(key));
                }
                _ => _ = writeln!(text, "      {}: another for each", shown(key)),
            }
        }
        if !facts.is_empty() {
            _ = writeln!(text, "      {}", told(facts));
        }
    }

    fn json(&self, names: Option<&Report>) -> Value {
        let What { kind, old, new, missing, facts, .. } = &self.what;
        let fields = self.fields.iter().map(|(key, values)| {
            let is_one = values.len() == 1;
            let values = values.iter().filter(|_| is_one || names.is_some());
            let values: Vec<Value> = values.map(|(old, new)| json!({"from": old, "to": new})).collect();
            json!({"field": key, "values": values})
        });
        let mut group = json!({
            "kind": kind,
            "people": self.people.len(),
            "before": old,
            "after": new,
            "fields": fields.collect::<Vec<_>>(),
            "not_on_record": missing,
            "facts": facts.iter().map(fact).collect::<Vec<_>>(),
        });
        if names.is_some()
            && let Value::Object(members) = &mut group
        {
            let people =
                self.people.iter().map(|Person { user, realm }| json!({"user": user, "realm": realm}));
            members.insert("names".to_owned(), people.collect());
        }
        group
    }
}

/// The facts in one line.
fn told(facts: &BTreeSet<Fact>) -> String {
    let groups = |wanted: fn(&Fact) -> Option<&String>, words: &str| {
        let names: Vec<String> =
            facts.iter().filter_map(wanted).map(|name| format!("`{}`", shown(name))).collect();
        (!names.is_empty()).then(|| format!("{words} {}", names.join(", ")))
    };
    let is_in = |fact: &Fact| matches!(fact, Fact::In(_) | Fact::NotIn(_));
    let others = facts.iter().filter(|fact| !is_in(fact)).map(|other| shown(&fact(other)));
    let member = groups(|fact| if let Fact::In(name) = fact { Some(name) } else { None }, "in");
    let absent = groups(|fact| if let Fact::NotIn(name) = fact { Some(name) } else { None }, "not in");
    member.into_iter().chain(absent).chain(others).collect::<Vec<_>>().join("; ")
}

fn fact(fact: &Fact) -> String {
    match fact {
        Fact::In(group) => format!("in `{group}`"),
        Fact::NotIn(group) => format!("not in `{group}`"),
        Fact::Claim(name, Some(value)) => format!("claims.{name} is {value}"),
        Fact::Claim(name, None) => format!("claims.{name} is absent"),
        Fact::Counts(what) => format!("it depends on {what}"),
    }
}

/// The change for these people, in two parts.
fn verb(kind: Kind, people: usize) -> (&'static str, &'static str) {
    match (kind, people) {
        (Kind::Loss, 1) => ("loses", " access"),
        (Kind::Loss, _) => ("lose", " access"),
        (Kind::Gain, 1) => ("gains", " access"),
        (Kind::Gain, _) => ("gain", " access"),
        (Kind::Change, 1) => ("lands", " elsewhere"),
        (Kind::Change, _) => ("land", " elsewhere"),
        (Kind::StartLoss, 1) => ("loses", " the right to start it"),
        (Kind::StartLoss, _) => ("lose", " the right to start it"),
        (Kind::StartGain, 1) => ("gains", " the right to start it"),
        (Kind::StartGain, _) => ("gain", " the right to start it"),
        (Kind::Unknown, _) => ("cannot be judged", ""),
    }
}

fn by(said: &Said) -> String {
    said.rule.as_deref().map_or_else(|| "a rule".to_owned(), |rule| format!("the rule `{}`", shown(rule)))
}

/// The decision in words, and the reason of a denial, `now` or before.
fn said(said: &Said, now: bool) -> String {
    let rule = || by(said);
    let when = |present: &str, past: &str| if now { format!("now {present}") } else { past.to_owned() };
    match said.reason.as_deref().unwrap_or_default() {
        NO_SUCH_DESTINATION => when("there is no such destination", "there was no such destination"),
        NO_SUCH_ISSUER => when("their issuer is unknown", "their issuer was unknown"),
        NOBODY => when("their claims name nobody", "their claims named nobody"),
        NO_SUCH_PATH => when("`paths` does not list the link", "`paths` did not list the link"),
        reason if reason == DenialReason::NoRule.as_str() => when("no rule matches", "no rule matched"),
        reason if reason == DenialReason::RuleDenied.as_str() => {
            when(&format!("{} denies", rule()), &format!("{} denied", rule()))
        }
        reason if reason == DenialReason::GroupsOverage.as_str() => {
            let rule = rule();
            when(
                &format!("{rule} asks for groups that were left out"),
                &format!("{rule} asked for groups that were left out"),
            )
        }
        reason if reason == DenialReason::RuleError.as_str() => {
            let rule = rule();
            when(&format!("{rule} cannot be evaluated"), &format!("{rule} could not be evaluated"))
        }
        other => when(&format!("refused ({})", shown(other)), &format!("refused ({})", shown(other))),
    }
}

fn counted(count: impl TryInto<u64>, one: &str, many: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

fn value(value: &Option<String>) -> String {
    value.as_deref().map_or_else(|| "none".to_owned(), |value| format!("`{}`", shown(value)))
}

/// The text without characters that a terminal obeys, and not too long.
fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(LONGEST_SHOWN)
        .map(|character| if is_obeyed(character) { '\u{fffd}' } else { character })
        .collect();
    if text.chars().nth(LONGEST_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Control characters, and those that change the direction of a line (Unicode Standard Annex 9).
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
