//! The claim that names the user, in every shape and by every kind of path.

use super::{Decided, Refused, ada, ask, explained, logged, object, odd_values, policy_tests_agree, stage};
use serde_json::{Map, Value, json};

const ALL: [(&str, &str); 1] = [("all", r#"{name: all, allow: "true"}"#)];

fn is_user(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty() && text.len() <= 255 && !text.contains(' '))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_another_shape_is_nobody() {
    let paths: [(&str, fn(Value) -> Map<String, Value>); 4] = [
        ("login", |value| object(json!({"login": value}))),
        ("person.login", |value| object(json!({"person": {"login": value}}))),
        ("person.of.login", |value| object(json!({"person.of": {"login": value}}))),
        ("https://corp.example/login", |value| object(json!({"https://corp.example/login": value}))),
    ];
    for (path, holding) in paths {
        // Of a login name, no domain is asked.
        let issuer = format!("    claims: {{user: \"{path}\"}}\n");
        let stage = super::stage(&issuer, &ALL).await;
        let said = ask(&stage, &ada(&stage, &holding(json!("ada@corp.example")))).await;
        // `user_domains` holds for it, and the mark is of another address.
        assert_eq!(
            (said.status, said.who["reason"].as_str()),
            (401, Some("email-unverified")),
            "{}",
            said.body
        );
        let mut claims = ada(&stage, &holding(json!("ada@corp.example")));
        claims.insert("email".to_owned(), json!("ada@corp.example"));
        if path == "login" || path.starts_with("https") {
            assert_eq!(ask(&stage, &claims).await.who["user"], "ada@corp.example", "{path}");
        }
        let mut decided = Vec::new();
        for (value, kind) in odd_values() {
            let claims = ada(&stage, &holding(value.clone()));
            let nobody = Err(Refused::Nobody);
            decided.push(Decided { claims: claims.clone(), destination: "all".to_owned(), outcome: nobody });
            let before = stage.postern.log().len();
            let said = ask(&stage, &claims).await;
            assert_eq!(said.status, 401, "{path} {value}");
            let reason = said.who["reason"].as_str().expect("a reason").to_owned();
            let expected = match &value {
                Value::Null => "user-missing",
                value if is_user(value) => "email-invalid",
                _ => "user-invalid",
            };
            assert_eq!(reason, expected, "{path} {value}");
            let log = logged(&stage, before, &format!("the claim `{path}` {kind}")).await;
            assert!(!said.body.contains("SECRET") && !log.contains("SECRET"), "{path} {value}: {log}");
            let (_, explanation) = explained(&stage, &claims);
            assert!(explanation.contains(&format!("the claim `{path}` is")), "{explanation}");
        }
        policy_tests_agree(&stage, decided);
    }
}

/// A person without a mailbox has another claim, held to the same domains and the same mark.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_user_claims_the_first_that_is_there_counts() {
    let claims = "    claims: {user: {first_of: [email, preferred_username, [ids, login.name]]}}\n";
    let marked = stage(claims, &ALL).await;
    let unmarked = stage(&format!("{claims}    insecure_unmarked_email: true\n"), &ALL).await;
    let user = async |stage: &crate::support::stage::Stage, claims: Value| {
        let mut all = ada(stage, &Map::new());
        for name in ["email", "email_verified", "preferred_username"] {
            all.remove(name);
        }
        all.extend(object(claims));
        let said = ask(stage, &all).await;
        let word = if said.status == 200 { &said.who["user"] } else { &said.who["reason"] };
        word.as_str().expect("a word").to_owned()
    };
    let both = json!({"email": "Ada@corp.example", "email_verified": true, "preferred_username": "root@corp.example"});
    assert_eq!(user(&marked, both).await, "ada@corp.example");
    let entra = json!({"preferred_username": "Ada@corp.example"});
    assert_eq!(user(&marked, entra.clone()).await, "email-unverified");
    assert_eq!(user(&unmarked, entra).await, "ada@corp.example");
    assert_eq!(user(&unmarked, json!({"ids": {"login.name": "ada@corp.example"}})).await, "ada@corp.example");
    assert_eq!(
        user(&unmarked, json!({"ids": {"login": {"name": "ada@corp.example"}}})).await,
        "user-missing"
    );
    assert_eq!(user(&unmarked, json!({"preferred_username": "ada@elsewhere.example"})).await, "email-domain");
    let odd = json!({"email": ["Ada@corp.example"], "preferred_username": "root@corp.example"});
    assert_eq!(user(&unmarked, odd).await, "user-invalid");
    let denied = json!({"email_verified": false, "preferred_username": "root@corp.example"});
    assert_eq!(user(&unmarked, denied).await, "email-unverified");
    assert_eq!(user(&unmarked, json!({})).await, "user-missing");
}
