//! The forms that a computed text can have, found in the tree of its expression when a configuration is loaded.
//!
//! A form that is not known here is [`Piece::Anything`]: forgetting a form costs precision, and never lets two people meet.

use super::join::{SEPARATOR, escaped};
use super::lookup::Table;
use super::name_pattern::NamePattern;
use super::template::{Part, Template};
use crate::config::IssuerConfig;
use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The people, or the programs, that an issuer can assert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    pub name: Arc<str>,
    pub realm: Arc<str>,
    /// If `user` is an e-mail address, in lower case: its possible domains. `None` where `user` may be any text.
    pub user_domains: Option<Vec<String>>,
}

impl Issuer {
    /// The issuer's people and, where it has some, its programs, which are of another realm and may have any name.
    pub fn all_of(config: &IssuerConfig) -> impl Iterator<Item = Self> {
        let people = Self {
            name: Arc::clone(&config.name),
            realm: Arc::clone(&config.realm),
            user_domains: config.user_domains.clone(),
        };
        let programs = config.programs.as_ref().map(|programs| Self {
            name: Arc::clone(&config.name),
            realm: Arc::clone(&programs.realm),
            user_domains: None,
        });
        std::iter::once(people).chain(programs)
    }
}

/// Pieces side by side.
pub(super) type Form = Vec<Piece>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Constant(String),
    /// `lookup('name', key)`
    Table {
        name: String,
        key: Form,
        folded: bool,
    },
    /// `shared_by(text)`
    Shared(Form),
    Own(Own),
    /// `local_part(user, 'domain')`
    LocalPart(String),
    /// `profile_name('prefix', text)`
    Name {
        prefix: Option<String>,
        of: Form,
    },
    /// `join(one, other)`
    Joined(Vec<Form>),
    Anything,
}

/// A text that one person has. Where its case is lost, `Ada` and `ada` could meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    User {
        folded: bool,
    },
    /// `claims.sub`, which an issuer gives to one person and never again (OpenID Connect Core 1.0, section 2).
    Subject {
        folded: bool,
    },
}

/// A text with more forms than this counts as one of which nothing is known.
const MOST_FORMS: usize = 64;

/// The walk over an expression, for the people of one issuer.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) tables: &'a BTreeMap<String, Table>,
}

