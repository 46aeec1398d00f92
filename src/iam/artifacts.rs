//! The permissions for files of runs and models: the prefixes of the artifact stores, as far as the rules' access goes.
//!
//! AWS tells the store of a tracking server or App; the configuration does where it declares them. Other stores stand as
//! placeholders.

use super::own::{Own, place};
use super::statement::Statement;
use crate::aws::permissions::{LIST_ARTIFACTS, to_use_artifacts, to_use_the_stores_key};
use crate::aws::s3::store::ArtifactStore;
use crate::config::servers::{DeclaredServer, Field, ServerKind};
use crate::policy::possible::PossibleTarget;
use crate::target::{Access, Kind};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Stand for a store that the configuration does not tell.
pub(super) const PLACEHOLDER: (&str, &str) = ("ARTIFACT_BUCKET", "ARTIFACT_PREFIX/");

/// A bucket's ARN, and the beginning of the keys in it.
type Place = (String, String);

pub(super) fn statements(
    possible: &[&PossibleTarget],
    servers: &[DeclaredServer],
    own: &Own,
) -> Vec<Statement> {
    let mut stores: BTreeMap<Place, Access> = BTreeMap::new();
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for target in possible {
        let Some(access) = target.carried else { continue };
        let (role, region) = (target.role_arn.as_ref().map(|role| role.to_iam()), target.region.to_iam());
        let place = place(role.as_deref(), &region, own);
        for (bucket, prefix) in told(target, servers) {
            let bucket = format!("arn:{}:s3:::{bucket}", place.partition);
            let most = stores.entry((bucket, prefix)).or_insert(access);
            *most = access.max(*most);
        }
        let key = format!("arn:{}:kms:{region}:{}:key/*", place.partition, place.account);
        keys.entry(key).or_default().insert(format!("s3.{region}.amazonaws.com"));
    }
    if stores.is_empty() {
        return Vec::new();
    }
    let mut statements = Vec::new();
    for (access, sid) in
        [(Access::Read, "ReadArtifacts"), (Access::Log, "LogArtifacts"), (Access::Write, "WriteArtifacts")]
    {
        let of_class = stores.iter().filter(|(_, most)| **most == access);
        let objects: Vec<String> =
            of_class.map(|((bucket, prefix), _)| format!("{bucket}/{prefix}*")).collect();
        if !objects.is_empty() {
            statements.push(Statement::allow(sid, owned(to_use_artifacts(Some(access))), objects));
        }
    }
    let buckets: BTreeSet<&String> = stores.keys().map(|(bucket, _)| bucket).collect();
    let prefixes: BTreeSet<String> = stores.keys().map(|(_, prefix)| format!("{prefix}*")).collect();
    statements.push(Statement {
        condition: like("s3:prefix", &prefixes),
        ..Statement::allow("ListArtifacts", owned(&[LIST_ARTIFACTS]), buckets.into_iter().cloned().collect())
    });
    let most = stores.values().max().copied();
    let services: BTreeSet<String> = keys.values().flatten().cloned().collect();
    statements.push(Statement {
        condition: like("kms:ViaService", &services),
        ..Statement::allow("UseArtifactKeys", owned(to_use_the_stores_key(most)), keys.into_keys().collect())
    });
    statements
}

/// Bucket and prefix of the stores that a target can have.
fn told(target: &PossibleTarget, servers: &[DeclaredServer]) -> BTreeSet<(String, String)> {
    let kind = match target.kind {
        Kind::MlflowTrackingServer => ServerKind::TrackingServer,
        _ => ServerKind::MlflowApp,
    };
    let name = target.names.first().and_then(|name| name.constant());
    // An App by its declared name may have any ARN here, so all that are declared count.
    let is_any = target.names.first().is_some_and(|name| name.to_iam() == "*");
    let declared = servers.iter().filter(|server| {
        server.kind == kind
            && target.region.constant() == Some(server.region.as_str())
            && (is_any || name == Some(server.name.as_str()))
    });
    let stores = declared.filter_map(|server| server.fields.text(Field::ArtifactStoreUri));
    let stores = stores.filter_map(|uri| ArtifactStore::parse(uri, None).ok());
    let found: BTreeSet<(String, String)> =
        stores.map(|store| (store.bucket().to_owned(), store.root())).collect();
    if found.is_empty() {
        BTreeSet::from([(PLACEHOLDER.0.to_owned(), PLACEHOLDER.1.to_owned())])
    } else {
        found
    }
}

fn like(key: &str, values: &BTreeSet<String>) -> Map<String, Value> {
    Map::from_iter([("StringLike".to_owned(), json!({key: values}))])
}

fn owned(actions: &[&str]) -> Vec<String> {
    actions.iter().map(ToString::to_string).collect()
}
