//! The proof that two people get the same place only where the configuration says so.
//!
//! A person is (realm, user). Each text that a rule computes for a field that makes a place belongs to one person, or
//! several people share it because the configuration says so: by a constant, a table or `shared_by(…)`. This file
//! proves it when a configuration is loaded, from the [forms](super::forms) that the expressions can yield:
//!
//! - [`Places::judge`] refuses a field if one of its forms may be the same for two people.
//! - [`Places::add`] refuses a rule if two people could get the same place, by it or by it and an earlier rule.
//!
//! Both ask one question, [`can_meet`]: can two *different* people get the same text? AWS compares names without case,
//! so constants are compared without case here. A person's own text has to be in lower case; each decision checks that
//! ([`Folds`]).

mod meeting;

use super::expression::{Condition, Problem};
use super::forms::{Form, Issuer, Own, Piece, Walk, constant_of};
use super::lookup::Table;
use super::name_pattern::NamePattern;
use super::template::Template;
use crate::config::diagnostics::listed;
use crate::target::arn;
use meeting::can_meet;
use std::collections::{BTreeMap, BTreeSet};

/// The computed places of all rules so far.
pub(super) struct Places<'a> {
    issuers: &'a [Issuer],
    tables: &'a BTreeMap<String, Table>,
    known: Vec<Place<'a>>,
}

/// The target of a rule, as far as it matters here.
pub(super) struct Opened<'r> {
    pub(super) condition: &'r Condition,
    /// The line of the rule.
    pub(super) line: u32,
    /// The kind of target.
    pub(super) kind: &'static str,
    /// The fields that make a place, by their keys.
    pub(super) places: Vec<(&'static str, Text<'r>)>,
    /// The fields that locate such a place.
    pub(super) region: Option<Text<'r>>,
    pub(super) role_arn: Option<Text<'r>>,
    pub(super) domain_id: Option<Text<'r>>,
}

pub(super) enum Text<'r> {
    Constant(&'r str),
    Computed(&'r Template),
}

/// The texts of a person that must be in lower case, because the names made of them do not keep their case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Folds {
    pub(super) user: bool,
    pub(super) subject: bool,
}

/// How the configuration says that people share a text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    /// It is made of constants and tables alone.
    Written,
    SharedBy,
    /// It does not: the text must be one person's.
    Not,
}

struct Place<'a> {
    kind: &'static str,
    key: &'static str,
    /// Region, account and domain, as far as they are constant.
    area: [Option<Vec<String>>; 3],
    form: Form,
    walk: Walk<'a>,
    line: u32,
}

impl<'a> Places<'a> {
    pub(super) fn new(issuers: &'a [Issuer], tables: &'a BTreeMap<String, Table>) -> Self {
        Self { issuers, tables, known: Vec::new() }
    }

    /// Judges one field that makes a place, for all rules that use it.
    ///
    /// # Errors
    ///
    /// Why the text could be the same for two people.
    pub(super) fn judge(&self, key: &str, template: &Template) -> Result<Folds, Problem> {
        let mut folds = Folds::default();
        for walk in self.walks() {
            for form in walk.template(template) {
                judge_form(key, &form, walk)?;
                folds.add(&form, false);
            }
        }
        Ok(folds)
    }

    /// Adds the target of a rule.
    ///
    /// # Errors
    ///
    /// Names the people who could get the same place, by this rule or by this one and an earlier one.
    pub(super) fn add(&mut self, opened: &Opened<'_>) -> Result<(), Problem> {
        let mut result = Ok(());
        let reached = self.walks().filter(|walk| walk.truth(opened.condition.tree()) != Some(false));
        for place in reached.flat_map(|walk| places_of(walk, opened)) {
            let met = self.known.iter().find(|known| place.meets(known));
            if let (Some(known), Ok(())) = (met, &result) {
                result = Err(meeting_problem(known, &place));
            }
            if !self.known.iter().any(|known| known.is_as(&place)) {
                self.known.push(place);
            }
        }
        result
    }

