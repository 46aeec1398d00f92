//! IAM's evaluation as far as printed policies need it: statements that allow, wildcards, and the operators of conditions.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use serde_json::Value;
use std::collections::BTreeMap;

/// What a request says of itself, by condition key.
pub(super) type Context = BTreeMap<String, Vec<String>>;

#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) principal: &'a str,
    pub(super) action: &'a str,
    pub(super) resource: &'a str,
    pub(super) context: &'a Context,
}

/// Whether a statement of the policy allows it.
pub(super) fn allows(policy: &Value, asked: Asked<'_>) -> bool {
    assert_eq!(policy["Version"], "2012-10-17", "{policy}");
    policy["Statement"].as_array().expect("statements").iter().any(|statement| applies(statement, asked))
}

fn applies(statement: &Value, asked: Asked<'_>) -> bool {
    assert_eq!(statement["Effect"], "Allow", "{statement}");
    let action = asked.action.to_ascii_lowercase();
    let principal = match &statement["Principal"] {
        Value::Null => true,
        Value::String(anyone) => anyone == "*",
        Value::Object(principal) => texts(&principal["AWS"]).any(|trusted| trusted == asked.principal),
        other => panic!("{other} is no principal"),
    };
    let resource = match &statement["Resource"] {
        Value::Null => true,
        resource => texts(resource).any(|pattern| like(pattern, asked.resource)),
    };
    principal
        && resource
        && texts(&statement["Action"]).any(|pattern| like(&pattern.to_ascii_lowercase(), &action))
        && holds(&statement["Condition"], asked.context)
}

fn holds(condition: &Value, context: &Context) -> bool {
    let Value::Object(operators) = condition else { return condition.is_null() };
    operators.iter().all(|(operator, keys)| {
        keys.as_object().expect("keys").iter().all(|(key, patterns)| {
            let found = context.get(key).map(Vec::as_slice).unwrap_or_default();
            let fits = |value: &String| match operator.rsplit(':').next() {
                Some("StringEquals") => texts(patterns).any(|pattern| pattern == value),
                Some("StringLike" | "ArnLike") => texts(patterns).any(|pattern| like(pattern, value)),
                _ => panic!("{operator} is not known here"),
            };
            if operator.starts_with("ForAllValues:") {
                found.iter().all(fits)
            } else {
                found.iter().any(fits)
            }
        })
    })
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let many = value.as_array().into_iter().flatten();
    many.chain(value.is_string().then_some(value)).map(|text| text.as_str().expect("a text"))
}

/// `*` is any text, `?` any one character.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let mut escaped = String::from("(?s)^");
    for character in pattern.chars() {
        match character {
            '*' => escaped.push_str(".*"),
            '?' => escaped.push('.'),
            other => escaped.push_str(&regex::escape(&other.to_string())),
        }
    }
    regex::Regex::new(&format!("{escaped}$")).expect("a pattern").is_match(text)
}
