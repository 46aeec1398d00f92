//! `join(one, other)`: one text for one list of texts, and another text for any other list.
//!
//! The parts stand side by side with `--` between them. A part is written as it is where it begins and ends with no hyphen
//! and holds no two of them in a row; otherwise `%` and the hyphens in question are percent-encoded, and an empty part is a
//! lone `%`. So `--` stands between parts and nowhere else, and no two parts are written alike. Parts of letters, digits and
//! single inner hyphens make a legal name in AWS: `join('team-a', 'ada')` is `team-a--ada`.

/// Stands between two parts.
pub(super) const SEPARATOR: &str = "--";

pub(super) fn join<'t>(parts: impl IntoIterator<Item = &'t str>) -> String {
    parts.into_iter().map(escaped).collect::<Vec<_>>().join(SEPARATOR)
}

/// One part, without `--` and without a hyphen at either end.
pub(super) fn escaped(part: &str) -> String {
    if part.is_empty() {
        return "%".to_owned();
    }
    let mut text = String::with_capacity(part.len());
    let mut characters = part.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '%' => text.push_str("%25"),
            '-' if text.is_empty() || text.ends_with('-') || characters.peek().is_none() => {
                text.push_str("%2d");
            }
            character => text.push(character),
        }
    }
    text
}
