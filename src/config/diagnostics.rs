//! Findings in a configuration: the fault, its place, and the help.

use super::located::Location;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use std::fmt;
use std::ops::Range;

/// One finding in the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The dotted path of the key, such as `destinations.studio.rules[0].allow`; empty for the file as a whole.
    pub path: String,
    pub location: Location,
    /// The text that was found and the allowed ones. Never a secret.
    pub message: String,
    /// The nearest name, or what to write instead.
    pub help: Option<String>,
}

/// A setting was refused, and the reason is among the findings.
#[derive(Clone, Copy, Debug)]
pub struct Refused(());

/// A setting after its check.
pub type Checked<T> = Result<T, Refused>;

impl Refused {
    /// Nothing is refused without a reason.
    pub(crate) fn by(reason: Diagnostic, findings: &mut Vec<Diagnostic>) -> Self {
        findings.push(reason);
        Self(())
    }
}

/// The text that findings point into.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The file's name as the user gave it.
    pub name: String,
    pub text: String,
    /// The byte ranges that stand in place of a secret. Their lines are never shown.
    pub concealed: Vec<Range<usize>>,
}

/// The reasons to refuse a configuration, in the order of the file.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    pub source: Source,
    pub findings: Vec<Diagnostic>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// More than this many findings are counted, not shown.
const SHOWN: usize = 50;
/// Longer source lines are not shown.
const LONGEST_LINE: usize = 4096;

impl Diagnostic {
    pub fn new(path: impl Into<String>, location: Location, message: impl Into<String>) -> Self {
        Self { path: path.into(), location, message: message.into(), help: None }
    }

    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl Diagnostics {
    pub fn new(source: Source, mut findings: Vec<Diagnostic>) -> Self {
        findings.sort_by_key(|finding| (finding.location.line, finding.location.column));
        Self { source, findings }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.findings.iter().take(SHOWN) {
            writeln!(f, "{}\n", self.source.render(Severity::Error, finding))?;
        }
        match self.findings.len() {
            1 => write!(f, "1 error in {}", self.source.name),
            count if count <= SHOWN => write!(f, "{count} errors in {}", self.source.name),
            count => write!(f, "{count} errors in {}, the first {SHOWN} are shown", self.source.name),
        }
    }
}

impl std::error::Error for Diagnostics {}

impl Source {
    /// A finding with its source line, without colours and without a line break at its end.
    pub fn render(&self, severity: Severity, finding: &Diagnostic) -> String {
        let title = match finding.path.as_str() {
            "" => finding.message.clone(),
            path => format!("{path}: {}", finding.message),
        };
        let level = match severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let (line, column) = (finding.location.line as usize, finding.location.column as usize);
        let group = level.primary_title(title);
        let group = match self.quotable(finding) {
            Some((text, start, end)) => {
                let annotation = AnnotationKind::Primary.span(start..end);
                group.element(Snippet::source(text).line_start(line).path(&self.name).annotation(annotation))
            }
            None if line == 0 => group.element(Origin::path(&self.name)),
            None => group.element(Origin::path(&self.name).line(line).char_column(column)),
        };
        let group = match &finding.help {
            Some(help) => group.element(Level::HELP.message(help)),
            None => group,
        };
        Renderer::plain().render(&[group])
    }

    /// The source line of a finding, and the finding's range in it, in bytes.
    fn quotable(&self, finding: &Diagnostic) -> Option<(&str, usize, usize)> {
        let Location { line, start, end, .. } = finding.location;
        if line == 0 {
            return None;
        }
        let (before, after) = self.text.split_at_checked(start)?;
        let from = before.rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let to = start + after.find(['\n', '\r']).unwrap_or(after.len());
        let text = self.text.get(from..to)?;
        let is_concealed = self.concealed.iter().any(|part| part.start <= to && from < part.end);
        if text.len() > LONGEST_LINE || is_concealed || self.is_of_secret(from, text) {
            return None;
        }
        let start = start - from;
        let end = (end.min(to).saturating_sub(from)).max(start);
        text.is_char_boundary(end).then_some((text, start, end))
    }
}

impl Source {
    /// Whether a line, or one that it is indented under, gives something to a key that sounds like a secret's, or holds
    /// a URL with a password. This covers texts that are not YAML, and keys that are given twice.
    fn is_of_secret(&self, from: usize, line: &str) -> bool {
        let mut indent = indentation(line);
        let above = self.text.get(..from).unwrap_or_default().lines().rev();
        let above = above.take(FARTHEST).filter(|line| !line.trim().is_empty()).map_while(|line| {
            let is_above = indentation(line) < indent;
            let is_below_something = indent > 0;
            indent = indent.min(indentation(line));
            is_below_something.then_some((is_above, line))
        });
        shows_secret(line) || above.filter(|(is_above, _)| *is_above).any(|(_, line)| opens_secret(line))
    }
}

/// In lines: no secret is longer.
const FARTHEST: usize = 2000;

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '-']).len()
}

/// Whether a line names a secret that stands below it.
fn opens_secret(line: &str) -> bool {
    let key = line.trim_start_matches([' ', '-']).split(':').next().unwrap_or_default();
    is_secret_key(key.trim())
}

/// Whether a key is that of a secret, perhaps misspelt.
pub(super) fn is_secret_key(key: &str) -> bool {
    const KEYS: [&str; 6] = ["client_secret", "secret", "private_key_jwt", "keys", "password", "passphrase"];
    const LONGEST: usize = 24;
    key.len() <= LONGEST && nearest(key, KEYS).is_some()
}

/// Whether a line gives something else than a reference to a key that sounds like a secret's, or holds a URL with a
/// password.
fn shows_secret(line: &str) -> bool {
    let authority = line.split_once("://").and_then(|(_, rest)| rest.split(['/', ' ']).next());
    if authority.is_some_and(|authority| authority.contains('@')) {
        return true;
    }
    line.match_indices(':').any(|(colon, _)| {
        let (key, value) = line.split_at(colon);
        let key = key.rsplit([',', '{', ' ', '"', '\'']).find(|word| !word.is_empty()).unwrap_or_default();
        // One reference in a list does not make the other items safe to show.
        let value = value.trim_start_matches(':').trim_start().trim_start_matches(['{', ' ']);
        let is_reference = match value.split_once(':').map(|(kind, name)| (kind.trim(), name.trim_start())) {
            Some((_, name)) if name.starts_with(['{', '[']) => false,
            Some((_, name)) if name.split('}').next().is_some_and(|name| name.contains(',')) => false,
            Some(("file", _)) => true,
            Some(("env", name)) => name.contains('_'),
            _ => false,
        };
        let is_given = !(value.is_empty() || value.starts_with('#') || is_reference);
        is_given && is_secret_key(key)
    })
}

/// The name that was probably meant: the nearest of `known`, if one is near enough.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let folded: String = fold(written).chars().take(80).collect();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &fold(name)), name))
        .filter(|(distance, name)| {
            let begins_it = folded.len() >= 4 && fold(name).starts_with(&folded);
            begins_it || *distance <= name.chars().count().div_ceil(3).min(4)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The help for a misspelt name, if one of `known` is near enough.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(written, known).map(|name| format!("did you mean `{name}`?"))
}

/// As [`did_you_mean`], or all of `known` if none is near.
pub fn did_you_mean_or_all<'a>(written: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let all = match known.clone().into_iter().count() {
        1 => "there is only",
        _ => "there are",
    };
    did_you_mean(written, known.clone()).unwrap_or_else(|| format!("{all} {}", listed(known)))
}

/// Names in backquotes, separated by commas.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