    /// The values that a template can have, with gaps where a person's facts decide.
    pub(super) fn patterns(&self, template: &Template) -> Vec<NamePattern> {
        let of =
            |walk: Walk<'_>| walk.template(template).iter().flat_map(|form| walk.patterns(form)).collect();
        self.walks().map(of).fold(Vec::new(), NamePattern::either)
    }

    /// One for each issuer.
    fn walks(&self) -> impl Iterator<Item = Walk<'a>> + use<'a> {
        let tables = self.tables;
        self.issuers.iter().map(move |issuer| Walk { issuer, tables })
    }
}

fn judge_form(key: &str, form: &Form, walk: Walk<'_>) -> Result<(), Problem> {
    if form.len() > 1 && form.iter().any(|piece| matches!(piece, Piece::Name { .. })) {
        let message = "text around a `profile_name(…)` is not allowed: two people's names could meet";
        return Err(problem(message, "write `profile_name('prefix', text)`, which keeps names apart"));
    }
    if said(form) > Said::Written && stand_side_by_side(form) {
        let message = format!("a `{key}` made of several values side by side could be two people's");
        let help = match key {
            "user_profile_name" => "write `profile_name(join(one, other))`",
            _ => "write `join(one, other)`, which keeps them apart",
        };
        return Err(problem(message, help));
    }
    if said(form) == Said::Not && can_meet((form, walk), (form, walk)) {
        let message = format!("people who have this value in common would get the same `{key}`");
        let help = "make it of `user`, take it from a table of `lookups`, or write `shared_by(…)` around a value \
                    whose holders are meant to share a place";
        return Err(problem(message, help));
    }
    Ok(())
}

/// The places to which a rule leads the people of one issuer, except those that constants and tables name.
fn places_of<'a>(walk: Walk<'a>, opened: &Opened<'_>) -> Vec<Place<'a>> {
    let (kind, line) = (opened.kind, opened.line);
    let of_field = |(key, text): &(&'static str, Text<'_>)| {
        let (key, area) = (*key, area(walk, opened, key));
        let computed = text.forms(walk).into_iter().filter(|form| said(form) > Said::Written);
        computed.map(move |form| Place { kind, key, area: area.clone(), form, walk, line })
    };
    opened.places.iter().flat_map(of_field).collect()
}

impl Text<'_> {
    fn forms(&self, walk: Walk<'_>) -> Vec<Form> {
        match self {
            Self::Constant(text) => vec![vec![Piece::Constant((*text).to_owned())]],
            Self::Computed(template) => walk.template(template),
        }
    }
}

impl Place<'_> {
    /// Whether two people could be led to one place, one by each.
    fn meets(&self, known: &Self) -> bool {
        let overlap = |(known, area): (&Option<Vec<String>>, &Option<Vec<String>>)| match (known, area) {
            (Some(known), Some(area)) => known.iter().any(|text| area.contains(text)),
            _ => true,
        };
        (known.kind, known.key) == (self.kind, self.key)
            && (said(&known.form) == Said::Not || said(&self.form) == Said::Not)
            && known.area.iter().zip(&self.area).all(overlap)
            && can_meet((&known.form, known.walk), (&self.form, self.walk))
    }

    /// Whether it is the same but for its rule.
    fn is_as(&self, other: &Self) -> bool {
        let of = |place: &Self| (place.kind, place.key, place.walk.issuer as *const Issuer);
        of(self) == of(other) && self.area == other.area && self.form == other.form
    }
}

fn area(walk: Walk<'_>, opened: &Opened<'_>, key: &str) -> [Option<Vec<String>>; 3] {
    let constants = |text: &Text<'_>| text.forms(walk).iter().map(constant_of).collect();
    let account = |role_arn: &Form| match role_arn.first() {
        Some(Piece::Constant(start)) => arn::fields(start).map(|[.., account, _]| account.to_owned()),
        _ => None,
    };
    let accounts =
        opened.role_arn.as_ref().and_then(|role_arn| role_arn.forms(walk).iter().map(account).collect());
    let domains = opened.domain_id.as_ref().filter(|_| key != "domain_id").and_then(constants);
    [opened.region.as_ref().and_then(constants), accounts, domains]
}

