//! Terminals whose person, session or time ends.

use super::{Account, text};
use crate::run_tokens::page::{hidden, send};
use crate::support::stage::Stage;
use postern::sandbox::{Person, PersonGroups, SandboxOptions};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SESSION: &str = "session: {insecure_ephemeral_session_key: true, revalidate: 1m}";

async fn stage(session: &str) -> Stage {
    Stage::with(SandboxOptions::default(), |text| text.replace(SESSION, session)).await
}

fn refusal(account: &Account) -> String {
    let answer = account.run(&["token", "experiments"]);
    assert!(!answer.status.success(), "a token was made: {}", text(&answer.stdout));
    text(&answer.stderr)
}

/// The provider is asked about the session in which the terminal was allowed, although no browser uses it.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_makes_no_tokens_for_whom_the_provider_does_not_confirm() {
    let stage = stage("session: {insecure_ephemeral_session_key: true, revalidate: 1s}").await;
    let account = Account::new();
    let mut grace = stage.person("grace").await;
    account.signed_in(&stage, &mut grace).await;
    assert!(account.run(&["token", "experiments"]).status.success());
    let person = stage.sandbox.people().into_iter().find(|person| person.id == "grace").unwrap();
    let groups = PersonGroups::Listed(vec!["ml-visitors".to_owned()]);
    stage.sandbox.put_person(Person { groups, ..person });
    tokio::time::sleep(Duration::from_secs(3)).await;
    let said = refusal(&account);
    assert!(said.contains("no-rule") || said.contains("may not"), "{said}");
    stage.sandbox.remove_person("grace");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let said = refusal(&account);
    assert!(said.contains("token-unconfirmed") || said.contains("postern login"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortened_lifetime_of_sessions_reaches_terminals() {
    let (stage, account) = (Stage::new().await, Account::new());
    let mut grace = stage.person("grace").await;
    account.signed_in(&stage, &mut grace).await;
    assert!(account.run(&["token", "experiments"]).status.success());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let config = stage.folder.path().join("postern.yaml");
    let shortened = "session: {insecure_ephemeral_session_key: true, lifetime: 1s, idle: 1s}";
    let changed = std::fs::read_to_string(&config).unwrap().replace(SESSION, shortened);
    std::fs::write(&config, changed).unwrap();
    stage.hang_up("applied").await;
    refusal(&account);
}

/// A request that began before the person took everything back makes no token after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_request_does_not_outlast_take_all_back() {
    let (stage, account) = (Stage::new().await, Account::new());
    let mut grace = stage.person("grace").await;
    account.signed_in(&stage, &mut grace).await;
    let kept = std::fs::read_to_string(account.kept()).unwrap();
    let start = kept.find("postern_terminal_").unwrap();
    let token = kept[start..].split('"').next().unwrap();
    let address = format!("127.0.0.1:{}", stage.postern.url.port().unwrap());
    let mut slow = TcpStream::connect(address).await.unwrap();
    let body = "{\"destination\":\"experiments\"}";
    let head = format!(
        "POST /-/api/tokens HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        &stage.postern.url[url::Position::BeforeHost..url::Position::AfterPort],
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(&body.as_bytes()[..5]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let page = grace.get(&stage.postern.at("/-/tokens")).await.checked();
    let form = hidden(&page.body, "form");
    let taken = send(&stage, &mut grace, &[("form", &*form), ("do", "take-back-all")]).await;
    assert_eq!(taken.status, 303, "{}", taken.body);
    slow.write_all(&body.as_bytes()[5..]).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("token-revoked"), "{answer}");
}
