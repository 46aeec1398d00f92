//! The proof that two people get the same place only where the configuration says so.
//!
//! A person is (realm, user). Each text that a rule computes for a field that makes a place belongs to one person, or
//! several people share it because the configuration says so: by a constant, a table or `shared_by(…)`. This file
//! proves it when a configuration is loaded, from the [forms](super::forms) that the expressions can yield:
//!
//! - [`Places::judge`] refuses a field if one of its forms may be the same for two people.
//! - [`Places::add`] refuses a rule if two people could get the same place, by it or by it and an earlier rule.
//!
//! Both ask one question, [`Places::meet`]: can two *different* people get the same text? The answer is yes wherever
//! the forms do not rule it out. AWS compares names without case, so constants are compared without case here. A
//! person's own text has to be in lower case; each decision checks that ([`Folds`]).

use super::expression::{Condition, Problem};
use super::forms::{Form, Issuer, Own, Piece, Walk, constant_of};
use super::lookup::Table;
use super::name_pattern::NamePattern;
use super::template::Template;
use crate::config::diagnostics::listed;
use crate::target::arn;
use std::collections::{BTreeMap, BTreeSet};

/// The most constants before or behind a person's own text that are compared.
const MOST_CONSTANTS: usize = 512;

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
    issuer: &'a Issuer,
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
                self.judge_form(key, &form, walk.issuer)?;
                folds.add(&form, false);
            }
        }
        Ok(folds)
    }

    fn judge_form(&self, key: &str, form: &Form, issuer: &Issuer) -> Result<(), Problem> {
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
        if said(form) == Said::Not && self.meet((form, issuer), (form, issuer)) {
            let message = format!("people who have this value in common would get the same `{key}`");
            let help = "make it of `user`, take it from a table of `lookups`, or write `shared_by(…)` around a value \
                        whose holders are meant to share a place";
            return Err(problem(message, help));
        }
        Ok(())
    }

    /// Adds the target of a rule.
    ///
    /// # Errors
    ///
    /// Names the people who could get the same place, by this rule or by this one and an earlier one.
    pub(super) fn add(&mut self, opened: &Opened<'_>) -> Result<(), Problem> {
        let mut result = Ok(());
        for walk in self.walks() {
            if walk.truth(opened.condition.tree()) == Some(false) {
                continue;
            }
            for (key, text) in &opened.places {
                let area = area(walk, opened, key);
                for form in text.forms(walk).into_iter().filter(|form| said(form) > Said::Written) {
                    let area = area.clone();
                    let (kind, issuer, line) = (opened.kind, walk.issuer, opened.line);
                    let place = Place { kind, key, area, form, issuer, line };
                    let met = self.known.iter().find(|known| self.is_met(known, &place));
                    if let (Some(known), Ok(())) = (met, &result) {
                        result = Err(meeting(known, &place));
                    }
                    if !self.known.iter().any(|known| known.is_as(&place)) {
                        self.known.push(place);
                    }
                }
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

    fn is_met(&self, known: &Place<'_>, place: &Place<'_>) -> bool {
        let overlap = |(known, area): (&Option<Vec<String>>, &Option<Vec<String>>)| match (known, area) {
            (Some(known), Some(area)) => known.iter().any(|text| area.contains(text)),
            _ => true,
        };
        (known.kind, known.key) == (place.kind, place.key)
            && (said(&known.form) == Said::Not || said(&place.form) == Said::Not)
            && known.area.iter().zip(&place.area).all(overlap)
            && self.meet((&known.form, known.issuer), (&place.form, place.issuer))
    }

    /// Whether a person of one issuer and *another* person of the other can get the same text.
    fn meet(&self, (form, issuer): (&Form, &Issuer), (other, others): (&Form, &Issuer)) -> bool {
        if let ([Piece::Table { name, key, .. }], [Piece::Table { name: other, key: others_key, .. }]) =
            (form.as_slice(), other.as_slice())
            && name == other
        {
            // No two keys of a table share a value.
            return self.meet((key, issuer), (others_key, others));
        }
        let (Some(one), Some(other)) = (self.split(form), self.split(other)) else { return true };
        if one.own.is_none() && other.own.is_none() {
            return one.heads.iter().any(|text| other.heads.contains(text));
        }
        let heads = compare(&one.heads, &other.heads, |text, start| text.starts_with(start));
        let tails = compare(&one.tails, &other.tails, |text, end| text.ends_with(end));
        match (heads, tails, one.own, other.own) {
            (Compared::Apart, ..) | (_, Compared::Apart, ..) => false,
            (Compared::Same, Compared::Same, Some(own), Some(others_own)) => {
                self.pieces_meet((own, issuer), (others_own, others))
            }
            _ => true,
        }
    }

    fn pieces_meet(&self, (piece, issuer): (&Piece, &Issuer), (other, others): (&Piece, &Issuer)) -> bool {
        let one_realm = issuer.realm == others.realm;
        match (piece, other) {
            (Piece::Own(Own::User { .. }), Piece::Own(Own::User { .. })) => {
                !one_realm && may_share_users(issuer, others)
            }
            (Piece::Own(Own::Subject { .. }), Piece::Own(Own::Subject { .. })) => issuer != others,
            (Piece::LocalPart(domain), Piece::LocalPart(other)) => !(one_realm && domain == other),
            // An address has an `@`, and what stands before it has none.
            (Piece::Own(Own::User { .. }), Piece::LocalPart(_)) => issuer.user_domains.is_none(),
            (Piece::LocalPart(_), Piece::Own(Own::User { .. })) => others.user_domains.is_none(),
            (Piece::Name { prefix, of }, Piece::Name { prefix: other, of: of_other }) => {
                prefix == other && self.meet((of, issuer), (of_other, others))
            }
            (Piece::Joined(texts), Piece::Joined(other)) => {
                let mut pairs = texts.iter().zip(other);
                texts.len() == other.len()
                    && pairs.all(|(one, other)| self.meet((one, issuer), (other, others)))
            }
            _ => true,
        }
    }

    /// `None` where more than one piece is not written in the configuration.
    fn split<'f>(&self, form: &'f Form) -> Option<Split<'f>> {
        let mut split = Split { heads: vec![String::new()], own: None, tails: vec![String::new()] };
        for piece in form {
            let written: Vec<&str> = match piece {
                Piece::Constant(text) => vec![text],
                Piece::Table { name, .. } => self.tables.get(name).map(Table::values).unwrap_or_default(),
                own if split.own.is_none() => {
                    split.own = Some(own);
                    continue;
                }
                _ => return None,
            };
            let side = if split.own.is_none() { &mut split.heads } else { &mut split.tails };
            if side.len() * written.len() > MOST_CONSTANTS {
                return None;
            }
            let longer = side.iter().flat_map(|text| written.iter().map(move |next| format!("{text}{next}")));
            *side = longer.map(|text| text.to_ascii_lowercase()).collect();
        }
        Some(split)
    }
}