impl Folds {
    fn add(&mut self, form: &Form, in_name: bool) {
        for piece in form {
            match piece {
                Piece::Own(Own::User { folded }) => self.user |= *folded || !in_name,
                Piece::Own(Own::Subject { folded }) => self.subject |= *folded || !in_name,
                Piece::LocalPart(_) => self.user = true,
                Piece::Name { of, .. } => self.add(of, true),
                Piece::Joined(texts) => texts.iter().for_each(|text| self.add(text, in_name)),
                Piece::Constant(_) | Piece::Table { .. } | Piece::Shared(_) | Piece::Anything => {}
            }
        }
    }
}

fn said(form: &Form) -> Said {
    let of = |piece: &Piece| match piece {
        Piece::Constant(_) | Piece::Table { .. } => Said::Written,
        Piece::Shared(_) => Said::SharedBy,
        Piece::Name { of, .. } => said(of),
        Piece::Joined(texts) => texts.iter().map(said).max().unwrap_or(Said::Written),
        Piece::Own(_) | Piece::LocalPart(_) | Piece::Anything => Said::Not,
    };
    form.iter().map(of).max().unwrap_or(Said::Written)
}

/// Whether texts that are not written in the configuration stand side by side: `ab` and `c` give the same as `a` and `bc`.
fn stand_side_by_side(form: &Form) -> bool {
    let is_open = |piece: &&Piece| !matches!(piece, Piece::Constant(_) | Piece::Table { .. });
    let inside = |piece: &Piece| match piece {
        Piece::Name { of, .. } | Piece::Shared(of) => stand_side_by_side(of),
        Piece::Joined(texts) => texts.iter().any(stand_side_by_side),
        _ => false,
    };
    form.iter().filter(is_open).count() > 1 || form.iter().any(inside)
}

fn meeting_problem(known: &Place<'_>, place: &Place<'_>) -> Problem {
    let (theirs, ours) = (domains(&known.form), domains(&place.form));
    let named = |domains: &BTreeSet<&str>| listed(domains.iter().copied());
    let same_key = format!("`{}`", place.key);
    let by_another_rule = known.line != place.line;
    let (people, others, what, help) = if known.walk.issuer.realm != place.walk.issuer.realm {
        let help = "ask for the `realm` in the rule, or write `join(realm, …)`";
        ("people of several realms".to_owned(), "others".to_owned(), same_key, help)
    } else if theirs == ours || theirs.is_empty() || ours.is_empty() {
        let help = "give all but one of them a prefix: `profile_name('prefix', …)` or `join('prefix', …)`";
        ("two people".to_owned(), "others".to_owned(), same_key, help)
    } else {
        let here = if by_another_rule { ours } else { &theirs | &ours };
        let (people, others) =
            (format!("people of {}", named(&here)), format!("those of {}", named(&theirs)));
        (people, others, "place".to_owned(), "write `profile_name('prefix', …)` for all but one of them")
    };
    let elsewhere = format!(" as {others} by the rule on line {}", known.line);
    let elsewhere = if by_another_rule { elsewhere.as_str() } else { "" };
    problem(format!("{people} could get the same {what} by this rule{elsewhere}"), help)
}

/// The domains of each `local_part(…)`.
fn domains(form: &Form) -> BTreeSet<&str> {
    form.iter().flat_map(domains_of_piece).collect()
}

fn domains_of_piece(piece: &Piece) -> BTreeSet<&str> {
    match piece {
        Piece::LocalPart(domain) => BTreeSet::from([domain.as_str()]),
        Piece::Name { of, .. } => domains(of),
        Piece::Joined(texts) => texts.iter().flat_map(domains).collect(),
        _ => BTreeSet::new(),
    }
}

fn problem(message: impl Into<String>, help: &str) -> Problem {
    Problem::whole(message).help(help)
}
