//! `postern iam`: the policies allow what the gateway calls, nothing beside it, and AWS's own tool takes them.

mod calls;
mod evaluator;
mod lint;

use crate::support::postern::BINARY;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const PRINCIPAL: &str = "arn:aws:iam::999988887777:role/ecs/postern-task";

fn iam(config: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(["iam", "--config"])
        .arg(config)
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn printed(config: &Path, arguments: &[&str]) -> Value {
    let output = iam(config, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The policies of a minimal configuration with this beneath `aws:` and `destinations:`.
fn of(aws: &str, destinations: &str) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("postern.yaml");
    std::fs::write(&config, written(aws, destinations)).expect("the configuration");
    printed(&config, &["--format", "json", "--principal", PRINCIPAL])
}

fn written(aws: &str, destinations: &str) -> String {
    format!(
        "public_url: https://ml.corp.example\n\
         listen: {{address: '127.0.0.1:0'}}\n\
         issuers:\n  corp:\n    issuer: https://sso.corp.example\n    audience: [postern-api]\n    algorithms: [RS256]\n    \
         user_domains: [corp.example]\n\
         credentials: [bearer]\n\
         aws: {{region: eu-west-1{aws}}}\n\
         destinations:\n{destinations}"
    )
}

fn resources(policy: &Value, sid: &str) -> Vec<String> {
    let statements = policy["Statement"].as_array().expect("statements");
    let named = statements.iter().find(|statement| statement["Sid"] == sid);
    let named = named.unwrap_or_else(|| panic!("no statement {sid}: {policy:#}"));
    serde_json::from_value(named["Resource"].clone()).expect("texts")
}

const ROLE: &str = ", role_arn: 'arn:aws:iam::111122223333:role/postern'";

fn studio(domain: &str, profile: &str) -> String {
    format!(
        "  studio:\n    target: {{studio_domain: {{domain_id: {domain:?}, user_profile_name: {profile:?}}}}}\n    \
         rules: [{{name: all, allow: \"'ml' in groups\"}}]\n"
    )
}

#[test]
fn a_wildcard_stands_only_where_the_person_decides() {
    for (domain, profile, expected) in [
        ("d-abc", "${profile_name(local_part(user, 'corp.example'))}", vec!["d-abc/*"]),
        ("d-abc", "${profile_name('risk', user)}", vec!["d-abc/risk--*"]),
        ("d-abc", "fixed", vec!["d-abc/fixed"]),
        ("d-abc", "team-${shared_by(claims.team)}", vec!["d-abc/team-*"]),
        ("d-${shared_by(claims.team)}", "ada", vec!["d-*/ada"]),
        (
            "${'risk' in groups ? 'd-risk' : 'd-' + 'all'}",
            "${profile_name(user)}",
            vec!["d-all/*", "d-risk/*"],
        ),
        (
            "d-abc",
            "${'risk' in groups ? profile_name('risk', user) : profile_name('all', user)}",
            vec!["d-abc/all--*", "d-abc/risk--*"],
        ),
    ] {
        let policies = of(ROLE, &studio(domain, profile));
        let expected: Vec<String> = expected
            .iter()
            .map(|names| format!("arn:aws:sagemaker:eu-west-1:111122223333:user-profile/{names}"))
            .collect();
        let role = &policies["roles"][0];
        assert_eq!(resources(&role["permission_policy"], "OpenStudioDomain"), expected, "{domain} {profile}");
    }
}

#[test]
fn accounts_partitions_and_regions_are_the_roles() {
    let destinations = "  us:\n    target: {mlflow_tracking_server: {tracking_server_name: one}}\n    \
                        region: us-gov-west-1\n    role_arn: arn:aws-us-gov:iam::222233334444:role/a/b/postern\n    \
                        rules: [{name: us, allow: \"'ml' in groups\"}]\n  \
                        by-account:\n    target: {notebook_instance: {notebook_instance_name: \"${local_part(user, 'corp.example')}\"}}\n    \
                        rules:\n      - {name: theirs, allow: \"'ml' in groups\", set: {region: \"${claims.region}\", role_arn: \"arn:aws:iam::${claims.account}:role/postern\"}}\n";
    let policies = of("", destinations);
    let roles = policies["roles"].as_array().unwrap();
    assert_eq!(roles.len(), 2, "{policies:#}");
    assert_eq!(roles[0]["role_arn"], "arn:aws-us-gov:iam::222233334444:role/a/b/postern");
    assert_eq!(
        resources(&roles[0]["permission_policy"], "OpenMlflowTrackingServer"),
        ["arn:aws-us-gov:sagemaker:us-gov-west-1:222233334444:mlflow-tracking-server/one"]
    );
    assert_eq!(roles[1]["role_arn"], "arn:aws:iam::*:role/postern");
    assert_eq!(
        resources(&roles[1]["permission_policy"], "OpenNotebookInstance"),
        ["arn:aws:sagemaker:*:*:notebook-instance/*"]
    );
    assert_eq!(
        resources(&policies["identity_policy"], "AssumeForPeople"),
        ["arn:aws-us-gov:iam::222233334444:role/a/b/postern", "arn:aws:iam::*:role/postern"]
    );
    assert!(policies["notes"][0].as_str().unwrap().contains("arn:aws:iam::*:role/postern"), "{policies:#}");
}

/// The policies where a table of so many teams tells whose role is assumed.
fn of_table(teams: usize) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let table: String =
        (0..teams).map(|team| format!("team-{team}: arn:aws:iam::{team:012}:role/postern\n")).collect();
    std::fs::write(folder.path().join("roles.yaml"), table).expect("the table");
    let destinations = "  tracking:\n    target: {mlflow_tracking_server: {tracking_server_name: one}}\n    \
                        role_arn: \"${lookup('roles', claims.team)}\"\n    \
                        rules: [{name: all, allow: \"'ml' in groups\"}]\n";
    let config = folder.path().join("postern.yaml");
    let text = written("", destinations) + "lookups: {roles: {file: roles.yaml}}\n";
    std::fs::write(&config, text).expect("the configuration");
    printed(&config, &["--format", "json", "--principal", PRINCIPAL])
}

#[test]
fn a_table_s_values_are_listed_and_too_many_are_told_as_such() {
    let policies = of_table(64);
    let role = |team: usize| format!("arn:aws:iam::{team:012}:role/postern");
    let roles: Vec<String> = (0..64).map(role).collect();
    assert_eq!(resources(&policies["identity_policy"], "AssumeForPeople"), roles);
    assert_eq!(policies["roles"].as_array().map(Vec::len), Some(64));
    assert!(!policies["notes"].to_string().contains("too many to list"), "{policies:#}");

    let policies = of_table(65);
    let pattern = "arn:aws:iam::*:role/postern";
    assert_eq!(resources(&policies["identity_policy"], "AssumeForPeople"), [pattern]);
    let note = policies["notes"][0].as_str().unwrap();
    assert!(
        note.starts_with(&format!(
            "`{pattern}` stands for all that the rule `all` of `tracking` can name: too many"
        )),
        "{note}"
    );
}

#[test]
fn alternatives_of_an_expression_are_listed() {
    let role = |team: usize| format!("arn:aws:iam::{team:012}:role/postern");
    let of_ten = |first: usize| {
        (first + 1..first + 10).fold(format!("'{}'", role(first)), |others, team| {
            format!("claims.team == {team} ? '{}' : {others}", role(team))
        })
    };
    let choice = format!("claims.team < 10 ? ({}) : ({})", of_ten(0), of_ten(10));
    let destinations = format!("{}    role_arn: \"${{{choice}}}\"\n", studio("d-abc", "ada"));
    let policies = of("", &destinations);
    let roles: Vec<String> = (0..20).map(role).collect();
    assert_eq!(resources(&policies["identity_policy"], "AssumeForPeople"), roles);
}

/// A service account's token is exchanged before there is anybody to name.
#[test]
fn an_endpoint_lets_postern_become_itself_and_nobody_else() {
    let policies = of(ROLE, &studio("d-abc", "ada"));
    let endpoints = policies["endpoint_policies"].as_array().unwrap();
    let sts = endpoints.iter().find(|endpoint| endpoint["service"] == "sts").unwrap();
    let unsigned = evaluator::Context::new();
    let asked = evaluator::Asked {
        principal: "",
        action: "sts:AssumeRoleWithWebIdentity",
        resource: PRINCIPAL,
        context: &unsigned,
    };
    assert!(evaluator::allows(&sts["policy"], asked), "{sts:#}");
    let other = evaluator::Asked { resource: "arn:aws:iam::999988887777:role/other", ..asked };
    assert!(!evaluator::allows(&sts["policy"], other), "{sts:#}");
    let notes = policies["notes"].to_string();
    assert!(notes.contains("private DNS"), "{notes}");
}

#[test]
fn without_a_role_postern_itself_presigns() {
    let policies = of("", &studio("d-abc", "${profile_name(user)}"));
    assert_eq!(policies["roles"], serde_json::json!([]));
    assert_eq!(
        resources(&policies["identity_policy"], "OpenStudioDomain"),
        ["arn:aws:sagemaker:eu-west-1:999988887777:user-profile/d-abc/*"]
    );
    assert!(!policies["identity_policy"].to_string().contains("sts:"), "{policies:#}");
}

#[test]
fn what_is_not_configured_is_not_allowed() {
    let plain =
        of(&format!("{ROLE}, source_identity: off"), &studio("d-abc", "${profile_name(user)}")).to_string();
    for absent in
        ["SetSourceIdentity", "RequestTag", "ExternalId", "WithPrincipalTag", "mlflow", "PartnerApp"]
    {
        assert!(!plain.contains(absent), "{absent}: {plain}");
    }
    let tagged = format!("{ROLE}, external_id: 'id-1', session_tags: {{team: ml, cost: '42'}}");
    let tagged = of(&tagged, &studio("d-abc", "${profile_name(user)}"));
    let trust = &tagged["roles"][0]["trust_policy"]["Statement"];
    assert_eq!(trust[0]["Condition"]["StringEquals"]["sts:ExternalId"], "id-1");
    assert_eq!(trust[0]["Principal"]["AWS"], PRINCIPAL);
    assert_eq!(trust[2]["Action"], serde_json::json!(["sts:TagSession"]));
    assert_eq!(trust[2]["Condition"]["StringEquals"]["aws:RequestTag/team"], "ml");
    assert!(tagged["roles"][0]["permission_policy"].to_string().contains("WithPrincipalTag"), "{tagged:#}");
}

/// SageMaker takes two names that differ in case for one profile, and IAM may judge a call by either.
#[test]
fn a_profile_with_capitals_is_named_in_both_spellings() {
    let arn = |name: &str| format!("arn:aws:sagemaker:eu-west-1:111122223333:user-profile/d-abc/{name}");
    for (profile, expected) in [
        ("PowerUser", vec!["PowerUser", "poweruser"]),
        ("team-${shared_by(claims.team)}", vec!["team-*"]),
        ("Team-${shared_by(claims.team)}", vec!["Team-*", "team-*"]),
        ("${'risk' in groups ? 'Risk' : 'all'}", vec!["Risk", "all", "risk"]),
        ("${profile_name('risk', user)}", vec!["risk--*"]),
    ] {
        let policies = of(ROLE, &studio("d-abc", profile));
        let expected: Vec<String> = expected.into_iter().map(arn).collect();
        let permissions = &policies["roles"][0]["permission_policy"];
        assert_eq!(resources(permissions, "OpenStudioDomain"), expected, "{profile}");
    }
    let server = "  tracking:\n    target: {mlflow_tracking_server: {tracking_server_name: Risk}}\n    \
                  rules: [{name: all, allow: \"'ml' in groups\"}]\n";
    let policies = of(ROLE, server);
    assert_eq!(
        resources(&policies["roles"][0]["permission_policy"], "OpenMlflowTrackingServer"),
        ["arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/Risk"],
        "of other names AWS says nothing of the kind"
    );
}

#[test]
fn files_are_allowed_below_the_prefix_of_their_store_and_as_far_as_access_goes() {
    let destinations = "  risk:\n    target: {mlflow_tracking_server: {tracking_server_name: risk}}\n    \
                        api: {}\n    rules:\n      - {name: audit, allow: \"'audit' in groups\", access: read}\n      \
                        - {name: all, allow: \"'ml' in groups\"}\n  \
                        other:\n    target: {mlflow_tracking_server: {tracking_server_name: other}}\n    \
                        api: {}\n    rules: [{name: all, allow: \"'ml' in groups\", access: write}]\n  \
                        own:\n    target: {mlflow_tracking_server: {tracking_server_name: own}}\n    \
                        api: {artifacts: off}\n    rules: [{name: all, allow: \"'ml' in groups\"}]\n\
                        mlflow_tracking_servers:\n  risk:\n    artifact_store_uri: s3://corp-ml-risk/mlflow/\n    \
                        role_arn: arn:aws:iam::111122223333:role/mlflow\n";
    let policies = of(ROLE, destinations);
    let permissions = &policies["roles"][0]["permission_policy"];
    let statement = |sid: &str| {
        let statements = permissions["Statement"].as_array().unwrap();
        statements
            .iter()
            .find(|statement| statement["Sid"] == sid)
            .unwrap_or_else(|| panic!("{sid}: {permissions:#}"))
    };
    assert_eq!(resources(permissions, "LogArtifacts"), ["arn:aws:s3:::corp-ml-risk/mlflow/*"]);
    assert_eq!(
        statement("LogArtifacts")["Action"],
        json!(["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"])
    );
    assert_eq!(resources(permissions, "WriteArtifacts"), ["arn:aws:s3:::ARTIFACT_BUCKET/ARTIFACT_PREFIX/*"]);
    assert!(statement("WriteArtifacts")["Action"].to_string().contains("s3:DeleteObject"));
    assert_eq!(
        statement("ListArtifacts")["Condition"],
        json!({"StringLike": {"s3:prefix": ["ARTIFACT_PREFIX/*", "mlflow/*"]}})
    );
    assert_eq!(resources(permissions, "UseArtifactKeys"), ["arn:aws:kms:eu-west-1:111122223333:key/*"]);
    let notes = policies["notes"].to_string();
    assert!(notes.contains("in place of ARTIFACT_BUCKET/ARTIFACT_PREFIX/"), "{notes}");
    let off = of(
        ROLE,
        "  own:\n    target: {mlflow_tracking_server: {tracking_server_name: own}}\n    \
                        api: {artifacts: off}\n    rules: [{name: all, allow: \"'ml' in groups\"}]\n",
    );
    assert!(!off.to_string().contains("s3:"), "{off:#}");
}

#[test]
fn the_text_names_each_policy_and_what_to_replace() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/full.yaml");
    let output = iam(&config, &[]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "# Identity policy of the role that Postern runs as",
        "# Permission policy of arn:aws:iam::444455556666:role/postern-risk (for studio)",
        "# Trust policy of arn:aws:iam::111122223333:role/postern",
        "# Policy of a VPC endpoint for sagemaker.api in eu-west-1",
        "https://vpce-0f9e8d7c6b5a43210-hgfedcba.sts.eu-west-1.vpce.amazonaws.com/",
        "# Replace ACCOUNT_ID and POSTERN_ROLE",
        "sagemaker:CreateApp",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What stands between the comments is JSON, to be pasted.
    let documents: Vec<String> = text
        .split("\n\n")
        .map(|part| part.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n"))
        .filter(|part| !part.is_empty())
        .collect();
    assert!(documents.len() >= 8, "{}", documents.len());
    for document in documents {
        serde_json::from_str::<Value>(&document).unwrap_or_else(|error| panic!("{error}: {document}"));
    }
    let wrong = iam(&config, &["--principal", "arn:aws:iam::1:user/x"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--principal"));
}
