//! What is wrong with a configuration, where, and what was probably meant.

use super::located::Location;

/// One finding in the configuration file.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// The dotted path of the key, such as `destinations.studio.rules[0].allow`; empty for the file as a whole.
    pub path: String,
    pub location: Location,
    /// What was found and what is allowed. Never a secret.
    pub message: String,
    /// The nearest name, or what to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn new(path: impl Into<String>, location: Location, message: impl Into<String>) -> Self {
        Self { path: path.into(), location, message: message.into(), help: None }
    }

    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// The name that was probably meant: the nearest of `known`, if one is near enough.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = written.to_ascii_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|name| {
            (strsim::damerau_levenshtein(&folded, &name.to_ascii_lowercase().replace('-', "_")), name)
        })
        .filter(|(distance, name)| *distance <= name.chars().count().div_ceil(3).min(4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
