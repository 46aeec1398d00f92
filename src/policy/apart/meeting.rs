//! Whether two different people can get the same text.

use super::super::forms::{Form, Issuer, Own, Piece, Walk};
use super::super::lookup::Table;

/// The most constants before or behind a person's own text that are compared.
const MOST_CONSTANTS: usize = 512;

/// Whether a person of one issuer and *another* person of the other can get the same text. The answer is yes wherever the
/// forms do not rule it out.
pub(super) fn can_meet((form, ours): (&Form, Walk<'_>), (other, theirs): (&Form, Walk<'_>)) -> bool {
    if let ([Piece::Table { name, key, .. }], [Piece::Table { name: other, key: other_key, .. }]) =
        (form.as_slice(), other.as_slice())
        && name == other
    {
        // No two keys of a table share a value.
        return can_meet((key, ours), (other_key, theirs));
    }
    let (Some(one), Some(other)) = (split(form, ours), split(other, theirs)) else { return true };
    if one.own.is_none() && other.own.is_none() {
        return one.heads.iter().any(|text| other.heads.contains(text));
    }
    let heads = compare(&one.heads, &other.heads, |text, start| text.starts_with(start));
    let tails = compare(&one.tails, &other.tails, |text, end| text.ends_with(end));
    match (heads, tails, one.own, other.own) {
        (Compared::Apart, ..) | (_, Compared::Apart, ..) => false,
        (Compared::Same, Compared::Same, Some(one), Some(other)) => can_be_same((one, ours), (other, theirs)),
        _ => true,
    }
}

fn can_be_same((piece, ours): (&Piece, Walk<'_>), (other, theirs): (&Piece, Walk<'_>)) -> bool {
    let one_realm = ours.issuer.realm == theirs.issuer.realm;
    match (piece, other) {
        (Piece::Own(Own::User { .. }), Piece::Own(Own::User { .. })) => {
            !one_realm && may_share_users(ours.issuer, theirs.issuer)
        }
        (Piece::Own(Own::Subject { .. }), Piece::Own(Own::Subject { .. })) => ours.issuer != theirs.issuer,
        (Piece::LocalPart(domain), Piece::LocalPart(other)) => !(one_realm && domain == other),
        // An address has an `@`, and what stands before it has none.
        (Piece::Own(Own::User { .. }), Piece::LocalPart(_)) => ours.issuer.user_domains.is_none(),
        (Piece::LocalPart(_), Piece::Own(Own::User { .. })) => theirs.issuer.user_domains.is_none(),
        (Piece::Name { prefix, of }, Piece::Name { prefix: other, of: of_other }) => {
            prefix == other && can_meet((of, ours), (of_other, theirs))
        }
        (Piece::Joined(texts), Piece::Joined(others)) => {
            let mut pairs = texts.iter().zip(others);
            texts.len() == others.len() && pairs.all(|(one, other)| can_meet((one, ours), (other, theirs)))
        }
        _ => true,
    }
}

fn may_share_users(one: &Issuer, other: &Issuer) -> bool {
    match (&one.user_domains, &other.user_domains) {
        (Some(ours), Some(theirs)) => ours.iter().any(|domain| theirs.contains(domain)),
        _ => true,
    }
}

/// A form split at its one piece that is not written in the configuration: the constants on both sides, in lower case.
struct Split<'f> {
    heads: Vec<String>,
    own: Option<&'f Piece>,
    tails: Vec<String>,
}

/// `None` where more than one piece is not written in the configuration.
fn split<'f>(form: &'f Form, walk: Walk<'_>) -> Option<Split<'f>> {
    let mut split = Split { heads: vec![String::new()], own: None, tails: vec![String::new()] };
    for piece in form {
        let written: Vec<&str> = match piece {
            Piece::Constant(text) => vec![text],
            Piece::Table { name, .. } => walk.tables.get(name).map(Table::values).unwrap_or_default(),
            own if split.own.is_none() => {
                split.own = Some(own);
                continue;
            }
            _ => return None,
        };
        let side = if split.own.is_none() { &mut split.heads } else { &mut split.tails };
        if side.len() * written.len() > MOST_CONSTANTS {
            return None;
        }
        let longer = side.iter().flat_map(|text| written.iter().map(move |next| format!("{text}{next}")));
        *side = longer.map(|text| text.to_ascii_lowercase()).collect();
    }
    Some(split)
}

enum Compared {
    /// No text has an affix of both.
    Apart,
    /// Some affix is in both lists, and no text matches two different affixes.
    Same,
    Unclear,
}

fn compare(some: &[String], others: &[String], has: fn(&str, &str) -> bool) -> Compared {
    let pairs = some.iter().flat_map(|one| others.iter().map(move |other| (one, other)));
    pairs.fold(Compared::Apart, |so_far, (one, other)| match so_far {
        Compared::Unclear => Compared::Unclear,
        _ if one == other => Compared::Same,
        _ if has(one, other) || has(other, one) => Compared::Unclear,
        so_far => so_far,
    })
}
