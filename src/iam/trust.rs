//! The trust policy of a role: its one principal, and the names and tags of sessions.

use super::own::Own;
use super::statement::{Document, Statement};
use crate::aws::session_name;
use crate::config;
use serde_json::{Map, Value, json};

/// Trusts Postern alone, with the `ExternalId`, names and tags that it sends.
///
/// A statement for each action, as some keys are unknown to some actions.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html>
pub(super) fn policy(settings: &config::Gateway, own: &Own) -> Document {
    let aws = &settings.aws;
    let names = names(settings);
    let mut condition = Map::new();
    if let Some(external_id) = &aws.external_id {
        condition.insert("StringEquals".to_owned(), json!({"sts:ExternalId": external_id}));
    }
    if let Some(names) = &names {
        condition.insert("StringLike".to_owned(), json!({"sts:RoleSessionName": names}));
    }
    let mut statements = vec![statement("AssumedByPostern", "sts:AssumeRole", own, condition)];
    if aws.source_identity {
        let condition = names.map(|names| ("StringLike".to_owned(), json!({"sts:SourceIdentity": names})));
        statements.push(statement(
            "NamedAfterThePerson",
            "sts:SetSourceIdentity",
            own,
            condition.into_iter().collect(),
        ));
    }
    if !aws.session_tags.is_empty() {
        let tags = aws.session_tags.iter();
        let tags: Map<String, Value> =
            tags.map(|(key, value)| (format!("aws:RequestTag/{key}"), json!(value))).collect();
        let keys: Vec<&str> = aws.session_tags.iter().map(|(key, _)| key.as_str()).collect();
        let condition = [
            ("StringEquals".to_owned(), Value::Object(tags)),
            ("ForAllValues:StringEquals".to_owned(), json!({"aws:TagKeys": keys})),
        ];
        statements.push(statement("Tagged", "sts:TagSession", own, condition.into_iter().collect()));
    }
    let principal = Some(json!({"AWS": own.principal}));
    statements.push(Statement { principal, ..Statement::for_pod_identity(&aws.session_tags) });
    Document::of(statements)
}

/// Whether a session may have any name.
pub(super) fn is_open(settings: &config::Gateway) -> bool {
    names(settings).is_none()
}

fn names(settings: &config::Gateway) -> Option<Vec<String>> {
    session_name::patterns(&settings.issuers, settings.sole_realm().as_deref())
}

fn statement(sid: &'static str, action: &str, own: &Own, condition: Map<String, Value>) -> Statement {
    let principal = Some(json!({"AWS": own.principal}));
    Statement { principal, condition, ..Statement::allow(sid, vec![action.to_owned()], Vec::new()) }
}
