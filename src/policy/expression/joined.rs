//! Texts side by side, which could be told apart no longer.

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, operators};

/// How texts that are computed are joined by `+`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum Joined {
    #[default]
    Not,
    /// With constant text between them.
    Apart,
    /// With nothing between them: what `ab` and `c` make, `a` and `bc` make, too.
    Together,
}

impl Joined {
    /// By the one `+` between them.
    pub(super) fn of(left: &IdedExpr, right: &IdedExpr) -> Self {
        if is_constant(left) || is_constant(right) {
            Self::Not
        } else if separates(end(left, 1)) || separates(end(right, 0)) {
            Self::Apart
        } else {
            Self::Together
        }
    }
}

/// The first (0) or last (1) of the texts that a chain of `+` joins.
fn end(expression: &IdedExpr, side: usize) -> &IdedExpr {
    match &expression.expr {
        Expr::Call(call) if call.func_name == operators::ADD => {
            call.args.get(side).map_or(expression, |operand| end(operand, side))
        }
        _ => expression,
    }
}

fn is_constant(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Literal(_) => true,
        Expr::Call(call) => call.func_name == operators::ADD && call.args.iter().all(is_constant),
        _ => false,
    }
}

fn separates(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Literal(LiteralValue::String(text)) if !text.inner().is_empty())
}
