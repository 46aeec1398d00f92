//! Checks a tree against the configuration's JSON Schema and collects every difference.
//!
//! It knows the keywords that `schemars` writes for the types of `config::file`, and has two rules of its own: an empty
//! value is refused everywhere, and any scalar counts as text where a text is allowed (`no`, `0123`).

use super::diagnostics::{Diagnostic, did_you_mean, listed};
use super::located::Location;
use super::slips;
use super::tree::{Entry, Node, NodeContent, item, member};
use serde_json::Value;
use std::rc::Rc;

pub(super) fn lint(root: &Node, schema: &Value) -> Vec<Diagnostic> {
    let mut lint = Lint { schema, findings: Vec::new(), in_secret: false };
    lint.value(root, schema, "", root.location);
    lint.findings
}

/// More differences than this would tell an admin nothing new.
const MOST_FINDINGS: usize = 200;

struct Lint<'a> {
    schema: &'a Value,
    findings: Vec<Diagnostic>,
    /// Whether the values stand where a secret may have been put, and are not to be quoted.
    in_secret: bool,
}

impl<'a> Lint<'a> {
    /// `named_at` is the place of the value's key, or of the value itself if it has none.
    fn value(&mut self, node: &Node, schema: &'a Value, path: &str, named_at: Location) {
        let schema = self.resolve(schema);
        if node.is_null() {
            let help = match schema.get("type") {
                Some(kind) if kind == "string" => {
                    "give a value, in quotes if it is the word `null` or begins with `#`, or remove the key"
                }
                _ => "give a value, or remove the key",
            };
            self.findings.push(Diagnostic::new(path, named_at, "no value is given").help(help));
            return;
        }
        if let Some(variants) = variants(schema) {
            return self.variant(node, &variants, schema, path, named_at);
        }
        if let Some(words) = words(schema) {
            return self.word(node, &words, schema, path);
        }
        if let Some(forms) = schema.get("anyOf").and_then(Value::as_array) {
            return self.form(node, forms, path, named_at);
        }
        match (schema.get("type").and_then(Value::as_str), &node.content) {
            (Some("object"), NodeContent::Map(entries)) => self.map(entries, schema, path, named_at),
            (Some("array"), NodeContent::List(items)) => self.list(items, schema, path, named_at),
            (Some("string"), NodeContent::Text { text, .. }) if text.trim().is_empty() => {
                self.findings.push(Diagnostic::new(path, node.location, "an empty text"));
            }
            (Some("string"), NodeContent::Text { text, .. }) => {
                if let Some(problem) = slips::unmeant(text, schema) {
                    self.findings.push(if self.in_secret {
                        Diagnostic::new(
                            path,
                            node.location.hidden(),
                            "a placeholder, or a variable in `${…}`",
                        )
                        .help("write the name itself: neither is replaced here")
                    } else {
                        problem.at(path, node.location)
                    });
                }
            }
            (Some("integer"), NodeContent::Text { text, plain: true }) if is_integer(text) => {
                if !range_of(schema).contains(text.parse().ok()) {
                    self.mismatch(node, &allowed(schema), schema, path);
                }
            }
            (Some("boolean"), NodeContent::Text { text, plain: true })
                if text == "true" || text == "false" => {}
            (None, _) => self.anything(node, path),
            (Some("array"), NodeContent::Text { .. }) if self.is_secret(schema.get("items")) => {
                self.inline_secret(node, path);
            }
            _ => self.mismatch(node, &allowed(schema), schema, path),
        }
    }

    /// One of several forms that differ in kind: a text, a list or a map.
    fn form(&mut self, node: &Node, forms: &'a [Value], path: &str, named_at: Location) {
        let kind = match &node.content {
            NodeContent::Map(_) => "object",
            NodeContent::List(_) => "array",
            NodeContent::Text { .. } => "string",
        };
        let forms: Vec<&'a Value> = forms.iter().map(|form| self.resolve(form)).collect();
        match forms.iter().find(|form| form.get("type").is_some_and(|found| found == kind)) {
            Some(form) => self.value(node, form, path, named_at),
            None => {
                let words: Vec<String> = forms.iter().map(|form| allowed(form)).collect();
                self.mismatch(node, &words.join(" or "), &Value::Null, path);
            }
        }
    }

