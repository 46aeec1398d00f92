//! The patterns of `matches(text, 'pattern')`: linear in time, bounded in size, whole, and about ASCII.
//!
//! `\w`, `\d`, `\s`, `\b` and `(?i)` mean ASCII, so that nobody takes the rule of another person with a letter that
//! looks alike or folds alike: by Unicode, `(?i)^kate$` matches a Kelvin sign. Negations and `.` take any character. A
//! pattern that names characters beyond ASCII itself (`ä`, `\p{Greek}`) is read as it stands, and may use none of the five.

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, ClassSetItem, Flag, FlagsItemKind};
use regex_syntax::hir::translate::{Translator, TranslatorBuilder};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look};

const LARGEST_COMPILED: usize = 1 << 20;

/// Compiles a pattern that is anchored at both ends.
///
/// A pattern that may match a part is refused: `corp\.example` would let in `corp.example.evil.example`.
///
/// # Errors
///
/// Says what is wrong with the pattern.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let tree = ast::parse::Parser::new().parse(pattern).map_err(|error| reason(&error.to_string()))?;
    let uses = ast::visit(&tree, Uses::default()).unwrap_or_default();
    if uses.unicode_flag {
        return Err("has the flag `u`: name the characters that you mean".to_owned());
    }
    if uses.beyond_ascii && uses.ascii {
        return Err("names characters beyond ASCII, so `\\w`, `\\d`, `\\s`, `\\b` and `(?i)`, which mean ASCII, have no place in \
                    it: write the characters out"
            .to_owned());
    }
    let mut translator = match uses.beyond_ascii {
        true => Translator::new(),
        false => TranslatorBuilder::new().unicode(false).utf8(false).build(),
    };
    let meant = translator.translate(pattern, &tree).map_err(|error| reason(&error.to_string()))?;
    let properties = meant.properties();
    let starts = properties.look_set_prefix().contains(Look::Start);
    let ends = properties.look_set_suffix().contains(Look::End);
    if !(starts && ends) {
        return Err(
            "is not anchored at both ends: write `^(…)$`, since a partial match lets strangers in".to_owned()
        );
    }
    let mut builder = RegexBuilder::new(&of_characters(meant).to_string());
    builder.size_limit(LARGEST_COMPILED).dfa_size_limit(LARGEST_COMPILED);
    builder.build().map_err(|error| reason(&error.to_string()))
}

/// The features that a pattern uses.
#[derive(Default)]
struct Uses {
    /// Something that means ASCII, or would mean Unicode.
    ascii: bool,
    /// Characters that are not ASCII.
    beyond_ascii: bool,
    unicode_flag: bool,
}

impl Uses {
    fn flags(&mut self, flags: &ast::Flags) {
        for item in &flags.items {
            match item.kind {
                FlagsItemKind::Flag(Flag::CaseInsensitive) => self.ascii = true,
                FlagsItemKind::Flag(Flag::Unicode) => self.unicode_flag = true,
                _ => {}
            }
        }
    }
}

impl ast::Visitor for Uses {
    type Output = Self;
    type Err = ();

    fn finish(self) -> Result<Self, ()> {
        Ok(self)
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), ()> {
        match tree {
            Ast::Literal(literal) => self.beyond_ascii |= !literal.c.is_ascii(),
            Ast::ClassUnicode(_) => self.beyond_ascii = true,
            Ast::ClassPerl(_) => self.ascii = true,
            Ast::Assertion(assertion) => {
                use ast::AssertionKind::{EndLine, EndText, StartLine, StartText};
                self.ascii |= !matches!(assertion.kind, StartLine | EndLine | StartText | EndText);
            }
            Ast::Flags(flags) => self.flags(&flags.flags),
            Ast::Group(group) => group.flags().into_iter().for_each(|flags| self.flags(flags)),
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), ()> {
        match item {
            ClassSetItem::Literal(literal) => self.beyond_ascii |= !literal.c.is_ascii(),
            ClassSetItem::Range(range) => self.beyond_ascii |= !range.end.c.is_ascii(),
            ClassSetItem::Unicode(_) => self.beyond_ascii = true,
            ClassSetItem::Perl(_) => self.ascii = true,
            _ => {}
        }
        Ok(())
    }
}

/// The same pattern over characters: a class that holds the bytes beyond ASCII holds all characters beyond ASCII instead.
fn of_characters(pattern: Hir) -> Hir {
    match pattern.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(Class::Bytes(class)) => {
            let ranges = class.ranges().iter().map(|range| {
                let end = if range.end().is_ascii() { char::from(range.end()) } else { char::MAX };
                ClassUnicodeRange::new(char::from(range.start().min(0x80)), end)
            });
            Hir::class(Class::Unicode(ClassUnicode::new(ranges)))
        }
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(look),
        HirKind::Repetition(mut repetition) => {
            repetition.sub = Box::new(of_characters(*repetition.sub));
            Hir::repetition(repetition)
        }
        HirKind::Capture(mut capture) => {
            capture.sub = Box::new(of_characters(*capture.sub));
            Hir::capture(capture)
        }
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(of_characters).collect()),
        HirKind::Alternation(choices) => Hir::alternation(choices.into_iter().map(of_characters).collect()),
    }
}

/// The last line of the library's message; the others repeat the pattern.
fn reason(message: &str) -> String {
    let last = message.lines().last().unwrap_or_default();
    format!("is not a regular expression: {}", last.trim_start_matches("error: "))
}
