//! The constants that an expression names. The facts that a person needs to satisfy it are likely among them.

use super::reads::inside;
use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue};
use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub(in crate::policy) struct Literals {
    pub(in crate::policy) texts: BTreeSet<String>,
    pub(in crate::policy) numbers: BTreeSet<i64>,
}

impl Literals {
    pub(super) fn gather(&mut self, expression: &IdedExpr) {
        match &expression.expr {
            Expr::Literal(LiteralValue::String(text)) => _ = self.texts.insert(text.inner().to_owned()),
            // The number itself, and its neighbours for `<` and `>`.
            Expr::Literal(LiteralValue::Int(number)) => {
                let number = *number.inner();
                self.numbers.extend([number, number.saturating_sub(1), number.saturating_add(1)]);
            }
            _ => inside(expression).into_iter().for_each(|inner| self.gather(inner)),
        }
    }
}
