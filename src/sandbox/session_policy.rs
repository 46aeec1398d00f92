//! Inline session policies of AssumeRole, as far as the sandbox's operations need them.
//!
//! The role itself may do everything here, so the session policy alone decides.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(super) struct SessionPolicy {
    #[serde(rename = "Statement")]
    statements: OneOrMany<Statement>,
}

/// Any other member makes the policy malformed, `Principal` above all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Statement {
    #[expect(dead_code, reason = "allowed, and without meaning")]
    sid: Option<String>,
    effect: Effect,
    action: Option<OneOrMany<String>>,
    not_action: Option<OneOrMany<String>>,
    resource: Option<OneOrMany<String>>,
    not_resource: Option<OneOrMany<String>>,
    condition: Option<Value>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// No statement allows it.
    ImplicitlyDenied,
    ExplicitlyDenied,
}

impl SessionPolicy {
    /// `None` if the text is no policy document.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let policy: Self = serde_json::from_str(text).ok()?;
        policy.statements.as_slice().iter().all(Statement::is_well_formed).then_some(policy)
    }

    pub(super) fn judge(&self, action: &str, resource: &str) -> Verdict {
        self.judge_within(action, resource, &[])
    }

    /// `context`: the condition keys of the call, and their values.
    pub(super) fn judge_within(&self, action: &str, resource: &str, context: &[(&str, &str)]) -> Verdict {
        let applies = |effect: Effect| {
            let mut statements = self.statements.as_slice().iter();
            statements.any(|statement| {
                statement.effect == effect && statement.applies_to(action, resource, context)
            })
        };
        if applies(Effect::Deny) {
            Verdict::ExplicitlyDenied
        } else if applies(Effect::Allow) {
            Verdict::Allowed
        } else {
            Verdict::ImplicitlyDenied
        }
    }
}

impl Statement {
    fn is_well_formed(&self) -> bool {
        self.action.is_some() != self.not_action.is_some()
            && self.resource.is_some() != self.not_resource.is_some()
    }

    /// Of conditions, `StringLike` is evaluated. With any other, a Deny always applies, an Allow never.
    fn applies_to(&self, action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
        let action_is = |patterns: &OneOrMany<String>| {
            let action = action.to_ascii_lowercase();
            patterns.as_slice().iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &action))
        };
        let resource_is = |patterns: &OneOrMany<String>| {
            let resource = comparable(resource);
            patterns.as_slice().iter().any(|pattern| matches(&comparable(pattern), &resource))
        };
        let action_applies = self.action.as_ref().is_some_and(action_is)
            || self.not_action.as_ref().is_some_and(|not| !action_is(not));
        let resource_applies = self.resource.as_ref().is_some_and(resource_is)
            || self.not_resource.as_ref().is_some_and(|not| !resource_is(not));
        let condition_holds = match &self.condition {
            None => true,
            Some(condition) => holds(condition, context).unwrap_or(self.effect == Effect::Deny),
        };
        action_applies && resource_applies && condition_holds
    }
}

/// Whether a condition holds; `None` if it has another operator than `StringLike`.
fn holds(condition: &Value, context: &[(&str, &str)]) -> Option<bool> {
    let operators = condition.as_object()?;
    if operators.keys().any(|operator| operator != "StringLike") {
        return None;
    }
    let mut keys = operators.values().filter_map(Value::as_object).flatten();
    Some(keys.all(|(key, patterns)| {
        let value =
            context.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| *value);
        let patterns = patterns.as_array().map_or(std::slice::from_ref(patterns), Vec::as_slice);
        let mut patterns = patterns.iter().filter_map(Value::as_str);
        value.is_some_and(|value| patterns.any(|pattern| matches(pattern, value)))
    }))
}

/// Names of user profiles are compared without case; all other names with case.
fn comparable(arn: &str) -> String {
    if arn.contains(":user-profile/") { arn.to_ascii_lowercase() } else { arn.to_owned() }
}

/// `*` is any text, `?` any one character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while let Some(&wanted) = text.get(at_text) {
        match pattern.get(at_pattern) {
            Some('*') => {
                last_star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(&found) if found == '?' || found == wanted => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => {
                let Some((star, covered)) = last_star else { return false };
                last_star = Some((star, covered + 1));
                (at_pattern, at_text) = (star + 1, covered + 1);
            }
        }
    }
    pattern.get(at_pattern..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionPolicy, Verdict, matches};

    #[test]
    fn wildcards_match_the_whole_text() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "ac", false),
            ("*b*b", "abab", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn a_condition_is_evaluated_or_counts_against_the_caller() {
        let policy = |condition: &str| {
            SessionPolicy::parse(&format!(
                r#"{{"Version": "2012-10-17", "Statement":
                    {{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {condition}}}}}"#
            ))
            .unwrap()
        };
        let judge = |condition: &str, context: &[(&str, &str)]| {
            policy(condition).judge_within("s3:ListBucket", "x", context)
        };
        let like = r#"{"StringLike": {"s3:prefix": ["a/*", "b/*"]}}"#;
        assert_eq!(judge(like, &[("s3:prefix", "b/c")]), Verdict::Allowed);
        assert_eq!(judge(like, &[("s3:prefix", "c/")]), Verdict::ImplicitlyDenied);
        assert_eq!(judge(like, &[]), Verdict::ImplicitlyDenied);
        let other = r#"{"Null": {"s3:prefix": "true"}}"#;
        assert_eq!(judge(other, &[]), Verdict::ImplicitlyDenied);
    }

    #[test]
    fn a_deny_wins_over_an_allow() {
        let policy = SessionPolicy::parse(
            r#"{"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"},
                {"Effect": "Deny", "Action": ["sagemaker:describeDomain"], "Resource": "*"}]}"#,
        )
        .unwrap();
        assert_eq!(policy.judge("sagemaker:DescribeDomain", "x"), Verdict::ExplicitlyDenied);
        assert_eq!(policy.judge("sagemaker:DescribeUserProfile", "x"), Verdict::Allowed);
        assert_eq!(policy.judge("sts:AssumeRole", "x"), Verdict::ImplicitlyDenied);
    }
}
