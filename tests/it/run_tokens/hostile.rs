//! Run tokens where they do not belong, and other things in their place.

use super::{MAKE, is_refused, made, search};
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::SandboxOptions;
use postern::sessions::seal::generate_key;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_token_opens_no_other_door() {
    let stage = Stage::new().await;
    let token = made(&stage, "ada").await;
    let program = || Visitor::program().bearer(&token);
    let person = || Visitor::person().bearer(&token);
    for path in ["/experiments", "/studio", "/", "/-/whoami", "/-/api/destinations", "/experiments/models"] {
        for mut visitor in [program(), person()] {
            let answer = visitor.get(&stage.postern.at(path)).await.checked();
            assert_eq!(
                (answer.status.as_u16(), answer.reason().as_str()),
                (401, "token-not-for-this"),
                "{path}"
            );
            assert!(!answer.body.contains(&token[..30]));
        }
    }
    for (path, body) in [
        ("/-/api/destinations/studio/url", json!(null)),
        (MAKE, json!({"destination": "experiments"})),
        (MAKE, json!({"destination": "tracking"})),
    ] {
        let answer = program().call("POST", &stage.postern.at(path), &body).await.checked();
        assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (401, "token-not-for-this"), "{path}");
    }
    // Beside a session, it still does not count, nor is it passed over.
    let ada = stage.person("ada").await.bearer(&token);
    for path in ["/experiments", "/-/whoami"] {
        let answer = ada.clone().get(&stage.postern.at(path)).await.checked();
        assert_eq!(answer.reason(), "token-not-for-this", "{path}");
    }
    assert_eq!(stage.mints(), Vec::<String>::new());
    let records = stage.postern.audit_at_rest();
    let refused = |record: &&serde_json::Value| record["reason"] == "token-not-for-this";
    let refused: Vec<_> = records.iter().filter(refused).collect();
    assert_eq!(refused.len(), 1, "the first in a minute: {records:#?}");
    assert_eq!((&refused[0]["event"], &refused[0]["user"]), (&json!("token"), &json!("ada@corp.example")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_token_counts_at_its_own_destination_alone() {
    let stage = Stage::new().await;
    let token = made(&stage, "ada").await;
    for name in ["tracking", "archive", "nowhere", "studio"] {
        let at = stage.postern.at(&format!("/{name}/api/2.0/mlflow/runs/search"));
        let answer = Visitor::program().bearer(&token).call("POST", &at, &json!({})).await.checked();
        is_refused(&answer, "token-of-another-destination", &token);
    }
    assert_eq!(search(&stage, &token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_and_a_run_token_are_never_taken_for_each_other() {
    let stage = Stage::new().await;
    let token = made(&stage, "grace").await;
    let grace = stage.person("grace").await;
    let (name, cookie) =
        grace.cookies(&stage.postern.url).into_iter().find(|(name, _)| name.contains("session")).unwrap();
    // The cookie as a token, with the prefix and without.
    is_refused(&search(&stage, &format!("postern_run_{cookie}")).await, "token-unreadable", &cookie);
    let bare = search(&stage, &cookie).await;
    assert_eq!((bare.status.as_u16(), bare.reason().as_str()), (401, "malformed-token"));
    // The cookie as a cookie, where only tokens count.
    let at = stage.postern.at("/experiments/api/2.0/mlflow/runs/search");
    let answer = grace.clone().call("POST", &at, &json!({"experiment_ids": ["0"]})).await.checked();
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (401, "no-credential"));
    let answer =
        grace.clone().call("POST", &stage.postern.at(MAKE), &json!({"destination": "experiments"})).await;
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains("takes a bearer token only"), "{}", answer.body);
    // The token as a cookie, with its prefix and without.
    for value in [token.as_str(), token.strip_prefix("postern_run_").unwrap()] {
        let mut visitor = Visitor::person();
        visitor.hold(&stage.postern.url, &format!("{name}={value}"));
        let answer = visitor.get(&stage.postern.at("/experiments")).await.checked();
        assert_eq!(answer.status, 302, "to sign-in: {}", answer.body);
        assert_eq!(answer.next().unwrap().port(), stage.sandbox.issuer().port());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_token_that_was_changed_anywhere_does_not_open() {
    let stage = Stage::new().await;
    let token = made(&stage, "grace").await;
    let mut visitor = Visitor::program();
    let at = stage.postern.at("/experiments/version");
    for position in "postern_run_".len()..token.len() {
        let mut bytes = token.clone().into_bytes();
        // Another letter of the alphabet, which differs in one bit or more.
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        visitor = visitor.bearer(str::from_utf8(&bytes).unwrap());
        let answer = visitor.get(&at).await.checked();
        assert_eq!(
            (answer.status.as_u16(), answer.reason().as_str()),
            (401, "token-unreadable"),
            "{position}"
        );
    }
    for text in [
        token[..token.len() - 1].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        "postern_run_".to_owned(),
        format!("postern_run_{}", "A".repeat(5000)),
    ] {
        let answer = search(&stage, &text).await;
        assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (401, "token-unreadable"), "{text}");
    }
    let upper = search(&stage, &token.replace("postern_run_", "Postern_run_")).await;
    assert_eq!((upper.status.as_u16(), upper.reason().as_str()), (401, "malformed-token"));
    let audit = stage.postern.audit_text();
    assert_eq!(audit.matches("\"refused\"").count(), 0, "what nobody sealed has no person: {audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_token_of_another_gateway_or_key_or_issuer_does_not_count() {
    let folder = tempfile::TempDir::new().unwrap();
    let key = folder.path().join("session-key");
    std::fs::write(&key, generate_key()).unwrap();
    let with_key = |text: String| {
        let keys = format!("{{keys: [{{file: {}}}]}}", key.display());
        text.replace("{insecure_ephemeral_session_key: true, revalidate: 1m}", &keys)
    };
    let one = Stage::with(SandboxOptions::default(), with_key).await;
    let other = Stage::with(SandboxOptions::default(), with_key).await;
    let token = made(&one, "grace").await;
    is_refused(&search(&other, &token).await, "token-unreadable", &token);
    assert_eq!(search(&one, &token).await.status, 200);
    // The issuer's realm is another now: the same names may mean other people.
    let config = one.folder.path().join("postern.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let changed =
        text.replace("user_domains: [corp.example]", "user_domains: [corp.example]\n    realm: others");
    assert_ne!(changed, text);
    std::fs::write(&config, changed).unwrap();
    one.hang_up("applied").await;
    is_refused(&search(&one, &token).await, "token-of-unknown-issuer", &token);
    std::fs::write(&config, &text).unwrap();
    one.hang_up("applied").await;
    assert_eq!(search(&one, &token).await.status, 200);
    // A new key in front still opens it; without the old one it is gone.
    let (old, new) = (std::fs::read(&key).unwrap(), folder.path().join("new-key"));
    std::fs::write(&new, generate_key()).unwrap();
    let both = format!("{{keys: [{{file: {}}}, {{file: {}}}]}}", new.display(), key.display());
    let rotated = text.replace(&format!("{{keys: [{{file: {}}}]}}", key.display()), &both);
    assert_ne!(rotated, text);
    std::fs::write(&config, &rotated).unwrap();
    one.hang_up("applied").await;
    assert_eq!(search(&one, &token).await.status, 200);
    std::fs::write(&key, generate_key()).unwrap();
    one.hang_up("applied").await;
    is_refused(&search(&one, &token).await, "token-unreadable", &token);
    std::fs::write(&key, old).unwrap();
    one.hang_up("applied").await;
    assert_eq!(search(&one, &token).await.status, 200);
}
