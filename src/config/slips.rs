//! Texts that people write by mistake: variables that nothing expands, placeholders that nobody filled in, brackets
//! around a text, YAML that is not.

use super::findings::Problem;
use super::tree::{Node, NodeContent};
use serde_json::Value;

/// The keyword of the schema that tells the kind of a text: one of the words below; without it, an exact value.
const TEXT: &str = "x-text";
/// A text that may hold `${…}`.
const TEMPLATE: &str = "template";
/// CEL.
const EXPRESSION: &str = "expression";
/// A text for people.
const PROSE: &str = "prose";

/// The problem of a text that nobody meant to stand here.
pub(super) fn unmeant(text: &str, schema: &Value) -> Option<Problem> {
    let kind = kind(schema);
    if kind == Some(EXPRESSION) {
        return None;
    }
    if kind != Some(TEMPLATE) && text.contains("${") {
        return Some(Problem::new("`${` stands here, and variables are not expanded").help(UNEXPANDED));
    }
    let placeholder = match kind {
        Some(TEMPLATE) if text.contains("${") => None,
        Some(PROSE) => unrendered(text),
        _ => unrendered(text).or_else(|| unfilled(text)),
    };
    placeholder.map(|placeholder| {
        let placeholder: String = placeholder.chars().take(60).collect();
        Problem::new(format!("`{}` is a placeholder; allowed: the value itself", placeholder.escape_debug()))
    })
}

const UNEXPANDED: &str = "write the value, or render the file before it is read; only secrets are read from elsewhere: `{env: NAME}`, \
     `{file: PATH}`";

/// The placeholder that a template engine should have replaced.
fn unrendered(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("{{")?;
    let from = text.len() - rest.len() - 2;
    text.get(from..).map(|rest| rest.split_inclusive("}}").next().unwrap_or(rest))
}

/// The placeholder that somebody should have replaced: `<client-id>`, `REPLACE_ME`, `xxxxxxxxxxxx`.
fn unfilled(text: &str) -> Option<&str> {
    const LEAST: usize = 4;
    let angled = text.find('<').and_then(|from| {
        let to = text.get(from..)?.find('>')?;
        text.get(from..=from + to).filter(|_| to > 1)
    });
    let words =
        || text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let is_crossed =
        |word: &&str| word.len() >= LEAST && word.bytes().all(|byte| byte.eq_ignore_ascii_case(&b'x'));
    let is_asked_for = |word: &&str| {
        let word = word.replace('_', "");
        word.eq_ignore_ascii_case("replaceme") || word.eq_ignore_ascii_case("changeme")
    };
    angled.or_else(|| words().find(is_crossed)).or_else(|| words().find(is_asked_for))
}

/// Advice on a value that is not of the kind that the schema asks for.
pub(super) fn help_for(node: &Node, schema: &Value) -> Option<String> {
    let is_text = schema.get("type").is_some_and(|found| found == "string");
    match &node.content {
        NodeContent::Text { text, .. } if text.contains("${") => Some(UNEXPANDED.to_owned()),
        NodeContent::Text { text, .. } if schema.get("type").is_some_and(|found| found == "array") => {
            listed(text)
        }
        NodeContent::List(items) if is_text => {
            let items: Option<Vec<&str>> = items.iter().map(|item| text(item)).collect();
            match (items?.as_slice(), kind(schema)) {
                ([], _) => None,
                (names, Some(EXPRESSION)) if names.iter().all(|name| is_word(name)) => {
                    let asked: Vec<String> = names.iter().map(|name| format!("'{name}' in groups")).collect();
                    Some(format!("a list is no expression: for groups, write \"{}\"", asked.join(" || ")))
                }
                ([only], _) => Some(format!("write `{only}`, without brackets")),
                _ => None,
            }
        }
        NodeContent::Map(_) if is_text && kind(schema) == Some(TEMPLATE) => {
            Some("a text that begins with `{` needs quotes; what is computed is written \"${…}\"".to_owned())
        }
        _ => None,
    }
}

fn listed(text: &str) -> Option<String> {
    let is_short = text.len() < 80 && !text.contains(['\n', '[', ']']);
    let items: Vec<&str> = text.split([',', ' ']).filter(|item| !item.is_empty()).collect();
    is_short.then(|| match items.as_slice() {
        [_] => format!("a list of one is written `[{text}]`"),
        items => format!("a list is written `[{}]`", items.join(", ")),
    })
}

fn text(node: &Node) -> Option<&str> {
    match &node.content {
        NodeContent::Text { text, .. } if text.len() < 80 && !text.contains(char::is_control) => Some(text),
        _ => None,
    }
}

fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "-_.:/@ ".contains(c))
}

fn kind(schema: &Value) -> Option<&str> {
    schema.get(TEXT).and_then(Value::as_str)
}

/// Advice on the probable slip, by the YAML parser's complaint and the text before it.
pub(super) fn of_yaml(message: &str, read: &str) -> Option<&'static str> {
    [
        (
            "after single-quoted scalar",
            "",
            "put the whole expression in double quotes: \"'ml-users' in groups\"",
        ),
        ("after double-quoted scalar", "", "put the whole text in single quotes, or escape the inner quotes"),
        ("parsing a flow mapping", "${", "inside `{…}` a template needs quotes: \"${…}\""),
        (
            "parsing a flow mapping",
            " #",
            "what stands behind ` #` is a comment; a text with that in it needs quotes",
        ),
        ("tabs disallowed", "", "indent with spaces"),
        (
            "mapping values are not allowed",
            "",
            "a text with `: ` needs quotes; or the indentation of this line or the one above is off",
        ),
        (
            "anchor or alias",
            "",
            "a text that begins with `*` or `&` needs quotes: unquoted, YAML takes it for the name of another value",
        ),
        (
            "unknown anchor",
            "",
            "unquoted, `*name` stands for the value that `&name` marks above, and there is none; a text that begins \
             with `*` needs quotes",
        ),
        ("unexpected character", "", "a text that begins with `@`, `%` or a backquote needs quotes"),
    ]
    .into_iter()
    .find_map(|(found, written, help)| (message.contains(found) && read.contains(written)).then_some(help))
}
