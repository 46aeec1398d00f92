//! Every endpoint with every class of access, and who gets none.

use super::{calls, policies, run};
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::mlflow::endpoints::{Needs, TABLE};
use postern::target::Access;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn each_endpoint_is_forwarded_to_those_whose_access_suffices() {
    let stage = Stage::new().await;
    for (person, has) in [("max", Access::Read), ("grace", Access::Log), ("ada", Access::Write)] {
        let mut program = stage.program(person);
        for (method, template, needs) in TABLE {
            let before = calls(&stage).len();
            let path = template.replace("{*}", "a/b.txt").replace("{}", "tr-1");
            let body = if *method == "GET" { Value::Null } else { json!({}) };
            let at = stage.postern.at(&format!("/experiments/{path}"));
            let answer = program.call(method, &at, &body).await.checked();
            let forwarded = calls(&stage).len() - before;
            let (access, is_forwarded) = match needs {
                Needs::Access(access) => (*access, true),
                // In memory since the first person asked.
                Needs::Known => (Access::Read, person == "max"),
                Needs::Artifacts(access) | Needs::Parts(access) => (*access, false),
                Needs::Nobody => unreachable!("{template}"),
            };
            let what = format!("{person}: {method} {template}: {} {}", answer.status, answer.body);
            if access > has {
                assert_eq!(
                    (answer.status.as_u16(), answer.reason().as_str()),
                    (403, "access-too-low"),
                    "{what}"
                );
                assert_eq!(answer.json()["error_code"], "PERMISSION_DENIED", "{what}");
                assert!(answer.json()["message"].as_str().unwrap().contains(access.as_str()), "{what}");
            } else if let Needs::Parts(_) = needs {
                assert_eq!(
                    (answer.status.as_u16(), answer.reason().as_str()),
                    (501, "multipart-off"),
                    "{what}"
                );
            } else if let Needs::Artifacts(_) = needs {
                // The file is asked for before it is stored.
                let is_missing = *method == "GET" && template.ends_with("{*}") && person != "ada";
                assert_eq!(answer.status.as_u16(), if is_missing { 404 } else { 200 }, "{what}");
            } else {
                // The data plane answers: the sandbox does not have all endpoints.
                assert_ne!(answer.header("content-type"), "application/problem+json", "{what}");
            }
            assert_eq!(forwarded, usize::from(access <= has && is_forwarded), "{what}");
        }
    }
    assert!(calls(&stage).iter().all(|call| call.error.as_deref() != Some("403")), "AWS refuses nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_what_is_an_administrators() {
    let stage = Stage::new().await;
    let mut ada = stage.program("ada");
    for path in [
        "api/2.0/mlflow/webhooks",
        "api/3.0/mlflow/gateway/secrets/get",
        "api/3.0/mlflow/workspaces",
        "api/2.0/mlflow/users/create",
        "api/2.0/mlflow/experiments/permissions/create",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let at = stage.postern.at(&format!("/experiments/{path}"));
            let refused = ada.call(method, &at, &Value::Null).await.checked();
            assert_eq!(
                (refused.status.as_u16(), refused.reason().as_str()),
                (403, "administrative-endpoint")
            );
        }
    }
    assert_eq!(calls(&stage).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_is_narrowed_at_aws_too_and_in_the_browser() {
    let stage = Stage::new().await;
    run(&stage, "grace").await;
    let at = stage.postern.at("/experiments/api/2.0/mlflow/experiments/search");
    let found = stage.program("max").call("POST", &at, &json!({})).await.checked();
    assert_eq!(found.status, 200, "{}", found.body);
    let mut max = stage.person("max").await;
    assert_eq!(max.get(&stage.postern.at("/experiments")).await.checked().status, 302);
    let sessions =
        stage.sandbox.calls().into_iter().filter(|call| {
            call.operation == "AssumeRole" && call.input["RoleSessionName"] == "max@corp.example"
        });
    let policies: Vec<String> =
        sessions.map(|call| call.input["Policy"].as_str().unwrap().to_owned()).collect();
    assert_eq!(policies.len(), 2, "one to call, one to presign");
    for policy in policies {
        assert!(policy.contains("sagemaker-mlflow:Get*") && policy.contains("sagemaker-mlflow:Search*"));
        assert!(!policy.contains("sagemaker-mlflow:*"), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_token_is_the_only_credential() {
    let stage = Stage::new().await;
    let at = stage.postern.at("/experiments/api/2.0/mlflow/experiments/search");
    let mut browser = stage.person("ada").await;
    let by_cookie = browser.get(&at).await.checked();
    assert_eq!((by_cookie.status.as_u16(), by_cookie.reason().as_str()), (401, "no-credential"));
    assert_eq!(by_cookie.header("www-authenticate"), "Bearer realm=\"postern\"");
    assert_eq!(by_cookie.json()["error_code"], "UNAUTHENTICATED");
    assert!(by_cookie.json()["message"].as_str().unwrap().contains("MLFLOW_TRACKING_TOKEN"));
    assert_eq!(by_cookie.next(), None, "an API path never redirects");
    // A cookie beside a token says nothing, whosever it is.
    let token = format!("Bearer {}", stage.token("grace"));
    browser.headers.insert("authorization", token.parse().unwrap());
    let by_token = browser.get(&at).await.checked();
    assert_eq!(by_token.status, 200, "{}", by_token.body);
    assert_eq!(calls(&stage)[0].caller.source_identity.as_deref(), Some("grace@corp.example"));
    for credential in ["Bearer x", "Bearer", "Basic Z3JhY2U6eA=="] {
        let refused = Visitor::program().with("authorization", credential).get(&at).await.checked();
        assert_eq!(refused.status, 401, "{credential}");
    }
    let unknown = stage.postern.at("/nowhere/api/2.0/mlflow/experiments/search");
    assert_eq!(Visitor::program().get(&unknown).await.checked().status, 401, "no name can be probed");
    let missing = stage.program("grace").get(&unknown).await.checked();
    assert_eq!((missing.status.as_u16(), missing.reason().as_str()), (404, "no-such-destination"));
    let denied = stage.program("olga").get(&at).await.checked();
    assert_eq!((denied.status.as_u16(), denied.reason().as_str()), (403, "no-rule"));
    assert_eq!(denied.json()["error_code"], "PERMISSION_DENIED");
    assert_eq!(calls(&stage).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_key_a_destination_has_no_api() {
    let stage = Stage::new().await;
    for (name, person) in [("studio", "grace"), ("comet", "grace"), ("notebook", "grace")] {
        for path in ["api/2.0/mlflow/runs/create", "version", "v1/traces", "health"] {
            for method in ["GET", "POST"] {
                let at = stage.postern.at(&format!("/{name}/{path}"));
                let missing = stage.program(person).call(method, &at, &Value::Null).await.checked();
                let told = (missing.status.as_u16(), missing.reason());
                assert_eq!(told, (404, "no-such-path".to_owned()), "{method} {at}");
            }
        }
    }
    let denied = stage.program("ada").get(&stage.postern.at("/notebook/version")).await.checked();
    assert_eq!(denied.status, 403, "the rules come first");
    assert_eq!((calls(&stage).len(), policies(&stage).len()), (0, 0));
}
