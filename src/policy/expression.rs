//! CEL expressions: parsed and walked once at load, evaluated without I/O, within bounds.

mod call;
mod check;
mod claim_reads;
mod evaluated;
pub(super) mod facts;
pub(super) mod functions;
mod literals;
mod pattern;
mod problem;
mod reads;
mod shape;
mod signature;
mod strict;
mod text_list;
mod vocabulary;

use crate::config::diagnostics::nearest;
use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue};
use cel::common::types::{CelBool, CelString};
use cel::parser::Parser;
use check::Check;
pub(super) use evaluated::Evaluated;
use facts::Facts;
use shape::Shape;
use signature::Type;

pub(super) use literals::Literals;
pub(super) use problem::Problem;
pub(super) use vocabulary::{Gathered, Vocabulary};

/// Longer expressions are refused before they are parsed.
const LONGEST: usize = 2048;
/// The parser and the interpreter recurse once per operator in a chain.
const MOST_OPERATORS: usize = 200;
/// Brackets inside one another: each takes the parser through all of its grammar, 160 kB of stack unoptimised.
const DEEPEST_BRACKETS: usize = 8;
/// The deepest nesting of `? :` without brackets, for the same reason.
const DEEPEST_RECURSION: u16 = 16;

/// An expression that yields true, false, or a failure.
#[derive(Debug)]
pub(super) struct Condition(Evaluated);

/// An expression that yields a text or a failure.
#[derive(Debug)]
pub(super) struct TextExpression(Evaluated);

impl Condition {
    pub(super) fn parse(
        source: &str,
        vocabulary: &Vocabulary<'_>,
        gathered: &mut Gathered,
    ) -> Result<Self, Vec<Problem>> {
        let parsed = parse(source, vocabulary, gathered);
        let (expression, found) = parsed.map_err(|problems| named_only(source).unwrap_or(problems))?;
        if found.may_be(Type::Bool) {
            Ok(Self(Evaluated::new(expression)))
        } else {
            Err(vec![Problem::whole(format!("a rule asks yes or no, and this is {}", found.words()))])
        }
    }

    pub(super) fn tree(&self) -> &IdedExpr {
        self.0.written()
    }

    /// Whether it is the constant `true`.
    pub(super) fn is_always_true(&self) -> bool {
        matches!(&self.tree().expr, Expr::Literal(LiteralValue::Boolean(truth)) if *truth.inner())
    }

    pub(super) fn evaluated(&self) -> &Evaluated {
        &self.0
    }

    /// # Errors
    ///
    /// Why there is no answer; without the values involved.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> Result<bool, String> {
        let scope = facts.scope();
        let value = self.0.value(facts, &scope)?;
        let truth = value.downcast_ref::<CelBool>();
        truth.map(|truth| *truth.inner()).ok_or_else(|| self.0.not_a("boolean", &value, facts))
    }
}

impl TextExpression {
    pub(super) fn parse(
        source: &str,
        vocabulary: &Vocabulary<'_>,
        gathered: &mut Gathered,
    ) -> Result<Self, Vec<Problem>> {
        let (expression, found) = parse(source, vocabulary, gathered)?;
        if found.may_be(Type::String) {
            Ok(Self(Evaluated::new(expression)))
        } else {
            Err(vec![Problem::whole(format!("`${{…}}` needs a string, and this is {}", found.words()))])
        }
    }

    pub(super) fn tree(&self) -> &IdedExpr {
        self.0.written()
    }

    pub(super) fn evaluated(&self) -> &Evaluated {
        &self.0
    }

    /// # Errors
    ///
    /// Why there is no text; without the values involved.
    pub(super) fn text(&self, facts: &Facts<'_>) -> Result<String, String> {
        let scope = facts.scope();
        let value = self.0.value(facts, &scope)?;
        let text = value.downcast_ref::<CelString<'_>>();
        text.map(|text| text.inner().to_owned()).ok_or_else(|| self.0.not_a("string", &value, facts))
    }
}

