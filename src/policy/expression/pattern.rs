//! The patterns of `matches(text, 'pattern')`: linear in time, bounded in size, and whole.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::Look;

const LARGEST_COMPILED: usize = 1 << 20;

/// Compiles a pattern that is anchored at both ends.
///
/// A pattern that may match a part is refused: `corp\.example` would let in `corp.example.evil.example`.
///
/// # Errors
///
/// What is wrong with the pattern, in words.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let syntax = regex_syntax::parse(pattern).map_err(|error| reason(&error.to_string()))?;
    let properties = syntax.properties();
    let starts = properties.look_set_prefix().contains(Look::Start);
    let ends = properties.look_set_suffix().contains(Look::End);
    if !(starts && ends) {
        return Err(
            "is not anchored at both ends: write `^(…)$`, since a partial match lets strangers in".to_owned()
        );
    }
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(LARGEST_COMPILED).dfa_size_limit(LARGEST_COMPILED);
    builder.build().map_err(|error| reason(&error.to_string()))
}

/// The last line of the library's message; the others repeat the pattern.
fn reason(message: &str) -> String {
    let last = message.lines().last().unwrap_or_default();
    format!("is not a regular expression: {}", last.trim_start_matches("error: "))
}
