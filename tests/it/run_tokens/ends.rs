//! Run tokens that end before their time.

use super::{is_refused, made, search};
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::{Person, PersonGroups, Token};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

const CURRENT: &str = "/-/api/tokens/current";

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gives_its_token_back() {
    let stage = Stage::new().await;
    let (token, other) = (made(&stage, "grace").await, made(&stage, "grace").await);
    let at = stage.postern.at(CURRENT);
    let mut program = Visitor::program().bearer(&token);
    let given = program.call("DELETE", &at, &Value::Null).await.checked();
    assert_eq!((given.status.as_u16(), given.body.as_str()), (204, ""));
    is_refused(&search(&stage, &token).await, "token-revoked", &token);
    assert_eq!(search(&stage, &other).await.status, 200, "that one alone");
    let again = program.call("DELETE", &at, &Value::Null).await.checked();
    assert_eq!((again.status.as_u16(), again.reason().as_str()), (401, "token-revoked"));
    for mut visitor in [Visitor::program(), stage.program("grace"), stage.person("grace").await] {
        let answer = visitor.call("DELETE", &at, &Value::Null).await.checked();
        assert_eq!(answer.status, 401, "only the token itself: {}", answer.body);
        assert!(answer.body.contains("A run token is needed"), "{}", answer.body);
    }
    let got = program.get(&at).await.checked();
    assert_eq!((got.status.as_u16(), got.header("allow")), (405, "DELETE"));
    let records = stage.postern.audit_at_rest();
    let revoked: Vec<_> = records.iter().filter(|record| record["outcome"] == "revoked").collect();
    assert_eq!((revoked.len(), &revoked[0]["event"]), (1, &json!("token")), "{records:#?}");
    assert_eq!(revoked[0]["user"], "grace@corp.example");
    assert_eq!(revoked[0]["token_id"].as_str().map(str::len), Some(22));
}

async fn tell(stage: &Stage, person: &str) {
    let token = Token::new(stage.sandbox.logout_claims(person)).header("typ", "logout+jwt");
    let token = stage.sandbox.token(&token).unwrap();
    let form = Serializer::new(String::new()).append_pair("logout_token", &token).finish();
    let at = stage.postern.at("/-/backchannel-logout");
    assert_eq!(Visitor::program().post(&at, &form).await.checked().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_ends_the_tokens_of_a_person() {
    let stage = Stage::new().await;
    let (grace, ada) = (made(&stage, "grace").await, made(&stage, "ada").await);
    tell(&stage, "grace").await;
    is_refused(&search(&stage, &grace).await, "token-revoked", &grace);
    assert_eq!(search(&stage, &ada).await.status, 200, "nobody else's");
    let later = made(&stage, "grace").await;
    assert_eq!(search(&stage, &later).await.status, 200, "a new one counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_use_is_judged_by_the_rules_in_force() {
    let stage = Stage::new().await;
    let (grace, ada) = (made(&stage, "grace").await, made(&stage, "ada").await);
    let config = stage.folder.path().join("postern.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let reload = async |text: &str| {
        std::fs::write(&config, text).unwrap();
        stage.hang_up("applied").await;
    };
    let tests = text.find("\ntests:").unwrap();
    let (rules, tests) = text.split_at(tests);
    reload(&format!(
        "{rules}\ndeny: [{{name: away, when: \"user == 'grace@corp.example'\", remedy: Ask Ada.}}]\n{tests}"
    ))
    .await;
    let denied = search(&stage, &grace).await;
    assert_eq!((denied.status.as_u16(), denied.reason().as_str()), (403, "rule-denied"));
    assert!(denied.json()["message"].as_str().unwrap().contains("Ask Ada."));
    let records = stage.postern.audit(5);
    let of = |event: &str| records.iter().find(|record| record["event"] == event).unwrap();
    assert_eq!(of("deny")["user"], "grace@corp.example");
    assert!(of("token")["token_id"].is_string());
    assert_eq!(of("deny")["token_id"], of("token")["token_id"], "the token that was refused");
    assert_eq!(search(&stage, &ada).await.status, 200);
    // What the rules give less of, the token gives less of.
    reload(&text.replace("access: write", "access: read")).await;
    let refused = super::create(&stage, &ada).await;
    assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (403, "access-too-low"));
    // A lifetime that is shortened counts for tokens that were made before.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    reload(&format!("{text}\ntokens: {{lifetime: 1s}}\n")).await;
    is_refused(&search(&stage, &grace).await, "token-expired", &grace);
    reload(&text).await;
    assert_eq!(search(&stage, &grace).await.status, 200);
}

/// Rules may read the address: it is the one of the use, not of the making.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_that_of_the_use() {
    let stage = Stage::with(postern::sandbox::SandboxOptions::default(), |text| {
        text.replace("  direct_clients: true\n", "")
            .replace("admin: {", "trusted_proxies: [127.0.0.1/32]\nadmin: {")
            .replace(
                "      - {name: contractors, allow: \"'contractors' in groups\", access: read}",
                "      - {name: away, deny: \"!in_cidr(client_ip, '10.20.0.0/16')\"}",
            )
            .replace("    client_ip: 127.0.0.1\n", "    client_ip: 10.20.0.1\n")
            .replace("expect: {deny: rule-denied, rule: vpn}", "expect: {rule: everyone}")
            .replace("expect: {deny: no-rule}", "expect: {deny: rule-error}")
    })
    .await;
    let mut inside = stage.program("grace").with("x-forwarded-for", "10.20.0.7");
    let at = stage.postern.at(super::MAKE);
    let told = inside.call("POST", &at, &json!({"destination": "experiments"})).await.checked();
    assert_eq!(told.status, 201, "{}", told.body);
    let token = told.json()["token"].as_str().unwrap().to_owned();
    for (address, status) in [("10.20.3.4", 200), ("192.0.2.1", 403)] {
        let mut program = Visitor::program().bearer(&token).with("x-forwarded-for", address);
        let at = stage.postern.at("/experiments/version");
        assert_eq!(program.get(&at).await.checked().status, status, "{address}");
    }
}

/// A session that keeps only the groups that the rules read gives its tokens no more knowledge than it has.
#[tokio::test(flavor = "multi_thread")]
async fn rules_that_read_another_group_refuse_a_token_that_does_not_tell_it() {
    let stage = Stage::new().await;
    let person = stage.sandbox.people().into_iter().find(|person| person.id == "grace").unwrap();
    let guids = (0..499_u32).map(|n| format!("{n:08x}-77aa-4bbb-8ccc-{n:012x}"));
    let groups = PersonGroups::Listed(guids.chain(["ml-users".to_owned()]).collect());
    stage.sandbox.put_person(Person { groups, ..person });
    let mut grace = stage.person("grace").await;
    let token = super::page::make(&stage, &mut grace, "nightly").await;
    assert_eq!(search(&stage, &token).await.status, 200);
    let config = stage.folder.path().join("postern.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let (rules, tests) = text.split_at(text.find("\ntests:").unwrap());
    let deny = "\ndeny: [{name: away, when: \"'00000007-77aa-4bbb-8ccc-000000000007' in groups\"}]\n";
    std::fs::write(&config, format!("{rules}{deny}{tests}")).unwrap();
    stage.hang_up("applied").await;
    is_refused(&search(&stage, &token).await, "token-asks-for-more", &token);
}
