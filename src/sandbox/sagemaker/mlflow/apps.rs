//! The list of MLflow Apps, page by page.

use super::MlflowServers;
use super::server::{APP, Key, Server, Sort, describe_arn, key};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tokio::time::Instant;

const PAGE: usize = 2;

pub(super) fn list_apps(
    servers: &mut BTreeMap<Key, Server>,
    input: &Map<String, Value>,
    region: &str,
    account: &str,
) -> Value {
    let _ = MlflowServers::get(servers, &key(account, region, Sort::App, APP.0));
    let start =
        input.get("NextToken").and_then(Value::as_str).and_then(|token| token.parse().ok()).unwrap_or(0);
    let apps: Vec<_> = servers
        .iter_mut()
        .filter(|(key, server)| {
            (key.0.as_str(), key.1.as_str(), key.2) == (account, region, Sort::App)
                && server.visible <= Instant::now()
        })
        .map(|(key, server)| {
            server.settle();
            json!({"Arn": describe_arn(key), "Name": server.name, "Status": server.status,
                   "CreationTime": server.created})
        })
        .collect();
    let page: Vec<_> = apps.iter().skip(start).take(PAGE).cloned().collect();
    if start + PAGE < apps.len() {
        json!({"Summaries": page, "NextToken": (start + PAGE).to_string()})
    } else {
        json!({"Summaries": page})
    }
}
