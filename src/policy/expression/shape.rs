//! How deep and how long an expression is, found before the parser recurses into it.

use super::problem::Problem;
use regex::Regex;
use std::sync::LazyLock;

/// Upper bounds of what the parser will recurse into.
#[derive(Default)]
pub(super) struct Shape {
    /// Characters that may be, or be part of, an operator.
    pub(super) operators: usize,
    /// Brackets inside one another.
    pub(super) depth: usize,
    open: usize,
}

impl Shape {
    /// # Errors
    ///
    /// A quote that begins no text: nobody can tell at which character the parser's lexer goes on.
    pub(super) fn of(source: &str) -> Result<Self, Problem> {
        let mut shape = Self::default();
        let mut end = 0;
        let tokens = TOKEN.find_iter(source).map(|token| token.range());
        for token in tokens.chain(std::iter::once(source.len()..source.len())) {
            let between = source.get(end..token.start).unwrap_or_default();
            if let Some(at) = between.find(['\'', '"']) {
                let before = source.get(..end + at).unwrap_or_default().chars().count();
                let message = "is not a CEL expression: a text in quotes does not end on its line, or has an \
                               escape that CEL does not know";
                return Err(Problem { character: Some(before + 1), message: message.to_owned(), help: None });
            }
            between.chars().for_each(|character| shape.count(character));
            end = token.end;
        }
        Ok(shape)
    }

    fn count(&mut self, character: char) {
        match character {
            '(' | '[' | '{' => {
                self.open += 1;
                self.operators += 1;
                self.depth = self.depth.max(self.open);
            }
            ')' | ']' | '}' => self.open = self.open.saturating_sub(1),
            '.' | '?' | '+' | '-' | '*' | '/' | '%' | '!' | '=' | '<' | '>' | '&' | '|' => {
                self.operators += 1;
            }
            _ => {}
        }
    }
}

/// The tokens of CEL's lexer that hold no operator: a comment, a text in quotes, a name in backquotes, a number, a name.
/// <https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax>
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    let escape =
        r#"\\(?:[abfnrtv"'\\?`]|[xX][[:xdigit:]]{2}|u[[:xdigit:]]{4}|U[[:xdigit:]]{8}|[0-3][0-7]{2})"#;
    let alternatives = [
        r"//[^\n]*".to_owned(),
        r#"[bB]?[rR](?:'''(?s:.*?)'''|"""(?s:.*?)"""|'[^'\r\n]*'|"[^"\r\n]*")"#.to_owned(),
        format!(r#"[bB]?(?:'''(?:{escape}|[^\\])*?'''|"""(?:{escape}|[^\\])*?""")"#),
        format!(r#"[bB]?(?:'(?:{escape}|[^\\'\r\n])*'|"(?:{escape}|[^\\"\r\n])*")"#),
        "`[a-zA-Z0-9_./ -]+`".to_owned(),
        "0x[[:xdigit:]]+[uU]?".to_owned(),
        r"[0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+|[uU])?".to_owned(),
        "[a-zA-Z_][a-zA-Z0-9_]*".to_owned(),
    ];
    #[expect(
        clippy::expect_used,
        reason = "the pattern is a constant, and every expression of the tests meets it"
    )]
    Regex::new(&alternatives.join("|")).expect("the pattern is a regular expression")
});
