//! The policy as it is written in the configuration: names, expressions and templates as text, each with its place.
//!
//! Nothing here is parsed further than YAML: `policy::compile` turns it into the policy that decides.

use super::fields::{Expect, Set, Target};
use crate::config::located::{At, Named};
use crate::target::Access;
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
    /// The rule's name in the audit trail; one name for one rule.
    #[schemars(extend("x-text" = "prose"))]
    pub name: At<String>,
    /// A CEL expression.
    #[schemars(extend("x-text" = "expression"))]
    pub when: At<String>,
    /// Advice to the person who is denied.
    #[schemars(extend("x-text" = "prose"))]
    pub remedy: Option<String>,
}

/// A target that people open by the destination's name, the first path segment.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The title that people see; by default the name.
    #[schemars(extend("x-text" = "prose"))]
    pub title: Option<String>,
    /// The text that people read below the title.
    #[schemars(extend("x-text" = "prose"))]
    pub description: Option<String>,
    pub target: At<Target>,
    /// In place of `aws.region`.
    #[schemars(extend("x-text" = "template"))]
    pub region: Option<At<String>>,
    /// In place of `aws.role_arn`.
    #[schemars(extend("x-text" = "template"))]
    pub role_arn: Option<At<String>>,
    /// In place of `aws.endpoint_url`.
    pub endpoint_url: Option<At<String>>,
    /// The deep links that are allowed below the destination: globs such as `lab/tree/**` or, for MLflow,
    /// `experiments/**`.
    #[serde(default)]
    pub paths: Vec<At<String>>,
    /// The answer to visitors of a Studio domain whose people sign in by IAM Identity Center: `redirect` sends them to the
    /// domain's own address, `explain` shows a page. By default `explain`.
    pub sso_domain: Option<At<SsoDomain>>,
    /// Whether a URL may be minted ahead of the visit.
    #[serde(default)]
    pub prewarm: bool,
    /// Lets programs call the API of an MLflow target here, as the person whose bearer token they send: `{}` or more.
    /// By default no program may.
    pub api: Option<At<Api>>,
    /// A CEL expression: the people who may open a tracking server or notebook instance here may also start it if this is
    /// true. By default nobody may.
    #[schemars(extend("x-text" = "expression"))]
    pub start: Option<At<String>>,
    /// Tried in order: the first that matches decides, and nothing matching denies.
    #[schemars(length(min = 1))]
    pub rules: Vec<At<Rule>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SsoDomain {
    Redirect,
    Explain,
}

/// How programs call an MLflow target's API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// The endpoint of the API of MLflow targets, in place of the region's public one: `https://HOST`.
    pub endpoint_url: Option<At<String>>,
    /// The carrier of the files of runs and models: `s3`, the default, is the gateway, which uses the target's artifact store.
    pub artifacts: Option<At<Artifacts>>,
    /// The endpoint of S3, in place of the region's public one: `https://HOST`. Buckets stand in its path.
    pub s3_endpoint_url: Option<At<String>>,
    /// The most bytes of one uploaded file, such as `1GiB`, the default; `1MiB` to `5GiB`.
    pub body_size: Option<At<String>>,
}

/// The carrier of the files of runs and models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Artifacts {
    /// The gateway, from and to the artifact store of the target, as the person who asks.
    S3,
    /// The client: it reaches the store itself, with credentials of AWS.
    Off,
}

/// A destination's rule: exactly one of `allow` and `deny`, a CEL expression each.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["allow"]}, {"required": ["deny"]}]))]
pub struct Rule {
    /// The rule's name in the audit trail; one name for one rule of the destination.
    #[schemars(extend("x-text" = "prose"))]
    pub name: At<String>,
    /// A CEL expression: if it is true, the person may open the destination.
    #[schemars(extend("x-text" = "expression"))]
    pub allow: Option<At<String>>,
    /// A CEL expression: if it is true, the person may not open the destination.
    #[schemars(extend("x-text" = "expression"))]
    pub deny: Option<At<String>>,
    /// Advice to the person about a denial.
    #[schemars(extend("x-text" = "prose"))]
    pub remedy: Option<String>,
    /// The changes that this rule makes to the target: fields of the destination's kind, `region` and `role_arn`.
    pub set: Option<At<Set>>,
    /// The person's access to an MLflow target through its API: `read`, `log` or `write`; by default `log`.
    pub access: Option<At<Access>>,
}

/// A test of the policy: this person, opening this destination, must get this.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// The name under which a failure is reported.
    #[schemars(extend("x-text" = "prose"))]
    pub name: At<String>,
    /// The verified claims of the person's token.
    pub claims: At<Map<String, Value>>,
    /// The key of the issuer; needed if there are several.
    pub issuer: Option<At<String>>,
    /// The address that the person comes from.
    pub client_ip: Option<At<String>>,
    /// `NAME`, `NAME/PATH` or `NAME/PATH?QUERY`, as in a URL.
    pub destination: At<String>,
    pub expect: At<Expect>,
}