fn parse(
    source: &str,
    vocabulary: &Vocabulary<'_>,
    gathered: &mut Gathered,
) -> Result<(IdedExpr, Type), Vec<Problem>> {
    if source.trim().is_empty() {
        return Err(vec![Problem::whole("the expression is empty, which would mean nobody or everybody")]);
    }
    if source.len() > LONGEST {
        let message = format!("the expression has {} bytes; {LONGEST} are allowed", source.len());
        return Err(vec![Problem::whole(message)]);
    }
    let Shape { operators, depth, .. } = Shape::of(source).map_err(|problem| vec![problem])?;
    if operators > MOST_OPERATORS {
        let message = format!("the expression has {operators} operators; {MOST_OPERATORS} are allowed");
        return Err(vec![Problem::whole(message)]);
    }
    if depth > DEEPEST_BRACKETS {
        let message =
            format!("the expression has {depth} brackets inside one another; {DEEPEST_BRACKETS} are allowed");
        return Err(vec![Problem::whole(message)]);
    }
    let parser = Parser::new().max_recursion_depth(DEEPEST_RECURSION);
    let (expression, positions) = parser.parse_with_source_info(source).map_err(|errors| {
        let problems = errors.errors.iter().map(|error| syntax_problem(source, error.pos, &error.msg));
        problems.take(1).collect::<Vec<_>>()
    })?;
    let mut check = Check::new(vocabulary, &positions, &mut gathered.patterns);
    let found = check.expression(&expression);
    let Check { mut problems, looked_up, .. } = check;
    if !problems.is_empty() {
        // The parser's source information counts bytes.
        for problem in &mut problems {
            problem.character = problem.character.map(|byte| character_at(source, byte));
        }
        return Err(problems);
    }
    reads::gather(&expression, &mut gathered.reads);
    gathered.looked_up.extend(looked_up);
    Ok((expression, found))
}

/// The problem of a condition that is a lone word, such as the name of a group.
fn named_only(source: &str) -> Option<Vec<Problem>> {
    let word = source.trim();
    if word == "*" {
        return Some(vec![Problem::whole("`*` is not a CEL expression").help("`true` allows everybody")]);
    }
    let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let is_misspelt = nearest(word, signature::VARIABLES.map(|(known, _)| known)).is_some();
    let help = format!("for a group, write \"'{word}' in groups\"; `true` is for everybody");
    let problem = Problem::whole(format!("`{word}` is a word, and a rule asks yes or no")).help(help);
    (is_word && !is_misspelt).then(|| vec![problem])
}

/// The number of the character that holds the byte with this number. Both count from 1.
fn character_at(source: &str, byte: usize) -> usize {
    source.char_indices().take_while(|(start, _)| start + 1 < byte).count() + 1
}

/// The parser's complaint without its list of every token that it would have taken.
fn syntax_problem(source: &str, (line, column): (isize, isize), message: &str) -> Problem {
    let message = message.lines().next().unwrap_or_default();
    let message = message.split(" expecting ").next().unwrap_or_default();
    let message = message.trim_start_matches("Syntax error: ");
    let message = if message.contains("Recursion limit") { "it is nested too deeply" } else { message };
    let earlier = source.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0));
    let before: usize = earlier.map(|line| line.chars().count()).sum();
    let character = usize::try_from(column).ok().map(|column| before + column);
    let braces = if source.starts_with('{') {
        Some("one pair of braces is enough: `${user}`")
    } else {
        source.contains("${").then_some("an expression stands without `${` and `}`")
    };
    let help = braces.or_else(|| operator_meant(message)).map(str::to_owned);
    let message = format!("is not a CEL expression: {message}");
    Problem { character: character.filter(|at| *at > 0), message, help }
}

/// The operator that CEL has in place of another language's.
fn operator_meant(message: &str) -> Option<&'static str> {
    [
        ("at: '= '", "`==` compares"),
        ("'and'", "`&&` says and"),
        ("'or'", "`||` says or"),
        ("'not'", "`!` says not"),
    ]
    .into_iter()
    .find_map(|(found, help)| message.contains(found).then_some(help))
}
