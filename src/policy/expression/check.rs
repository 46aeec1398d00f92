//! The walk over a parsed expression at load. A strict list says what an expression may name, call and combine, and a
//! visible fault is an error now instead of a denial later.

use super::functions::Patterns;
use super::problem::Problem;
use super::signature::{Type, VARIABLES};
use super::vocabulary::Vocabulary;
use crate::config::diagnostics::did_you_mean_or_all;
use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, ListExpr, LiteralValue, SelectExpr, SourceInfo, operators,
};

/// Claims that people take for variables (OpenID Connect Core 1.0, section 5.1, and what providers add).
const CLAIMS: [&str; 8] =
    ["sub", "email", "email_verified", "preferred_username", "name", "roles", "upn", "azp"];

/// How deep an expression may be nested. The interpreter recurses, with 36 kB of stack a level unoptimised, and a
/// thread has 2 MB.
const DEEPEST: usize = 24;

pub(super) struct Check<'a> {
    pub(super) vocabulary: &'a Vocabulary<'a>,
    pub(super) positions: &'a SourceInfo,
    pub(super) patterns: &'a mut Patterns,
    pub(super) problems: Vec<Problem>,
    /// Each `lookup('table', key)`: the table and the key.
    pub(super) looked_up: Vec<(String, IdedExpr)>,
    /// The variable of the enclosing comprehension, and its type.
    bound: Option<(String, Type)>,
    /// The number of `map(…)` so far.
    maps: usize,
    depth: usize,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        vocabulary: &'a Vocabulary<'a>,
        positions: &'a SourceInfo,
        patterns: &'a mut Patterns,
    ) -> Self {
        let (problems, looked_up) = (Vec::new(), Vec::new());
        Self { vocabulary, positions, patterns, problems, looked_up, bound: None, maps: 0, depth: 0 }
    }

    /// The type of an expression, whose faults are added to the problems.
    pub(super) fn expression(&mut self, expression: &IdedExpr) -> Type {
        if self.depth == DEEPEST {
            self.problem(expression, format!("is nested more than {DEEPEST} levels deep"));
            return Type::Any;
        }
        self.depth += 1;
        let found = match &expression.expr {
            Expr::Literal(literal) => self.literal(expression, literal),
            Expr::Ident(name) => self.variable(expression, name),
            Expr::Select(select) => self.select(expression, select),
            Expr::Call(call) => self.call(expression, call),
            Expr::List(list) => self.list(list),
            Expr::Comprehension(comprehension) => self.comprehension(expression, comprehension),
            Expr::Map(_) | Expr::Struct(_) => {
                self.problem(expression, "a map or message literal is not allowed: use a table of `lookups`");
                Type::Any
            }
            Expr::Unspecified => {
                self.problem(expression, "is not an expression");
                Type::Any
            }
        };
        self.depth -= 1;
        found
    }

    fn literal(&mut self, at: &IdedExpr, literal: &LiteralValue) -> Type {
        match literal {
            LiteralValue::Boolean(_) => Type::Bool,
            LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Type::Number,
            LiteralValue::String(_) => Type::String,
            LiteralValue::Null => Type::Null,
            LiteralValue::Bytes(_) => {
                self.problem(at, "bytes are not allowed: nothing here is made of them");
                Type::Any
            }
        }
    }

    fn variable(&mut self, at: &IdedExpr, name: &str) -> Type {
        if let Some((bound, found)) = &self.bound
            && (bound == name || name.starts_with('@'))
        {
            return if bound == name { *found } else { Type::Any };
        }
        if name == "client_ip" && !self.vocabulary.client_ip_known {
            let help = "set `trusted_proxies` or `listen.direct_clients`";
            self.problem_with_help(at, "`client_ip` can never be known", Some(help.to_owned()));
        }
        match VARIABLES.iter().find(|(known, _)| *known == name) {
            Some((_, found)) => *found,
            None => {
                let help = match CLAIMS.iter().find(|known| *known == &name) {
                    Some(claim) => format!("a claim is read by `claims.{claim}`"),
                    None => did_you_mean_or_all(name, VARIABLES.map(|(known, _)| known)),
                };
                self.problem_with_help(at, format!("there is no variable `{name}`"), Some(help));
                Type::Any
            }
        }
    }

    fn select(&mut self, at: &IdedExpr, select: &SelectExpr) -> Type {
        let operand = self.expression(&select.operand);
        if !operand.may_be(Type::Map) {
            let help = match select.field.as_str() {
                "groups" => "`groups` is a variable of its own".to_owned(),
                claim => format!("a claim is read by `claims.{claim}`"),
            };
            let message = format!("{} has no field `{}`", operand.words(), select.field);
            self.problem_with_help(at, message, Some(help));
        }
        if select.test { Type::Bool } else { Type::Any }
    }

    fn list(&mut self, list: &ListExpr) -> Type {
        for element in &list.elements {
            self.expression(element);
        }
        Type::List
    }

    fn comprehension(&mut self, at: &IdedExpr, comprehension: &ComprehensionExpr) -> Type {
        let maps_before = self.maps;
        let range = self.expression(&comprehension.iter_range);
        if makes_elements(comprehension) {
            if self.maps > maps_before {
                self.problem(at, "a `map` of what another `map` made is not allowed: each could multiply it");
            }
            self.maps += 1;
        }
        if !(range.may_be(Type::List) || range.may_be(Type::Map)) {
            self.problem(at, format!("{} has no elements", range.words()));
        }
        let variable = &comprehension.iter_var;
        if self.bound.is_some() {
            self.problem(at, "a comprehension inside another one is not allowed");
            return Type::Any;
        }
        if VARIABLES.iter().any(|(known, _)| known == variable) {
            self.problem(at, format!("`{variable}` has a meaning already: name the element otherwise"));
        }
        let element = if is_groups(&comprehension.iter_range) { Type::String } else { Type::Any };
        self.bound = Some((variable.clone(), element));
        self.expression(&comprehension.loop_step);
        self.bound = None;
        match &comprehension.accu_init.expr {
            Expr::List(_) => Type::List,
            _ => Type::Bool,
        }
    }

    fn call(&mut self, at: &IdedExpr, call: &CallExpr) -> Type {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, [left, right]) => {
                self.operand(call, left, &[Type::Bool]);
                self.operand(call, right, &[Type::Bool]);
                Type::Bool
            }
            (operators::LOGICAL_NOT, [operand]) => self.operand(call, operand, &[Type::Bool]),
            (operators::NEGATE, [operand]) => self.operand(call, operand, &[Type::Number]),
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.operand(call, condition, &[Type::Bool]);
                let (yes, no) = (self.expression(yes), self.expression(no));
                if yes == no { yes } else { Type::Any }
            }
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => self.equality(at, left, right),
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [left, right],
            ) => {
                self.pair(call, left, right);
                Type::Bool
            }
            (operators::IN, [value, container]) => self.membership(at, value, container),
            (operators::ADD, [left, right]) if self.is_accumulator(left) => {
                self.expression(right);
                Type::Any
            }
            (operators::ADD, [left, right]) => self.sum(call, left, right),
            (
                operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO,
                [left, right],
            ) => {
                self.operand(call, left, &[Type::Number]);
                self.operand(call, right, &[Type::Number])
            }
            (operators::INDEX, [container, key]) => {
                if is_groups(container) {
                    self.problem(at, "`groups` has no order: ask with `'name' in groups`");
                }
                self.operand(call, container, &[Type::List, Type::Map]);
                self.operand(call, key, &[Type::Number, Type::String, Type::Bool]);
                Type::Any
            }
            (name, _) => self.function(at, name, call),
        }
    }

    /// The type of an operand that must be one of `allowed`; any where it is not.
    fn operand(&mut self, call: &CallExpr, operand: &IdedExpr, allowed: &[Type]) -> Type {
        let found = self.expression(operand);
        if allowed.iter().any(|allowed| found.may_be(*allowed)) {
            return found;
        }
        let operator = symbol(&call.func_name);
        self.problem(operand, format!("`{operator}` does not take {}", found.words()));
        Type::Any
    }

    /// Two numbers or two strings; any where they are not.
    fn pair(&mut self, call: &CallExpr, left: &IdedExpr, right: &IdedExpr) -> (Type, Type) {
        const EITHER: [Type; 2] = [Type::Number, Type::String];
        let first = self.operand(call, left, &EITHER);
        let second = self.operand(call, right, &EITHER);
        if !first.may_be(second) {
            let (operator, first, second) = (symbol(&call.func_name), first.words(), second.words());
            let message = format!("`{operator}` takes two numbers or two strings, not {first} and {second}");
            self.problem(right, message);
            return (Type::Any, Type::Any);
        }
        (first, second)
    }

    fn equality(&mut self, at: &IdedExpr, left: &IdedExpr, right: &IdedExpr) -> Type {
        let (first, second) = (self.expression(left), self.expression(right));
        if is_groups(left) || is_groups(right) {
            self.problem(at, "`groups` has no order: ask with `'name' in groups`");
        } else if !first.may_be(second) {
            let (first, second) = (first.words(), second.words());
            self.problem(at, format!("compares {first} with {second}, which are never equal"));
        } else if first == Type::Null || second == Type::Null {
            let help = "a claim that is `null` counts as absent: ask `has(claims.name)`";
            self.problem_with_help(at, "nothing is equal to null", Some(help.to_owned()));
        }
        Type::Bool
    }

    fn membership(&mut self, at: &IdedExpr, value: &IdedExpr, container: &IdedExpr) -> Type {
        let (found, inside) = (self.expression(value), self.expression(container));
        if inside == Type::String {
            self.problem(at, "`in` asks a list: for a part of a string, write text.contains('part')");
        } else if !(inside.may_be(Type::List) || inside.may_be(Type::Map)) {
            self.problem(at, format!("`in` does not ask {}", inside.words()));
        } else if is_groups(container) && !found.may_be(Type::String) {
            self.problem(at, format!("`groups` holds strings, never {}", found.words()));
        } else if let (true, Some(name)) = (is_groups(container), star_of(value)) {
            let help = match name.strip_suffix('*') {
                Some("") => "`true` is for everybody".to_owned(),
                Some(start) => format!("write groups.exists(group, group.startsWith('{start}'))"),
                None => "write groups.exists(group, matches(group, 'pattern'))".to_owned(),
            };
            let message = format!("`{name}` is compared as it is: `*` stands for no other text");
            self.problem_with_help(value, message, Some(help));
        } else if matches!(&container.expr, Expr::List(list) if list.elements.is_empty()) {
            self.problem(at, "nothing is in an empty list");
        }
        Type::Bool
    }

    fn sum(&mut self, call: &CallExpr, left: &IdedExpr, right: &IdedExpr) -> Type {
        let (first, second) = self.pair(call, left, right);
        if first == Type::Any { second } else { first }
    }

    /// The step of `map` and `filter` adds to the list that they build.
    fn is_accumulator(&self, expression: &IdedExpr) -> bool {
        self.bound.is_some() && matches!(&expression.expr, Expr::Ident(name) if name.starts_with('@'))
    }

    pub(super) fn problem(&mut self, at: &IdedExpr, message: impl Into<String>) {
        self.problem_with_help(at, message, None);
    }

    pub(super) fn problem_with_help(
        &mut self,
        at: &IdedExpr,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let character = self.positions.offset_for(at.id).map(|(start, _)| start as usize + 1);
        self.problems.push(Problem { character, message: message.into(), help });
    }
}

/// Whether it is a `map`, which makes elements; `filter` adds elements of its list.
fn makes_elements(comprehension: &ComprehensionExpr) -> bool {
    let step = match &comprehension.loop_step.expr {
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => call.args.get(1),
        _ => Some(&comprehension.loop_step),
    };
    let added = step.and_then(|step| match &step.expr {
        Expr::Call(call) if call.func_name == operators::ADD => call.args.get(1),
        _ => None,
    });
    let is_variable =
        |element: &IdedExpr| matches!(&element.expr, Expr::Ident(name) if *name == comprehension.iter_var);
    matches!(&comprehension.accu_init.expr, Expr::List(_))
        && !added.is_some_and(
            |added| matches!(&added.expr, Expr::List(list) if list.elements.iter().all(is_variable)),
        )
}

/// A constant text with a `*`.
fn star_of(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) if text.inner().contains('*') => Some(text.inner()),
        _ => None,
    }
}

pub(super) fn is_groups(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name == "groups")
}

/// An operator as it is written: CEL's own name of `&&` is `_&&_`.
pub(super) fn symbol(name: &str) -> &str {
    match name {
        operators::CONDITIONAL => "? :",
        operators::INDEX => "[ ]",
        name => name.trim_matches(['_', '@']),
    }
}
