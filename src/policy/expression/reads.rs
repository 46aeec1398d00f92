//! The walk that finds what an expression can read of `groups` and `claims`.
//!
//! A form that is not known here reads everything: forgetting a form costs room, never a decision.

use crate::provider::policy_inputs::{Names, PolicyInputs};
use cel::IdedExpr;
use cel::common::ast::{ComprehensionExpr, Expr, LiteralValue, operators};

/// Adds the inputs that `expression` can read. An earlier check refuses a comprehension whose
/// variable has the name of one of ours.
pub(super) fn gather(expression: &IdedExpr, reads: &mut PolicyInputs) {
    Walk { reads, bound: None }.expression(expression);
}

struct Walk<'e, 'r> {
    reads: &'r mut PolicyInputs,
    /// The variable of the enclosing comprehension, and the constants that it stands for.
    bound: Option<(&'e str, Vec<&'e str>)>,
}

impl<'e> Walk<'e, '_> {
    fn expression(&mut self, expression: &'e IdedExpr) {
        match &expression.expr {
            Expr::Ident(name) if name == "groups" => self.reads.groups = Names::All,
            Expr::Ident(name) if name == "claims" => self.reads.claims = Names::All,
            // `claims.name`, and `has(claims.name)`.
            Expr::Select(select) if is(&select.operand, "claims") => self.reads.claims.add(&select.field),
            Expr::Select(select) => self.expression(&select.operand),
            Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
                (operators::IN, [value, container]) if is(container, "groups") => self.membership(value),
                (operators::IN, [name, container]) | (operators::INDEX, [container, name])
                    if is(container, "claims") =>
                {
                    match constant(name) {
                        Some(name) => self.reads.claims.add(name),
                        None => self.all([name, container]),
                    }
                }
                (_, arguments) => self.all(call.target.iter().map(AsRef::as_ref).chain(arguments)),
            },
            Expr::List(list) => self.all(&list.elements),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Ident(_) | Expr::Literal(_) => {}
            // Refused at load.
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                *self.reads = PolicyInputs { claims: Names::All, groups: Names::All };
            }
        }
    }

    fn all(&mut self, expressions: impl IntoIterator<Item = &'e IdedExpr>) {
        for expression in expressions {
            self.expression(expression);
        }
    }

    /// `'name' in groups`, or the same of a variable that stands for constants.
    fn membership(&mut self, value: &'e IdedExpr) {
        match (&self.bound, &value.expr) {
            (Some((bound, names)), Expr::Ident(name)) if name == bound => {
                names.iter().for_each(|name| self.reads.groups.add(name));
            }
            _ => match constant(value) {
                Some(name) => self.reads.groups.add(name),
                None => {
                    self.reads.groups = Names::All;
                    self.expression(value);
                }
            },
        }
    }

    fn comprehension(&mut self, comprehension: &'e ComprehensionExpr) {
        if let Some(names) = asked_of_each_group(comprehension) {
            names.iter().for_each(|name| self.reads.groups.add(name));
            return;
        }
        let ComprehensionExpr { iter_range, iter_var, accu_init, loop_cond, loop_step, result, .. } =
            comprehension;
        self.all([iter_range, accu_init]);
        // A comprehension inside another is refused at load.
        self.bound = constants(iter_range).map(|names| (iter_var.as_str(), names));
        self.all([loop_cond, loop_step]);
        self.bound = None;
        self.expression(result);
    }
}

/// The names that `groups.exists(group, …)` asks for, where only comparisons with constants, joined by `||`, stand for
/// the dots: then no other group can make it true.
fn asked_of_each_group(comprehension: &ComprehensionExpr) -> Option<Vec<&str>> {
    let is_exists = matches!(&comprehension.accu_init.expr, Expr::Literal(LiteralValue::Boolean(start)) if !*start.inner());
    let Expr::Call(step) = &comprehension.loop_step.expr else { return None };
    match (step.func_name.as_str(), step.args.as_slice()) {
        (operators::LOGICAL_OR, [accumulator, condition])
            if is_exists
                && is(&comprehension.iter_range, "groups")
                && is(accumulator, &comprehension.accu_var)
                && is(&comprehension.result, &comprehension.accu_var) =>
        {
            compared(condition, &comprehension.iter_var)
        }
        _ => None,
    }
}

/// The constants that `variable` is compared with, where `condition` consists of such comparisons alone.
fn compared<'e>(condition: &'e IdedExpr, variable: &str) -> Option<Vec<&'e str>> {
    let Expr::Call(call) = &condition.expr else { return None };
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::LOGICAL_OR, [left, right]) => {
            let mut names = compared(left, variable)?;
            names.extend(compared(right, variable)?);
            Some(names)
        }
        (operators::EQUALS, [left, right]) if is(left, variable) => Some(vec![constant(right)?]),
        (operators::EQUALS, [left, right]) if is(right, variable) => Some(vec![constant(left)?]),
        (operators::IN, [value, list]) if is(value, variable) => constants(list),
        _ => None,
    }
}

/// The expressions directly inside this one.
pub(super) fn inside(expression: &IdedExpr) -> Vec<&IdedExpr> {
    match &expression.expr {
        Expr::Select(select) => vec![&select.operand],
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Comprehension(comprehension) => {
            let ComprehensionExpr { iter_range, accu_init, loop_cond, loop_step, result, .. } =
                &**comprehension;
            vec![iter_range, accu_init, loop_cond, loop_step, result]
        }
        _ => Vec::new(),
    }
}

pub(super) fn is(expression: &IdedExpr, variable: &str) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name == variable)
}

pub(super) fn constant(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// The elements of a list of constant texts.
fn constants(expression: &IdedExpr) -> Option<Vec<&str>> {
    match &expression.expr {
        Expr::List(list) => list.elements.iter().map(constant).collect(),
        _ => None,
    }
}
