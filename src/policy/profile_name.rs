//! `profile_name`: a legal UserProfileName for any text, and never one name for two texts.
//!
//! AWS compares profile names without case, and two people with one profile share their files. So a name is either the
//! text itself, where that is legal, lower case and free of `--`, or it carries a digest of the whole text. The forms
//! cannot meet, because their first run of hyphens differs:
//!
//! | form | first run of two or more hyphens |
//! |---|---|
//! | `text` | none |
//! | `prefix--text`, `prefix--stem---digest` | two |
//! | `stem---digest` | three |
//!
//! A prefix holds no `--` and ends in no hyphen, and neither a text nor a stem begins with one, so a name has one reading.

use crate::target::UserProfileName;
use aws_lc_rs::digest::{SHA256, digest};

/// AWS's limit for a UserProfileName.
const LONGEST: usize = 63;
/// 16 characters of base32 carry 80 bits.
const DIGEST_LENGTH: usize = 16;
const DIGEST_MARK: &str = "---";
const PREFIX_MARK: &str = "--";
/// Leaves room behind the prefix for a stem and a digest.
const LONGEST_PREFIX: usize = 32;
/// Stands for a text without one legal character.
const EMPTY_STEM: &str = "user";

/// The form of a prefix, in words.
pub const ALLOWED_PREFIX: &str =
    "1 to 32 lower-case letters, digits and single inner hyphens, no hyphen first or last";

/// The constant first part of a name that tells one family of profiles from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// `None` where the text is not [`ALLOWED_PREFIX`]. Upper case is refused, since AWS would not tell `Risk` from `risk`.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() <= LONGEST_PREFIX && is_plain(text)).then(|| Self(text.to_owned()))
    }
}

/// The profile name of `text`. `None` where the text is empty, since an empty text names nobody.
pub fn profile_name(text: &str) -> Option<UserProfileName> {
    UserProfileName::parse(&name_within(text, LONGEST)?).ok()
}

/// The profile name of `text` behind `prefix--`. `None` where the text is empty.
pub fn prefixed_profile_name(prefix: &Prefix, text: &str) -> Option<UserProfileName> {
    let room = LONGEST - prefix.0.len() - PREFIX_MARK.len();
    let name = name_within(text, room)?;
    UserProfileName::parse(&format!("{}{PREFIX_MARK}{name}", prefix.0)).ok()
}

fn name_within(text: &str, room: usize) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    if text.len() <= room && is_plain(text) {
        return Some(text.to_owned());
    }
    let stem = stem(text, room - DIGEST_MARK.len() - DIGEST_LENGTH);
    Some(format!("{stem}{DIGEST_MARK}{}", short_digest(text)))
}

/// Legal, lower-case ASCII and without `--`.
fn is_plain(text: &str) -> bool {
    UserProfileName::parse(text).is_ok()
        && !text.contains(PREFIX_MARK)
        && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// The recognisable part of a text: its letters and digits in lower case, a hyphen for whatever stands between them.
fn stem(text: &str, longest: usize) -> String {
    let mut stem = String::new();
    let mut gap = false;
    for character in text.chars() {
        if !character.is_ascii_alphanumeric() {
            gap = true;
            continue;
        }
        let hyphen = gap && !stem.is_empty();
        if stem.len() + 1 + usize::from(hyphen) > longest {
            break;
        }
        if hyphen {
            stem.push('-');
        }
        stem.push(character.to_ascii_lowercase());
        gap = false;
    }
    if stem.is_empty() { EMPTY_STEM.to_owned() } else { stem }
}

/// The first 80 bits of SHA-256 in RFC 4648 base32, lower case.
fn short_digest(text: &str) -> String {
    let mut characters = String::with_capacity(DIGEST_LENGTH);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in digest(&SHA256, text.as_bytes()).as_ref().iter().take(DIGEST_LENGTH * 5 / 8) {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            characters.push(base32(bits >> held & 0x1f));
        }
    }
    characters
}

fn base32(five_bits: u32) -> char {
    let offset = u8::try_from(five_bits).unwrap_or_default();
    char::from(if offset < 26 { b'a' + offset } else { b'2' + (offset - 26) })
}
