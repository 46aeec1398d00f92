//! Strict comparisons: an expression fails where it compares values of different types.
//!
//! In CEL `1 == 'a'` is false and `1 != 'a'` true. A claim of another type than the rule's author had in mind would so
//! count as "different", and pass a rule that denies. Here the comparison has no answer, which denies.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, operators};
use cel::common::types::Kind;
use cel::common::value::Val;
use cel::{Context, DeclarationError, ExecutionError, FunctionContext, IdedExpr, Value};

/// No text of a configuration parses as a call of these.
const EQUAL: &str = "@==";
const IN: &str = "@is_in";
const SUM: &str = "@+";
const LIST: &str = "@list";

type Answer<T> = Result<T, ExecutionError>;

/// Replaces every comparison whose operands may differ in type.
pub(super) fn strict(mut expression: IdedExpr) -> IdedExpr {
    Walk { bound: None }.expression(&mut expression);
    expression
}

/// Whether a failure is of one of the functions here: its message needs no name in front.
pub(super) fn is_ours(function: &str) -> bool {
    [EQUAL, IN, SUM, LIST].contains(&function)
}

pub(super) fn add_functions(context: &mut Context<'_, '_>) -> Result<(), DeclarationError> {
    context.add_function(EQUAL, |call: &FunctionContext<'_, '_>| match call.args.as_slice() {
        [left, right] => is_equal(left.as_ref(), right.as_ref()),
        _ => Err(miscalled(EQUAL)),
    })?;
    context.add_function(IN, |call: &FunctionContext<'_, '_>| match call.args.as_slice() {
        [value, list] => is_in(value.as_ref(), list.as_ref()),
        _ => Err(miscalled(IN)),
    })?;
    context.add_function(SUM, |call: &FunctionContext<'_, '_>| match call.args.as_slice() {
        [left, right] => sum(left.as_ref(), right.as_ref()),
        _ => Err(miscalled(SUM)),
    })?;
    context.add_function(LIST, |call: &FunctionContext<'_, '_>| match call.args.as_slice() {
        [list] => elements(list.as_ref()),
        _ => Err(miscalled(LIST)),
    })
}

struct Walk {
    /// The variable of the enclosing comprehension, where it stands for texts.
    bound: Option<String>,
}

impl Walk {
    fn expression(&mut self, expression: &mut IdedExpr) {
        match &mut expression.expr {
            Expr::Call(call) => {
                call.target.iter_mut().for_each(|target| self.expression(target));
                call.args.iter_mut().for_each(|argument| self.expression(argument));
                if let Some(replaced) = self.replaced(call) {
                    expression.expr = replaced;
                }
            }
            Expr::Select(select) => self.expression(&mut select.operand),
            Expr::List(list) => list.elements.iter_mut().for_each(|element| self.expression(element)),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            // Maps and messages are refused at load.
            Expr::Map(_) | Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    /// The loop's condition and result are CEL's own.
    fn comprehension(&mut self, comprehension: &mut ComprehensionExpr) {
        let ComprehensionExpr { iter_range, iter_var, loop_step, .. } = comprehension;
        self.expression(iter_range);
        // A comprehension inside another is refused at load.
        self.bound = is_list_of_texts(iter_range).then(|| iter_var.clone());
        self.expression(loop_step);
        self.bound = None;
        if !is_certainly_list(iter_range) {
            let (id, range) = (iter_range.id, std::mem::take(iter_range));
            *iter_range = IdedExpr { id, expr: call(LIST, vec![range]) };
        }
    }

    fn replaced(&self, written: &mut CallExpr) -> Option<Expr> {
        let [left, right] = written.args.as_slice() else { return None };
        let is_text = |operand| self.is_text(operand);
        let (strict, negated) = match written.func_name.as_str() {
            operators::EQUALS if !(is_text(left) && is_text(right)) => (EQUAL, false),
            operators::NOT_EQUALS if !(is_text(left) && is_text(right)) => (EQUAL, true),
            // `in claims` asks whether a claim is there; and groups answer texts alone.
            operators::IN if is_variable(right, &["claims", "groups"]) => return None,
            operators::IN if is_text(left) && is_list_of_texts(right) => return None,
            operators::IN => (IN, false),
            operators::ADD if is_accumulator(left) || (is_text(left) && is_text(right)) => return None,
            operators::ADD => (SUM, false),
            _ => return None,
        };
        let answer = call(strict, std::mem::take(&mut written.args));
        Some(if negated {
            call(operators::LOGICAL_NOT, vec![IdedExpr { id: 0, expr: answer }])
        } else {
            answer
        })
    }

    fn is_text(&self, operand: &IdedExpr) -> bool {
        match &operand.expr {
            Expr::Literal(literal) => matches!(literal, LiteralValue::String(_)),
            Expr::Ident(name) => {
                self.bound.as_ref() == Some(name)
                    || ["user", "issuer", "realm", "client_ip"].contains(&name.as_str())
            }
            Expr::Call(call) => {
                ["lowerAscii", "local_part", "lookup", "profile_name", "join", "shared_by"]
                    .contains(&call.func_name.as_str())
                    || call.func_name == operators::ADD && call.args.iter().all(|part| self.is_text(part))
            }
            _ => false,
        }
    }
}

fn call(function: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args })
}

