//! From a file to the final configuration, or to everything that is wrong with it.

use super::compile;
use super::concealed::concealed;
use super::diagnostics::{Diagnostic, Diagnostics, Source};
use super::file::Document;
use super::file::policy::PolicyFile;
use super::findings::{Findings, known};
use super::lint::lint;
use super::located::{At, Location};
use super::schema::schema;
use super::servers::DeclaredServer;
use super::settings::Gateway;
use super::tree;
use crate::files::Files;
use aws_lc_rs::digest;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

/// A configuration that is legal as far as it can be judged without evaluating the policy.
#[derive(Debug)]
pub struct Loaded {
    pub gateway: Gateway,
    /// The policy as written, for `policy::compile`.
    pub policy: PolicyFile,
    /// The tracking servers and Apps of `postern servers`.
    pub servers: Vec<DeclaredServer>,
    /// The lookup files by their paths as written, read by `policy::compile` and covered by `digest`.
    pub tables: BTreeMap<String, String>,
    /// SHA-256 over the file, its lookup files and its logo, in hexadecimal digits.
    pub digest: String,
    /// Settings that are legal and weaken security, or may not be meant.
    pub warnings: Vec<Diagnostic>,
    /// The text that findings of the policy point into.
    pub source: Source,
}

/// Bytes of a configuration file.
pub const LARGEST_FILE: usize = 4 * 1024 * 1024;
const LARGEST_LOOKUP: usize = 32 * 1024 * 1024;

/// Reads and checks a configuration file; relative paths in it start at its folder. Blocks while files are read.
///
/// # Errors
///
/// All errors, not only the first.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    load_by(path, &Files::default())
}

/// As [`load`], with `files`, which may know already of files that hang.
///
/// # Errors
///
/// As [`load`].
pub fn load_by(path: &Path, files: &Files) -> Result<Loaded, Diagnostics> {
    let name = path.display().to_string();
    let refuse = |message: String| {
        let source = Source { name: name.clone(), ..Source::default() };
        Diagnostics::new(source, vec![Diagnostic::new("", Location::default(), message)])
    };
    let text = read_text(path, LARGEST_FILE, files).map_err(|cause| refuse(format!("the file {cause}")))?;
    of_text(&name, &text, path.parent().unwrap_or(Path::new("")), files)
}

/// Checks a configuration's text; relative paths in it start at `directory`.
///
/// # Errors
///
/// As [`load`].
pub fn load_text(name: &str, text: &str, directory: &Path) -> Result<Loaded, Diagnostics> {
    of_text(name, text, directory, &Files::default())
}

fn of_text(name: &str, text: &str, directory: &Path, files: &Files) -> Result<Loaded, Diagnostics> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut source = Source { name: name.to_owned(), text: text.to_owned(), concealed: Vec::new() };
    let document = match written(text, &mut source.concealed) {
        Ok(document) => document,
        Err(errors) => return Err(Diagnostics::new(source, errors)),
    };
    let mut findings = Findings::default();
    let gateway = compile::gateway(&document, directory, files, &mut findings);
    let region = known(&gateway).map(|gateway| &gateway.aws.region);
    let servers = compile::servers(&document, region, &mut findings);
    let mut digest = digest::Context::new(&digest::SHA256);
    digest.update(text.as_bytes());
    let mut tables = BTreeMap::new();
    for (name, lookup) in &document.lookups {
        match read_text(&directory.join(&*lookup.file), LARGEST_LOOKUP, files) {
            Ok(table) => {
                digest.update(&(table.len() as u64).to_be_bytes());
                digest.update(table.as_bytes());
                tables.insert(lookup.file.value.clone(), table);
            }
            Err(cause) => {
                let At { value, location } = &lookup.file;
                let path = format!("lookups.{}.file", **name);
                findings.errors.push(Diagnostic::new(path, *location, format!("`{value}` {cause}")));
            }
        }
    }
    if let Some(logo) = gateway.as_ref().ok().and_then(|gateway| gateway.branding.logo.as_ref()) {
        digest.update(logo.data_url().as_bytes());
    }
    match (gateway, servers) {
        (Ok(gateway), Ok(servers)) if findings.errors.is_empty() => {
            let Document { lookups, deny, destinations, tests, .. } = document;
            let policy = PolicyFile { lookups, deny, destinations, tests };
            let digest = hexadecimal(digest.finish().as_ref());
            Ok(Loaded { gateway, policy, servers, tables, digest, warnings: findings.warnings, source })
        }
        _ => Err(Diagnostics::new(source, findings.errors)),
    }
}

/// The text as the types of the written form. The check of the tree collects all findings in one list, and leaves none
/// to the typed reading after it. Byte ranges in place of a secret are added to `secrets`.
fn written(text: &str, secrets: &mut Vec<Range<usize>>) -> Result<Document, Vec<Diagnostic>> {
    if text.len() > LARGEST_FILE {
        let message = format!("the file is larger than {} MiB", LARGEST_FILE / 1024 / 1024);
        return Err(vec![Diagnostic::new("", Location::default(), message)]);
    }
    if let Some(at) = text.find('\0') {
        let message = format!("the file holds a NUL character, at byte {at}");
        return Err(vec![Diagnostic::new("", Location::default(), message)]);
    }
    let (root, mut errors) = tree::parse(text).map_err(|error| vec![error])?;
    let schema = schema();
    *secrets = concealed(&root, &schema);
    errors.extend(lint(&root, &schema));
    if !errors.is_empty() {
        return Err(errors);
    }
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        // The library's message may quote a value.
        let location = error.location().map(Location::from).unwrap_or_default().hidden();
        vec![Diagnostic::new("", location, "the configuration cannot be read from here on")]
    })
}

fn read_text(path: &Path, largest: usize, files: &Files) -> Result<String, String> {
    let bytes = files.read(path, largest).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        let text = error.as_bytes().utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let line = text.matches('\n').count() + 1;
        let column = text.chars().rev().take_while(|character| *character != '\n').count() + 1;
        format!("is not UTF-8 text, from line {line}, column {column} on")
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
