//! Texts of a target: constant, or with `${…}` in them.

use super::expression::facts::Facts;
use super::expression::{Gathered, Problem, TextExpression, Vocabulary};

/// A text with expressions in it.
#[derive(Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug)]
pub(super) enum Part {
    Constant(String),
    Computed(TextExpression),
}

impl Template {
    /// # Errors
    ///
    /// Says what is wrong with its expressions.
    pub(super) fn parse(
        written: &str,
        vocabulary: &Vocabulary<'_>,
        gathered: &mut Gathered,
    ) -> Result<Self, Vec<Problem>> {
        let mut parts = Vec::new();
        let mut rest = written;
        while let Some((before, after)) = rest.split_once("${") {
            let end = closing_brace(after)
                .ok_or_else(|| vec![Problem::whole(format!("`{written}` lacks the `}}` of a `${{`"))])?;
            let (source, behind) = after.split_at(end);
            if !before.is_empty() {
                parts.push(Part::Constant(before.to_owned()));
            }
            parts.push(Part::Computed(TextExpression::parse(source, vocabulary, gathered)?));
            rest = behind.strip_prefix('}').unwrap_or(behind);
        }
        if !rest.is_empty() {
            parts.push(Part::Constant(rest.to_owned()));
        }
        let is_brace = |part: &Part| matches!(part, Part::Constant(text) if text.contains(['{', '}']));
        if parts.iter().any(is_brace) {
            let message = format!("`{written}` has a brace outside of `${{…}}`");
            let help = "what is computed is written `${…}`, such as `${profile_name(user)}`";
            return Err(vec![Problem::whole(message).help(help)]);
        }
        Ok(Self(parts))
    }

    /// The text, if nothing in it is computed.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Constant(text)] => Some(text),
            _ => None,
        }
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.0.iter()
    }

    /// # Errors
    ///
    /// Why there is no text; without the values involved.
    pub(super) fn resolve(&self, facts: &Facts<'_>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Constant(constant) => text.push_str(constant),
                Part::Computed(expression) => text.push_str(&expression.text(facts)?),
            }
        }
        Ok(text)
    }
}

/// The end of the expression: the first `}` outside of quotes. Expressions hold no other braces.
fn closing_brace(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), character) if open == character => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '}') => return Some(at),
            _ => {}
        }
    }
    None
}
