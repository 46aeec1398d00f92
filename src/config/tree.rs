//! YAML as a tree of texts, lists and maps, each with its place; aliases and merge keys are resolved.
//!
//! Typed deserialization stops at its first error and knows no nearest name, so a file is checked on the tree.

use super::diagnostics::Diagnostic;
use super::located::Location;
use super::slips;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, options};
use std::collections::HashMap;
use std::rc::Rc;

/// Values of a document once every alias is written out.
const LARGEST: usize = 100_000;
const DEEPEST: usize = 48;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) location: Location,
    pub(super) content: NodeContent,
    /// The weight of this node and all below it, aliases written out.
    size: usize,
    height: usize,
}

#[derive(Debug)]
pub(super) enum NodeContent {
    /// `plain` is a text without quotes, which may also mean a number, a boolean or nothing.
    Text {
        text: String,
        plain: bool,
    },
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_location: Location,
    pub(super) value: Rc<Node>,
}

/// The one document of a text. Beside the tree stand the errors that do not hinder reading on: duplicate keys and tags.
///
/// # Errors
///
/// The text is not YAML, not one document, or expands beyond bounds.
pub(super) fn parse(text: &str) -> Result<(Rc<Node>, Vec<Diagnostic>), Diagnostic> {
    let mut builder = Builder::default();
    let options = options! { disallow_directives: true };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| builder.syntax(&error, text))?;
        builder.event(event, span)?;
    }
    match builder.root {
        Some(root) => Ok((root, builder.errors)),
        None => Err(Diagnostic::new("", Location::default(), "the file holds no configuration")),
    }
}

impl Node {
    fn new(location: Location, content: NodeContent) -> Self {
        let children: Vec<&Rc<Node>> = match &content {
            NodeContent::Text { .. } => Vec::new(),
            NodeContent::List(items) => items.iter().collect(),
            NodeContent::Map(entries) => entries.iter().map(|entry| &entry.value).collect(),
        };
        let below = children.iter().fold(0, |sum: usize, child| sum.saturating_add(child.size));
        let height = children.iter().map(|child| child.height + 1).max().unwrap_or(0);
        let mut node = Self { location, content, size: below, height };
        node.size = below.saturating_add(node.weight());
        node
    }

    /// The node's own weight: a long text counts as more than one value.
    fn weight(&self) -> usize {
        match &self.content {
            NodeContent::Text { text, .. } => 1 + text.len() / 128,
            _ => 1,
        }
    }