    fn map(&mut self, entries: &[Entry], schema: &'a Value, path: &str, named_at: Location) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let further = schema.get("additionalProperties");
        let is_free = |key: &str| schema.get("patternProperties").is_some() && key.starts_with("x-");
        for Entry { key, key_location, value } in entries {
            if self.findings.len() >= MOST_FINDINGS {
                return;
            }
            let path = member(path, key);
            match properties.and_then(|properties| properties.get(key)) {
                Some(schema) => self.value(value, schema, &path, *key_location),
                None if is_free(key) => {}
                None => match further {
                    Some(schema @ Value::Object(_)) => self.value(value, schema, &path, *key_location),
                    Some(Value::Bool(false)) => {
                        let known = || properties.into_iter().flat_map(|map| map.keys()).map(String::as_str);
                        self.unknown_key(key, *key_location, &path, known().collect());
                    }
                    _ => self.value(value, &Value::Null, &path, *key_location),
                },
            }
        }
        let is_given = |key: &str| entries.iter().any(|entry| entry.key == key);
        for key in strings(schema.get("required")).filter(|key| !is_given(key)) {
            self.findings.push(Diagnostic::new(path, named_at, format!("the key `{key}` is missing")));
        }
        let choice: Vec<&str> = alternatives(schema).collect();
        let given: Vec<&str> = choice.iter().copied().filter(|key| is_given(key)).collect();
        if !choice.is_empty() && given.len() != 1 {
            let found = if given.is_empty() { "none".to_owned() } else { listed(given) };
            let message = format!("exactly one of {} is needed; found {found}", listed(choice));
            self.findings.push(Diagnostic::new(path, named_at, message));
        }
        if entries.is_empty() && schema.get("minProperties").is_some() {
            self.findings.push(Diagnostic::new(path, named_at, "an empty map; at least one entry is needed"));
        }
    }

    fn list(&mut self, items: &[Rc<Node>], schema: &'a Value, path: &str, named_at: Location) {
        if items.is_empty() && schema.get("minItems").is_some() {
            self.findings.push(Diagnostic::new(
                path,
                named_at,
                "an empty list; at least one entry is needed",
            ));
        }
        let schema = schema.get("items").unwrap_or(&Value::Null);
        for (index, node) in items.iter().enumerate() {
            if self.findings.len() >= MOST_FINDINGS {
                return;
            }
            self.value(node, schema, &item(path, index), node.location);
        }
    }

    /// A map with one key, which names the variant.
    fn variant(
        &mut self,
        node: &Node,
        variants: &[(&'a str, &'a Value)],
        schema: &'a Value,
        path: &str,
        named_at: Location,
    ) {
        let names = || variants.iter().map(|(name, _)| *name);
        let entries = match &node.content {
            NodeContent::Map(entries) => entries,
            _ if schema.get("x-secret").is_some() => return self.inline_secret(node, path),
            _ => return self.mismatch(node, &format!("a map with one of {}", listed(names())), schema, path),
        };
        for Entry { key, key_location, value } in entries.iter().take(MOST_FINDINGS) {
            match variants.iter().find(|(name, _)| name == key) {
                Some((_, variant)) => {
                    self.in_secret = schema.get("x-secret").is_some();
                    self.value(value, variant, &member(path, key), *key_location);
                    self.in_secret = false;
                }
                None if schema.get("x-secret").is_some() => {
                    self.unknown_reference(key, *key_location, path, names().collect());
                }
                None => self.unknown_key(key, *key_location, &member(path, key), names().collect()),
            }
        }
        if entries.len() != 1 {
            let message = format!("exactly one of {} is needed; found {}", listed(names()), entries.len());
            self.findings.push(Diagnostic::new(path, named_at, message));
        }
    }

    fn word(&mut self, node: &Node, words: &[&str], schema: &Value, path: &str) {
        match &node.content {
            NodeContent::Text { text, .. } if words.contains(&text.as_str()) => {}
            NodeContent::Text { text, .. } => {
                let message = format!("found {}; allowed: {}", found(node), listed(words.iter().copied()));
                let finding = Diagnostic::new(path, node.location, message);
                let help = did_you_mean(text, words.iter().copied());
                self.findings.push(Diagnostic { help, ..finding });
            }
            _ => self.mismatch(node, &listed(words.iter().copied()), schema, path),
        }
    }

