//! The least permissions of the person who runs `postern servers`; the gateway never has them.

use super::statement::{Document, Statement};
use crate::config::servers::{DeclaredServer, Field, ServerKind};
use crate::target::arn;
use serde_json::{Map, json};
use std::collections::BTreeSet;

const SERVER_ACTIONS: [&str; 6] = [
    "sagemaker:CreateMlflowTrackingServer",
    "sagemaker:DescribeMlflowTrackingServer",
    "sagemaker:UpdateMlflowTrackingServer",
    "sagemaker:ListTags",
    "sagemaker:AddTags",
    "sagemaker:DeleteTags",
];
const APP_ACTIONS: [&str; 6] = [
    "sagemaker:CreateMlflowApp",
    "sagemaker:DescribeMlflowApp",
    "sagemaker:UpdateMlflowApp",
    "sagemaker:ListTags",
    "sagemaker:AddTags",
    "sagemaker:DeleteTags",
];

/// The permissions to plan, apply and look at the declared servers. SageMaker makes a server in the caller's account,
/// and takes no role of another one, so the account of `role_arn` is the right one.
pub(crate) fn policy(declared: &[DeclaredServer]) -> Document {
    let mut servers = BTreeSet::new();
    let mut apps = BTreeSet::new();
    let mut roles = BTreeSet::new();
    for server in declared {
        let Some(role) = server.fields.text(Field::RoleArn) else { continue };
        let account = arn::fields(role).map_or("*", |[_, _, _, _, account, _]| account);
        let (partition, region) = (server.region.partition(), &server.region);
        let place = format!("arn:{partition}:sagemaker:{region}:{account}");
        match server.kind {
            ServerKind::TrackingServer => {
                servers.insert(format!("{place}:mlflow-tracking-server/{}", server.name))
            }
            // An App's name is not in its ARN.
            ServerKind::MlflowApp => apps.insert(format!("{place}:mlflow-app/*")),
        };
        roles.insert(role.to_owned());
    }
    let owned = |actions: &[&str]| actions.iter().map(|action| (*action).to_owned()).collect();
    let mut statements = Vec::new();
    if !servers.is_empty() {
        let resources = servers.into_iter().collect();
        statements.push(Statement::allow("KeepTrackingServers", owned(&SERVER_ACTIONS), resources));
    }
    if !apps.is_empty() {
        statements.push(Statement::allow(
            "FindApps",
            owned(&["sagemaker:ListMlflowApps"]),
            vec!["*".to_owned()],
        ));
        statements.push(Statement::allow("KeepApps", owned(&APP_ACTIONS), apps.into_iter().collect()));
    }
    if !roles.is_empty() {
        let mut pass = Statement::allow("PassRoles", owned(&["iam:PassRole"]), roles.into_iter().collect());
        let to_sagemaker = json!({"iam:PassedToService": "sagemaker.amazonaws.com"});
        pass.condition = Map::from_iter([("StringEquals".to_owned(), to_sagemaker)]);
        statements.push(pass);
    }
    Document::of(statements)
}
