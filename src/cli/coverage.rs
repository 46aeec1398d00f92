//! The output of `postern check --coverage`.

use super::configuration::Configuration;
use crate::policy::coverage::{Coverage, Part, Suggestion, What};
use crate::policy::policy_test::TestOutcome;
use serde_json::{Value, json};

#[derive(Debug)]
pub(super) struct Covered {
    pub(super) coverage: Coverage,
    suggestions: Vec<Suggestion>,
    several_issuers: bool,
}

impl Covered {
    pub(super) fn of(configuration: &Configuration, outcomes: &[TestOutcome]) -> Self {
        let Configuration { loaded, policy, tests } = configuration;
        let issuers = &loaded.gateway.issuers;
        let coverage = Coverage::of(&loaded.policy, tests, outcomes);
        let suggestions = coverage.suggestions(policy, issuers);
        Self { coverage, suggestions, several_issuers: issuers.len() > 1 }
    }

    pub(super) fn text(&self, file: &str) -> String {
        let Self { coverage, suggestions, .. } = self;
        let (reached, total) = (coverage.reached(), coverage.parts.len());
        let mut text = format!(
            "coverage: {} %: the tests reach {reached} of {total} rules, `set` fields and `${{…}}`\n",
            coverage.percent()
        );
        let mut place: Option<&Option<String>> = None;
        for part in coverage.missed() {
            if place != Some(&part.destination) {
                place = Some(&part.destination);
                let heading = part.destination.as_deref().map_or_else(
                    || "no test reaches, of the rules before every destination's own:".to_owned(),
                    |name| format!("no test reaches, of {name}:"),
                );
                text += &format!("  {heading}\n");
            }
            text += &format!("    {file}:{}: {}\n", part.line, named(part));
        }
        if !suggestions.is_empty() {
            text += "These tests reach more of it. Read them: they say what the rules do, not what they should do.\ntests:\n";
            text.extend(suggestions.iter().map(|suggestion| suggestion.entry(self.several_issuers)));
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let Self { coverage, suggestions, several_issuers } = self;
        let missed = coverage
            .missed()
            .map(|part| json!({"destination": part.destination, "line": part.line, "what": named(part)}));
        json!({
            "percent": coverage.percent(),
            "reached": coverage.reached(),
            "total": coverage.parts.len(),
            "missed": missed.collect::<Vec<_>>(),
            "tests": suggestions.iter().map(|suggestion| suggestion.entry(*several_issuers)).collect::<Vec<_>>(),
        })
    }
}

fn named(part: &Part) -> String {
    match &part.what {
        What::Rule(rule) => format!("the rule `{rule}`"),
        What::Set { rule, field } => format!("`set.{field}` of the rule `{rule}`"),
        What::Template(field) => format!("the `${{…}}` of `{field}`"),
    }
}
