//! Lookup tables: the names that people already have.

use crate::config::located::{At, Location, Named};
use serde_saphyr::Error;
use std::collections::HashMap;

/// A table from texts to texts, in which no two keys differ only in case and no two keys share a value.
///
/// Two people with one profile name are the very mistake that a table is written to avoid; AWS compares profile names
/// without case, so values are compared without case too.
#[derive(Clone, Debug, Default)]
pub struct Table(HashMap<String, Entry>);

/// A value, and where it stands in the table's text.
#[derive(Clone, Debug)]
pub struct Entry {
    pub value: String,
    pub location: Location,
}

/// A fault of a table and its place in the text; there is no place where the whole table is at fault.
#[derive(Clone, Debug)]
pub struct Fault {
    pub location: Location,
    pub message: String,
}

impl Table {
    /// Reads a table from YAML (or JSON, which is YAML): one map from texts to texts, with one entry at least.
    ///
    /// # Errors
    ///
    /// Every fault with its place, as far as the text is a map at all.
    pub fn parse(yaml: &str) -> Result<Self, Vec<Fault>> {
        let entries: Named<At<String>> =
            serde_saphyr::from_str(yaml).map_err(|error| vec![Fault::unreadable(&error)])?;
        if entries.0.is_empty() {
            let message = "the table is empty, so every look-up in it would fail".to_owned();
            return Err(vec![Fault { location: Location::default(), message }]);
        }
        let mut faults = Vec::new();
        let (mut keys, mut values) = (HashMap::new(), HashMap::new());
        let mut table = HashMap::with_capacity(entries.0.len());
        for (At { value: key, location }, At { value, location: place }) in entries.0 {
            let mut refuse = |message| faults.push(Fault { location, message });
            if key.is_empty() || value.is_empty() {
                refuse(format!("`{key}: {value}` has an empty side"));
            }
            if let Some(other) = keys.insert(key.to_ascii_lowercase(), key.clone()) {
                refuse(format!("the keys `{other}` and `{key}` differ in nothing but case"));
            }
            if let Some(other) = values.insert(value.to_ascii_lowercase(), key.clone()) {
                refuse(format!("`{other}` and `{key}` share the name `{value}` (case does not count)"));
            }
            table.insert(key, Entry { value, location: place });
        }
        if faults.is_empty() { Ok(Self(table)) } else { Err(faults) }
    }

    /// In the order of the alphabet.
    pub fn values(&self) -> Vec<&str> {
        let mut values: Vec<&str> = self.0.values().map(|entry| entry.value.as_str()).collect();
        values.sort_unstable();
        values
    }

    /// The value of exactly this key.
    pub fn find(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|entry| entry.value.as_str())
    }

    /// Keys and values in the order of the text.
    pub fn entries(&self) -> Vec<(&str, &Entry)> {
        let mut entries: Vec<(&str, &Entry)> =
            self.0.iter().map(|(key, entry)| (key.as_str(), entry)).collect();
        entries.sort_unstable_by_key(|(_, entry)| (entry.location.line, entry.location.column));
        entries
    }
}

impl Fault {
    /// In our own words, because the parser's message speaks of the parser's options.
    fn unreadable(error: &serde_saphyr::Error) -> Self {
        let message = match error.without_snippet() {
            Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key `{key}` is given twice"),
            Error::ExternalMessage { msg, .. } => format!("not YAML: {msg}"),
            Error::Budget { .. } => "more than a table may hold".to_owned(),
            _ => "a table is one map from texts to texts".to_owned(),
        };
        Self { location: error.location().map(Location::from).unwrap_or_default(), message }
    }
}