/// A form split at its one piece that is not written in the configuration: the constants on both sides, in lower case.
struct Split<'f> {
    heads: Vec<String>,
    own: Option<&'f Piece>,
    tails: Vec<String>,
}

enum Compared {
    /// No text has an affix of both.
    Apart,
    /// Some affix is in both lists, and no text matches two different affixes.
    Same,
    Unclear,
}

fn compare(some: &[String], others: &[String], has: fn(&str, &str) -> bool) -> Compared {
    let pairs = some.iter().flat_map(|one| others.iter().map(move |other| (one, other)));
    pairs.fold(Compared::Apart, |so_far, (one, other)| match so_far {
        Compared::Unclear => Compared::Unclear,
        _ if one == other => Compared::Same,
        _ if has(one, other) || has(other, one) => Compared::Unclear,
        so_far => so_far,
    })
}

fn may_share_users(one: &Issuer, other: &Issuer) -> bool {
    match (&one.user_domains, &other.user_domains) {
        (Some(ours), Some(theirs)) => ours.iter().any(|domain| theirs.contains(domain)),
        _ => true,
    }
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
    /// Whether it is the same but for its rule.
    fn is_as(&self, other: &Self) -> bool {
        let of = |place: &Self| (place.kind, place.key, place.issuer as *const Issuer);
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

fn meeting(known: &Place<'_>, place: &Place<'_>) -> Problem {
    let (key, other_rule) = (place.key, known.line != place.line);
    let elsewhere = |whose: &str| {
        if other_rule { format!(" as {whose} by the rule on line {}", known.line) } else { String::new() }
    };
    if known.issuer.realm != place.issuer.realm {
        let message = format!(
            "people of several realms could get the same `{key}` by this rule{}",
            elsewhere("others")
        );
        return problem(message, "ask for the `realm` in the rule, or write `join(realm, …)`");
    }
    let (theirs, ours) = (domains(&known.form), domains(&place.form));
    if theirs == ours || theirs.is_empty() || ours.is_empty() {
        let message = format!("two people could get the same `{key}` by this rule{}", elsewhere("others"));
        return problem(
            message,
            "give all but one of them a prefix: `profile_name('prefix', …)` or `join('prefix', …)`",
        );
    }
    let named = |domains: &BTreeSet<&str>| listed(domains.iter().copied());
    let here = if other_rule { ours.clone() } else { &theirs | &ours };
    let message = format!(
        "people of {} could get the same place by this rule{}",
        named(&here),
        elsewhere(&format!("those of {}", named(&theirs)))
    );
    problem(message, "write `profile_name('prefix', …)` for all but one of them")
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
