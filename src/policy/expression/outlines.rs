//! The walk that finds which texts an expression can yield.
//!
//! What is not one of the forms known here may be any text: a form that is forgotten costs precision, nothing else.

use crate::policy::lookup::Table;
use crate::policy::reach::Outline;
use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, operators};
use std::collections::BTreeMap;

pub(super) fn of(expression: &IdedExpr, tables: &BTreeMap<String, Table>) -> Vec<Outline> {
    let of = |expression| of(expression, tables);
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => vec![Outline::text(text.inner())],
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::CONDITIONAL, [_, one, other]) => Outline::either(of(one), of(other)),
            (operators::ADD, [first, second]) => Outline::joined(&of(first), &of(second)),
            ("profile_name", [prefix, _]) => {
                let mark = [Outline::text("--")];
                Outline::joined(&Outline::joined(&of(prefix), &mark), &[Outline::anything()])
            }
            ("lookup", [table, _]) => match &table.expr {
                Expr::Literal(LiteralValue::String(name)) => looked_up(tables.get(name.inner())),
                _ => vec![Outline::anything()],
            },
            _ => vec![Outline::anything()],
        },
        _ => vec![Outline::anything()],
    }
}

/// Nothing where the table could not be read, which is an error of its own.
fn looked_up(table: Option<&Table>) -> Vec<Outline> {
    let values = table.into_iter().flat_map(Table::values);
    Outline::any_of(values.map(Outline::text).collect())
}
