//! The walls: each room imports only from rooms below it, and within a room no more than two files import each other in a
//! circle.

use super::imports::{circles, imports};
use super::sources;

/// Imports from a lower room into a higher one that still stand: from where, to where, and why.
const UPWARD: &[(&str, &str, &str)] = &[];

/// The rooms from the top floor down: the order of `mod` in `src/lib.rs`.
fn rooms(sources: &[(String, String)]) -> Vec<&str> {
    let (_, lib) = sources.iter().find(|(file, _)| file == "lib.rs").expect("lib.rs");
    let modules = lib.lines().filter_map(|line| {
        let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        let line = line.split("; //").next()?.trim_end_matches(';');
        line.strip_prefix("mod ")
    });
    modules.collect()
}

#[test]
fn a_room_imports_from_those_below_it() {
    let sources = sources();
    let rooms = rooms(&sources);
    let floor = |file: &str| {
        let room = file.split(['/', '.']).next().unwrap_or_default();
        rooms.iter().position(|name| *name == room)
    };
    let mut unused: Vec<_> = UPWARD.iter().map(|(from, to, _)| (from, to)).collect();
    let mut wrong = Vec::new();
    for (file, others) in imports(&sources) {
        for other in others.iter().filter(|other| floor(&file) > floor(other)) {
            let of = |from: &str, to: &str| file.starts_with(from) && other.starts_with(to);
            match UPWARD.iter().any(|(from, to, _)| of(from, to)) {
                true => unused.retain(|(from, to)| !of(from, to)),
                false => wrong.push(format!("src/{file} → src/{other}")),
            }
        }
    }
    assert!(wrong.is_empty(), "a room imports from one above it: {wrong:#?}");
    assert!(unused.is_empty(), "these exceptions are no longer needed: {unused:#?}");
}

#[test]
fn no_circle_has_more_than_two_files() {
    let imports = imports(&sources());
    let large: Vec<_> = circles(&imports).into_iter().filter(|circle| circle.len() > 2).collect();
    assert!(large.is_empty(), "these files import each other in a circle: {large:#?}");
}

/// Every way to write an import is found, and nothing else: each of these lines is the whole of `a/b.rs`.
#[test]
fn imports_are_found_however_they_are_written() {
    let found = |line: &str| -> Vec<String> {
        let files = ["lib.rs", "a.rs", "a/c.rs", "a/b/d.rs", "e.rs", "e/f.rs"];
        let mut sources: Vec<_> = files.map(|file| (file.to_owned(), String::new())).into();
        sources.push(("a/b.rs".to_owned(), line.to_owned()));
        imports(&sources).remove("a/b.rs").expect("its imports").into_iter().collect()
    };
    let of = |line: &str, expected: &[&str]| assert_eq!(found(line), expected, "{line}");
    of("use crate::e::f::Thing;", &["e/f.rs"]);
    of("use crate::e::{Thing, f};", &["e.rs", "e/f.rs"]);
    of("use crate::{a::c::{self, Thing}, e::{f::{One, Two}}};", &["a/c.rs", "e/f.rs"]);
    of("pub(crate) use super::c::Thing as Other;", &["a/c.rs"]);
    of("use super::super::e::Thing;", &["e.rs"]);
    of("use super::Thing;", &["a.rs"]);
    of("mod d;\nuse d::Thing;", &["a/b/d.rs"]);
    of("fn x() -> crate::e::Thing { self::d::y(super::z()) }", &["a.rs", "a/b/d.rs", "e.rs"]);
    of("pub(in crate::e) fn x() {}", &[]);
    of("use std::e::Thing; use other::crate_like::c; mod d;", &[]);
    of("// use crate::e::Thing;\n/// See [`crate::e`].", &[]);
    of("const A: &str = \"crate::e\"; const B: char = '\"'; use crate::a::Thing;", &["a.rs"]);
}

#[test]
fn circles_are_found() {
    let sources = |files: &[(&str, &str)]| -> Vec<(String, String)> {
        files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
    };
    let three = sources(&[
        ("a.rs", "use crate::b::X;"),
        ("b.rs", "use crate::c::X;"),
        ("c.rs", "use crate::a::X; use crate::d::X;"),
        ("d.rs", ""),
    ]);
    let imports = imports(&three);
    let found: Vec<Vec<_>> =
        circles(&imports).into_iter().map(|circle| circle.into_iter().collect()).collect();
    assert_eq!(found, [["a.rs", "b.rs", "c.rs"]]);
}
