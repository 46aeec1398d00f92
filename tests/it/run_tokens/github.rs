//! `config/github-actions.yaml` as a gateway: a job's OIDC token of GitHub's documented form becomes a run token.

use crate::support::signer::Signer;
use crate::support::stage::Stage;
use crate::support::visitor::{Answer, Visitor};
use postern::clock::Clock;
use postern::sandbox::SandboxOptions;
use postern::sessions::seal::generate_key;
use serde_json::{Value, json};
use tempfile::TempDir;

const EXAMPLE: &str = include_str!("../../../config/github-actions.yaml");

/// The part of a configuration from `key` to the next top-level key.
fn block<'a>(text: &'a str, key: &str) -> &'a str {
    let start = text.find(&format!("\n{key}:")).unwrap() + 1;
    let length = text[start..].lines().skip(1).find(|line| !line.is_empty() && !line.starts_with([' ', '#']));
    let end = length.map_or(text.len(), |line| start + text[start..].find(&format!("\n{line}")).unwrap() + 1);
    &text[start..end]
}

/// The example before the sandbox's AWS, with keys of our own in GitHub's place.
fn placed(sandbox: &str, folder: &TempDir) -> String {
    let mut text = format!("\n{EXAMPLE}");
    let own = format!("\n{sandbox}");
    for key in ["public_url", "listen", "aws"] {
        text = text.replace(block(&text, key), block(&own, key));
    }
    let at = |name: &str| folder.path().join(name).display().to_string();
    for (from, to) in [
        ("trusted_proxies: [10.0.100.0/24]\n", "admin: {address: \"127.0.0.1:0\"}\n".to_owned()),
        (
            "    algorithms: [RS256]\n",
            format!("    algorithms: [RS256]\n    jwks_file: {}\n", at("github.json")),
        ),
        ("/run/secrets/session-key", at("session-key")),
        ("tracking_server_name: forecasts", "tracking_server_name: experiments".to_owned()),
        (
            "    api: {}\n",
            own.split("&mlflow ")
                .nth(1)
                .unwrap()
                .lines()
                .next()
                .map(|api| format!("    api: {api}\n"))
                .unwrap(),
        ),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        text = text.replace(from, &to);
    }
    text
}

/// <https://docs.github.com/en/actions/reference/security/oidc>
fn job(change: &Value) -> Value {
    let now = Clock::system().now().0;
    let mut claims = json!({
        "jti": "c2a1f8a0-6e0d-4b53-9a63-1a8f3f8d8a11",
        "sub": "repo:corp/forecasts:ref:refs/heads/main",
        "aud": "https://ml.corp.example",
        "ref": "refs/heads/main",
        "sha": "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15",
        "repository": "corp/forecasts",
        "repository_owner": "corp",
        "repository_owner_id": "65",
        "run_id": "1234567890",
        "run_number": "10",
        "run_attempt": "2",
        "repository_visibility": "private",
        "repository_id": "74",
        "actor_id": "12",
        "actor": "octocat",
        "workflow": "train",
        "head_ref": "",
        "base_ref": "",
        "event_name": "push",
        "ref_protected": "true",
        "ref_type": "branch",
        "workflow_ref": "corp/forecasts/.github/workflows/train.yaml@refs/heads/main",
        "workflow_sha": "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15",
        "job_workflow_ref": "corp/forecasts/.github/workflows/train.yaml@refs/heads/main",
        "job_workflow_sha": "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15",
        "runner_environment": "github-hosted",
        "enterprise": "corp",
        "enterprise_id": "3",
        "iss": "https://token.actions.githubusercontent.com",
        "nbf": now - 600,
        "exp": now + 300,
        "iat": now,
    });
    claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_github_actions_exchanges_its_token_and_logs() {
    let folder = TempDir::new().unwrap();
    let signer = Signer::rs256("38826b17-6a30-5f9b-b169-8beb8202f723");
    std::fs::write(folder.path().join("github.json"), json!({"keys": [signer.jwk()]}).to_string()).unwrap();
    std::fs::write(folder.path().join("session-key"), generate_key()).unwrap();
    let stage = Stage::with(SandboxOptions::default(), |text| placed(&text, &folder)).await;
    let header =
        json!({"typ": "JWT", "alg": "RS256", "x5t": "ykNaY4qM_ta4k2TgZOCEYLkcYlA", "kid": signer.kid});
    let exchange = async |claims: Value, wish: Value| -> Answer {
        let token = signer.token_with_header(&header, &claims);
        let at = stage.postern.at("/-/api/tokens");
        Visitor::program().bearer(&token).call("POST", &at, &wish).await.checked()
    };
    let wish = json!({"destination": "forecasts"});
    let told = exchange(job(&json!({})), wish.clone()).await;
    assert_eq!(told.status, 201, "{}\n{}", told.body, stage.postern.log());
    let told = told.json();
    assert_eq!((&told["access"], &told["expires_in"]), (&json!("log"), &json!(6 * 3600)));
    let token = told["token"].as_str().unwrap();
    assert!(token.len() < 4096, "{}", token.len());
    let runs = |path: &str| stage.postern.at(&format!("/forecasts/api/2.0/mlflow/runs/{path}"));
    let mut run = Visitor::program().bearer(token);
    let body = json!({"experiment_id": "0", "run_name": "first", "start_time": 1});
    let created = run.call("POST", &runs("create"), &body).await.checked();
    assert_eq!(created.status, 200, "{}\n{}", created.body, stage.postern.log());
    let call = stage.sandbox.calls().into_iter().find(|call| call.operation.contains("runs/create")).unwrap();
    assert!(call.caller.source_identity.is_some_and(|identity| identity.contains("forecasts")));
    // A pull request reads and does not log.
    let pull = json!({"ref": "refs/pull/7/merge", "event_name": "pull_request", "sub": "repo:corp/forecasts:pull_request"});
    let told = exchange(job(&pull), wish.clone()).await.json();
    assert_eq!(told["access"], "read");
    let mut run = Visitor::program().bearer(told["token"].as_str().unwrap());
    assert_eq!(run.call("POST", &runs("create"), &body).await.checked().reason(), "access-too-low");
    for (change, status, reason) in [
        (json!({"repository_owner_id": "66"}), 403, "no-rule"),
        (json!({"repository": "corp/other"}), 403, "no-rule"),
        (json!({"ref": "refs/heads/feature"}), 403, "no-rule"),
        (json!({"aud": "https://github.com/corp"}), 401, "wrong-audience"),
        (json!({"exp": 1_700_000_000, "iat": 1_699_999_000, "nbf": 1_699_999_000}), 401, "expired"),
    ] {
        let answer = exchange(job(&change), wish.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (status, reason), "{}", answer.body);
    }
    let records = stage.postern.audit_at_rest();
    let issued = records.iter().find(|record| record["outcome"] == "issued").unwrap();
    assert_eq!((&issued["user"], &issued["issuer"]), (&json!("corp/forecasts"), &json!("github")));
}
