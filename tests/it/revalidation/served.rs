//! The same with the real binary, and people of very many groups.

use crate::support::postern::Postern;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::{Person, PersonGroups, SandboxOptions};
use postern::sessions::seal::generate_key;
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(1);

async fn stage() -> Stage {
    let change =
        |text: String| text.replace("session_key: true, revalidate: 1m", "session_key: true, revalidate: 1s");
    Stage::with(SandboxOptions::default(), change).await
}

fn in_groups(stage: &Stage, id: &str, groups: Vec<String>) {
    let person = stage.sandbox.people().into_iter().find(|person| person.id == id).unwrap();
    stage.sandbox.put_person(Person { groups: PersonGroups::Listed(groups), ..person });
}

fn very_many() -> Vec<String> {
    let guids = (0..499_u32).map(|n| format!("{n:08x}-77aa-4bbb-8ccc-{n:012x}"));
    guids.chain(["ml-users".to_owned()]).collect()
}

async fn who_am_i(stage: &Stage, visitor: &mut Visitor) -> Value {
    let mut program = visitor.clone().with("accept", "application/json");
    let answer = program.get(&stage.postern.at("/-/whoami")).await.checked();
    assert_eq!(answer.status, 200, "{}", answer.body);
    *visitor = program.with("accept", "text/html");
    answer.json()
}

#[tokio::test]
async fn a_person_in_five_hundred_groups_signs_in_and_opens() {
    let stage = stage().await;
    in_groups(&stage, "grace", very_many());
    let mut grace = stage.person("grace").await;
    let told = who_am_i(&stage, &mut grace).await;
    assert_eq!((&told["groups"], &told["groups_total"]), (&json!(["ml-users"]), &json!(500)));
    let opened = grace.get(&stage.postern.at("/experiments")).await.checked();
    assert_eq!((opened.status.as_u16(), stage.mints().len()), (302, 1), "{}", opened.body);
    let page = grace.get(&stage.postern.at("/-/whoami")).await.checked();
    assert!(page.body.contains("of 500 groups"), "{}", page.body);
    let cookies = grace.cookies(&stage.postern.url);
    let header: usize = cookies.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
    assert!(header < 4096, "{header}");
}

#[tokio::test]
async fn a_lost_group_and_a_leaver_lose_access() {
    let stage = stage().await;
    let mut grace = stage.person("grace").await;
    in_groups(&stage, "grace", vec!["ml-risk".to_owned()]);
    tokio::time::sleep(2 * INTERVAL).await;
    assert_eq!(who_am_i(&stage, &mut grace).await["groups"], json!(["ml-risk"]));
    let refused = grace.get(&stage.postern.at("/tracking")).await.checked();
    assert_eq!(refused.status, 403, "{}", refused.body);
    stage.sandbox.remove_person("grace");
    tokio::time::sleep(2 * INTERVAL).await;
    let sent = grace.get(&stage.postern.at("/tracking")).await.checked();
    assert_eq!(sent.next().and_then(|next| next.port()), stage.sandbox.issuer().port(), "{}", sent.body);
    let withdrawn = stage.postern.audit(4).into_iter().find(|record| record["event"] == "withdraw");
    let withdrawn = withdrawn.expect("a record");
    assert_eq!(
        (&withdrawn["user"], &withdrawn["reason"]),
        (&json!("grace@corp.example"), &json!("token-refused"))
    );
    assert!(stage.mints().is_empty());
}

/// The gateway again, at the same place, with another configuration.
fn replaced(stage: Stage, change: impl Fn(String) -> String) -> Stage {
    let config = stage.folder.path().join("postern.yaml");
    let text = change(std::fs::read_to_string(&config).unwrap());
    std::fs::write(&config, text).unwrap();
    let Stage { sandbox, mut postern, folder } = stage;
    let url = postern.url.clone();
    postern.signal("TERM");
    postern.wait();
    let key = sandbox.credentials();
    let environment = [
        ("AWS_ACCESS_KEY_ID", key.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", key.secret_access_key.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let postern = Postern::serve(&config, url, &environment).expect("the port is free again");
    Stage { sandbox, postern, folder }
}

#[tokio::test]
async fn rules_that_ask_for_more_than_a_fresh_session_has_end_on_a_page() {
    let mut key = tempfile::NamedTempFile::new().unwrap();
    key.write_all(generate_key().as_bytes()).unwrap();
    let session = format!("session: {{keys: [{{file: {:?}}}]}}", key.path());
    let ephemeral = "session: {insecure_ephemeral_session_key: true, revalidate: 1m}";
    let stage = Stage::with(SandboxOptions::default(), |text| text.replace(ephemeral, &session)).await;
    in_groups(&stage, "grace", very_many());
    let grace = stage.person("grace").await;
    let stage =
        replaced(stage, |text| text.replace("'ml-risk' in groups", "'ml-risk' in groups || 'new' in groups"));
    let mut grace = grace.reconnected();
    let refused = grace.get(&stage.postern.at("/experiments")).await.checked();
    assert_eq!((refused.status.as_u16(), refused.next()), (503, None), "no redirect: {}", refused.body);
    assert!(refused.body.contains("The rules here are being changed"), "{}", refused.body);
    let mut program = grace.clone().with("accept", "application/json");
    let refused = program.get(&stage.postern.at("/-/whoami")).await.checked();
    assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (503, "rules-differ"));
    let arrived = stage.sign_in(&mut grace, "grace", "/-/login?return_to=/-/whoami").await;
    assert_eq!(arrived.status, 200, "a new sign-in answers the new rules: {}", arrived.body);
}