fn is_variable(expression: &IdedExpr, names: &[&str]) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if names.contains(&name.as_str()))
}

/// The step of `map` and `filter` adds to the list that they build.
fn is_accumulator(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name.starts_with('@'))
}

fn is_list_of_texts(expression: &IdedExpr) -> bool {
    let is_text = |element: &IdedExpr| matches!(element.expr, Expr::Literal(LiteralValue::String(_)));
    match &expression.expr {
        Expr::List(list) => list.elements.iter().all(is_text),
        _ => is_variable(expression, &["groups"]),
    }
}

/// Beside lists of texts, `map` and `filter` make lists.
fn is_certainly_list(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::List(_) => true,
        Expr::Comprehension(comprehension) => matches!(comprehension.accu_init.expr, Expr::List(_)),
        _ => is_variable(expression, &["groups"]),
    }
}

/// # Errors
///
/// The two are of different types, or are lists with members of different types.
fn is_equal(left: &dyn Val, right: &dyn Val) -> Answer<bool> {
    let (one, other) = (Sort::of(left), Sort::of(right));
    if one != other {
        return Err(failure(EQUAL, format!("{} is compared with {}", one.words(), other.words())));
    }
    if one == Sort::List {
        let mut sorts = sorts(left).chain(sorts(right));
        if let Some(first) = sorts.next()
            && let Some(odd) = sorts.find(|sort| *sort != first)
        {
            let message = format!("a list with {} is compared, and one with {}", first.words(), odd.words());
            return Err(failure(EQUAL, message));
        }
    }
    Ok(left.equals(right))
}

/// # Errors
///
/// The container is no list, or has a member of another type than the value.
fn is_in(value: &dyn Val, container: &dyn Val) -> Answer<bool> {
    let (sort, inside) = (Sort::of(value), Sort::of(container));
    if inside != Sort::List {
        return Err(failure(IN, format!("`in` asks a list, and this is {}", inside.words())));
    }
    if let Some(odd) = sorts(container).find(|member| *member != sort) {
        let message = format!("{} is looked for in a list with {} in it", sort.words(), odd.words());
        return Err(failure(IN, message));
    }
    let container = container.as_container().ok_or_else(|| miscalled(IN))?;
    container.contains(value)
}

fn sum(left: &dyn Val, right: &dyn Val) -> Answer<Value> {
    let (one, other) = (Sort::of(left), Sort::of(right));
    if one != other {
        return Err(failure(SUM, format!("{} is added to {}", other.words(), one.words())));
    }
    let adder =
        left.as_adder().ok_or_else(|| failure(SUM, format!("nothing is added to {}", one.words())))?;
    let sum = adder.add(right)?;
    Value::try_from(sum.as_ref())
}

fn elements(list: &dyn Val) -> Answer<Value> {
    match Sort::of(list) {
        Sort::List => Value::try_from(list),
        other => {
            Err(failure(LIST, format!("the elements of a list are asked for, and this is {}", other.words())))
        }
    }
}

/// The types that are told apart: those of JSON, where all numbers are of one type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Object,
    Other,
}

impl Sort {
    fn of(value: &dyn Val) -> Self {
        match value.get_type().kind() {
            Kind::NullType => Self::Null,
            Kind::Boolean => Self::Boolean,
            Kind::Int | Kind::UInt | Kind::Double => Self::Number,
            Kind::String => Self::Text,
            Kind::List => Self::List,
            Kind::Map => Self::Object,
            _ => Self::Other,
        }
    }

    /// The words by which all messages name the types of claims.
    fn words(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "an object",
            Self::Other => "a value of another type",
        }
    }
}

/// The types of a list's members.
fn sorts(list: &dyn Val) -> impl Iterator<Item = Sort> {
    let mut sorts = Vec::new();
    if let Some(list) = list.as_iterable() {
        let mut members = list.iter();
        while let Some(member) = members.next() {
            sorts.push(Sort::of(member));
        }
    }
    sorts.into_iter()
}

fn failure(function: &str, message: impl ToString) -> ExecutionError {
    ExecutionError::function_error(function, message)
}

/// A fault of ours; it denies like every failure.
fn miscalled(function: &str) -> ExecutionError {
    failure(function, "a comparison was not made as it is written")
}
