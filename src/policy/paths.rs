//! Deep links: the paths below a destination that may be opened.

use crate::target::Fragment;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;

const LONGEST_PATH: usize = 512;
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
/// All but the characters that `encodeURIComponent` leaves alone: the pages of MLflow write their own links by it.
const ENCODED_IN_FRAGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'/');
/// The characters that RFC 3986, section 3.4, does not allow in a query. Escapes are left as they are.
const ENCODED_IN_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
const LONGEST_GLOB: usize = 256;

/// One entry of `paths`: `*` stands for anything within a segment, a segment `**` for any number of segments, and at the
/// end for at least one.
#[derive(Clone, Debug)]
pub(super) struct Glob(Regex);

impl Glob {
    /// # Errors
    ///
    /// Says what is wrong with the text.
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        if written.is_empty() || written.len() > LONGEST_GLOB {
            return Err(format!("a path has 1 to {LONGEST_GLOB} bytes"));
        }
        let mut pattern = String::from("^");
        let mut segments = written.split('/').peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            match segment {
                "" => {
                    return Err(format!(
                        "`{written}` has an empty segment: paths are relative, without `//`"
                    ));
                }
                "**" if last => pattern.push_str(".+"),
                "**" => pattern.push_str("(?:[^/]+/)*"),
                segment => {
                    if segment.contains("**") {
                        return Err(format!("`**` in `{written}` must be a segment of its own"));
                    }
                    if !segment_is_safe(segment) {
                        return Err(format!(
                            "`{written}` can never match: no allowed path has such a segment"
                        ));
                    }
                    let within: Vec<String> = segment.split('*').map(regex::escape).collect();
                    pattern.push_str(&within.join("[^/]*"));
                    pattern.push_str(if last { "" } else { "/" });
                }
            }
        }
        pattern.push('$');
        Regex::new(&pattern).map(Self).map_err(|_| format!("`{written}` is not a path"))
    }
}

/// The landing URI of a deep link: `start` and the path below it, if one of the globs allows the path. Notebooks have spaces
/// in their names: spaces, `%` and all that is not ASCII stand percent-encoded in a landing URI, whose form the target checks
/// like that of every field.
pub(super) fn land(globs: &[Glob], start: &str, path: &str) -> Option<String> {
    let slash = if start.ends_with([':', '/']) { "" } else { "/" };
    is_allowed(globs, path).then(|| format!("{start}{slash}{}", utf8_percent_encode(path, ENCODED)))
}

/// The fragment of a deep link to MLflow, which tells its pages apart by it: `/experiments/12/runs/0a1b`, with a query
/// for pages that compare runs. The globs judge the path alone; with a query that no URL can have, there is no deep link.
/// <https://reactrouter.com/api/data-routers/createHashRouter>
pub(super) fn fragment(globs: &[Glob], path: &str, query: Option<&str>) -> Option<Fragment> {
    if !is_allowed(globs, path) {
        return None;
    }
    let mut page = format!("/{}", utf8_percent_encode(path, ENCODED_IN_FRAGMENT));
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        page.push('?');
        page.extend(utf8_percent_encode(query, ENCODED_IN_QUERY));
    }
    Fragment::parse(&page).ok()
}

fn is_allowed(globs: &[Glob], path: &str) -> bool {
    path.len() <= LONGEST_PATH
        && path.split('/').all(segment_is_safe)
        && globs.iter().any(|glob| glob.0.is_match(path))
}

/// Whether the segment reads as nothing but a name, even after another round of decoding.
fn segment_is_safe(segment: &str) -> bool {
    let harmless = |character: char| {
        !character.is_control()
            && (character == ' ' || !character.is_whitespace())
            && !matches!(character, '\\' | '#' | '?' | '/')
    };
    !matches!(segment, "" | "." | "..") && segment.chars().all(harmless) && escapes_are_harmless(segment)
}

/// Whether no escape decodes to a delimiter, a dot, a control character or another `%`: a server behind us might decode it.
fn escapes_are_harmless(segment: &str) -> bool {
    segment.split('%').skip(1).all(|after| {
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_none_or(|byte| {
            !byte.is_ascii_control() && !matches!(byte, b'.' | b'/' | b'\\' | b'#' | b'?' | b'%' | b':')
        })
    })
}
