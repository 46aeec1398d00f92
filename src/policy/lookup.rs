//! Lookup tables: who already has which name.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::collections::HashMap;
use std::fmt;

/// A table from texts to texts, in which no two keys differ only in case and no two keys share a value.
///
/// Two people with one profile name are the very mistake that a table is written to avoid; AWS compares profile names
/// without case, so values are compared without case too.
#[derive(Clone, Debug, Default)]
pub struct Table(HashMap<String, String>);

impl Table {
    /// Reads a table from YAML (or JSON, which is YAML): one map from texts to texts.
    ///
    /// # Errors
    ///
    /// Says every fault with its line, as far as the text is a map at all.
    pub fn parse(yaml: &str) -> Result<Self, Vec<String>> {
        let entries: Entries = serde_saphyr::from_str(yaml).map_err(|error| vec![first_line(&error)])?;
        let mut faults = Vec::new();
        let (mut keys, mut values) = (HashMap::new(), HashMap::new());
        let mut table = HashMap::with_capacity(entries.0.len());
        for (key, value) in entries.0 {
            if key.is_empty() || value.is_empty() {
                faults.push(format!("`{key}: {value}` has an empty side"));
            }
            if let Some(other) = keys.insert(key.to_ascii_lowercase(), key.clone()) {
                faults.push(format!("the keys `{other}` and `{key}` differ in nothing but case"));
            }
            if let Some(other) = values.insert(value.to_ascii_lowercase(), key.clone()) {
                faults.push(format!("`{other}` and `{key}` share the name `{value}` (case does not count)"));
            }
            table.insert(key, value);
        }
        if faults.is_empty() { Ok(Self(table)) } else { Err(faults) }
    }

    /// In the order of the alphabet.
    pub fn values(&self) -> Vec<&str> {
        let mut values: Vec<&str> = self.0.values().map(String::as_str).collect();
        values.sort_unstable();
        values
    }

    /// The value of exactly this key.
    pub fn find(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

/// Every entry as written, so that duplicates are seen.
struct Entries(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from texts to texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// The parser's message without its picture of the file.
fn first_line(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
