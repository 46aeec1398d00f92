//! Which source file imports from which, read from the paths in the sources: `crate::…`, `super::…`, `self::…` and paths that
//! begin with a submodule. A path counts wherever it stands, in a `use` or in the code.

use std::collections::{BTreeMap, BTreeSet};

/// For each file (its path below `src`), the files that it imports from.
pub(super) type Imports = BTreeMap<String, BTreeSet<String>>;

/// `sources` are the files below `src` by their path there, and their text.
pub(super) fn imports(sources: &[(String, String)]) -> Imports {
    let files: BTreeMap<Vec<&str>, &str> =
        sources.iter().map(|(file, _)| (module(file), file.as_str())).collect();
    let imports_of = |file: &str, text: &str| -> BTreeSet<String> {
        let own = module(file);
        let paths = paths(text).into_iter().filter_map(|path| absolute(&own, &path, &files));
        let found = paths.filter_map(|path| {
            (0..=path.len())
                .rev()
                .find_map(|length| files.get(&path[..length]).map(|file| (*file).to_owned()))
        });
        found.filter(|other| other != file).collect()
    };
    sources.iter().map(|(file, text)| (file.clone(), imports_of(file, text))).collect()
}

/// The groups of files that import each other in a circle, directly or by way of others: the strongly connected components.
pub(super) fn circles(imports: &Imports) -> Vec<BTreeSet<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|file| (file.as_str(), reachable(imports, file))).collect();
    let mut circles: Vec<BTreeSet<&str>> = Vec::new();
    for (file, others) in &reached {
        if circles.iter().any(|circle| circle.contains(file)) {
            continue;
        }
        let circle: BTreeSet<&str> =
            others.iter().copied().filter(|other| reached[other].contains(file)).collect();
        if !circle.is_empty() {
            circles.push(circle);
        }
    }
    circles
}

/// The files that `start` imports from, directly or by way of others; itself only where a way leads back.
fn reachable<'i>(imports: &'i Imports, start: &str) -> BTreeSet<&'i str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = imports[start].iter().map(String::as_str).collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(imports[file].iter().map(String::as_str));
        }
    }
    reached
}

/// `["policy", "grant"]` for `policy/grant.rs`; nothing for `lib.rs`.
fn module(file: &str) -> Vec<&str> {
    match file.trim_end_matches(".rs") {
        "lib" => Vec::new(),
        path => path.split('/').collect(),
    }
}

/// From the crate's root; `None` for a path that begins elsewhere (another crate, a type, an imported name).
fn absolute<'p>(
    own: &[&'p str],
    path: &[&'p str],
    files: &BTreeMap<Vec<&str>, &str>,
) -> Option<Vec<&'p str>> {
    let (first, rest) = path.split_first()?;
    match *first {
        "crate" => Some(rest.to_vec()),
        "self" | "super" => {
            let climbed = path.iter().take_while(|part| **part == "super").count();
            let rest = path.iter().skip_while(|part| matches!(**part, "self" | "super"));
            Some(own[..own.len().checked_sub(climbed)?].iter().chain(rest).copied().collect())
        }
        child => {
            let below: Vec<_> = own.iter().copied().chain([child]).collect();
            files.contains_key(&below).then(|| own.iter().chain(path).copied().collect())
        }
    }
}

/// Every path with `::` in the code, and each branch of the trees in `use` items.
fn paths(text: &str) -> Vec<Vec<&str>> {
    let tokens = tokens(text);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let continues = at > 0 && matches!(tokens[at - 1], "::" | ".");
        // `pub(in crate::…)` says who may import, and imports nothing.
        let continues = continues || (at > 1 && tokens[at - 2..at] == ["(", "in"]);
        if is_name(tokens[at]) && tokens.get(at + 1) == Some(&"::") && !continues {
            at = branches(&tokens, at, &mut Vec::new(), &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

/// Reads the path or tree that begins at `at`, below `stem`; returns what follows it.
fn branches<'t>(
    tokens: &[&'t str],
    mut at: usize,
    stem: &mut Vec<&'t str>,
    into: &mut Vec<Vec<&'t str>>,
) -> usize {
    let depth = stem.len();
    while let Some(token) = tokens.get(at) {
        if is_name(token) {
            stem.push(token);
            at += 1;
            if tokens.get(at) == Some(&"::") {
                at += 1;
                continue;
            }
        } else if *token == "{" && stem.len() > depth {
            at += 1;
            while tokens.get(at).is_some_and(|token| *token != "}") {
                let next = branches(tokens, at, stem, into);
                at = if next > at { next } else { at + 1 };
            }
            stem.truncate(depth);
            return at + 1;
        }
        break;
    }
    if stem.len() > depth {
        into.push(stem.clone());
        stem.truncate(depth);
    }
    at
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Names, `::` and single characters; without comments, texts and white space.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = if name > 0 {
            tokens.push(&rest[..name]);
            name
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            quoted(rest)
        } else if rest.starts_with("::") {
            tokens.push(&rest[..2]);
            2
        } else if let Some(length) = character(rest) {
            length
        } else {
            if !first.is_whitespace() {
                tokens.push(&rest[..first.len_utf8()]);
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of the text in quotes at the start. Raw texts with quotes inside are not told apart: what follows in them
/// could only be taken for a path where it looks like one.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character in quotes, `'"'` above all; `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let end =
        if inner.starts_with('\\') { inner[2..].find('\'')? + 2 } else { inner.chars().next()?.len_utf8() };
    inner[end..].starts_with('\'').then_some(end + 2)
}
