//! The tables of `lookups`: their values must fit the fields that use them.

use super::compiler::{CompileContext, Compiler};
use crate::config::diagnostics::Diagnostic;
use crate::config::file::policy::PolicyFile;
use crate::config::located::Location;
use crate::policy::forms::{Form, Issuer, Own, Piece, Walk};
use crate::policy::lookup::{Entry, Fault, Table};
use crate::policy::template::Template;
use crate::target::InvalidName;
use cel::IdedExpr;
use std::collections::BTreeMap;

/// The most values of one table that are shown; further ones are counted.
const SHOWN: usize = 10;

pub(super) fn read(
    file: &PolicyFile,
    context: &CompileContext<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Table> {
    let mut tables = BTreeMap::new();
    for (name, lookup) in &file.lookups {
        let (path, file) = (format!("lookups.{}.file", name.value), &lookup.file.value);
        let not_read = || vec![Fault { location: Location::default(), message: "was not read".to_owned() }];
        let yaml = context.tables.get(file).ok_or_else(not_read);
        let table = yaml.and_then(|yaml| Table::parse(yaml)).unwrap_or_else(|faults| {
            diagnostics.extend(faults.into_iter().map(
                |Fault { location: Location { line, column, .. }, message }| {
                    let place = if line == 0 { String::new() } else { format!(":{line}:{column}") };
                    Diagnostic::new(path.as_str(), lookup.file.location, format!("{file}{place}: {message}"))
                },
            ));
            Table::default()
        });
        tables.insert(name.value.clone(), table);
    }
    tables
}

impl Compiler<'_> {
    /// Refuses values of tables that the field at `path` does not take.
    pub(super) fn judge_looked_up(
        &mut self,
        path: &str,
        location: Location,
        template: &Template,
        parse: fn(&str) -> Result<(), InvalidName>,
    ) {
        let tables = self.vocabulary.tables;
        let mut invalid: BTreeMap<(&str, u32, u32), (&str, InvalidName)> = BTreeMap::new();
        for issuer in self.context.issuers {
            for form in (Walk { issuer, tables }).template(template) {
                let Some(Part { before, table, folded, behind }) = looked_up(&form) else { continue };
                let Some((name, table)) = tables.get_key_value(table) else { continue };
                for (key, Entry { value, location }) in table.entries() {
                    let value = if folded { value.to_ascii_lowercase() } else { value.clone() };
                    if let Err(fault) = parse(&format!("{before}{value}{behind}")) {
                        invalid.insert((name, location.line, location.column), (key, fault));
                    }
                }
            }
        }
        for ((table, line, column), (key, fault)) in invalid.iter().take(SHOWN) {
            let file = self.file_of(table);
            let message = format!("`{key}` of the table `{table}` ({file}:{line}:{column}): {fault}");
            let help = fault.help();
            self.diagnostics.push(Diagnostic { help, ..Diagnostic::new(path, location, message) });
        }
        if let Some(more) = invalid.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            self.problem(path, location, format!("{more} more values of tables are not allowed here"));
        }
    }

    /// Warns of keys that nobody can have, as far as all uses of their table tell.
    pub(super) fn unreachable_keys(&self) -> Vec<Diagnostic> {
        let tables = self.vocabulary.tables;
        let mut warnings = Vec::new();
        for (name, lookup) in self.lookups {
            let Some(table) = tables.get(&name.value) else { continue };
            let uses =
                || self.gathered.looked_up.iter().filter(|(used, _)| *used == name.value).map(|(_, key)| key);
            if uses().next().is_none() {
                continue;
            }
            let is_given = |key: &str| {
                uses().any(|of| self.context.issuers.iter().any(|issuer| gives(issuer, tables, of, key)))
            };
            let unreachable: Vec<(&str, &Entry)> =
                table.entries().into_iter().filter(|(key, _)| !is_given(key)).collect();
            let Some((key, Entry { location: Location { line, .. }, .. })) = unreachable.first() else {
                continue;
            };
            let file = &lookup.file.value;
            let more = match unreachable.len() - 1 {
                0 => String::new(),
                more => format!(", and {more} more like it"),
            };
            let message =
                format!("nobody is looked up by the key `{}` ({file}:{line}){more}", key.escape_debug());
            let warning =
                Diagnostic::new(format!("lookups.{}.file", name.value), lookup.file.location, message);
            let meant = key.trim().to_ascii_lowercase();
            warnings.push(if is_given(&meant) {
                warning.help(format!("people arrive as `{meant}`"))
            } else {
                warning.help("an address is in lower case, of one of the `user_domains`; there are no blanks around a name")
            });
        }
        warnings
    }

    fn file_of(&self, table: &str) -> String {
        let found = self.lookups.iter().find(|(name, _)| name.value == table);
        found.map(|(_, lookup)| lookup.file.value.clone()).unwrap_or_default()
    }
}

/// A text that holds one value of a table, between constants.
struct Part<'f> {
    before: String,
    table: &'f str,
    folded: bool,
    behind: String,
}

fn looked_up(form: &Form) -> Option<Part<'_>> {
    let mut found: Option<Part<'_>> = None;
    let mut before = String::new();
    for piece in form {
        match (piece, &mut found) {
            (Piece::Constant(text), Some(part)) => part.behind.push_str(text),
            (Piece::Constant(text), None) => before.push_str(text),
            (Piece::Table { name, folded, .. }, None) => {
                let before = std::mem::take(&mut before);
                found = Some(Part { before, table: name, folded: *folded, behind: String::new() });
            }
            (Piece::Shared(of), None) => {
                let Part { before: start, table, folded, behind } = looked_up(of)?;
                let before = std::mem::take(&mut before) + &start;
                found = Some(Part { before, table, folded, behind });
            }
            _ => return None,
        }
    }
    found
}

/// Whether somebody of this issuer may be looked up by `key`; `of` is the expression that computes the key.
fn gives(issuer: &Issuer, tables: &BTreeMap<String, Table>, of: &IdedExpr, key: &str) -> bool {
    let is_folded = !key.bytes().any(|byte| byte.is_ascii_uppercase());
    let is_one_word = !key.contains(char::is_whitespace);
    (Walk { issuer, tables }).forms(of).iter().any(|form| match (form.as_slice(), &issuer.user_domains) {
        ([Piece::Own(Own::User { .. })], Some(domains)) => {
            let domain = key.split_once('@').map(|(_, domain)| domain);
            is_folded && is_one_word && domain.is_some_and(|domain| domains.iter().any(|ours| ours == domain))
        }
        ([Piece::Own(Own::User { folded })], None) => is_one_word && (is_folded || !folded),
        ([Piece::LocalPart(_)], _) => is_folded && is_one_word && !key.contains('@'),
        ([Piece::Constant(text)], _) => text == key,
        _ => key.trim() == key,
    })
}
