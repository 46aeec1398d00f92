//! The parts of a configuration's text that stand in place of a secret. Somebody may have put the secret itself there,
//! so they are never quoted.

use super::diagnostics::is_secret_key;
use super::located::Location;
use super::tree::{Entry, Node, NodeContent};
use serde_json::Value;
use std::ops::Range;

/// The byte ranges of all values that stand in place of a secret and are not a well-formed reference.
pub(super) fn concealed(root: &Node, schema: &Value) -> Vec<Range<usize>> {
    let mut search = Search { schema, names: MOST_NAMES, found: Vec::new() };
    search.value(root, schema);
    search.found
}

/// Unknown keys that are compared with those of secrets. The check of the schema reports fewer.
const MOST_NAMES: usize = 500;

struct Search<'a> {
    schema: &'a Value,
    names: usize,
    found: Vec<Range<usize>>,
}

impl<'a> Search<'a> {
    fn value(&mut self, node: &Node, schema: &'a Value) {
        let schema = resolve(self.schema, schema);
        if is_secret(schema) {
            return self.secret(node);
        }
        let items = schema.get("items").map(|items| resolve(self.schema, items));
        match &node.content {
            NodeContent::List(items_found) => {
                for item in items_found {
                    self.value(item, items.unwrap_or(&Value::Null));
                }
            }
            // Anything in place of a list of secrets may be a secret.
            _ if items.is_some_and(is_secret) => self.secret(node),
            NodeContent::Map(entries) => entries.iter().for_each(|entry| self.entry(entry, schema)),
            NodeContent::Text { .. } => {}
        }
    }

    fn entry(&mut self, entry: &Entry, schema: &'a Value) {
        let further = schema.get("additionalProperties").filter(|further| further.is_object());
        match property(schema, &entry.key).or(further) {
            Some(schema) => self.value(&entry.value, schema),
            None if self.names_secret(&entry.key) => self.secret(&entry.value),
            None => self.value(&entry.value, &Value::Null),
        }
    }

    fn names_secret(&mut self, key: &str) -> bool {
        self.names = self.names.saturating_sub(1);
        self.names > 0 && is_secret_key(key)
    }

    fn secret(&mut self, node: &Node) {
        match &node.content {
            NodeContent::Map(entries) if is_reference(entries) => {}
            NodeContent::List(items) => items.iter().for_each(|item| self.secret(item)),
            _ => self.found.push(span(node)),
        }
    }
}

/// `{env: NAME}` or `{file: PATH}`, with a plausible name or path.
fn is_reference(entries: &[Entry]) -> bool {
    let [Entry { key, value, .. }] = entries else { return false };
    match (key.as_str(), &value.content) {
        ("env", NodeContent::Text { text, .. }) => {
            text.contains('_') && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        }
        ("file", NodeContent::Text { text, .. }) => !text.contains(char::is_whitespace),
        _ => false,
    }
}

/// From the first byte of a node to its last, keys and all that is below it included.
fn span(node: &Node) -> Range<usize> {
    let of = |Location { start, end, .. }: Location| start..end.max(start.saturating_add(1));
    let join = |one: Range<usize>, other: Range<usize>| one.start.min(other.start)..one.end.max(other.end);
    let own = of(node.location);
    match &node.content {
        NodeContent::Text { .. } => own,
        NodeContent::List(items) => items.iter().map(|item| span(item)).fold(own, join),
        NodeContent::Map(entries) => {
            entries.iter().flat_map(|entry| [of(entry.key_location), span(&entry.value)]).fold(own, join)
        }
    }
}

/// Follows `$ref`, which points into `$defs` only.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return schema };
    reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)).unwrap_or(&Value::Null)
}

fn is_secret(schema: &Value) -> bool {
    schema.get("x-secret").is_some()
}

/// The schema of a map's member, or of a variant's.
fn property<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let of = |schema: &'a Value| schema.get("properties")?.get(key);
    let variants = || schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    of(schema).or_else(|| variants().find_map(of))
}
