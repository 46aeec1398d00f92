//! The printed policies against the calls of the running gateway.

use super::evaluator::{Asked, Context, allows, like};
use super::{PRINCIPAL, printed};
use crate::support::stage::Stage;
use postern::sandbox::{Call, SandboxOptions};
use serde_json::Value;

const MLFLOW_ROLE: &str = "arn:aws:iam::444455556666:role/ml/postern-mlflow";

/// The demo with two roles in two accounts, an ExternalId and session tags.
async fn stage() -> Stage {
    let options =
        SandboxOptions { external_id: Some("postern-7c1f".to_owned()), ..SandboxOptions::default() };
    Stage::with(options, |text| {
        let aws = "role_arn: arn:aws:iam::111122223333:role/postern\n  external_id: postern-7c1f\n  \
                   session_tags: {team: ml, cost-center: \"0042\"}";
        text.replace("role_arn: arn:aws:iam::111122223333:role/postern", aws)
            .replace("  experiments:\n", &format!("  experiments:\n    role_arn: {MLFLOW_ROLE}\n"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_allowed_and_nothing_beside_it() {
    let stage = stage().await;
    for (person, destination) in [
        ("ada", "studio"),
        ("grace", "studio"),
        ("grace", "experiments"),
        ("grace", "archive"),
        ("grace", "tracking"),
        ("grace", "notebook"),
        ("grace", "comet"),
    ] {
        let answer = stage.program(person).get(&stage.postern.at(&format!("/{destination}"))).await.checked();
        let expected = if destination == "archive" { 409 } else { 302 };
        assert_eq!(answer.status, expected, "{destination}: {}\n{}", answer.body, stage.postern.log());
    }
    let config = stage.folder.path().join("postern.yaml");
    let policies = printed(&config, &["--format", "json", "--principal", PRINCIPAL]);
    let calls = stage.sandbox.calls();
    let operations = calls.iter().map(|call| call.operation.as_str());
    let operations: std::collections::BTreeSet<&str> = operations.collect();
    assert_eq!(operations.len(), 13, "all that the gateway asks for: {operations:?}");
    for call in &calls {
        // The stopped server: its state is looked up beside the presign call, which AWS refuses.
        let is_stopped =
            call.input["TrackingServerName"] == "archive" && call.operation.contains("Presigned");
        assert!(call.error.is_none() || is_stopped, "{call:?}");
        match call.service {
            "sts" => judge_assume_role(&policies, call),
            _ => judge_sagemaker(&policies, call),
        }
    }
}

fn judge_assume_role(policies: &Value, call: &Call) {
    let given = |name: &str| call.input[name].as_str();
    let role_arn = given("RoleArn").expect("a role");
    let mut context = Context::new();
    let mut add = |key: &str, value: Option<&str>| {
        context.entry(key.to_owned()).or_default().extend(value.map(str::to_owned));
    };
    add("sts:ExternalId", given("ExternalId"));
    add("sts:RoleSessionName", given("RoleSessionName"));
    add("sts:SourceIdentity", given("SourceIdentity"));
    add("aws:PrincipalArn", Some(PRINCIPAL));
    for number in 1..=2 {
        let key = given(&format!("Tags.member.{number}.Key")).expect("two tags");
        add("aws:TagKeys", Some(key));
        add(&format!("aws:RequestTag/{key}"), given(&format!("Tags.member.{number}.Value")));
    }
    let named = given("SourceIdentity").is_some();
    let actions = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"];
    let trust = &role(policies, role_arn)["trust_policy"];
    for action in actions.into_iter().filter(|action| named || *action != "sts:SetSourceIdentity") {
        let asked = Asked { principal: PRINCIPAL, action, resource: role_arn, context: &context };
        assert!(allows(&policies["identity_policy"], asked), "{action} of {role_arn}: {policies:#}");
        assert!(allows(trust, asked), "{action} {context:?}: {trust:#}");
        assert!(allows(endpoint(policies, "sts"), asked), "{action}: {policies:#}");

        let other = Asked { resource: "arn:aws:iam::111122223333:role/admin", ..asked };
        assert!(!allows(&policies["identity_policy"], other), "another role");
        assert!(!allows(trust, Asked { principal: "arn:aws:iam::999988887777:role/other", ..asked }));
        for (key, wrong) in [
            ("sts:ExternalId", "guessed"),
            ("sts:RoleSessionName", "mallory@evil.example"),
            ("sts:SourceIdentity", "mallory@evil.example"),
            ("aws:RequestTag/team", "admins"),
            ("aws:TagKeys", "admin"),
        ] {
            let judged = match action {
                "sts:AssumeRole" => key == "sts:ExternalId" || key == "sts:RoleSessionName",
                "sts:SetSourceIdentity" => key == "sts:SourceIdentity",
                _ => key.starts_with("aws:"),
            };
            let mut context = context.clone();
            context.insert(key.to_owned(), vec![wrong.to_owned()]);
            let refused = !allows(trust, Asked { context: &context, ..asked });
            assert_eq!(refused, judged, "{action} with {key} {wrong}: {trust:#}");
        }
    }
    judge_tags_of_eks(policies, trust, role_arn, &context);
    // The inline policy narrows the role's own: what it lets through and the role does not would be lost.
    let inline: Value = serde_json::from_str(given("Policy").expect("a session policy")).expect("JSON");
    let permissions = &role(policies, role_arn)["permission_policy"];
    for statement in inline["Statement"].as_array().expect("statements") {
        for action in statement["Action"].as_array().expect("actions") {
            let (action, resource) = (action.as_str().unwrap(), statement["Resource"].as_str().unwrap());
            // A look-up's is for all targets, and the role's own policy says which there are.
            if action.starts_with("sagemaker:Describe") || action == "sagemaker:ListTags" {
                assert!(resource.ends_with(":*"), "{inline}");
                continue;
            }
            let asked = Asked { principal: "", action, resource, context: &Context::new() };
            assert!(allows(permissions, asked), "{action} on {resource}: {permissions:#}");
        }
    }
}

/// With EKS Pod Identity six more tags go along, whether AWS counts them among the request's or not; and no seventh.
fn judge_tags_of_eks(policies: &Value, trust: &Value, role_arn: &str, context: &Context) {
    const TAGS: [&str; 6] = [
        "eks-cluster-arn",
        "eks-cluster-name",
        "kubernetes-namespace",
        "kubernetes-service-account",
        "kubernetes-pod-name",
        "kubernetes-pod-uid",
    ];
    for (further, allowed) in [(&TAGS[..], true), (&[], true), (&["kubernetes-node-name"], false)] {
        let mut context = context.clone();
        for key in further {
            context.entry("aws:TagKeys".to_owned()).or_default().push((*key).to_owned());
            context.insert(format!("aws:RequestTag/{key}"), vec!["any".to_owned()]);
        }
        let asked =
            Asked { principal: PRINCIPAL, action: "sts:TagSession", resource: role_arn, context: &context };
        assert!(allows(&policies["identity_policy"], asked), "{policies:#}");
        assert!(allows(endpoint(policies, "sts"), asked), "{policies:#}");
        assert_eq!(allows(trust, asked), allowed, "{further:?}: {trust:#}");
    }
}

fn judge_sagemaker(policies: &Value, call: &Call) {
    let mut session = call.caller.arn.split('/');
    let name = session.nth(1).expect("the role's name");
    let role_arn = if name == "postern" { "arn:aws:iam::111122223333:role/postern" } else { MLFLOW_ROLE };
    let action = format!("sagemaker:{}", call.operation);
    let context = Context::from([("aws:PrincipalArn".to_owned(), vec![role_arn.to_owned()])]);
    let resource = resource(call);
    let asked = Asked { principal: role_arn, action: &action, resource: &resource, context: &context };
    let permissions = &role(policies, role_arn)["permission_policy"];
    assert!(allows(permissions, asked), "{action} on {resource}: {permissions:#}");
    assert!(allows(endpoint(policies, "sagemaker.api"), asked), "{action} on {resource}: {policies:#}");

    // Another role, another name, another region, another account, another operation.
    let foreign = if name == "postern" { MLFLOW_ROLE } else { "arn:aws:iam::111122223333:role/postern" };
    assert!(!allows(&role(policies, foreign)["permission_policy"], asked), "{foreign} {action} {resource}");
    let context = Context::from([("aws:PrincipalArn".to_owned(), vec![foreign.to_owned()])]);
    assert!(!allows(endpoint(policies, "sagemaker.api"), Asked { context: &context, ..asked }));
    let elsewhere = [
        resource.replace("d-sandbox00001", "d-other").replace("d-risk00000001", "d-other"),
        format!("{resource}x"),
        resource.replace("eu-west-1", "us-east-1"),
        resource.replace("111122223333", "555566667777").replace("444455556666", "555566667777"),
    ];
    let elsewhere = elsewhere.iter().filter(|other| {
        // A profile's name is the person's, so any of the domain's may be opened; of the risk domain, any with its prefix.
        **other != resource && !(other.ends_with('x') && other.contains("user-profile"))
    });
    for other in elsewhere {
        assert!(!allows(permissions, Asked { resource: other, ..asked }), "{action} on {other}");
    }
    let unprefixed = resource.replace("risk--ada", "ada");
    if unprefixed != resource {
        assert!(!allows(permissions, Asked { resource: &unprefixed, ..asked }), "{unprefixed}");
    }
    for never in ["sagemaker:DeleteUserProfile", "sagemaker:StopMlflowTrackingServer", "sts:AssumeRole"] {
        assert!(!allows(permissions, Asked { action: never, ..asked }), "{never}");
    }
}

/// The ARN that IAM judges a call by.
fn resource(call: &Call) -> String {
    let given = |name: &str| call.input[name].as_str();
    let (region, account) = (&call.region, &call.caller.account);
    let here = |resource: String| format!("arn:aws:sagemaker:{region}:{account}:{resource}");
    if let Some(domain) = given("DomainId") {
        return here(match given("UserProfileName") {
            Some(profile) => format!("user-profile/{domain}/{profile}"),
            None => format!("domain/{domain}"),
        });
    }
    let server = given("TrackingServerName").map(|name| here(format!("mlflow-tracking-server/{name}")));
    let notebook = given("NotebookInstanceName").map(|name| here(format!("notebook-instance/{name}")));
    server
        .or(notebook)
        .or_else(|| given("Arn").or(given("ResourceArn")).map(str::to_owned))
        .expect("a resource")
}

fn role<'a>(policies: &'a Value, arn: &str) -> &'a Value {
    let mut roles = policies["roles"].as_array().expect("roles").iter();
    roles.find(|role| role["role_arn"] == arn).unwrap_or_else(|| panic!("no role {arn}: {policies:#}"))
}

fn endpoint<'a>(policies: &'a Value, service: &str) -> &'a Value {
    let mut endpoints = policies["endpoint_policies"].as_array().expect("endpoints").iter();
    &endpoints.find(|endpoint| endpoint["service"] == service).expect("an endpoint")["policy"]
}

#[test]
fn the_evaluator_tells_texts_apart() {
    assert!(like("a*c", "abbc") && like("a?c", "abc") && like("*", ""));
    assert!(!like("a?c", "ac") && !like("a*c", "abcd") && !like("a.c", "abc"));
}
