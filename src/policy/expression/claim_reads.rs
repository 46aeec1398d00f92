//! The claims that an expression names, so that a failure can say which of them are not there or of which type they are.

use super::reads::{constant, inside, is};
use crate::tokens::claim::{kind, stated};
use cel::IdedExpr;
use cel::common::ast::{Expr, operators};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The names from `claims` down.
type Path = Vec<String>;

/// The most claims that a failure tells of.
const MOST_TOLD: usize = 8;

/// In the order of the expression, each once.
pub(super) fn of(expression: &IdedExpr) -> Vec<Path> {
    let mut paths = Vec::new();
    gather(expression, &mut paths);
    paths
}

/// Adds the claims at the top level whose presence the expression tests.
pub(super) fn tested(expression: &IdedExpr, names: &mut BTreeSet<String>) {
    if let Expr::Select(select) = &expression.expr
        && select.test
        && is(&select.operand, "claims")
    {
        names.insert(select.field.clone());
    }
    names.extend(sought(expression).map(str::to_owned));
    inside(expression).into_iter().for_each(|inner| tested(inner, names));
}

/// The name in `'name' in claims`.
fn sought(expression: &IdedExpr) -> Option<&str> {
    let Expr::Call(call) = &expression.expr else { return None };
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::IN, [name, container]) if is(container, "claims") => constant(name),
        _ => None,
    }
}

/// The type of each claim, or that it is not there, never its value; empty where the expression names none.
pub(super) fn told(paths: &[Path], claims: &Map<String, Value>) -> String {
    let told = paths.iter().take(MOST_TOLD).map(|path| format!("{} {}", shown(path), found(path, claims)));
    let told: Vec<String> = told.collect();
    if told.is_empty() { String::new() } else { format!(": {}", told.join(", ")) }
}

fn found(path: &[String], claims: &Map<String, Value>) -> String {
    let mut names = path.iter();
    let first = names.next().and_then(|name| stated(claims, name));
    let value = first.and_then(|first| names.try_fold(first, |value, name| stated(value.as_object()?, name)));
    value.map_or_else(|| "is not there".to_owned(), |value| format!("is {}", kind(value)))
}

/// The path as an expression writes it.
fn shown(path: &[String]) -> String {
    let is_name = |step: &str| {
        !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let step = |step: &String| if is_name(step) { format!(".{step}") } else { format!("[{step:?}]") };
    let steps: String = path.iter().map(step).collect();
    format!("`claims{steps}`")
}

fn gather(expression: &IdedExpr, paths: &mut Vec<Path>) {
    if let Some(path) = path(expression) {
        if !path.is_empty() && !paths.contains(&path) {
            paths.push(path);
        }
        return;
    }
    paths.extend(sought(expression).map(|name| vec![name.to_owned()]));
    inside(expression).into_iter().for_each(|inner| gather(inner, paths));
}

/// The expression as a path, where it is one from `claims` down.
fn path(expression: &IdedExpr) -> Option<Path> {
    let (above, name) = match &expression.expr {
        Expr::Ident(name) if name == "claims" => return Some(Path::new()),
        Expr::Select(select) => (&*select.operand, select.field.as_str()),
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::INDEX, [above, name]) => (above, constant(name)?),
            _ => return None,
        },
        _ => return None,
    };
    let mut path = path(above)?;
    path.push(name.to_owned());
    Some(path)
}
