//! The policy as it is written in the configuration: names, expressions and templates as text, each with its place.
//!
//! Nothing here is parsed further than YAML: `policy::compile` makes of it what decisions are taken by.

use crate::config::located::{At, Named};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The keys `lookups`, `deny`, `destinations` and `tests` of the configuration.
#[derive(Clone, Debug, Default)]
pub struct PolicyFile {
    pub lookups: Named<Lookup>,
    /// Tried before every destination's own rules.
    pub deny: Vec<DenyRule>,
    pub destinations: Named<Destination>,
    pub tests: Vec<Test>,
}

/// A table of names: a YAML map from keys to values.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// The table's file, relative to the configuration's folder.
    pub file: At<String>,
}

/// A rule that denies, for all destinations.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DenyRule {
    pub name: At<String>,
    /// A CEL expression.
    pub when: At<String>,
    /// What the person can do about it.
    pub remedy: Option<String>,
}

/// What a person opens by its name, the first path segment.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// What people see; by default the name.
    pub title: Option<String>,
    pub description: Option<String>,
    pub target: At<Target>,
    /// In place of `aws.region`.
    pub region: Option<At<String>>,
    /// In place of `aws.role_arn`.
    pub role_arn: Option<At<String>>,
    /// In place of `aws.endpoint_url`.
    pub endpoint_url: Option<At<String>>,
    /// Which deep links are allowed below the destination: globs such as `lab/tree/**` or, for MLflow, `experiments/**`.
    #[serde(default)]
    pub paths: Vec<At<String>>,
    /// Whether a URL may be minted ahead of the visit.
    #[serde(default)]
    pub prewarm: bool,
    /// Tried in order: the first that matches decides, and nothing matching denies.
    #[schemars(length(min = 1))]
    pub rules: Vec<At<Rule>>,
}

/// What a destination opens. Texts may hold `${…}` templates.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    StudioDomain(StudioDomain),
    MlflowTrackingServer(MlflowTrackingServer),
    MlflowApp(MlflowApp),
    NotebookInstance(NotebookInstance),
    PartnerApp(PartnerApp),
}

/// `CreatePresignedDomainUrl`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StudioDomain {
    pub domain_id: At<String>,
    pub user_profile_name: At<String>,
    pub space_name: Option<At<String>>,
    pub landing_uri: Option<At<String>>,
    #[schemars(range(min = 5, max = 300))]
    pub expires_in_seconds: Option<At<i64>>,
    #[schemars(range(min = 1800, max = 43200))]
    pub session_expiration_duration_in_seconds: Option<At<i64>>,
}

/// `CreatePresignedMlflowTrackingServerUrl`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MlflowTrackingServer {
    pub tracking_server_name: At<String>,
    #[schemars(range(min = 5, max = 300))]
    pub expires_in_seconds: Option<At<i64>>,
    #[schemars(range(min = 1800, max = 43200))]
    pub session_expiration_duration_in_seconds: Option<At<i64>>,
}

/// `CreatePresignedMlflowAppUrl`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MlflowApp {
    pub arn: At<String>,
    #[schemars(range(min = 5, max = 300))]
    pub expires_in_seconds: Option<At<i64>>,
    #[schemars(range(min = 1800, max = 43200))]
    pub session_expiration_duration_in_seconds: Option<At<i64>>,
}

/// `CreatePresignedNotebookInstanceUrl`: its URL always lives for five minutes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotebookInstance {
    pub notebook_instance_name: At<String>,
    #[schemars(range(min = 1800, max = 43200))]
    pub session_expiration_duration_in_seconds: Option<At<i64>>,
}

/// `CreatePartnerAppPresignedUrl`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartnerApp {
    pub arn: At<String>,
    #[schemars(range(min = 5, max = 300))]
    pub expires_in_seconds: Option<At<i64>>,
    #[schemars(range(min = 1800, max = 43200))]
    pub session_expiration_duration_in_seconds: Option<At<i64>>,
}

/// A destination's rule: exactly one of `allow` and `deny`, a CEL expression each.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["allow"]}, {"required": ["deny"]}]))]
pub struct Rule {
    pub name: At<String>,
    pub allow: Option<At<String>>,
    pub deny: Option<At<String>>,
    /// What the person can do about a denial.
    pub remedy: Option<String>,
    /// What this rule changes of the target: fields of the destination's kind, `region` and `role_arn`.
    pub set: Option<At<Set>>,
}

/// The fields of all kinds of target; `policy::compile` refuses those that the destination's kind does not have.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Set {
    pub domain_id: Option<At<String>>,
    pub user_profile_name: Option<At<String>>,
    pub space_name: Option<At<String>>,
    pub landing_uri: Option<At<String>>,
    pub tracking_server_name: Option<At<String>>,
    pub arn: Option<At<String>>,
    pub notebook_instance_name: Option<At<String>>,
    #[schemars(range(min = 5, max = 300))]
    pub expires_in_seconds: Option<At<i64>>,
    #[schemars(range(min = 1800, max = 43200))]
    pub session_expiration_duration_in_seconds: Option<At<i64>>,
    pub region: Option<At<String>>,
    pub role_arn: Option<At<String>>,
}

/// A test of the policy: this person, opening this destination, must get this.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    pub name: At<String>,
    /// The verified claims of the person's token.
    pub claims: At<Map<String, Value>>,
    /// The key of the issuer, where there are several.
    pub issuer: Option<At<String>>,
    pub client_ip: Option<At<String>>,
    /// `NAME`, `NAME/PATH` or `NAME/PATH?QUERY`, as in a URL.
    pub destination: At<String>,
    pub expect: At<Expect>,
}

/// What a test expects: every key that is written must hold; a field not written is not looked at.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
pub struct Expect {
    /// The name of the rule that decides.
    pub rule: Option<At<String>>,
    /// The reason of a denial, such as `rule-denied`.
    pub deny: Option<At<String>>,
    pub domain_id: Option<At<String>>,
    pub user_profile_name: Option<At<String>>,
    pub space_name: Option<At<String>>,
    pub landing_uri: Option<At<String>>,
    pub tracking_server_name: Option<At<String>>,
    pub arn: Option<At<String>>,
    pub notebook_instance_name: Option<At<String>>,
    pub expires_in_seconds: Option<At<i64>>,
    pub session_expiration_duration_in_seconds: Option<At<i64>>,
    /// What a deep link adds to the URL of an MLflow target, such as `/experiments/1`.
    pub fragment: Option<At<String>>,
    pub region: Option<At<String>>,
    pub role_arn: Option<At<String>>,
}
