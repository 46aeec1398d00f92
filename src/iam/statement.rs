//! Statements of policies: actions, and the resources for them.

use super::own::{Own, place};
use crate::aws::permissions::{self, DESCRIBE_DOMAIN, On, POD_IDENTITY_TAGS};
use crate::policy::possible::PossibleTarget;
use crate::target::Kind;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A policy document. Its members are written in the order that people know.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Document {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sid: Option<&'static str>,
    pub(super) effect: Allow,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) principal: Option<Value>,
    pub(super) action: Vec<String>,
    /// Absent in a trust policy, which is about the role that it belongs to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resource: Vec<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) condition: Map<String, Value>,
}

/// No statement denies: IAM refuses everything that is not allowed.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) enum Allow {
    #[default]
    Allow,
}

/// The resources that can be opened, by their ARNs.
#[derive(Debug, Default)]
pub(super) struct Resources {
    of_kind: BTreeMap<Kind, BTreeSet<String>>,
    domains: BTreeSet<String>,
    /// An App is named by its declared name, so its ARN has to be looked for.
    looks_for_apps: bool,
    called_apps: BTreeSet<String>,
    started: BTreeMap<Kind, BTreeSet<String>>,
    created_profiles: BTreeSet<String>,
    passed_roles: BTreeSet<String>,
}

impl Resources {
    pub(super) fn of(possible: &[&PossibleTarget], own: &Own) -> Self {
        let mut resources = Self::default();
        for target in possible {
            let (role, region) = (target.role_arn.as_ref().map(|role| role.to_iam()), target.region.to_iam());
            let place = place(role.as_deref(), &region, own);
            let names: Vec<String> = target.names.iter().map(|name| name.to_iam()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            resources.looks_for_apps |= target.kind == Kind::MlflowApp && names == ["*"];
            let arns = place.arns(target.kind, &names);
            if target.kind == Kind::MlflowApp && target.is_called {
                resources.called_apps.extend(arns.iter().cloned());
            }
            if target.is_started {
                resources.started.entry(target.kind).or_default().extend(arns.iter().cloned());
            }
            if let Some(profile) = target.studio.as_ref().and_then(|studio| studio.new_profile.as_ref()) {
                resources.created_profiles.extend(arns.iter().cloned());
                resources.passed_roles.extend(profile.execution_role.iter().map(ToString::to_string));
            }
            resources.of_kind.entry(target.kind).or_default().extend(arns);
            if let (Kind::StudioDomain, Some(domain)) = (target.kind, names.first()) {
                resources.domains.insert(place.domain(domain));
            }
        }
        resources
    }

    /// For the gateway's session that presigns, with the actions that AWS checks later on the session that the URL
    /// opens.
    pub(super) fn statements(&self, tagged: bool) -> Vec<Statement> {
        let mut statements = self.statements_for(|kind| permissions::to_mint(kind, tagged, None));
        if !self.passed_roles.is_empty() {
            let passed = vec![permissions::PASS_ROLE.to_owned()];
            let condition = json!({"iam:PassedToService": "sagemaker.amazonaws.com"});
            statements.push(Statement {
                condition: Map::from_iter([("StringEquals".to_owned(), condition)]),
                ..Statement::allow("PassExecutionRole", passed, narrowest(&self.passed_roles))
            });
        }
        if !self.called_apps.is_empty() {
            let actions = permissions::to_call(Kind::MlflowApp, None).actions;
            statements.push(Statement::allow("CallMlflowApp", actions, narrowest(&self.called_apps)));
        }
        statements
    }

    /// For a VPC endpoint, which only the API calls themselves pass.
    pub(super) fn statements_of_calls(&self, tagged: bool) -> Vec<Statement> {
        self.statements_for(|kind| vec![permissions::to_presign(kind, tagged)])
    }

    fn statements_for(&self, asked: impl Fn(Kind) -> Vec<permissions::Permission>) -> Vec<Statement> {
        let mut statements = Vec::new();
        for (kind, resources) in &self.of_kind {
            for permission in asked(*kind) {
                let mut action = permission.actions;
                let resource = match permission.on {
                    On::Target => {
                        action.extend(permissions::to_look_up(*kind).actions);
                        narrowest(resources)
                    }
                    On::Anything => vec!["*".to_owned()],
                };
                statements.push(Statement::allow(sid(*kind, permission.on), action, resource));
            }
        }
        for (kind, resources) in &self.started {
            let Some(permission) = permissions::to_start(*kind) else { continue };
            let sid = if *kind == Kind::NotebookInstance {
                "StartNotebookInstance"
            } else {
                "StartMlflowTrackingServer"
            };
            statements.push(Statement::allow(sid, permission.actions, narrowest(resources)));
        }
        if !self.created_profiles.is_empty() {
            let mut actions = permissions::to_create_profile().actions;
            actions.push(permissions::LIST_TAGS.to_owned());
            statements.push(Statement::allow(
                "CreateStudioProfile",
                actions,
                narrowest(&self.created_profiles),
            ));
        }
        if self.looks_for_apps {
            let actions = permissions::to_list_apps().actions;
            statements.push(Statement::allow("FindMlflowApps", actions, vec!["*".to_owned()]));
        }
        if !self.domains.is_empty() {
            let domains = narrowest(&self.domains);
            statements.push(Statement::allow("KnowStudioDomain", vec![DESCRIBE_DOMAIN.to_owned()], domains));
        }
        statements
    }
}

impl Document {
    pub(super) fn of(statement: Vec<Statement>) -> Self {
        Self { version: "2012-10-17", statement }
    }

