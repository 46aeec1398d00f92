//! Run tokens, as they are written.

use crate::config::located::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// Run tokens: credentials of the gateway's own, for programs that call the API of one MLflow destination.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Whether run tokens are given and accepted; by default `true`, if there is a session key and a destination with
    /// `api`.
    pub enabled: Option<bool>,
    /// The longest life of a run token, which it also has if none is asked for. By default `12h`; `1s` to `7d`.
    pub lifetime: Option<At<String>>,
}
