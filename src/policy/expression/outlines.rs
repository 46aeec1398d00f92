//! The walk that finds which texts an expression can yield.
//!
//! What is not one of the forms known here may be any text: a form that is forgotten costs precision, nothing else.

use crate::policy::reach::Outline;
use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, operators};

pub(super) fn of(expression: &IdedExpr) -> Vec<Outline> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => vec![Outline::text(text.inner())],
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::CONDITIONAL, [_, one, other]) => Outline::either(of(one), of(other)),
            (operators::ADD, [first, second]) => Outline::joined(&of(first), &of(second)),
            ("profile_name", [prefix, _]) => {
                let mark = [Outline::text("--")];
                Outline::joined(&Outline::joined(&of(prefix), &mark), &[Outline::anything()])
            }
            _ => vec![Outline::anything()],
        },
        _ => vec![Outline::anything()],
    }
}