    /// In characters, without white space.
    pub(super) fn length(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.chars().count())
    }
}

impl Statement {
    /// For the tags that EKS Pod Identity adds to each `AssumeRole`, beside those of `aws.session_tags`, and for no
    /// others. The statement also holds if AWS does not count inherited tags among the request's: `ForAllValues` is
    /// true of no values.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>
    pub(super) fn for_pod_identity(session_tags: &[(String, String)]) -> Self {
        let own = session_tags.iter().map(|(key, _)| key.as_str());
        let keys: Vec<&str> = own.chain(POD_IDENTITY_TAGS).collect();
        let keys = ("ForAllValues:StringEquals".to_owned(), json!({"aws:TagKeys": keys}));
        let values = session_tags.iter().map(|(key, value)| (format!("aws:RequestTag/{key}"), json!(value)));
        let values: Map<String, Value> = values.collect();
        let values = (!values.is_empty()).then(|| ("StringEquals".to_owned(), Value::Object(values)));
        Self {
            condition: values.into_iter().chain([keys]).collect(),
            ..Self::allow("TagsOfEksPodIdentity", vec!["sts:TagSession".to_owned()], Vec::new())
        }
    }

    pub(super) fn allow(sid: &'static str, action: Vec<String>, resource: Vec<String>) -> Self {
        Self { sid: Some(sid), action, resource, ..Self::default() }
    }
}

/// The patterns that no other one covers.
pub(super) fn narrowest(patterns: &BTreeSet<String>) -> Vec<String> {
    let covered = |pattern: &String| patterns.iter().any(|other| other != pattern && covers(other, pattern));
    patterns.iter().filter(|pattern| !covered(pattern)).cloned().collect()
}

/// Whether every text of the special pattern is one of the general one. A `false` may be wrong.
fn covers(general: &str, special: &str) -> bool {
    if general.contains("${") {
        return false;
    }
    let mut pieces = general.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| special.strip_prefix(first)) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

fn sid(kind: Kind, on: On) -> &'static str {
    match (kind, on) {
        (Kind::StudioDomain, _) => "OpenStudioDomain",
        (Kind::MlflowTrackingServer, On::Target) => "OpenMlflowTrackingServer",
        (Kind::MlflowTrackingServer, On::Anything) => "UseMlflowTrackingServer",
        (Kind::MlflowApp, _) => "OpenMlflowApp",
        (Kind::NotebookInstance, _) => "OpenNotebookInstance",
        (Kind::PartnerApp, _) => "OpenPartnerApp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_pattern_covers_is_left_out() {
        let patterns =
            ["profile/d-1/*", "profile/d-1/risk--*", "profile/d-2/ada", "profile/*/x", "profile/d-3/x"];
        let kept = narrowest(&patterns.iter().map(ToString::to_string).collect());
        assert_eq!(kept, ["profile/*/x", "profile/d-1/*", "profile/d-2/ada"]);
    }

    #[test]
    fn a_pattern_covers_only_what_it_matches_to_the_end() {
        for (general, special, expected) in [
            ("a*", "a", true),
            ("a*b", "ab", true),
            ("a*b", "abc", false),
            ("a*b*c", "axbxc", true),
            ("ab*b", "ab", false),
            ("*", "x*y", true),
            ("a", "a*", false),
            ("${*}", "anything", false),
        ] {
            assert_eq!(covers(general, special), expected, "{general} and {special}");
        }
    }
}