impl Walk<'_> {
    pub(super) fn template(self, template: &Template) -> Vec<Form> {
        template.parts().fold(vec![Form::new()], |before, part| match part {
            Part::Constant(text) => side_by_side(&before, &[constant(text)]),
            Part::Computed(expression) => side_by_side(&before, &self.forms(expression.tree())),
        })
    }

    /// The forms that the text of an expression can have; empty where it can have no text.
    pub(super) fn forms(self, expression: &IdedExpr) -> Vec<Form> {
        match &expression.expr {
            Expr::Literal(LiteralValue::String(text)) => vec![constant(text.inner())],
            Expr::Ident(name) => match name.as_str() {
                "user" => vec![vec![Piece::Own(Own::User { folded: false })]],
                "realm" => vec![constant(&self.issuer.realm)],
                "issuer" => vec![constant(&self.issuer.name)],
                _ => anything(),
            },
            Expr::Select(select) if is_claims(&select.operand) && select.field == "sub" && !select.test => {
                subject()
            }
            Expr::Call(call) => self.call(call),
            _ => anything(),
        }
    }

    fn call(self, call: &CallExpr) -> Vec<Form> {
        let one = |argument: &IdedExpr, make: &dyn Fn(Form) -> Option<Piece>| {
            let made = self.forms(argument).into_iter().filter_map(make);
            distinct(made.map(|piece| vec![piece]).collect())
        };
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::CONDITIONAL, [condition, yes, no]) => match self.truth(condition) {
                Some(true) => self.forms(yes),
                Some(false) => self.forms(no),
                None => distinct([self.forms(yes), self.forms(no)].concat()),
            },
            (operators::ADD, [left, right]) => side_by_side(&self.forms(left), &self.forms(right)),
            (operators::INDEX, [claims, name]) if is_claims(claims) && text(name) == Some("sub") => subject(),
            ("lowerAscii", []) => {
                let forms = call.target.iter().flat_map(|target| self.forms(target));
                distinct(forms.map(folded).collect())
            }
            ("local_part", [address, domain]) => one(address, &|form| self.local_part(&form, text(domain)?)),
            ("lookup", [table, key]) => one(key, &|key| self.looked_up(text(table)?, key)),
            ("profile_name", [of]) => one(of, &|of| Some(Piece::Name { prefix: None, of })),
            ("profile_name", [prefix, of]) => {
                one(of, &|of| Some(Piece::Name { prefix: text(prefix).map(str::to_owned), of }))
            }
            ("shared_by", [of]) => one(of, &|of| Some(Piece::Shared(of))),
            ("join", texts) => {
                let lists = texts.iter().fold(vec![Vec::new()], |lists, argument| {
                    let forms = self.forms(argument);
                    let longer = lists.iter().flat_map(|list: &Vec<Form>| {
                        forms.iter().map(move |form| [list.as_slice(), std::slice::from_ref(form)].concat())
                    });
                    longer.take(MOST_FORMS + 1).collect()
                });
                distinct(lists.into_iter().map(|list| vec![Piece::Joined(list)]).collect())
            }
            _ => anything(),
        }
    }

    /// `None` where no person of this issuer has such an address.
    fn local_part(self, address: &Form, domain: &str) -> Option<Piece> {
        let domain = domain.to_ascii_lowercase();
        let is_asserted = self.issuer.user_domains.as_ref().is_none_or(|domains| domains.contains(&domain));
        match address.as_slice() {
            [Piece::Own(Own::User { .. })] => is_asserted.then_some(Piece::LocalPart(domain)),
            _ => Some(Piece::Anything),
        }
    }

    /// `None` where the key is a constant that the table does not have.
    fn looked_up(self, table: &str, key: Form) -> Option<Piece> {
        match constant_of(&key) {
            Some(key) => self.tables.get(table)?.find(&key).map(|value| Piece::Constant(value.to_owned())),
            None => Some(Piece::Table { name: table.to_owned(), key, folded: false }),
        }
    }

    /// The value of a condition for all people of this issuer; `None` where it depends on the person.
    pub(super) fn truth(self, condition: &IdedExpr) -> Option<bool> {
        let Expr::Call(call) = &condition.expr else {
            return match &condition.expr {
                Expr::Literal(LiteralValue::Boolean(truth)) => Some(*truth.inner()),
                _ => None,
            };
        };
        let same = |left, right| Some(self.constant(left)? == self.constant(right)?);
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_NOT, [operand]) => self.truth(operand).map(|truth| !truth),
            (operators::LOGICAL_AND, [left, right]) => match (self.truth(left), self.truth(right)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            (operators::LOGICAL_OR, [left, right]) => match (self.truth(left), self.truth(right)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            (operators::EQUALS, [left, right]) => same(left, right),
            (operators::NOT_EQUALS, [left, right]) => same(left, right).map(|same| !same),
            (operators::IN, [value, list]) => match &list.expr {
                Expr::List(list) => {
                    let found = list.elements.iter().map(|element| same(value, element));
                    found.reduce(|one, other| Some(one? || other?)).flatten()
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The texts that the form can be, with gaps where a person's facts decide.
    pub(super) fn patterns(self, form: &Form) -> Vec<NamePattern> {
        form.iter().fold(vec![NamePattern::default()], |before, piece| {
            NamePattern::joined(&before, &self.piece_patterns(piece))
        })
    }

    fn piece_patterns(self, piece: &Piece) -> Vec<NamePattern> {
        match piece {
            Piece::Constant(text) => vec![NamePattern::text(text)],
            Piece::Table { name, folded, .. } => {
                let values = self.tables.get(name).into_iter().flat_map(Table::values);
                let cased = |value: &str| if *folded { value.to_ascii_lowercase() } else { value.to_owned() };
                NamePattern::any_of(values.map(cased).map(NamePattern::text).collect())
            }
            Piece::Shared(of) => self.patterns(of),
            Piece::Name { prefix: Some(prefix), .. } => {
                NamePattern::joined(&[NamePattern::text(format!("{prefix}--"))], &[NamePattern::anything()])
            }
            Piece::Joined(texts) => {
                let text = |form| {
                    constant_of(form)
                        .map_or_else(NamePattern::anything, |text| NamePattern::text(escaped(&text)))
                };
                let separated = texts.iter().map(|form| vec![text(form)]);
                let separated = separated.reduce(|before, next| {
                    NamePattern::joined(&NamePattern::joined(&before, &[NamePattern::text(SEPARATOR)]), &next)
                });
                separated.unwrap_or_default()
            }
            Piece::Own(_) | Piece::LocalPart(_) | Piece::Name { prefix: None, .. } | Piece::Anything => {
                vec![NamePattern::anything()]
            }
        }
    }

    /// The text, where it is the same for all people of this issuer.
    fn constant(self, expression: &IdedExpr) -> Option<String> {
        match self.forms(expression).as_slice() {
            [only] => constant_of(only),
            _ => None,
        }
    }
}

/// The text of a form that allows only one.
pub(super) fn constant_of(form: &Form) -> Option<String> {
    match form.as_slice() {
        [] => Some(String::new()),
        [Piece::Constant(text)] => Some(text.clone()),
        _ => None,
    }
}

fn constant(text: &str) -> Form {
    if text.is_empty() { Form::new() } else { vec![Piece::Constant(text.to_owned())] }
}

fn anything() -> Vec<Form> {
    vec![vec![Piece::Anything]]
}

fn subject() -> Vec<Form> {
    vec![vec![Piece::Own(Own::Subject { folded: false })]]
}

/// The form in lower case. `profile_name` and `local_part` yield nothing else, and the other pieces may be anything.
fn folded(form: Form) -> Form {
    let fold = |piece| match piece {
        Piece::Constant(text) => Piece::Constant(text.to_ascii_lowercase()),
        Piece::Table { name, key, .. } => Piece::Table { name, key, folded: true },
        Piece::Shared(of) => Piece::Shared(folded(of)),
        Piece::Own(Own::User { .. }) => Piece::Own(Own::User { folded: true }),
        Piece::Own(Own::Subject { .. }) => Piece::Own(Own::Subject { folded: true }),
        Piece::Joined(texts) => Piece::Joined(texts.into_iter().map(folded).collect()),
        piece => piece,
    };
    form.into_iter().map(fold).collect()
}

/// Each of the first, followed by each of the second.
fn side_by_side(first: &[Form], second: &[Form]) -> Vec<Form> {
    let pairs = first.iter().flat_map(|one| second.iter().map(move |other| (one, other)));
    let joined = pairs.map(|(one, other)| match (one.split_last(), other.split_first()) {
        (Some((Piece::Constant(before), start)), Some((Piece::Constant(behind), end))) => {
            [start, &[Piece::Constant(format!("{before}{behind}"))], end].concat()
        }
        _ => [one.as_slice(), other].concat(),
    });
    distinct(joined.collect())
}

fn distinct(forms: Vec<Form>) -> Vec<Form> {
    let mut found: Vec<Form> = Vec::new();
    for form in forms {
        if !found.contains(&form) {
            found.push(form);
        }
    }
    if found.len() > MOST_FORMS { anything() } else { found }
}

fn is_claims(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name == "claims")
}

fn text(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