    /// A value that the schema leaves free: only its emptiness can be wrong.
    fn anything(&mut self, node: &Node, path: &str) {
        match &node.content {
            NodeContent::Text { .. } => {}
            NodeContent::List(items) => self.list(items, &Value::Null, path, node.location),
            NodeContent::Map(entries) => self.map(entries, &Value::Null, path, node.location),
        }
    }

    fn unknown_key(&mut self, key: &str, location: Location, path: &str, known: Vec<&str>) {
        let shown: String = key.chars().take(80).collect();
        let message =
            format!("unknown key `{}`; allowed: {}", shown.escape_debug(), listed(known.iter().copied()));
        let help = did_you_mean(key, known);
        self.findings.push(Diagnostic { help, ..Diagnostic::new(path, location, message) });
    }

    /// A key that may be the secret itself.
    fn unknown_reference(&mut self, key: &str, location: Location, path: &str, known: Vec<&str>) {
        let message =
            format!("an unknown key, which is not shown; allowed: {}", listed(known.iter().copied()));
        let help = did_you_mean(key, known);
        self.findings.push(Diagnostic { help, ..Diagnostic::new(path, location.hidden(), message) });
    }

    /// A text that may be the secret itself, so that neither it nor its line is shown.
    fn inline_secret(&mut self, node: &Node, path: &str) {
        let message = "a secret is never written in the configuration";
        let help = "name an environment variable, `{env: NAME}`, or a file, `{file: PATH}`";
        self.findings.push(Diagnostic::new(path, node.location.hidden(), message).help(help));
    }

    fn is_secret(&self, schema: Option<&'a Value>) -> bool {
        schema.is_some_and(|schema| self.resolve(schema).get("x-secret").is_some())
    }

    fn mismatch(&mut self, node: &Node, allowed: &str, schema: &Value, path: &str) {
        let finding =
            Diagnostic::new(path, node.location, format!("found {}; allowed: {allowed}", found(node)));
        let help = if self.in_secret { None } else { slips::help_for(node, schema) };
        self.findings.push(Diagnostic { help, ..finding });
    }

    /// Follows `$ref`, which points into `$defs` only.
    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return schema };
        reference.strip_prefix('#').and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(&Value::Null)
    }
}

fn found(node: &Node) -> String {
    match &node.content {
        NodeContent::List(_) => "a list".to_owned(),
        NodeContent::Map(_) => "a map".to_owned(),
        NodeContent::Text { text, plain } => {
            let mut shown: String = text.chars().take(60).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            let shown = shown.escape_debug();
            if *plain { format!("`{shown}`") } else { format!("the text \"{shown}\"") }
        }
    }
}

fn allowed(schema: &Value) -> String {
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => "a map".to_owned(),
        Some("array") => "a list".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("integer") => range_of(schema).in_words(),
        _ => "a text".to_owned(),
    }
}

struct Bounds {
    least: Option<i64>,
    most: Option<i64>,
}

fn range_of(schema: &Value) -> Bounds {
    let bound = |name| schema.get(name).and_then(Value::as_i64);
    Bounds { least: bound("minimum"), most: bound("maximum") }
}

impl Bounds {
    fn contains(&self, number: Option<i64>) -> bool {
        number.is_some_and(|number| {
            self.least.is_none_or(|least| number >= least) && self.most.is_none_or(|most| number <= most)
        })
    }

    fn in_words(&self) -> String {
        match (self.least, self.most) {
            (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
            (Some(least), None) => format!("a whole number from {least}"),
            _ => "a whole number".to_owned(),
        }
    }
}

/// Digits as JSON writes them.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}

/// The variants of an externally tagged enum: a choice of maps with one required key each.
fn variants(schema: &Value) -> Option<Vec<(&str, &Value)>> {
    let choices = schema.get("oneOf")?.as_array()?;
    choices
        .iter()
        .map(|choice| {
            let properties = choice.get("properties")?.as_object()?;
            properties.iter().next().map(|(name, schema)| (name.as_str(), schema))
        })
        .collect()
}

/// The words of an enum without fields.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(words) = schema.get("enum") {
        return Some(strings(Some(words)).collect());
    }
    let choices = schema.get("oneOf")?.as_array()?;
    choices.iter().map(|choice| choice.get("const")?.as_str()).collect()
}

/// The keys of which exactly one must be given.
fn alternatives(schema: &Value) -> impl Iterator<Item = &str> {
    let choices = schema.get("oneOf").and_then(Value::as_array);
    choices.into_iter().flatten().flat_map(|choice| strings(choice.get("required")))
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
