//! The content of a configuration by path, so that two of them can be compared: paths and names, never a value.

use super::Loaded;
use super::concealed::concealed;
use super::schema::schema;
use super::tree::{self, Node, NodeContent, item, member};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

/// Changes that are named; the rest is counted.
const MOST_NAMED: usize = 50;
/// Characters of one change.
const LONGEST_NAMED: usize = 300;

/// Digests of the values of a configuration by their paths. Items of a list that have a `name` go by it.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    values: BTreeMap<String, u64>,
    /// Digests of the lookups' files, by their paths as written; `None` if they were not read.
    tables: Option<BTreeMap<String, u64>>,
}

impl Outline {
    pub fn of(loaded: &Loaded) -> Self {
        let tables = loaded.tables.iter().map(|(name, text)| (name.clone(), digest(text))).collect();
        Self { tables: Some(tables), ..Self::of_text(&loaded.source.text).unwrap_or_default() }
    }

    /// The outline without the tables. `None` if the text is not YAML.
    pub fn of_text(text: &str) -> Option<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (root, _) = tree::parse(text).ok()?;
        let mut reading = Reading { text, secrets: concealed(&root, &schema()), values: BTreeMap::new() };
        reading.gather(&root, "");
        Some(Self { values: reading.values, tables: None })
    }

    /// The differences in words: destinations, then rules, then other keys.
    pub fn changes(&self, after: &Self) -> Vec<String> {
        let differing = |path: &&String| self.values.get(*path) != after.values.get(*path);
        let paths: BTreeSet<&String> = self.values.keys().chain(after.values.keys()).collect();
        let mut found = BTreeSet::new();
        for path in paths.into_iter().filter(differing) {
            found.extend(self.change(after, path));
        }
        if let (Some(before), Some(after)) = (&self.tables, &after.tables) {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            let differing = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
            found.extend(differing.map(|name| (2, format!("the table `{name}`"))));
        }
        let cut = |change: String| match change.char_indices().nth(LONGEST_NAMED) {
            Some((end, _)) => format!("{}…", change.get(..end).unwrap_or_default()),
            None => change,
        };
        let mut changes: Vec<String> = found.into_iter().map(|(_, change)| cut(change)).collect();
        let further = changes.len().saturating_sub(MOST_NAMED);
        if further > 0 {
            changes.truncate(MOST_NAMED);
            changes.push(format!("{further} more"));
        }
        changes
    }

    /// The largest thing that came, went or changed at this path, and its place in the list. `None` if other paths
    /// report it.
    fn change(&self, after: &Self, path: &str) -> Option<(u8, String)> {
        let came = |thing: &str| match (self.has(thing), after.has(thing)) {
            (false, true) => "added",
            (true, false) => "removed",
            _ => "changed",
        };
        let rule = |list: &str, of: &str| {
            let name = path.strip_prefix(list)?.strip_prefix('[')?.split(']').next()?;
            let thing = format!("{list}[{name}]");
            Some((1, format!("the rule `{name}` {of}{}", came(&thing))))
        };
        if let Some(name) = path.strip_prefix("destinations.").and_then(|rest| rest.split(['.', '[']).next())
        {
            let destination = format!("destinations.{name}");
            let how = came(&destination);
            if how != "changed" {
                return Some((0, format!("the destination `{name}` {how}")));
            }
            let rules = format!("{destination}.rules");
            if path == rules {
                let is_order = self.names(&rules) == after.names(&rules);
                return is_order.then(|| (1, format!("the rules of `{name}` in another order")));
            }
            if let Some(change) = rule(&rules, &format!("of `{name}` ")) {
                return Some(change);
            }
        }
        if path == "deny" {
            let is_order = self.names(path) == after.names(path);
            return is_order.then(|| (1, "the rules for all destinations in another order".to_owned()));
        }
        if let Some(change) = rule("deny", "for all destinations ") {
            return Some(change);
        }
        let key = path.split('[').next().unwrap_or(path);
        Some((2, format!("`{key}` {}", came(key))))
    }

    /// The names of a list's items.
    fn names(&self, list: &str) -> BTreeSet<&str> {
        let below = self.values.keys().filter_map(|path| path.strip_prefix(list)?.strip_prefix('['));
        below.filter_map(|rest| rest.split(']').next()).collect()
    }

    fn has(&self, thing: &str) -> bool {
        let below = |path: &str| {
            path.strip_prefix(thing).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.values
            .range(thing.to_owned()..)
            .take_while(|(path, _)| path.starts_with(thing))
            .any(|(path, _)| below(path))
    }
}

struct Reading<'t> {
    text: &'t str,
    /// Byte ranges in which somebody may have put a secret itself, also as a key.
    secrets: Vec<Range<usize>>,
    values: BTreeMap<String, u64>,
}

impl Reading<'_> {
    fn gather(&mut self, node: &Node, path: &str) {
        if let Some(secret) = self.secrets.iter().find(|range| range.contains(&node.location.start)) {
            let digest = digest(&self.text.get(secret.clone()));
            self.values.insert(path.to_owned(), digest);
            return;
        }
        match &node.content {
            NodeContent::Text { text, plain } => {
                _ = self.values.insert(path.to_owned(), digest(&(text, plain)));
            }
            NodeContent::Map(entries) => {
                if entries.is_empty() {
                    self.values.insert(path.to_owned(), 0);
                }
                // Keys that start with `x-` have no meaning of their own, only where an alias uses them.
                for entry in entries.iter().filter(|entry| !path.is_empty() || !entry.key.starts_with("x-")) {
                    self.gather(&entry.value, &member(path, &entry.key));
                }
            }
            NodeContent::List(items) => {
                let names: Option<Vec<&str>> = items.iter().map(|item| name(item)).collect();
                self.values.insert(path.to_owned(), digest(&(items.len(), &names)));
                for (index, node) in items.iter().enumerate() {
                    let place = match names.as_ref().and_then(|names| names.get(index)) {
                        Some(name) => format!("{path}[{name}]"),
                        None => item(path, index),
                    };
                    self.gather(node, &place);
                }
            }
        }
    }
}

fn name(node: &Node) -> Option<&str> {
    let NodeContent::Map(entries) = &node.content else { return None };
    let name = entries.iter().find(|entry| entry.key == "name")?;
    match &name.value.content {
        NodeContent::Text { text, .. } => Some(text),
        _ => None,
    }
}

fn digest(what: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
