//! Texts as far as the configuration alone tells them. Permissions have to cover each.

/// The most alternatives of one text; where there would be more, one pattern says what they have in common.
pub const MOST_PATTERNS: usize = 64;

/// A text with gaps, each of which may be filled by any text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamePattern {
    pieces: Vec<Piece>,
    /// Whether it stands for alternatives that were too many to be listed.
    is_abridged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Piece {
    Text(String),
    Gap,
}

impl NamePattern {
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::of(if text.is_empty() { Vec::new() } else { vec![Piece::Text(text)] })
    }

    pub fn anything() -> Self {
        Self::of(vec![Piece::Gap])
    }

    fn of(pieces: Vec<Piece>) -> Self {
        Self { pieces, is_abridged: false }
    }

    /// Whether it stands for alternatives that were too many to be listed.
    pub(super) fn is_abridged(&self) -> bool {
        self.is_abridged
    }

    /// The text, where there is no gap in it.
    pub fn constant(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// As IAM writes a text with wildcards: `*` for a gap. A `*`, `?` or `$` that is meant stands as `${*}`, and so on.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>
    pub fn to_iam(&self) -> String {
        let mut written = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Gap => written.push('*'),
                Piece::Text(text) => {
                    for character in text.chars() {
                        match character {
                            '*' | '?' | '$' => written.extend(['$', '{', character, '}']),
                            _ => written.push(character),
                        }
                    }
                }
            }
        }
        written
    }

    /// The alternatives of both, each once.
    pub(super) fn either(mut one: Vec<Self>, other: Vec<Self>) -> Vec<Self> {
        for pattern in other {
            if !one.contains(&pattern) {
                one.push(pattern);
            }
        }
        Self::any_of(one)
    }

    /// These alternatives, which must all differ.
    pub(super) fn any_of(patterns: Vec<Self>) -> Vec<Self> {
        Self::at_most(MOST_PATTERNS, patterns)
    }

    /// Each of the first, followed by each of the second.
    pub(super) fn joined(first: &[Self], second: &[Self]) -> Vec<Self> {
        let covered;
        let (first, second) = if first.len() * second.len() <= MOST_PATTERNS {
            (first, second)
        } else if first.len() > second.len() {
            covered = [Self::covering(first)];
            (&covered[..], second)
        } else {
            covered = [Self::covering(second)];
            (first, &covered[..])
        };
        let pairs = first.iter().flat_map(|one| second.iter().map(move |other| one.then(other)));
        pairs.collect()
    }

    pub(super) fn at_most(most: usize, patterns: Vec<Self>) -> Vec<Self> {
        if patterns.len() > most { vec![Self::covering(&patterns)] } else { patterns }
    }

    /// One pattern for all of them: a gap where they differ, from one colon to the next where they are ARNs of one form.
    fn covering(patterns: &[Self]) -> Self {
        let fields = |pattern: &Self| -> Option<Vec<Self>> {
            Some(pattern.constant()?.split(':').map(Self::text).collect())
        };
        let met = |one: Self, other: Self| if one == other { one } else { Self::anything() };
        let covering = patterns.iter().map(fields).reduce(|known, next| {
            let (known, next) = known.zip(next).filter(|(known, next)| known.len() == next.len())?;
            Some(known.into_iter().zip(next).map(|(one, other)| met(one, other)).collect())
        });
        let colon = Self::text(":");
        let fields = covering.flatten().into_iter().flatten();
        let covering = fields.reduce(|before, field| before.then(&colon).then(&field));
        Self { is_abridged: true, ..covering.unwrap_or_else(Self::anything) }
    }

    fn then(&self, next: &Self) -> Self {
        let mut pieces = self.pieces.clone();
        for piece in &next.pieces {
            match (pieces.last_mut(), piece) {
                (Some(Piece::Gap), Piece::Gap) => {}
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(text),
                _ => pieces.push(piece.clone()),
            }
        }
        Self { pieces, is_abridged: self.is_abridged || next.is_abridged }
    }
}