    /// Nothing at all, `~` or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.content, NodeContent::Text { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

#[derive(Default)]
struct Builder {
    open: Vec<Frame>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    errors: Vec<Diagnostic>,
    documents: usize,
    size: usize,
}

/// A list or map whose end has not come yet.
struct Frame {
    location: Location,
    anchor: usize,
    children: Children,
}

enum Children {
    List(Vec<Rc<Node>>),
    Map {
        entries: Vec<Entry>,
        /// The line of every key.
        seen: HashMap<String, u32>,
        key: Option<(String, Location)>,
        /// Whether the key is a merge key.
        merge: bool,
        merged: Vec<Rc<Node>>,
    },
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        let location = place(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Diagnostic::new(
                        "",
                        location,
                        "a second document; a configuration is one document",
                    ));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() {
                    self.refuse_tag(location);
                }
                let plain = style == ScalarStyle::Plain;
                self.value(
                    Node::new(location, NodeContent::Text { text: text.into_owned(), plain }),
                    anchor,
                )?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                if tag.is_some() {
                    self.refuse_tag(location);
                }
                self.open(Frame { location, anchor, children: Children::List(Vec::new()) })?;
            }
            Event::MappingStart(_, anchor, tag) => {
                if tag.is_some() {
                    self.refuse_tag(location);
                }
                let (entries, seen, key, merged) = (Vec::new(), HashMap::new(), None, Vec::new());
                let children = Children::Map { entries, seen, key, merge: false, merged };
                self.open(Frame { location, anchor, children })?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(frame) = self.open.pop() {
                    let content = match frame.children {
                        Children::List(items) => NodeContent::List(items),
                        Children::Map { entries, seen, merged, .. } => {
                            NodeContent::Map(merge(entries, seen, &merged))
                        }
                    };
                    self.value(Node::new(frame.location, content), frame.anchor)?;
                }
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.count(node.size, location)?;
                    self.attach(node, location)?;
                }
                None => {
                    return Err(Diagnostic::new(
                        self.path(),
                        location,
                        "this alias stands inside of what it names",
                    ));
                }
            },
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, frame: Frame) -> Result<(), Diagnostic> {
        if self.awaits_key() {
            return Err(self.no_key(frame.location));
        }
        self.open.push(frame);
        if self.open.len() > DEEPEST {
            return Err(self.too_deep());
        }
        Ok(())
    }

    fn value(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
        let location = node.location;
        self.count(node.weight(), location)?;
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(node, location)
    }

    /// Puts a node into its parent: as the document, an item, a key or a key's value.
    fn attach(&mut self, node: Rc<Node>, location: Location) -> Result<(), Diagnostic> {
        if self.open.len() + node.height > DEEPEST {
            return Err(self.too_deep());
        }
        match self.open.last_mut().map(|frame| &mut frame.children) {
            None => self.root = Some(node),
            Some(Children::List(items)) => items.push(node),
            Some(Children::Map { entries, seen, key, merge, merged }) => match key.take() {
                None => {
                    let NodeContent::Text { text, plain } = &node.content else {
                        return Err(self.no_key(location));
                    };
                    *merge = *plain && text == "<<";
                    let first = if *merge { None } else { seen.get(text).copied() };
                    *key = Some((text.clone(), location));
                    if let Some(line) = first {
                        let message = format!("the key is given twice, first on line {line}");
                        self.errors.push(Diagnostic::new(self.path(), location, message));
                    }
                }
                Some(_) if *merge && is_mergeable(&node) => merged.push(node),
                Some((key, _)) if *merge => {
                    let path = member(&self.path(), &key);
                    self.errors.push(Diagnostic::new(path, location, "`<<` takes a map or a list of maps"));
                }
                Some((key, key_location)) => {
                    if !seen.contains_key(&key) {
                        seen.insert(key.clone(), key_location.line);
                        entries.push(Entry { key, key_location, value: node });
                    }
                }
            },
        }
        Ok(())
    }

    /// Counts values that are added to the document, for an alias all that it stands for: this bounds work and memory.
    fn count(&mut self, size: usize, location: Location) -> Result<(), Diagnostic> {
        self.size = self.size.saturating_add(size);
        if self.size > LARGEST {
            let message = format!("more than {LARGEST} values, with aliases written out");
            return Err(Diagnostic::new(self.path(), location, message));
        }
        Ok(())
    }

    fn no_key(&self, location: Location) -> Diagnostic {
        Diagnostic::new(self.path(), location, "a list or map as a key; a key is a text")
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Frame { children: Children::Map { key: None, .. }, .. }))
    }

    fn refuse_tag(&mut self, location: Location) {
        let path = self.path();
        let message = "a YAML tag; the meaning of a value comes from its key";
        self.errors.push(
            Diagnostic::new(path, location, message).help(
                "remove the word that starts with `!`; an expression that begins with `!` needs quotes",
            ),
        );
    }

    fn too_deep(&self) -> Diagnostic {
        let location = self.open.last().map(|frame| frame.location).unwrap_or_default();
        Diagnostic::new("", location, format!("lists and maps are nested deeper than {DEEPEST} levels"))
    }

    fn syntax(&self, error: &ScanError, text: &str) -> Diagnostic {
        let location = place(Span::empty(*error.marker()));
        let message = error.info().to_string();
        let finding = Diagnostic::new("", location, format!("not YAML: {message}"));
        // The text of the innermost list or map before the error, and the character that the error is about.
        let start = self.open.last().map_or(0, |frame| frame.location.start);
        let read = text.get(start..=location.start).or(text.get(start..location.start)).unwrap_or_default();
        match slips::of_yaml(&message, read) {
            Some(help) => finding.help(help),
            None => finding,
        }
    }

    /// The path of the node under construction.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in self.open.iter().take(16) {
            match &frame.children {
                Children::List(items) => path = item(&path, items.len()),
                Children::Map { key: Some((key, _)), .. } => path = member(&path, key),
                Children::Map { key: None, .. } => {}
            }
        }
        path
    }
}

/// The path of a map's value.
pub(super) fn member(path: &str, key: &str) -> String {
    let key: String = key.chars().take(80).collect();
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The path of a list's item.
pub(super) fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

fn is_mergeable(node: &Node) -> bool {
    let is_map = |node: &Node| matches!(node.content, NodeContent::Map(_));
    match &node.content {
        NodeContent::List(items) => items.iter().all(|item| is_map(item)),
        _ => is_map(node),
    }
}

/// A map's own entries and those of its merge keys: the own ones win, then the earlier of the merged maps.
fn merge(mut entries: Vec<Entry>, mut seen: HashMap<String, u32>, merged: &[Rc<Node>]) -> Vec<Entry> {
    let maps = merged.iter().flat_map(|node| match &node.content {
        NodeContent::List(items) => items.iter().collect(),
        _ => vec![node],
    });
    for map in maps {
        let NodeContent::Map(further) = &map.content else { continue };
        for entry in further {
            if !seen.contains_key(&entry.key) {
                seen.insert(entry.key.clone(), entry.key_location.line);
                entries.push(entry.clone());
            }
        }
    }
    entries
}

fn place(span: Span) -> Location {
    let narrow = |wide: usize| u32::try_from(wide).unwrap_or(u32::MAX);
    let start = span.start.byte_offset().unwrap_or_default();
    Location {
        line: narrow(span.start.line()),
        column: narrow(span.start.col().saturating_add(1)),
        start,
        end: span.end.byte_offset().unwrap_or(start),
    }
}
